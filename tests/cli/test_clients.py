from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.cli import clients
from wallet_mcp.cli.clients import (
    CLAUDE_CODE,
    CLAUDE_DESKTOP,
    CLIENTS,
    CODEX,
    CURSOR,
    OTHER,
    VSCODE,
    Client,
    Entry,
    Surroundings,
    adding_command,
    block,
    client_file,
    config_home,
    find_client,
)

HOME = Path("/home/you")
ENTRY = Entry("/venv/bin/python", ("-P", "-m", "wallet_mcp"), {"A": "1", "B": "two words"})


def here(platform: str, **environment: str) -> Surroundings:
    return Surroundings(environment, HOME, platform)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("claude-code", "claude-code"),
        ("Claude Desktop", "claude-desktop"),
        ("claude_desktop", "claude-desktop"),
        ("CODEX", "codex"),
        ("codex-cli", "codex"),
        ("VS Code", "vscode"),
        ("code", "vscode"),
        (" cursor ", "cursor"),
        ("other", "other"),
    ],
)
def test_a_client_is_found_by_what_people_call_it(word: str, name: str) -> None:
    found = find_client(word)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("word", ["", "claude", "zed", "claude-codex"])
def test_what_is_none_or_could_be_two_is_not_guessed(word: str) -> None:
    assert find_client(word) is None


@pytest.mark.parametrize(
    ("surroundings", "folder"),
    [
        (here("linux"), "/home/you/.config"),
        (here("linux", XDG_CONFIG_HOME="/x"), "/x"),
        (here("linux", XDG_CONFIG_HOME="relative"), "/home/you/.config"),
        (here("darwin"), "/home/you/Library/Application Support"),
        (here("darwin", XDG_CONFIG_HOME="/x"), "/x"),
        (here("win32", APPDATA="/roaming"), "/roaming"),
        (here("win32"), "/home/you/AppData/Roaming"),
    ],
)
def test_the_folder_of_the_user_s_configuration(surroundings: Surroundings, folder: str) -> None:
    assert config_home(surroundings) == Path(folder)


@pytest.mark.parametrize(
    ("client", "surroundings", "file"),
    [
        (CLAUDE_CODE, here("linux"), "/home/you/.claude.json"),
        (CLAUDE_CODE, here("linux", CLAUDE_CONFIG_DIR="/c"), "/c/.claude.json"),
        (
            CLAUDE_DESKTOP,
            here("darwin", XDG_CONFIG_HOME="/x"),
            "/home/you/Library/Application Support/Claude/claude_desktop_config.json",
        ),
        (CLAUDE_DESKTOP, here("win32", APPDATA="/r", XDG_CONFIG_HOME="/x"), "/r/Claude/claude_desktop_config.json"),
        (CLAUDE_DESKTOP, here("linux", XDG_CONFIG_HOME="/x"), "/x/Claude/claude_desktop_config.json"),
        (CODEX, here("linux"), "/home/you/.codex/config.toml"),
        (CODEX, here("linux", CODEX_HOME="/c"), "/c/config.toml"),
        (CURSOR, here("win32", APPDATA="/r"), "/home/you/.cursor/mcp.json"),
        (VSCODE, here("linux"), "/home/you/.config/Code/User/mcp.json"),
        (VSCODE, here("darwin"), "/home/you/Library/Application Support/Code/User/mcp.json"),
    ],
)
def test_where_each_client_keeps_its_servers(client: Client, surroundings: Surroundings, file: str) -> None:
    assert client_file(client, surroundings) == Path(file)


def test_another_client_has_no_known_file() -> None:
    assert client_file(OTHER, here("linux")) is None


def test_the_surroundings_of_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    found = Surroundings.of_this_process()
    assert found.home == tmp_path
    assert found.environment["HOME"] == str(tmp_path)


def test_in_the_command_for_claude_code_no_setting_can_swallow_the_name() -> None:
    command = adding_command(CLAUDE_CODE, "/bin/claude", "wallet", ENTRY)
    options, _, program = " ".join(command).partition(" -- ")
    assert program == "/venv/bin/python -P -m wallet_mcp"
    assert options == "/bin/claude mcp add --scope user --env A=1 --env B=two words --transport stdio wallet"


def test_the_command_for_codex() -> None:
    assert adding_command(CODEX, "codex", "wallet", ENTRY) == [
        *("codex", "mcp", "add", "wallet", "--env", "A=1", "--env", "B=two words"),
        *("--", "/venv/bin/python", "-P", "-m", "wallet_mcp"),
    ]


def test_the_command_for_vs_code_holds_one_json_object() -> None:
    program, option, text = adding_command(VSCODE, "code", "wallet", ENTRY)
    assert (program, option) == ("code", "--add-mcp")
    assert json.loads(text) == {"name": "wallet", **ENTRY.as_json()}


@pytest.mark.parametrize("client", [CLAUDE_DESKTOP, CURSOR, OTHER])
def test_a_client_without_a_command_has_none(client: Client) -> None:
    with pytest.raises(ValueError, match="has no program"):
        adding_command(client, "x", "wallet", ENTRY)


def test_which_clients_can_be_asked_for_a_server_and_which_must_lose_it_first() -> None:
    shows = {client.name: clients.showing_command(client, "x", "n") for client in CLIENTS}
    assert shows["claude-code"] == shows["codex"] == ["x", "mcp", "get", "n"]
    assert shows["vscode"] is None
    removes = {client.name: clients.removing_command(client, "x", "n") for client in CLIENTS}
    assert removes["claude-code"] == ["x", "mcp", "remove", "--scope", "user", "n"]
    assert removes["codex"] is None


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(command=TEXT, args=st.lists(TEXT, max_size=3), values=st.lists(TEXT, max_size=3))
def test_a_block_says_exactly_what_the_entry_says(command: str, args: list[str], values: list[str]) -> None:
    entry = Entry(command, tuple(args), {f"KEY_{number}": value for number, value in enumerate(values)})
    for client in CLIENTS:
        text = block(client, "wallet", entry)
        read = tomllib.loads(text) if client is CODEX else json.loads(text)
        assert read == {client.servers_key: {"wallet": entry.as_json()}}
