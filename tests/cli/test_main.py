from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from wallet_mcp import __version__
from wallet_mcp.cli import call, demo, serve, stdio
from wallet_mcp.cli import main as command_line
from wallet_mcp.cli.main import main, read_command_line


class Calls:
    """Stands in the place of the commands and notes which one ran with what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[tuple[str, Any]] = []
        monkeypatch.setattr(stdio, "serve_stdio", lambda *, sandbox: self._note("stdio", sandbox))
        monkeypatch.setattr(
            serve, "serve_http", lambda *, host, port, sandbox: self._note("http", (host, port, sandbox))
        )
        monkeypatch.setattr(demo, "demo", lambda: self._note("demo", None))
        monkeypatch.setattr(call, "call", lambda tool, pairs, **options: self._note("call", (tool, pairs, options)))

    def _note(self, name: str, given: object) -> int:
        self.ran.append((name, given))
        return 7


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


@pytest.mark.parametrize(
    ("words", "ran"),
    [
        ([], ("stdio", False)),
        (["serve"], ("stdio", False)),
        (["serve", "--http"], ("http", ("127.0.0.1", 8751, False))),
        (["serve", "--http", "--port", "0", "--host", "::1", "--sandbox"], ("http", ("::1", 0, True))),
        (["--sandbox"], ("stdio", True)),
        (["demo"], ("demo", None)),
        (["demo", "--sandbox"], ("demo", None)),
        (["call", "tool"], ("call", ("tool", [], {"as_json": False, "sandbox": False}))),
        (["--sandbox", "call", "tool", "a=1"], ("call", ("tool", ["a=1"], {"as_json": False, "sandbox": True}))),
        (["call", "--sandbox", "tool", "a=-1"], ("call", ("tool", ["a=-1"], {"as_json": False, "sandbox": True}))),
        (["call", "tool", "a=1", "--json"], ("call", ("tool", ["a=1"], {"as_json": True, "sandbox": False}))),
        (
            ["call", "tool", "a=1", "--json", "b=2", "--sandbox", "c=3"],
            ("call", ("tool", ["a=1", "b=2", "c=3"], {"as_json": True, "sandbox": True})),
        ),
    ],
)
def test_words_lead_to_their_command_and_its_status_is_the_process_s(
    calls: Calls, words: list[str], ran: tuple[str, Any]
) -> None:
    assert main(words) == 7
    assert calls.ran == [ran]


def test_without_words_those_of_the_process_count(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["wallet-mcp", "demo"])
    assert main() == 7
    assert calls.ran == [("demo", None)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["serve-me"], "argument COMMAND: invalid choice: 'serve-me'"),
        (["--verbose"], "unrecognized arguments: --verbose"),
        (["demo", "again"], "unrecognized arguments: again"),
        (["call"], "the following arguments are required: TOOL\n"),
        (["call", "tool", "--xml", "a=1"], "unrecognized arguments: --xml a=1"),
        (["serve", "--port", "8751"], "--host and --port go with --http; without it the server speaks over stdin"),
        (["serve", "--port", "0", "--sandbox"], "--host and --port go with --http"),
        (["serve", "--host", "127.0.0.1"], "--host and --port go with --http"),
        (["sandbox", "--port", "web"], "argument --port: must be a whole number from 0 to 65535"),
        (["sandbox", "--port", "-1"], "argument --port: must be a whole number from 0 to 65535"),
        (["sandbox", "--port", "65536"], "argument --port: must be a whole number from 0 to 65535"),
        (["sandbox", "--port", "1" * 5000], "argument --port: must be a whole number from 0 to 65535"),
        (["sandbox", "--rate", "0"], "argument --rate: must be a whole number from 1 to 1000000"),
        (["sandbox", "--rate", "2.5"], "argument --rate: must be a whole number from 1 to 1000000"),
        (["sandbox", "--delay-ms", "600001"], "argument --delay-ms: must be a whole number from 0 to 600000"),
        (["sandbox", "--jitter-ms", "²"], "argument --jitter-ms: must be a whole number from 0 to 600000"),
        (["sandbox", "--clock-offset-s", "nan"], "must be a number of seconds, at most ten years"),
        (["sandbox", "--clock-offset-s", "1e300"], "must be a number of seconds, at most ten years"),
        (["sandbox", "--clock-offset-s", "soon"], "must be a number of seconds, at most ten years"),
    ],
)
def test_wrong_words_are_refused_on_stderr_with_status_2(
    calls: Calls, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(words)
    written = capsys.readouterr()
    assert written.out == ""
    assert told in written.err
    assert calls.ran == []


def test_the_options_of_the_sandbox() -> None:
    words = ["--port", "0", "--fault", "50001:0.3", "--fault", "hang", "--delay-ms", "5", "--jitter-ms", "6"]
    options = read_command_line(["sandbox", *words, "--rate", "7", "--clock-offset-s", "-8.5"])
    assert (options.port, options.fault, options.delay_ms, options.jitter_ms) == (0, ["50001:0.3", "hang"], 5, 6)
    assert (options.rate, options.clock_offset_s) == (7, -8.5)
    for words in (["sandbox"], ["sandbox", "--sandbox"], ["--sandbox", "sandbox"]):
        plain = read_command_line(words)
        assert (plain.port, plain.fault, plain.rate, plain.clock_offset_s) == (8750, [], 5, 0.0)


@pytest.mark.parametrize(
    ("word", "told"), [("--version", f"wallet-mcp {__version__}\n"), ("--help", "usage: wallet-mcp ")]
)
def test_version_and_help_go_to_stdout(word: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main([word])
    assert capsys.readouterr().out.startswith(told)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BaseExceptionGroup("both", [KeyboardInterrupt()])])
def test_ctrl_c_ends_a_command_with_130(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> int:
        raise error

    monkeypatch.setattr(demo, "demo", interrupted)
    assert main(["demo"]) == 130


def test_another_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> int:
        raise LookupError("x")

    monkeypatch.setattr(demo, "demo", broken)
    with pytest.raises(LookupError):
        main(["demo"])


def test_what_the_terminal_cannot_show_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    def symbols() -> int:
        sys.stdout.write("T\u20aeKEN\n")
        return 0

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setattr(demo, "demo", symbols)
    assert main(["demo"]) == 0
    assert raw.getvalue() == b"T\\u20aeKEN\n"


def test_a_process_without_stdout_still_runs_its_command(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert command_line.main(["demo"]) == 7
