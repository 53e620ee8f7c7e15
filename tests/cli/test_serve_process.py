"""The HTTP server as a process of its own: where it listens, whom it answers, how it ends with calls in flight."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal

import httpx
import pytest
from mcp import Client, MCPError

from tests.cli.process import PATIENCE_S, command, environment, pipe, started

A_SECOND_AND_LOAD_S = 1.5
"""It ends within a second; the machine of a test may be busy."""

posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
pytestmark = posix


@pytest.fixture
def anyio_backend() -> str:
    """Real time: the other end is a process."""
    return "asyncio"


@contextmanager
def serving(*words: str, **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`wallet-mcp serve --http` on a free port, and the URL that it announces."""
    with started("serve", "--http", "--port", "0", *words, settings=settings) as process:
        announced = pipe(process.stderr).readline().decode()
        assert announced.startswith("MCP over streamable HTTP at http://")
        yield process, announced.split()[-1]


@asynccontextmanager
async def silent_api() -> AsyncIterator[tuple[str, asyncio.Queue[None]]]:
    """An API that takes requests and never answers, and one entry for each that came."""
    asked: asyncio.Queue[None] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.put_nowait(None)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/build", asked


async def call(url: str, mode: Literal["auto", "legacy"], tool: str) -> str:
    """What a client of one era gets for a call."""
    try:
        async with Client(url, mode=mode) as client:
            await client.call_tool(tool, {})
    except* MCPError:
        told = "an error"
    else:
        told = "an answer"
    return told


@pytest.mark.anyio
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_status_0_also_with_requests_in_flight(number: signal.Signals) -> None:
    async with silent_api() as (base_url, asked):
        with serving(BASE_URL=base_url, API_KEY="key", SECRET_KEY="secret") as (process, url):
            headers = {"accept": "text/event-stream", "mcp-protocol-version": "2025-11-25"}
            async with (
                httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as web,
                web.stream("GET", url, headers=headers) as stream,
                asyncio.TaskGroup() as calls,
            ):
                assert stream.status_code == 200
                # Two tools that do not share a request, so that both calls are seen to be under way.
                told = [
                    calls.create_task(call(url, "auto", "wallet_list_chains")),
                    calls.create_task(call(url, "legacy", "wallet_check_setup")),
                ]
                for _ in told:
                    await asked.get()
                begun = time.monotonic()
                process.send_signal(number)
                status = await asyncio.to_thread(process.wait, PATIENCE_S)
                took_s = time.monotonic() - begun
                # A whole stream without an event: a broken one would raise.
                assert [line async for line in stream.aiter_lines() if line] == []
            assert (status, pipe(process.stderr).read()) == (0, b"")
            assert took_s < A_SECOND_AND_LOAD_S
            assert [task.result() for task in told] == ["an error"] * 2


@pytest.mark.anyio
async def test_a_request_without_an_answer_yet_gets_status_503() -> None:
    with serving("--sandbox") as (process, url):
        port = int(url.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}expect: 100-continue\r\ncontent-length: 9\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 100")
        process.send_signal(signal.SIGTERM)
        rest = await reader.read()
        assert b"HTTP/1.1 503" in rest
        writer.close()
        assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0
        assert pipe(process.stderr).read() == b""


def has(host: str) -> bool:
    """Whether this machine has an address."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
            tried.bind((host, 0))
    except OSError:
        return False
    return True


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("host", "bound"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        ("LocalHost", "127.0.0.1"),
        ("localhost.", "127.0.0.1"),
        ("::1", "[::1]"),
        ("[::1]", "[::1]"),
        ("0:0:0:0:0:0:0:1", "[::1]"),
    ],
)
async def test_the_address_that_it_announces_answers(host: str, bound: str) -> None:
    if not has(bound.strip("[]")):
        pytest.skip(f"this machine has no {bound}")
    with serving("--sandbox", "--host", host) as (_, url):
        assert url.startswith(f"http://{bound}:")
        async with Client(url) as client:
            assert (await client.list_tools()).tools
        async with httpx.AsyncClient(trust_env=False) as web:
            origin = url.removesuffix("/mcp")
            page = {"origin": "http://evil.example", "content-type": "application/json"}
            assert (await web.post(url, headers=page, content=b"{}")).status_code == 403
            assert (await web.post(url, headers=page | {"origin": origin}, content=b"{}")).status_code not in (
                403,
                421,
            )
            assert (await web.post(url, headers={**page, "host": "evil.example"}, content=b"{}")).status_code == 421


def test_an_address_that_is_taken_is_refused_with_status_2() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        other.listen()
        run = subprocess.run(
            command("serve", "--http", "--port", str(port), "--sandbox"),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"wallet-mcp serve: port {port} is taken; choose another with --port.\n"
