"""The MCP server over stdin and stdout, with a clean end on end of input, SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
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

    # The SDK points fd 1 elsewhere while it serves.
    output = os.dup(1)
    lines = LineReader(0, on_end=lambda: leave_in_time(output))
    with anyio.CancelScope() as scope:
        _end_on_signals(scope, output)
        lines.start()
        # The SDK's own reader blocks in readline on a private copy of fd 0 and outlives every signal.
        stdin = cast("anyio.AsyncFile[str]", lines)
        try:
            async with stdio_server(stdin=stdin) as (reading, writing):
                await server.run(reading, writing, server.create_initialization_options())
        except* (BrokenPipeError, ConnectionResetError):
            # The client closed its end while an answer was on its way: no fault of ours.
            scope.cancel()


_FINISH_S = 0.8
"""After the end of the input or a signal, for answers that are on their way."""

_LONGEST_FINISH_S = 5.0
"""The same where the client still reads."""


def leave_in_time(output: int) -> None:
    """End the process with status 0, unless it ends by itself.

    A client that no longer reads its `output` leaves the SDK's writer in a blocking write that nothing can cancel.
    One that does read gets what is due to it first.
    """

    def wait() -> None:
        ending = time.monotonic() + _LONGEST_FINISH_S
        time.sleep(_FINISH_S)
        while time.monotonic() < ending and _has_room(output):
            time.sleep(0.1)
        os._exit(0)

    threading.Thread(target=wait, name="end", daemon=True).start()


def _has_room(fd: int) -> bool:
    """Whether a write would not block, as far as this system can tell."""
    try:
        return bool(select.select([], [fd], [], 0)[1])
    except (OSError, ValueError):
        return False


def _end_on_signals(scope: anyio.CancelScope, output: int) -> None:
    def end() -> None:
        scope.cancel()
        leave_in_time(output)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, end)
        except NotImplementedError:
            # Windows has no handlers on the loop; there Ctrl-C raises and a terminated process just ends.
            return


_MAX_WAITING = 64
"""Lines read ahead; further ones stay in the pipe, where they slow the client down instead of filling memory."""

_STUCK_S = 0.5
"""Without room for a line for so long, it is looked whether anybody is left at the other end."""


class LineReader:
    """Lines of a file descriptor as an asynchronous iterator, read by a daemon thread that nobody has to join.

    `on_end` is called from that thread when the input has ended, also where nobody takes the lines before it.
    """

    def __init__(self, fd: int, on_end: Callable[[], object] = lambda: None) -> None:
        self._fd = fd
        self._on_end = on_end
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
            self._on_end()
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
        while not self._room.acquire(timeout=_STUCK_S):
            if self._has_ended():
                self._on_end()
        self._loop.call_soon_threadsafe(self._lines.put_nowait, line)

    def _has_ended(self) -> bool:
        """Whether the other end was closed, even if there is still something to be read."""
        if not hasattr(select, "poll"):
            return False
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        return any(event & (select.POLLHUP | select.POLLERR) for _, event in poller.poll(0))
