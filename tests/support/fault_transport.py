"""Failures below HTTP in front of another transport: what a network does that no ASGI app can.

tests/test_fault_transport.py holds each failure against real sockets: the same exceptions come out of both.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Final, Literal, TypeAlias, get_args

import httpx

Failure: TypeAlias = Literal[
    "timeout before headers",
    "timeout after headers",
    "reset",
    "half body",
    "slow drip",
    "dns",
    "refused",
    "tls",
]
FAILURES: Final[tuple[Failure, ...]] = get_args(Failure)
NEVER_SENT: Final[frozenset[Failure]] = frozenset({"dns", "refused", "tls"})
"""Failures of the connection's set-up: no byte of the request leaves."""

Spoil: TypeAlias = Callable[[httpx.Request], httpx.Response]

DRIP_PIECES: Final = 30
DRIP_PAUSE_S: Final = 1.0


class FaultTransport(httpx.AsyncBaseTransport):
    """Fails the first `times` requests (None: all) in one way and passes the others on.

    `fault` is a failure below HTTP, a function that makes the answer in the server's place, or None. Timeouts come
    when the client's own read timeout has passed. `attempts` counts what came here; `cancelled` what was given up
    while it waited here.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        fault: Failure | Spoil | None = None,
        times: int | None = None,
        *,
        drip_pieces: int = DRIP_PIECES,
        drip_pause_s: float = DRIP_PAUSE_S,
    ) -> None:
        self._inner = inner
        self._fault = fault
        self._left = times
        self._drip = drip_pieces, drip_pause_s
        self.attempts = 0
        self.cancelled = 0

    def set_fault(self, fault: Failure | Spoil | None, times: int | None = None) -> None:
        """Replace the fault from the next request on and count attempts anew."""
        self._fault, self._left, self.attempts = fault, times, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.attempts += 1
        try:
            return await self._answer(request)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if self._fault is None or self._left == 0:
            return await self._inner.handle_async_request(request)
        if self._left is not None:
            self._left -= 1
        if callable(self._fault):
            return await _Made(self._fault).handle_async_request(request)
        if self._fault in NEVER_SENT:
            raise _failed_connect(self._fault)
        read_timeout_s = float(request.extensions["timeout"]["read"])
        if self._fault == "timeout before headers":
            await asyncio.sleep(read_timeout_s)
            raise httpx.ReadTimeout("")
        if self._fault == "reset":
            raise httpx.ReadError("")
        response = await self._inner.handle_async_request(request)
        body = await response.aread()
        pieces, pause_s = self._drip
        stream = {
            "timeout after headers": lambda: _silence(read_timeout_s),
            "half body": lambda: _half(body),
            "slow drip": lambda: _dripping(body, pieces, pause_s),
        }[self._fault]()
        headers = {**response.headers, "content-length": str(len(body))}
        return httpx.Response(response.status_code, headers=headers, stream=_Stream(stream))

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Made(httpx.AsyncBaseTransport):
    """Answers made in the server's place, with a body that is still to be read, as one from the network is."""

    def __init__(self, make: Spoil) -> None:
        self._make = make

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        made = self._make(request)
        return httpx.Response(made.status_code, headers=made.headers, stream=_Stream(_dripping(made.content, 1, 0)))


class _Stream(httpx.AsyncByteStream):
    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            yield piece


async def _silence(read_timeout_s: float) -> AsyncIterator[bytes]:
    await asyncio.sleep(read_timeout_s)
    raise httpx.ReadTimeout("")
    yield b""


async def _half(body: bytes) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


async def _dripping(body: bytes, pieces: int, pause_s: float) -> AsyncIterator[bytes]:
    size = max(1, -(-len(body) // pieces))
    for start in range(0, len(body), size):
        if pause_s:
            await asyncio.sleep(pause_s)
        yield body[start : start + size]


def _failed_connect(failure: Failure) -> httpx.ConnectError:
    error = httpx.ConnectError("")
    error.__cause__ = {
        "dns": socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        "refused": ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        "tls": ssl.SSLError(1, "record layer failure"),
    }[failure]
    return error
