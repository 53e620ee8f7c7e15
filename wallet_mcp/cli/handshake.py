"""Starting the server as a client would, and shaking hands with it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from wallet_mcp.cli.clients import Entry

PATIENCE_S: Final = 30.0
"""Seconds that start, handshake and tool list may take together; clients allow 30 to 60."""

_LINE_CHARS: Final = 200


class NoHandshake(Exception):
    """The server did not start or did not answer; the message is a sentence with the reason."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the server said: its version, the protocol agreed on, how many tools it has, after how many seconds."""

    version: str
    protocol: str
    tools: int
    seconds: float


def shake_hands(entry: Entry, folder: Path, *, patience_s: float = PATIENCE_S) -> Handshake:
    """Start an entry in `folder` with the few variables that clients pass on, and list its tools.

    Raises `NoHandshake`.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        try:
            return anyio.run(_shake_hands, entry, folder, log, patience_s)
        except Exception as error:
            # The SDK wraps what a dead process leads to in groups of several kinds.
            reason = "it did not answer in time" if _is_timeout(error) else "it could not be started or broke off"
            log.seek(0)
            raise NoHandshake(f"The server does not work as set up: {reason}{_last_line(log.read())}.") from None


async def _shake_hands(entry: Entry, folder: Path, log: object, patience_s: float) -> Handshake:
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    parameters = StdioServerParameters(command=entry.command, args=list(entry.args), env=dict(entry.env), cwd=folder)
    started = anyio.current_time()
    with anyio.fail_after(patience_s):
        async with Client(stdio_client(parameters, errlog=log)) as client:  # type: ignore[arg-type]
            tools = (await client.list_tools()).tools
            if not tools:
                raise ValueError("no tools")
            version = client.server_info.version if client.server_info else ""
            seconds = anyio.current_time() - started
            return Handshake(version, str(client.protocol_version), len(tools), seconds)


def _is_timeout(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_timeout(each) for each in error.exceptions)
    return isinstance(error, TimeoutError)


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return f" ({one_line(lines[-1])})" if lines else ""


def one_line(text: str) -> str:
    """Foreign text as one short line without control characters, for a terminal."""
    shown = "".join(character if character.isprintable() else " " for character in " ".join(text.split()))
    return shown if len(shown) <= _LINE_CHARS else f"{shown[:_LINE_CHARS]}..."
