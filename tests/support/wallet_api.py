"""A client of the wallet API on the stand-in or on scripted answers, all on the event loop's time."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
from pydantic import SecretStr

from wallet_mcp.sandbox.app import SANDBOX_API_KEY, SANDBOX_SECRET_KEY, Sandbox
from wallet_mcp.wallet_api.endpoints import ApiConfig, Lifetimes, WalletApi
from wallet_mcp.wallet_api.signing import HmacSigner

BASE_URL = "https://wallet.invalid/build"
START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC).timestamp()
START_MS = int(START) * 1000
VECTORS = json.loads((Path(__file__).parents[1] / "data" / "signing-vectors.json").read_text())
"""Signatures made with the official connector's code."""


def wall_clock() -> float:
    """Unix seconds that move with the event loop."""
    return START + loop_time() - 1000


def loop_time() -> float:
    """Seconds of the running loop; virtual time starts at 1000."""
    return asyncio.get_running_loop().time()


def within(seconds: float) -> float:
    """A deadline so many seconds from now."""
    return loop_time() + seconds


class AtOnce(random.Random):
    """Draws no backoff at all."""

    def uniform(self, a: float, b: float) -> float:
        return a


def make_config(
    *,
    api_key: str = SANDBOX_API_KEY,
    secret: str = SANDBOX_SECRET_KEY,
    base_url: str = BASE_URL,
    lifetimes: Lifetimes | None = None,
    max_stale_s: float = 600,
    cache_bytes: int = 1024 * 1024,
) -> ApiConfig:
    """Settings of a client that signs with the sandbox's HMAC key."""
    return ApiConfig(
        SecretStr(api_key),
        HmacSigner(SecretStr(secret)),
        base_url=base_url,
        lifetimes=lifetimes or Lifetimes(),
        max_stale_s=max_stale_s,
        cache_bytes=cache_bytes,
    )


def make_api(
    counterpart: Sandbox | httpx.AsyncBaseTransport,
    config: ApiConfig | None = None,
    *,
    wall: Callable[[], float] = wall_clock,
    seed: int = 0,
) -> WalletApi:
    """A client of a sandbox or of a transport, with a seeded jitter."""
    transport = counterpart if isinstance(counterpart, httpx.AsyncBaseTransport) else asgi(counterpart)
    return WalletApi(config or make_config(), transport=transport, wall=wall, rng=random.Random(seed))


def asgi(sandbox: Sandbox) -> httpx.ASGITransport:
    """The sandbox as the transport of a client."""
    return httpx.ASGITransport(app=sandbox)


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer: after `delay_s` either `raises` or a response."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    raises: Exception | None = None


def success(data: object = (), **headers: str) -> Reply:
    """A success envelope around `data`; header names are written with underscores."""
    body = {"code": 0, "msg": "success", "data": data, "timestamp": START_MS, "success": True}
    return Reply(json.dumps(body).encode(), headers=_named(headers))


def refusal(
    code: int | str, message: str = "", *, status: int = 200, timestamp: object = None, **headers: str
) -> Reply:
    """An error envelope."""
    body = {"code": code, "msg": message, "data": None, "timestamp": timestamp}
    return Reply(json.dumps(body).encode(), status, _named(headers))


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class Scripted(httpx.AsyncBaseTransport):
    """Gives its replies in order and the last one for ever; keeps the requests and their loop times."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []
        self.cancelled = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        self.requests.append(request)
        self.times.append(loop_time())
        try:
            await asyncio.sleep(reply.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if reply.raises is not None:
            raise reply.raises
        return httpx.Response(reply.status, headers=dict(reply.headers), stream=httpx.ByteStream(reply.body))


class Jittery(httpx.AsyncBaseTransport):
    """A way of random length to another transport: up to `out_s` seconds there and up to `back_s` seconds back."""

    def __init__(self, inner: httpx.AsyncBaseTransport, out_s: float, back_s: float, seed: int = 0) -> None:
        self._inner = inner
        self._out_s = out_s
        self._back_s = back_s
        self._rng = random.Random(seed)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self._rng.uniform(0, self._out_s))
        response = await self._inner.handle_async_request(request)
        await asyncio.sleep(self._rng.uniform(0, self._back_s))
        return response
