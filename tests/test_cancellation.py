"""A cancelled request stops its waits and its upstream work at once, unless another caller shares the work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest

from tests.cli.process import HANDSHAKE, PATIENCE_S, command, environment, frame, request, tool_call
from tests.support.mcp import ERAS, STRANGER, Era, Face, connect, custom_settings, envelope, refusal
from tests.support.virtual_time import VirtualTimeLoop
from tests.support.wallet_api import loop_time
from wallet_mcp.sandbox.app import SANDBOX_API_KEY, SANDBOX_SECRET_KEY

pytestmark = pytest.mark.anyio

BALANCES: Final = "wallet_list_balances"
ASKED: Final = {"address": STRANGER, "chain": "1"}
EMPTY: Final = [{"page": 1, "pageSize": 50, "tokenAssets": []}]


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> Era:
    chosen: Era = request.param
    return chosen


@dataclass(slots=True)
class Slow(httpx.AsyncBaseTransport):
    """An API that takes its time, and then answers with a code or, for 0, with an empty wallet."""

    seconds: float = 0.0
    code: int = 0
    requests: int = 0
    answered: int = 0
    cancelled: int = 0

    async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
        self.requests += 1
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.answered += 1
        body = refusal(self.code) if self.code else envelope(EMPTY)
        return httpx.Response(200, stream=httpx.ByteStream(body))


def begin(face: Face, tool: str = BALANCES, **more: Any) -> asyncio.Task[Any]:
    """A call under way."""
    return asyncio.create_task(face.client.call_tool(tool, ASKED | more if tool == BALANCES else more))


async def settle(rounds: int = 50) -> None:
    """Let everything run that can, without any time passing."""
    before = loop_time()
    for _ in range(rounds):
        await asyncio.sleep(0)
    assert loop_time() == before


async def cancel(*calls: asyncio.Task[Any]) -> None:
    """Cancel calls as a client that lost interest does, and let the news arrive; no time passes."""
    for call in calls:
        call.cancel()
    await settle()
    assert all(call.cancelled() for call in calls)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (BALANCES, ASKED),
        ("wallet_list_chains", {}),
        ("wallet_get_portfolio", {"address": STRANGER, "chains": ["1", "56", "8453"]}),
        ("wallet_get_token_balances", {"address": STRANGER, "tokens": ["1:native", "56:native"]}),
        ("wallet_list_transactions", {"address": STRANGER, "chains": ["1", "56", "8453"]}),
        ("wallet_get_transaction", {"tx_hash": "0x" + "ab" * 32, "chain": "1"}),
        ("wallet_check_setup", {}),
    ],
)
async def test_what_is_under_way_upstream_is_given_up_at_once(era: Era, tool: str, arguments: dict[str, Any]) -> None:
    wire = Slow(seconds=9)
    async with connect(era, settings=custom_settings(), transport=wire) as face:
        call = asyncio.create_task(face.client.call_tool(tool, arguments))
        await asyncio.sleep(1)
        made = wire.requests
        assert made >= (3 if tool == "wallet_get_portfolio" else 1)
        assert wire.cancelled == 0
        await cancel(call)
        assert wire.cancelled == made
        await asyncio.sleep(60)
        assert (wire.requests, wire.answered) == (made, 0)


@pytest.mark.parametrize("code", [50001, 42900])
async def test_a_wait_before_the_next_attempt_ends_and_no_attempt_follows(era: Era, code: int) -> None:
    wire = Slow(code=code)
    async with connect(era, settings=custom_settings(), transport=wire) as face:
        call = begin(face)
        await settle()
        assert (wire.requests, call.done()) == (1, False)
        await cancel(call)
        await asyncio.sleep(60)
        assert wire.requests == 1


async def test_a_call_held_after_an_error_that_named_a_delay_is_let_go(era: Era) -> None:
    wire = Slow(code=50001)
    async with connect(era, settings=custom_settings(), transport=wire) as face:
        await face.failure(BALANCES, ASKED)
        made = wire.requests
        call = begin(face)
        await asyncio.sleep(1)
        assert (wire.requests, call.done()) == (made, False)
        await cancel(call)
        await asyncio.sleep(60)
        assert wire.requests == made


async def test_a_place_in_the_queue_goes_to_the_next(era: Era) -> None:
    wire = Slow()
    async with connect(era, settings=custom_settings(), transport=wire) as face:
        started = loop_time()
        calls = [begin(face, page=page) for page in range(1, 12)]
        await settle()
        assert wire.requests == 5
        await cancel(*calls[5:10])
        await calls[10]
        # Five places in a second: behind those that left it would have been in the third.
        assert loop_time() - started == pytest.approx(1, abs=0.01)
        assert wire.requests == 6


async def test_work_that_another_caller_shares_goes_on(era: Era) -> None:
    wire = Slow(seconds=3)
    async with connect(era, settings=custom_settings(), transport=wire) as face:
        calls = [begin(face) for _ in range(3)]
        await asyncio.sleep(1)
        await cancel(calls[0], calls[2])
        result = await calls[1]
        assert (result.is_error, wire.requests, wire.cancelled) == (False, 1, 0)


async def test_work_that_nobody_shares_any_more_is_given_up(era: Era) -> None:
    wire = Slow(seconds=3)
    async with connect(era, settings=custom_settings(), transport=wire) as face:
        calls = [begin(face) for _ in range(3)]
        await asyncio.sleep(1)
        await cancel(*calls[:2])
        assert wire.cancelled == 0
        await cancel(calls[2])
        assert (wire.requests, wire.cancelled) == (1, 1)


async def test_a_new_call_after_a_cancelled_one_is_answered(era: Era) -> None:
    wire = Slow(seconds=3)
    async with connect(era, settings=custom_settings(), transport=wire) as face:
        call = begin(face)
        await asyncio.sleep(1)
        await cancel(call)
        answer = await face.answer(BALANCES, ASKED)
        assert answer["tokens"] == []
        assert (wire.requests, wire.answered) == (2, 1)


def test_the_tests_above_run_on_virtual_time(anyio_backend: tuple[str, dict[str, Any]]) -> None:
    assert anyio_backend[1]["loop_factory"] is VirtualTimeLoop


@dataclass(slots=True)
class Listener:
    """A loopback API: tells when a request is there and when its client has left, and answers when told to."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    requests: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        self.asked.set()
        told, gone = asyncio.create_task(self.go_on.wait()), asyncio.create_task(reader.read())
        await asyncio.wait([told, gone], return_when=asyncio.FIRST_COMPLETED)
        if told.done():
            body = json.dumps({"code": 0, "data": EMPTY}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        else:
            self.left.set()
        told.cancel()
        await gone
        writer.close()


class StdioClient:
    """The other end of a `wallet-mcp` process, message by message."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout

    def send(self, *messages: Mapping[str, Any]) -> None:
        self._input.write(frame(*messages))

    async def answers_until(self, number: int) -> dict[int, dict[str, Any]]:
        """The answers up to the one with this id."""
        found: dict[int, dict[str, Any]] = {}
        while number not in found:
            message = json.loads(await self._output.readline())
            found[message["id"]] = message
        return found


@asynccontextmanager
async def stdio_on(listener: Listener) -> AsyncIterator[StdioClient]:
    """A `wallet-mcp` process over stdio whose API is the listener."""
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = {"API_KEY": SANDBOX_API_KEY, "SECRET_KEY": SANDBOX_SECRET_KEY}
    process = await asyncio.create_subprocess_exec(
        *command(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment(BASE_URL=f"http://127.0.0.1:{port}/build", **settings),
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            client = StdioClient(process)
            client.send(*HANDSHAKE)
            await client.answers_until(0)
            yield client
            assert process.stdin is not None
            process.stdin.close()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        server.close()
        await server.wait_closed()


def cancelled(number: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}}


class TestStdio:
    """The same through pipes and a real connection."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    async def test_the_connection_is_closed_as_soon_as_the_request_is_cancelled(self) -> None:
        listener = Listener()
        async with stdio_on(listener) as client:
            client.send(tool_call(1, BALANCES, **ASKED))
            await listener.asked.wait()
            before = loop_time()
            client.send(cancelled(1))
            await listener.left.wait()
            assert loop_time() - before < 1
            client.send(request(2, "ping"))
            # A cancelled request is never answered.
            assert (await client.answers_until(2)).keys() == {2}
        assert listener.requests == 1

    async def test_a_shared_request_is_answered_for_the_one_that_stays(self) -> None:
        listener = Listener()
        async with stdio_on(listener) as client:
            client.send(tool_call(1, BALANCES, **ASKED), tool_call(2, BALANCES, **ASKED))
            await listener.asked.wait()
            client.send(cancelled(1), request(3, "ping"))
            assert (await client.answers_until(3)).keys() == {3}
            assert not listener.left.is_set()
            listener.go_on.set()
            answers = await client.answers_until(2)
            assert answers.keys() == {2}
            assert answers[2]["result"]["structuredContent"]["tokens"] == []
        assert listener.requests == 1
