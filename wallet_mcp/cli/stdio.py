"""The MCP server over stdin and stdout, with a clean end on end of input, SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from types import FrameType
from typing import TYPE_CHECKING, cast

import anyio

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

MAX_LINE = 4 * 1024 * 1024
"""Bytes of one message; a longer line is dropped without an answer, as the SDK drops every malformed one."""


def serve_stdio(*, sandbox: bool) -> int:
    """Serve until the input ends or a signal comes; the exit status is 0 then, and 1 without stdin or stdout."""
    if sys.stdin is None or sys.stdout is None:
        # Closed at the start: by now the descriptor's number may belong to a file of our own.
        print("wallet-mcp: stdin and stdout must be open, for the client speaks through them.", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        # Until the loop has its own handlers, which takes about a second of imports.
        signal.signal(number, _leave)
    if sys.stdin.isatty():
        print(
            "wallet-mcp waits for an MCP client on stdin. Ctrl-C ends it; `wallet-mcp --help` lists the commands.",
            file=sys.stderr,
        )
    from wallet_mcp.cli.wiring import server_from_environment

    anyio.run(serve, server_from_environment(sandbox=sandbox))
    # The reader thread may still wait in os.read; nothing is left to be saved by waiting for it.
    return 0


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


async def serve(server: Server[None]) -> None:
    """Serve one connection over the process's stdin and stdout."""
    from mcp.server.stdio import stdio_server

    lines = LineReader(0)
    with anyio.CancelScope() as scope:
        _end_on_signals(scope)
        lines.start()
        # The SDK's own reader blocks in readline on a private copy of fd 0 and outlives every signal.
        stdin = cast("anyio.AsyncFile[str]", lines)
        try:
            async with stdio_server(stdin=stdin) as (reading, writing):
                await server.run(reading, writing, server.create_initialization_options())
        except* (BrokenPipeError, ConnectionResetError):
            # The client closed its end while an answer was on its way: no fault of ours.
            scope.cancel()


def _end_on_signals(scope: anyio.CancelScope) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, scope.cancel)
        except NotImplementedError:
            # Windows has no handlers on the loop; there Ctrl-C raises and a terminated process just ends.
            return


_MAX_WAITING = 64
"""Lines read ahead; further ones stay in the pipe, where they slow the client down instead of filling memory."""


class LineReader:
    """Lines of a file descriptor as an asynchronous iterator, read by a daemon thread that nobody has to join."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._room = threading.Semaphore(_MAX_WAITING)
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            self._room.release()
            yield line

    def _read(self) -> None:
        rest = bytearray()
        dropping = False
        try:
            while chunk := self._chunk():
                *whole, tail = chunk.split(b"\n")
                for part in whole:
                    rest += part
                    if rest.strip() or dropping:
                        self._put("" if dropping else rest.decode(errors="replace"))
                    rest.clear()
                    dropping = False
                rest += tail
                if len(rest) > MAX_LINE:
                    rest.clear()
                    dropping = True
            if rest.strip():
                self._put(rest.decode(errors="replace"))
            self._put(None)
        except RuntimeError:
            # The loop is gone: the process is ending.
            return

    def _chunk(self) -> bytes:
        try:
            return os.read(self._fd, 65536)
        except OSError:
            # A terminal that hung up, or a socket whose other end died with unread answers: no more input either.
            return b""

    def _put(self, line: str | None) -> None:
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
