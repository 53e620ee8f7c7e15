"""What only real sockets show, on loopback: breaks below HTTP, bounds on what is read, fresh connections."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.support.wallet_api import AtOnce, make_config
from wallet_mcp.wallet_api.endpoints import WalletApi
from wallet_mcp.wallet_api.errors import ApiError, Code
from wallet_mcp.wallet_api.transport import MAX_BODY, Transport

pytestmark = pytest.mark.anyio

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
ENVELOPE = b'{"code":0,"msg":"success","data":[],"timestamp":1790000000000,"success":true}'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """A loopback server that gives every request the same answer and keeps the heads of the requests.

    One that greets sends its answer at once and understands nothing.
    """

    def __init__(self, answer: Answer, greets: bool) -> None:
        self._answer = answer
        self._greets = greets
        self.heads: list[bytes] = []
        self.connections = 0
        self.base_url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not self._greets:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                await self._answer(writer)
                await writer.drain()
            await self._answer(writer)
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: Answer, *, greets: bool = False) -> AsyncIterator[Server]:
    served = Server(answer, greets)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/build"
    try:
        yield served
    finally:
        server.close()
        await server.wait_closed()


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


async def whole(writer: asyncio.StreamWriter) -> None:
    writer.write(head(f"content-length: {len(ENVELOPE)}") + ENVELOPE)


async def reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    # Without lingering a close becomes a reset.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


async def half_body(writer: asyncio.StreamWriter) -> None:
    writer.write(head("content-length: 100") + b'{"code":0,"data":[')
    await writer.drain()
    writer.close()


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.invalid ESMTP\r\n\r\n")


async def redirect(writer: asyncio.StreamWriter) -> None:
    writer.write(head("content-length: 0", "location: https://portal.invalid/login?x=1", status="302 Found"))


async def announced_too_large(writer: asyncio.StreamWriter) -> None:
    writer.write(head(f"content-length: {MAX_BODY + 1}"))


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(head("connection: close"))
    while not writer.is_closing():
        writer.write(b"x" * 65536)
        await writer.drain()


async def gzip_bomb(writer: asyncio.StreamWriter) -> None:
    bomb = gzip.compress(b"\0" * (4 * MAX_BODY), 1)
    writer.write(head("content-encoding: gzip", f"content-length: {len(bomb)}") + bomb)


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(head("content-length: 1000"))
    for _ in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def send(base_url: str, timeout_s: float = 5.0) -> bytes:
    transport = Transport(base_url)
    try:
        return (await transport.send(transport.request("GET", "/x", (), None), httpx.Auth(), timeout_s)).received.body
    finally:
        await transport.close()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reset, "connection"),
        (half_body, "connection"),
        (no_http, "connection"),
        (announced_too_large, "too_large"),
        (endless, "too_large"),
        (gzip_bomb, "too_large"),
    ],
)
async def test_breaks_and_bounds(answer: Answer, code: Code) -> None:
    async with serving(answer) as server:
        with pytest.raises(ApiError) as raised:
            await send(server.base_url)
        assert raised.value.code == code


async def test_a_slow_drip_is_cut_off_by_the_attempts_own_time() -> None:
    async with serving(drip) as server:
        with pytest.raises(ApiError) as raised:
            await send(server.base_url, timeout_s=0.1)
        assert raised.value.code == "timeout"


async def test_nothing_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(ApiError) as raised:
            await send(f"http://127.0.0.1:{port}/build")
    assert raised.value.code == "refused"


async def test_plain_http_where_tls_is_expected() -> None:
    async with serving(no_http, greets=True) as server:
        with pytest.raises(ApiError) as raised:
            await send(server.base_url.replace("http:", "https:"))
        assert raised.value.code == "tls"


async def test_redirect_is_refused_and_names_its_host_only() -> None:
    async with serving(redirect) as server:
        api = WalletApi(make_config(base_url=server.base_url))
        with pytest.raises(ApiError) as raised:
            await api.supported_chains(deadline=asyncio.get_running_loop().time() + 5)
        await api.close()
        assert (raised.value.code, raised.value.received) == ("redirect", "HTTP 302 to https://portal.invalid")
        assert raised.value.attempts == len(server.heads) == 1


async def test_only_the_first_request_of_a_connection_is_on_a_fresh_one() -> None:
    async with serving(whole) as server:
        transport = Transport(server.base_url)
        fresh = [
            (await transport.send(transport.request("GET", "/x", (), None), httpx.Auth(), 5)).fresh_connection
            for _ in range(3)
        ]
        await transport.close()
        assert fresh == [True, False, False]
        assert server.connections == 1
        assert server.heads[0].startswith(b"GET /build/x HTTP/1.1\r\n")
        assert b"accept-encoding: identity\r\n" in server.heads[0].lower()


@pytest.mark.parametrize(
    ("status", "code", "attempts"),
    [
        ("407 Proxy Authentication Required", "proxy", 1),
        ("403 Forbidden", "proxy", 1),
        ("502 Bad Gateway", "connection", 4),
    ],
)
async def test_a_proxy_that_refuses_is_for_the_operator_and_one_that_fails_is_tried_again(
    status: str, code: Code, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(writer: asyncio.StreamWriter) -> None:
        writer.write(head("content-length: 0", status=status))

    async with serving(refuse) as proxy:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.base_url.removesuffix("/build"))
        api = WalletApi(make_config(base_url="https://api.invalid/build"), rng=AtOnce())
        with pytest.raises(ApiError) as raised:
            await api.supported_chains(deadline=asyncio.get_running_loop().time() + 20)
        await api.close()
    assert (raised.value.code, raised.value.attempts) == (code, attempts)
    assert all(line.startswith(b"CONNECT api.invalid:443 ") for line in proxy.heads), "nothing signed left"
    if code == "proxy":
        assert raised.value.received == f"the proxy answered HTTP {status[:3]}"
        assert not raised.value.sent
