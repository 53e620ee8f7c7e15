"""The examples of docs/clients.md are what `wallet-mcp install` writes and runs."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from itertools import pairwise

import pytest

from tests.support.pages import ROOT, blocks_of, text_of
from wallet_mcp import __version__
from wallet_mcp.cli.clients import CLAUDE_CODE, CLIENTS, CODEX, CURSOR, VSCODE, Entry, adding_command, block
from wallet_mcp.cli.install import entry_for
from wallet_mcp.cli.key_files import FILE_NAMES, FOLDER
from wallet_mcp.cli.main import parser
from wallet_mcp.settings import load_settings

PAGE = text_of(ROOT / "docs" / "clients.md")
KEYS = "/home/you/.config/wallet-mcp"
ENTRY = Entry(
    "/home/you/venv/bin/python",
    entry_for({}).args,
    {f"WALLET_MCP_{name}_FILE": f"{KEYS}/{FILE_NAMES[name]}" for name in ("API_KEY", "SECRET_KEY")},
)


def fenced(kind: str) -> list[str]:
    return [block.text.rstrip("\n") for block in blocks_of(kind, "docs/clients.md")]


COMMANDS = [line for text in fenced("sh") for line in text.splitlines()]


def test_the_json_blocks_are_those_of_the_program() -> None:
    assert fenced("json") == [block(CURSOR, "wallet", ENTRY), block(VSCODE, "wallet", ENTRY)]
    for text in fenced("json"):
        assert json.loads(text)


def test_the_toml_block_is_that_of_the_program() -> None:
    (text,) = fenced("toml")
    assert text == block(CODEX, "wallet", ENTRY)
    assert tomllib.loads(text)["mcp_servers"]["wallet"] == ENTRY.as_json()


def test_the_commands_are_those_of_the_program() -> None:
    for client in (CLAUDE_CODE, CODEX):
        assert shlex.join(adding_command(client, client.program, "wallet", ENTRY)) in COMMANDS


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_client_is_in_the_table_and_in_the_help(client: object) -> None:
    name = getattr(client, "name", "")
    assert f"| `{name}` |" in PAGE
    (commands,) = (action for action in parser()._actions if action.dest == "command")
    assert name in commands.choices["install"].format_help()  # type: ignore[index]


def test_every_option_is_described() -> None:
    (commands,) = (action for action in parser()._actions if action.dest == "command")
    options = set(re.findall(r"--[a-z-]+", commands.choices["install"].format_help()))  # type: ignore[index]
    assert options - {"--help"} == {"--sandbox", "--name", "--dry-run", "--new-key"}
    for option in options - {"--help"}:
        assert f"`{option}" in PAGE


def test_the_key_files_and_the_bundle_have_their_names() -> None:
    for file in FILE_NAMES.values():
        assert f"`{file}`" in PAGE
    assert f"folder `{FOLDER}`" in PAGE
    assert f"`dist/wallet-mcp-{__version__}.mcpb`" in PAGE


def test_the_container_s_commands_set_settings_that_there_are() -> None:
    runs = [shlex.split(line) for line in COMMANDS if line.startswith("docker run")]
    assert len(runs) == 2
    for words in runs:
        assert {"-i", "--rm"} <= set(words)
        settings = dict(word.split("=", 1) for before, word in pairwise(words) if before == "-e")
        assert settings
        assert load_settings(settings).notes == ()
