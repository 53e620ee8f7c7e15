"""Commands of ours as real processes: their environment, their start, and what they write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Final

PATIENCE_S: Final = 30.0
"""After which a process counts as stuck; none of them comes near it."""


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with these settings of ours (named without their prefix) and no others."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("WALLET_MCP_")}
    return others | {f"WALLET_MCP_{name}": value for name, value in settings.items()}


def command(*arguments: str) -> list[str]:
    """The command line of `wallet-mcp` with these arguments."""
    return [sys.executable, "-m", "wallet_mcp", *arguments]


@contextmanager
def started(
    *arguments: str, settings: Mapping[str, str] | None = None, stdin: int | None = subprocess.PIPE
) -> Iterator[subprocess.Popen[bytes]]:
    """`wallet-mcp` with pipes; killed at the end if it still runs."""
    with subprocess.Popen(
        command(*arguments),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**(settings or {})),
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """A pipe of a process that was started with one."""
    assert stream is not None
    return stream


def frame(*sent: Mapping[str, Any] | bytes) -> bytes:
    """Messages as lines of the stdio transport; bytes go as they are."""
    return b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in sent)


def request(number: int, method: str, **params: Any) -> dict[str, Any]:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def tool_call(number: int, tool: str, **arguments: Any) -> dict[str, Any]:
    """A request that calls a tool."""
    return request(number, "tools/call", name=tool, arguments=arguments)


HANDSHAKE: Final = (
    request(
        0, "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "test", "version": "0"}
    ),
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
)
"""How a client of the 2025 era opens; the answer has the id 0."""


def messages(output: bytes) -> list[dict[str, Any]]:
    """The lines of an output, each of which must be one JSON-RPC message and nothing else."""
    assert output == b"" or output.endswith(b"\n")
    read = [json.loads(line) for line in output.splitlines()]
    assert all(message["jsonrpc"] == "2.0" and ("id" in message or "method" in message) for message in read)
    return read


def exchange(process: subprocess.Popen[bytes], *sent: Mapping[str, Any] | bytes) -> dict[int, dict[str, Any]]:
    """Send messages and wait for the answers to all requests among them: id -> answer."""
    pipe(process.stdin).write(frame(*sent))
    pipe(process.stdin).flush()
    open_ = {message["id"] for message in sent if not isinstance(message, bytes) and "id" in message}
    answers: dict[int, dict[str, Any]] = {}
    while open_ - answers.keys():
        line = pipe(process.stdout).readline()
        assert line, "the output ended early"
        (message,) = messages(line)
        answers[message["id"]] = message
    return answers


def ended(process: subprocess.Popen[bytes]) -> tuple[list[dict[str, Any]], str]:
    """Close the input and wait for the end: the messages that were left, and what stands on stderr."""
    output, log = process.communicate(timeout=PATIENCE_S)
    return messages(output), log.decode()
