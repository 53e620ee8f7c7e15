"""What breaks inside TLS, on loopback: a reset is a broken connection there as well, a bad certificate is not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.tls import serving_context, trusting_context
from tests.support.wallet_api import AtOnce, make_config
from wallet_mcp.wallet_api.endpoints import WalletApi
from wallet_mcp.wallet_api.errors import ApiError

pytestmark = pytest.mark.anyio

Break = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _reset(writer: asyncio.StreamWriter) -> None:
    # Without lingering a close becomes a reset.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def reset_after_the_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    _reset(writer)


async def reset_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"code":0,')
    await writer.drain()
    _reset(writer)


async def closed_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"code":0,')
    await writer.drain()


async def closed_after_the_request(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def reset_in_the_handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    _reset(writer)


async def closed_in_the_handshake(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(4096)


@asynccontextmanager
async def serving(broken: Break, context: ssl.SSLContext | None) -> AsyncIterator[tuple[str, list[Break]]]:
    """A base URL of a server that ends each connection so, and one entry for each connection."""
    connections: list[Break] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(broken)
        try:
            await broken(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/build", connections
    finally:
        server.close()
        await server.wait_closed()


async def failure(base_url: str, transport: httpx.AsyncBaseTransport | None) -> ApiError:
    api = WalletApi(make_config(base_url=base_url), transport=transport, rng=AtOnce())
    try:
        with pytest.raises(ApiError) as raised:
            await api.supported_chains(deadline=asyncio.get_running_loop().time() + 20)
    finally:
        await api.close()
    return raised.value


@pytest.mark.parametrize(
    "broken",
    [
        reset_after_the_request,
        reset_in_the_body,
        closed_after_the_request,
        closed_in_the_body,
        reset_in_the_handshake,
        closed_in_the_handshake,
    ],
)
async def test_a_break_inside_tls_is_a_broken_connection_and_tried_again(broken: Break, tmp_path: Path) -> None:
    context = serving_context(tmp_path)
    trusting = httpx.AsyncHTTPTransport(verify=trusting_context(tmp_path))
    in_handshake = broken in (reset_in_the_handshake, closed_in_the_handshake)
    async with serving(broken, None if in_handshake else context) as (base_url, connections):
        error = await failure(base_url, trusting)
        assert (error.code, error.attempts, len(connections)) == ("connection", 4, 4)


async def test_a_certificate_that_nobody_vouches_for_is_not_tried_again(tmp_path: Path) -> None:
    context = serving_context(tmp_path)
    async with serving(closed_after_the_request, context) as (base_url, _connections):
        error = await failure(base_url, None)
        assert (error.code, error.attempts) == ("tls", 1)
