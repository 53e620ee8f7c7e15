from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import pytest

from wallet_mcp.cli import stdio
from wallet_mcp.cli.stdio import MAX_LINE, LineReader


@pytest.fixture
def anyio_backend() -> str:
    """Real time: the lines come from a thread."""
    return "asyncio"


@contextmanager
def fed(*pieces: bytes) -> Iterator[int]:
    """The reading end of a pipe into which another thread writes the pieces."""
    reading, writing = os.pipe()

    def write() -> None:
        for piece in pieces:
            os.write(writing, piece)
        os.close(writing)

    # A thread of its own, for a pipe holds less than the longest line.
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield reading
    finally:
        thread.join()
        os.close(reading)


async def lines_of(*pieces: bytes) -> list[str]:
    with fed(*pieces) as reading:
        reader = LineReader(reading)
        reader.start()
        with anyio.fail_after(10):
            return [line async for line in reader]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([], []),
        ([b"one\n", b"two\n"], ["one", "two"]),
        ([b"on", b"e\ntw", b"o\n"], ["one", "two"]),
        ([b"one\r\n\n  \n\t\ntwo"], ["one\r", "two"]),
        ([b"no newline at the end"], ["no newline at the end"]),
        ([b"one\n   "], ["one"]),
        (["zwölf €\n".encode()[:3], "zwölf €\n".encode()[3:]], ["zwölf €"]),
        ([b"\xff\xfe\n"], ["\ufffd\ufffd"]),
        ([b"%d\n" % n for n in range(500)], [str(n) for n in range(500)]),
    ],
)
async def test_lines_come_whole_and_in_order(pieces: list[bytes], lines: list[str]) -> None:
    assert await lines_of(*pieces) == lines


@pytest.mark.anyio
async def test_a_line_of_the_limit_passes_and_a_longer_one_comes_empty() -> None:
    longest = b"x" * MAX_LINE
    assert await lines_of(longest, b"\n") == [longest.decode()]
    # An empty line is no message, so it is dropped further on; those around it are read as ever.
    assert await lines_of(b"one\n", longest + longest, longest + b"\ntwo\n") == ["one", "", "two"]


def joined() -> None:
    """Wait for the end of the reader's thread; what it raises, pytest turns into a failure."""
    for thread in threading.enumerate():
        if thread.name == "stdin":
            thread.join(10)
            assert not thread.is_alive()


async def a_reader(fd: int) -> LineReader:
    return LineReader(fd)


@pytest.mark.anyio
async def test_an_input_that_breaks_ends_like_any_other() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(b"an answer that the client will never read")
        theirs.sendall(b"one\ntwo")
        theirs.close()
        reader = LineReader(ours.fileno())
        reader.start()
        with anyio.fail_after(10):
            assert [line async for line in reader] == ["one", "two"]
        joined()


def test_a_line_that_comes_after_the_loop_has_ended_is_dropped_quietly() -> None:
    with fed(b"late\n") as reading:
        anyio.run(a_reader, reading).start()
        joined()


@pytest.mark.parametrize("missing", ["stdin", "stdout"])
def test_a_missing_stream_is_told_on_stderr(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(f"sys.{missing}", None)
    assert stdio.serve_stdio(sandbox=True) == 1
    monkeypatch.undo()
    assert capsys.readouterr().err.startswith("wallet-mcp: stdin and stdout must be open")
