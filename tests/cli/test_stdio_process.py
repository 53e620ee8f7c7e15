"""The stdio server as a process of its own: what a client meets, how it ends, and what it never writes."""

from __future__ import annotations

import array
import os
import signal
import subprocess
import time
from typing import Literal

import pytest
from mcp import Client, StdioServerParameters

from tests.cli.process import (
    HANDSHAKE,
    PATIENCE_S,
    command,
    ended,
    environment,
    exchange,
    frame,
    pipe,
    request,
    started,
    tool_call,
)
from wallet_mcp import __version__
from wallet_mcp.cli.stdio import MAX_LINE
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.server.guidance import META_KEY
from wallet_mcp.server.tools import TOOLS

if os.name == "posix":
    import fcntl
    import termios

ALWAYS_50001 = WALLETS["unavailable"]
"""The sandbox answers 50001 for it, so that a call retries for about a second."""

posix = pytest.mark.skipif(os.name != "posix", reason="signals and closed descriptors as POSIX has them")


@pytest.fixture
def anyio_backend() -> str:
    """Real time: the other end is a process."""
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize(("mode", "protocol"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_a_client_of_either_era_lists_and_calls(mode: Literal["auto", "legacy"], protocol: str) -> None:
    program, *arguments = command("--sandbox")
    parameters = StdioServerParameters(command=program, args=arguments, env=environment())
    async with Client(parameters, mode=mode) as client:
        assert client.protocol_version == protocol
        assert client.server_info is not None
        assert (client.server_info.name, client.server_info.version) == ("wallet-mcp", __version__)
        assert WALLETS["rich"] in (client.instructions or "")
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == [tool.name for tool in TOOLS]
        assert len((await client.list_prompts()).prompts) >= 4
        answer = await client.call_tool("wallet_list_balances", {"address": WALLETS["rich"], "chain": "bsc"})
        assert not answer.is_error
        assert answer.structured_content is not None
        assert answer.structured_content["source"] == "sandbox"
        refused = await client.call_tool("wallet_list_balances", {"address": WALLETS["rich"], "chain": "nowhere"})
        assert refused.is_error


def test_bad_settings_still_start_and_every_call_says_what_to_fix() -> None:
    settings = {"API_KEY": "canary key", "SECRET_KEY": "canary-secret", "DEADLINE_S": "canary", "LOG_LEVEL": "canary"}
    with started(settings=settings) as process:
        calls = (tool_call(1, "wallet_list_chains"), tool_call(2, "wallet_check_setup"), request(3, "tools/list"))
        answers = exchange(process, *HANDSHAKE, *calls)
        left, log = ended(process)
    assert (process.returncode, left, log) == (0, [], "")
    assert len(answers[3]["result"]["tools"]) == len(TOOLS)
    failure = answers[1]["result"]
    assert failure["isError"] is True
    assert failure["_meta"][META_KEY]["code"] == "bad_credentials"
    for name in ("WALLET_MCP_API_KEY", "WALLET_MCP_DEADLINE_S", "WALLET_MCP_LOG_LEVEL"):
        assert name in failure["content"][0]["text"]
    assert answers[2]["result"]["structuredContent"]["ready"] is False
    assert "canary" not in str(answers)


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0_also_with_calls_in_flight(number: signal.Signals) -> None:
    with started("--sandbox") as process:
        calls = [
            tool_call(n, "wallet_list_balances", address=ALWAYS_50001, chain="bsc", page=n) for n in range(2, 80)
        ]
        # As bytes, for their answers are not waited for; that of the ping shows that they have begun.
        exchange(process, *HANDSHAKE, *(frame(call).strip() for call in calls), request(1, "ping"))
        process.send_signal(number)
        left, log = ended(process)
    assert (process.returncode, log) == (0, "")
    # The last calls cannot have had their place in the rate window yet.
    assert 79 not in {message["id"] for message in left if "result" in message}


@posix
def test_on_a_terminal_it_says_what_it_waits_for_and_ends_on_ctrl_c() -> None:
    keyboard, terminal = os.openpty()
    try:
        with started("--sandbox", stdin=terminal) as process:
            hint = pipe(process.stderr).readline().decode()
            process.send_signal(signal.SIGINT)
            output, log = process.communicate(timeout=PATIENCE_S)
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert hint.startswith("wallet-mcp waits for an MCP client on stdin. Ctrl-C ends it;")
    assert (process.returncode, output, log) == (0, b"", b"")


def test_bad_lines_are_survived_and_the_end_of_input_answers_every_call() -> None:
    bad = [
        b"",
        b"   ",
        b"garbage",
        b"{",
        b"[]",
        b"null",
        b'{"jsonrpc":"2.0"}',
        b"\xff\xfe\x00",
        b"x" * (MAX_LINE + 1),
    ]
    bad += [b"[" * 100_000, b'{"jsonrpc":"2.0","id":null,"method":"ping"}']
    calls = [tool_call(n, "wallet_list_balances", address=ALWAYS_50001, chain="bsc", page=n) for n in range(2, 40)]
    with started("--sandbox") as process:
        answers = exchange(process, *HANDSHAKE, *bad, request(1, "ping"))
        assert answers.keys() == {0, 1}
        assert answers[1]["result"] == {}
        pipe(process.stdin).write(frame(*calls))
        left, log = ended(process)
    assert (process.returncode, log) == (0, "")
    assert sorted(message["id"] for message in left) == list(range(2, 40))
    assert {message["error"]["code"] for message in left if "error" in message} == {-32000}


@posix
def test_a_client_that_stops_reading_is_an_end_like_any_other() -> None:
    with started("--sandbox") as process:
        exchange(process, *HANDSHAKE)
        pipe(process.stdout).close()
        pipe(process.stdin).write(frame(*(request(n, "tools/list") for n in range(1, 20))))
        pipe(process.stdin).flush()
        # The input stays open: the broken output alone has to end it.
        assert process.wait(PATIENCE_S) == 0
        assert pipe(process.stderr).read() == b""


def filled(output: int) -> bool:
    """Whether so much waits to be read that the next answer cannot be written."""
    waiting = array.array("i", [0])
    fcntl.ioctl(output, termios.FIONREAD, waiting)
    return waiting[0] > 48 * 1024


@posix
@pytest.mark.parametrize("unread", [40, 150])
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, None])
def test_a_client_that_leaves_answers_unread_cannot_keep_it_alive(end: signal.Signals | None, unread: int) -> None:
    with started("--sandbox") as process:
        exchange(process, *HANDSHAKE)
        pipe(process.stdin).write(frame(*(request(n, "tools/list") for n in range(1, unread))))
        pipe(process.stdin).flush()
        until = time.monotonic() + PATIENCE_S
        while not filled(pipe(process.stdout).fileno()) and time.monotonic() < until:
            os.sched_yield()
        if end is None:
            pipe(process.stdin).close()
        else:
            process.send_signal(end)
        # Nothing reads its output until it has ended.
        assert process.wait(PATIENCE_S) == 0
        assert pipe(process.stderr).read() == b""


@posix
@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_without_stdin_or_stdout_it_says_so_instead_of_hanging(closed: str) -> None:
    run = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *command("--sandbox")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "wallet-mcp: stdin and stdout must be open, for the client speaks through them.\n"
