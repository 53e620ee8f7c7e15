"""The MCP server over stdin and stdout, with a clean end on end of input, SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

import anyio

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

MAX_LINE = 4 * 1024 * 1024
"""Bytes of one message; a longer line is answered as malformed and dropped."""


def serve_stdio(*, sandbox: bool) -> int:
    """Serve until the input ends or a signal comes; the exit status is 0 then."""
    from wallet_mcp.cli.wiring import server_from_environment

    anyio.run(serve, server_from_environment(sandbox=sandbox))
    sys.stdout.flush()
    # The reader thread may still wait in os.read; nothing is left to be saved by waiting for it.
    return 0


async def serve(server: Server[None]) -> None:
    """Serve one connection over the process's stdin and stdout."""
    from mcp.server.stdio import stdio_server

    lines = LineReader(0)
    with anyio.CancelScope() as scope:
        _end_on_signals(scope)
        lines.start()
        # The SDK's own reader blocks in readline on a private copy of fd 0 and outlives every signal.
        stdin = cast("anyio.AsyncFile[str]", lines)
        async with stdio_server(stdin=stdin) as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
            scope.cancel()


def _end_on_signals(scope: anyio.CancelScope) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, scope.cancel)
        except NotImplementedError:
            # Windows has no handlers on the loop; there Ctrl-C raises and a terminated process just ends.
            return


class LineReader:
    """Lines of a file descriptor as an asynchronous iterator, read by a daemon thread that nobody has to join."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lines: asyncio.Queue[str | None] = asyncio.Queue(maxsize=64)
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            yield line

    def _read(self) -> None:
        rest = bytearray()
        dropping = False
        try:
            while chunk := os.read(self._fd, 65536):
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
        except (OSError, RuntimeError):
            # The descriptor or the loop is gone: the process is ending.
            return

    def _put(self, line: str | None) -> None:
        asyncio.run_coroutine_threadsafe(self._lines.put(line), self._loop).result()
