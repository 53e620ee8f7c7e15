"""The sandbox as an ASGI app: a request passes the gateway, is answered, and the answer spoiled where asked."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

from wallet_mcp.sandbox import faults, replies
from wallet_mcp.sandbox.endpoints import Endpoints
from wallet_mcp.sandbox.faults import Delivery, Fault, FaultPlan
from wallet_mcp.sandbox.gateway import Gateway, Incoming
from wallet_mcp.sandbox.keys import (
    SANDBOX_API_KEY,
    SANDBOX_ED25519_API_KEY,
    SANDBOX_ED25519_PRIVATE_KEY,
    SANDBOX_SECRET_KEY,
    KeyRecord,
    key_ring,
)
from wallet_mcp.sandbox.replies import Moment, Reply
from wallet_mcp.sandbox.world import World

__all__ = [
    "SANDBOX_API_KEY",
    "SANDBOX_ED25519_API_KEY",
    "SANDBOX_ED25519_PRIVATE_KEY",
    "SANDBOX_SECRET_KEY",
    "Fault",
    "KeyRecord",
    "Sandbox",
    "SandboxOptions",
    "SeenRequest",
]

# The types of the ASGI specification, which gives messages no closer type.
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

MAX_TARGET_BYTES: Final = 4_096
MAX_BODY_BYTES: Final = 1024 * 1024
MAX_SEEN: Final = 20_000
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """How the sandbox behaves. Raises ValueError for a rate below 1 or a negative delay or jitter.

    `rate`: requests in any sliding second per key. `delay_ms`, `jitter_ms`: added to every answer, the second as
    random extra. `clock_offset_s`: the server's clock less the wall clock. `native_blank`: whether the POST takes a
    blank contract for the native coin (contract §3.3 conflict). `amount_unit`: unit of amounts in history and
    detail. `limit_header`: value of `x-oc-ratelimit-limit`, None for the rate. `keys`: records beside the built-in.
    """

    rate: int = 5
    faults: tuple[Fault, ...] = ()
    delay_ms: int = 0
    jitter_ms: int = 0
    clock_offset_s: float = 0.0
    native_blank: Literal["accept", "refuse"] = "accept"
    amount_unit: Literal["base", "scaled"] = "base"
    limit_header: int | None = None
    seed: int = 0
    keys: tuple[KeyRecord, ...] = ()

    def __post_init__(self) -> None:
        if self.rate < 1:
            raise ValueError("the rate must be at least 1 request per second")
        if self.delay_ms < 0 or self.jitter_ms < 0:
            raise ValueError("delay and jitter must not be negative")
        if not math.isfinite(self.clock_offset_s):
            raise ValueError("the clock offset must be a finite number of seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """One line of the request log: what came, and the status and code it was answered with.

    `at` is event-loop time when the request was read whole. `query` is raw, without `?`. `nonce`, `timestamp` and
    `signature` are the headers ("" where absent). `code` is None where the answer has no envelope. `fault` is the
    kind that struck; for `hang` status and code are those of the answer which was never sent.
    """

    at: float
    api_key: str
    method: str
    path: str
    query: str
    body: bytes
    status: int
    code: int | str | None
    nonce: str
    timestamp: str
    signature: str
    fault: str | None = None


_DEFAULTS: Final = SandboxOptions()


class Sandbox:
    """The stand-in, an ASGI app that serves `/build/api/v1/dex/...` and nothing else of use.

    `requests` logs the last 20,000 requests; `world` is what it answers from; `wallets` maps labels to addresses.
    Whatever waits, the rate window included, reads the time of the running event loop; `wall_clock` gives seconds
    since 1970, to which the clock offset is added. It sends its own `Date`, so a server in front must not add one
    (uvicorn: `date_header=False`).
    """

    def __init__(self, options: SandboxOptions = _DEFAULTS, *, wall_clock: Callable[[], float] = time.time) -> None:
        self.options = options
        self._wall_clock = wall_clock
        self.world = World(self._now().ms)
        self.requests: deque[SeenRequest] = deque(maxlen=MAX_SEEN)
        self._gateway = Gateway(key_ring(options.keys), rate=options.rate, limit_header=options.limit_header)
        self._endpoints = Endpoints(self.world, native_blank=options.native_blank, amount_unit=options.amount_unit)
        self._plan = FaultPlan(options.faults, options.seed)
        self._jitter = random.Random(options.seed)
        self._served = 0
        self._marks = (
            ("x-wallet-mcp-sandbox", "1"),
            ("x-wallet-mcp-sandbox-wallets", ",".join(f"{k}={v}" for k, v in self.wallets.items())),
        )

    @property
    def wallets(self) -> Mapping[str, str]:
        """Label -> address of the wallets worth asking about."""
        return self.world.wallets

    def set_faults(self, faults_: Iterable[Fault], seed: int | None = None) -> None:
        """Replace the faults from the next request on; the seed of the options is used again unless one is given."""
        self._plan = FaultPlan(faults_, self.options.seed if seed is None else seed)

    def _now(self) -> Moment:
        return Moment(round((self._wall_clock() + self.options.clock_offset_s) * 1_000_000_000))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; a websocket is closed, for the API has none here."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        if body is None:
            return
        raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        request = Incoming(scope["method"], raw_path, scope["query_string"], headers, body)
        at = asyncio.get_running_loop().time()
        now = self._now()
        delivery, extra, fault = self._answer(request, now, round(at * 1_000_000_000))
        self.requests.append(
            SeenRequest(
                at=at,
                api_key=headers.get("x-oc-apikey", ""),
                method=request.method,
                path=raw_path.decode("latin-1"),
                query=request.query.decode("latin-1"),
                body=body,
                status=delivery.reply.status,
                code=delivery.reply.code,
                nonce=headers.get("x-oc-nonce", ""),
                timestamp=headers.get("x-oc-timestamp", ""),
                signature=headers.get("x-oc-sign", ""),
                fault=None if fault is None else fault.kind,
            )
        )
        wait_s = delivery.wait_s + self.options.delay_ms / 1000
        if self.options.jitter_ms:
            wait_s += self._jitter.uniform(0, self.options.jitter_ms) / 1000
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        await _send(delivery, (("date", self._now().http_date), *extra, *self._marks), receive, send)

    def _answer(
        self, request: Incoming, now: Moment, loop_ns: int
    ) -> tuple[Delivery, tuple[tuple[str, str], ...], Fault | None]:
        """What is sent, the gateway's headers, and the fault that struck."""
        path = request.path.decode("latin-1")
        if len(request.target) > MAX_TARGET_BYTES:
            return Delivery(replies.url_too_long()), (), None
        if not path.startswith("/build/"):
            edge = replies.web_page() if path == "/en" else replies.redirect_to_web()
            return Delivery(edge), (), None
        self._served += 1
        trace = hashlib.blake2b(f"{self.options.seed}/{self._served}".encode(), digest_size=16).hexdigest()
        struck: Fault | None = None

        def clock_fault() -> Reply | None:
            nonlocal struck
            struck = self._plan.draw(path, clock=True)
            return None if struck is None else faults.clock_refusal(struck, now)

        verdict = self._gateway.check(request, now, loop_ns, clock_fault)
        extra = (("x-oc-trace-id", trace), ("x-oc-server-time", str(now.ms)), *verdict.headers)
        if verdict.refusal is not None:
            return Delivery(verdict.refusal, wait_s=0.0 if struck is None else struck.delay_s), extra, struck

        def honest() -> Reply:
            return self._endpoints.answer(request, now, loop_ns)

        struck = self._plan.draw(path, clock=False)
        if struck is None:
            return Delivery(honest()), extra, None
        return faults.strike(struck, honest, now, request.method, path), extra, struck


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read_body(receive: Receive) -> bytes | None:
    """The request's body, at most 1 MiB of it; None when the client left before its end."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece = message.get("body", b"")
        if size < MAX_BODY_BYTES:
            # What is longer is cut, so its signature fails: memory stays bounded without another kind of answer.
            pieces.append(piece[: MAX_BODY_BYTES - size])
            size += len(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


async def _send(delivery: Delivery, headers: tuple[tuple[str, str], ...], receive: Receive, send: Send) -> None:
    reply = delivery.reply
    if delivery.manner == "hang":
        await _client_leaves(receive)
        return
    fields = [*headers, *reply.headers]
    if reply.content_type is not None:
        fields.append(("content-type", reply.content_type))
    if delivery.manner != "unsized":
        fields.append(("content-length", str(len(reply.body))))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    if delivery.manner == "hang_body":
        # The empty piece makes servers put the headers on the wire now.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await _client_leaves(receive)
        return
    body = reply.body[: len(reply.body) // 2] if delivery.manner == "half" else reply.body
    size = max(1, -(-len(body) // faults.DRIP_PIECES)) if delivery.manner == "drip" else _CHUNK
    for start in range(0, len(body), size):
        if delivery.pause_s:
            await asyncio.sleep(delivery.pause_s)
        await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
