from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wallet_mcp import __version__
from wallet_mcp.cli.clients import Entry
from wallet_mcp.cli.handshake import NoHandshake, one_line, shake_hands
from wallet_mcp.cli.install import entry_for
from wallet_mcp.server.tools import TOOLS


def test_the_server_answers_started_as_a_client_starts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What a shell has set is not what a client passes on.
    monkeypatch.setenv("WALLET_MCP_SANDBOX", "canary")
    # Files of a project must not stand in for modules.
    for name in ("wallet_mcp.py", "httpx.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('canary')")
    hands = shake_hands(entry_for({"WALLET_MCP_SANDBOX": "1"}), tmp_path)
    assert (hands.version, hands.protocol, hands.tools) == (__version__, "2026-07-28", len(TOOLS))
    assert hands.seconds > 0


@pytest.mark.parametrize(
    ("command", "args", "told"),
    [
        ("/no/such/python", (), "it could not be started or broke off."),
        (sys.executable, ("-P", "-m", "no_such_module"), "No module named no_such_module"),
        (sys.executable, ("-c", "raise SystemExit('told\\x1b[31m you')"), r"broke off \(told \[31m you\)"),
    ],
)
def test_a_server_that_does_not_start_is_told_with_its_last_words(
    tmp_path: Path, command: str, args: tuple[str, ...], told: str
) -> None:
    with pytest.raises(NoHandshake, match=told):
        shake_hands(Entry(command, args), tmp_path)


def test_a_server_that_stays_silent_is_given_up(tmp_path: Path) -> None:
    silent = Entry(sys.executable, ("-c", "import sys; sys.stdin.read()"))
    with pytest.raises(NoHandshake, match="did not answer in time"):
        shake_hands(silent, tmp_path, patience_s=0.5)


def test_a_server_without_tools_is_none(tmp_path: Path) -> None:
    program = "from mcp.server.mcpserver import MCPServer\nserver = MCPServer('empty', version='1')\nserver.run()\n"
    with pytest.raises(NoHandshake, match="does not work as set up"):
        shake_hands(Entry(sys.executable, ("-c", program)), tmp_path)


@pytest.mark.parametrize(
    ("text", "line"), [(" a\n b\t", "a b"), ("\x1b[0mred\x07", " [0mred "), ("x" * 300, "x" * 200 + "...")]
)
def test_foreign_text_becomes_one_harmless_line(text: str, line: str) -> None:
    assert one_line(text) == line
