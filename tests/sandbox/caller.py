"""A small ASGI client for the sandbox: signs by the contract's formula and keeps what came back, with times."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from wallet_mcp.sandbox.app import SANDBOX_API_KEY, SANDBOX_SECRET_KEY, Sandbox, SandboxOptions

DEX = "/build/api/v1/dex"
CHAINS_PATH = f"{DEX}/balance/supported/chain"
ALL_BALANCES = f"{DEX}/balance/all-token-balances-by-address"
TOKEN_BALANCES = f"{DEX}/balance/token-balances-by-address"
TRANSACTIONS = f"{DEX}/post-transaction/transactions-by-address"
DETAIL = f"{DEX}/post-transaction/transaction-detail-by-txhash"

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
"""The wall clock when virtual time stands at 1000 s, where it starts."""

Signer = Callable[[bytes], str]


def wall_clock() -> float:
    """Seconds since 1970 that move with the event loop."""
    return START.timestamp() + asyncio.get_running_loop().time() - 1000


def stamp(wall_s: float) -> str:
    """The timestamp header's form of a wall time."""
    moment = datetime.fromtimestamp(round(wall_s * 1000) // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{round(wall_s * 1000) % 1000:03d}Z"


def hmac_signer(secret: str) -> Signer:
    def sign(signed: bytes) -> str:
        return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()

    return sign


@dataclass(slots=True)
class Answer:
    """A response as it came: `pieces` are (loop time, bytes), `ended` whether the server finished it."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    ended: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def envelope(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """The data of a success; fails on anything else."""
        assert self.status == 200
        assert self.envelope["code"] == 0, self.envelope
        return self.envelope["data"]


async def raw_call(
    app: Sandbox,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    leaves_after: float | None = None,
) -> Answer:
    """One request over ASGI. `leaves_after`: seconds after which the client goes away."""
    path, _, query = target.partition("?")
    answer = Answer()
    parts = iter([body[: len(body) // 2], body[len(body) // 2 :]] if body else [b""])
    sent = 0

    async def receive() -> MutableMapping[str, Any]:
        nonlocal sent
        sent += 1
        if (part := next(parts, None)) is not None:
            return {"type": "http.request", "body": part, "more_body": bool(body) and sent == 1}
        if leaves_after is None:
            raise AssertionError("the sandbox waits for a client that never leaves")
        await asyncio.sleep(leaves_after)
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            if message["body"]:
                answer.pieces.append((asyncio.get_running_loop().time(), message["body"]))
            answer.ended = not message["more_body"]

    scope: MutableMapping[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    return answer


class Caller:
    """Calls a sandbox of its own with good signatures; keyword arguments are the sandbox's options."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("rate", 1000)
        self.app = Sandbox(SandboxOptions(**options), wall_clock=wall_clock)
        self.wallets = self.app.wallets
        self.world = self.app.world
        self._nonces = count(1)

    def headers(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        key: str = SANDBOX_API_KEY,
        sign: Signer | None = None,
        clock_s: float = 0.0,
        **changes: str | None,
    ) -> dict[str, str]:
        """Signed headers. `changes` overwrites or (None) removes some: `recv_window` stands for X-OC-RECV-WINDOW."""
        timestamp = stamp(wall_clock() + self.app.options.clock_offset_s + clock_s)
        signed = f"{timestamp}{method}{target}".encode() + (b"" if method in ("GET", "HEAD") else body)
        headers: dict[str, str | None] = {
            "X-OC-APIKEY": key,
            "X-OC-TIMESTAMP": timestamp,
            "X-OC-SIGN": (sign or hmac_signer(SANDBOX_SECRET_KEY))(signed),
            "X-OC-NONCE": f"nonce-{next(self._nonces)}",
            "Content-Type": "application/json",
        }
        names = {"recv_window": "X-OC-RECV-WINDOW", "content_type": "Content-Type"}
        headers |= {names.get(name, f"X-OC-{name.upper()}"): value for name, value in changes.items()}
        return {name: value for name, value in headers.items() if value is not None}

    async def call(
        self, method: str, target: str, body: bytes = b"", *, leaves_after: float | None = None, **signing: Any
    ) -> Answer:
        headers = self.headers(method, target, body, **signing)
        return await raw_call(self.app, method, target, headers, body, leaves_after=leaves_after)

    async def get(self, path: str, query: str = "", **signing: Any) -> Answer:
        return await self.call("GET", f"{path}?{query}" if query else path, **signing)

    async def post(self, body: object, **signing: Any) -> Answer:
        """The POST endpoint; `body` is bytes as they stand or a value to encode."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.call("POST", TOKEN_BALANCES, raw, **signing)
