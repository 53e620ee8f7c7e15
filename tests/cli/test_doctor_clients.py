"""Entries in client files: found as the clients find them, started as the clients start them."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.process import environment
from wallet_mcp.cli import client_checks
from wallet_mcp.cli.client_checks import check_clients, check_entry
from wallet_mcp.cli.client_places import FoundEntry, UnreadableFile, find_entries, without_comments
from wallet_mcp.cli.clients import (
    CLAUDE_CODE,
    CLAUDE_DESKTOP,
    CODEX,
    CURSOR,
    VSCODE,
    Client,
    Surroundings,
    client_file,
)
from wallet_mcp.sandbox.app import SANDBOX_API_KEY
from wallet_mcp.server.setup.checks import Check

HELD = {"WALLET_MCP_SANDBOX": "1"}
OURS = {"command": sys.executable, "args": ["-m", "wallet_mcp"], "env": HELD}
FOREIGN = {"command": "npx", "args": ["some-server"]}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def here(home: Path, **variables: str) -> Surroundings:
    return Surroundings(variables, home, "linux")


def written(client: Client, home: Path, content: object) -> Path:
    file = client_file(client, here(home))
    assert file is not None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


@pytest.mark.parametrize("client", [CLAUDE_CODE, CLAUDE_DESKTOP, CURSOR, VSCODE], ids=lambda client: client.name)
def test_entries_of_ours_are_found_among_others(client: Client, tmp_path: Path) -> None:
    file = written(client, tmp_path, {client.servers_key: {"other": FOREIGN, "wallet": OURS, "odd": 5}, "x": [1]})
    (entry,) = find_entries(here(tmp_path))
    assert entry == FoundEntry(client, file, "wallet", sys.executable, ("-m", "wallet_mcp"), HELD)
    assert "SANDBOX" not in repr(entry)


def test_the_toml_of_codex_is_read(tmp_path: Path) -> None:
    written(CODEX, tmp_path, '[mcp_servers.w]\ncommand = "wallet-mcp"\nenv = { A = "1" }\n')
    (entry,) = find_entries(here(tmp_path))
    assert isinstance(entry, FoundEntry)
    assert (entry.command, entry.args, entry.env) == ("wallet-mcp", (), {"A": "1"})


def test_entries_for_one_project_of_claude_code_are_found_once(tmp_path: Path) -> None:
    servers = {"mcpServers": {"wallet": OURS}}
    written(CLAUDE_CODE, tmp_path, {**servers, "projects": {"/p": servers, "/q": servers, "/r": 3, "/s": {}}})
    assert len(find_entries(here(tmp_path))) == 1


@pytest.mark.parametrize(
    ("client", "text", "reason"),
    [
        (CURSOR, "{", "it is not JSON"),
        (CURSOR, "[" * 100_000, "it is not JSON"),
        (CODEX, "= 3", "it is not TOML"),
        (VSCODE, '{"servers": }', "it is not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_without_its_content(
    client: Client, text: str, reason: str, tmp_path: Path
) -> None:
    file = written(client, tmp_path, text)
    assert find_entries(here(tmp_path)) == [UnreadableFile(client, file, reason)]


def test_other_obstacles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(CURSOR, tmp_path, "")
    assert find_entries(here(tmp_path)) == []
    file.write_bytes(b"\xff\xfe")
    assert find_entries(here(tmp_path)) == [UnreadableFile(CURSOR, file, "it is not UTF-8 text")]
    monkeypatch.setattr("wallet_mcp.cli.client_places.MAX_BYTES", 1)
    assert find_entries(here(tmp_path)) == [UnreadableFile(CURSOR, file, "it is too large for a configuration")]
    file.unlink()
    file.mkdir()
    assert find_entries(here(tmp_path)) == [UnreadableFile(CURSOR, file, "it cannot be read by this user")]


@pytest.mark.parametrize("content", [[], {"mcpServers": []}, {"mcpServers": {"w": {"command": 3}}}, {"projects": []}])
def test_files_of_another_form_hold_nothing(content: object, tmp_path: Path) -> None:
    written(CLAUDE_CODE, tmp_path, content)
    assert find_entries(here(tmp_path)) == []


def test_variables_are_filled_in_as_clients_do(tmp_path: Path) -> None:
    entry = {
        "command": "${BIN}/wallet-mcp",
        "args": ["${env:LEVEL}", 4, "${NONE:-x}", "${input:key}"],
        "env": {"A": "${NONE}", "B": "${BIN}", "C": 5},
    }
    written(VSCODE, tmp_path, {"servers": {"w": entry}})
    (found,) = find_entries(here(tmp_path, BIN="/opt", LEVEL="info"))
    assert isinstance(found, FoundEntry)
    assert (found.command, found.args) == ("/opt/wallet-mcp", ("info", "x", "${input:key}"))
    assert found.env == {"A": "${NONE}", "B": "/opt"}
    entry["args"], entry["env"] = "no list", []
    written(VSCODE, tmp_path, {"servers": {"w": entry}})
    (bare,) = find_entries(here(tmp_path, BIN="/opt"))
    assert isinstance(bare, FoundEntry)
    assert (bare.args, bare.env) == ((), {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, // one\n "b": [1, 2,], /* two\n */ }', {"a": 1, "b": [1, 2]}),
        ('{"a": "// no comment, }", }', {"a": "// no comment, }"}),
        ('{"a": "\\"/* x */", // y\n}', {"a": '"/* x */'}),
        ('{"a": [1, // x\n /* y */ ]}', {"a": [1]}),
    ],
)
def test_comments_and_trailing_commas_are_taken_out(text: str, value: object) -> None:
    assert json.loads(without_comments(text)) == value


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_plain_json_keeps_its_meaning(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=1, ensure_ascii=False)):
        assert json.loads(without_comments(text)) == value


def entry_of(tmp_path: Path, script: str = "", **env: str) -> FoundEntry:
    """An entry of Cursor: the server itself, or a script in its place."""
    args = ("-m", "wallet_mcp")
    if script:
        file = tmp_path / "wallet-mcp"
        file.write_text(textwrap.dedent(script))
        args = (str(file), "")
    return FoundEntry(CURSOR, tmp_path / "mcp.json", "wallet", sys.executable, args, env)


ANSWERS = """
    import json, sys
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            result = {"tools": [{}] * 7} if message["id"] else {}
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


async def found_in(entry: FoundEntry) -> list[Check]:
    return await check_entry(entry, environment())


@pytest.mark.anyio
async def test_the_server_itself_starts_clean(tmp_path: Path) -> None:
    (check,) = await found_in(entry_of(tmp_path, WALLET_MCP_SANDBOX="1"))
    assert (check.status, check.culprits) == ("ok", ())
    assert "writes nothing else to stdout" in check.said


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("script", "status", "found", "said"),
    [
        (ANSWERS, "ok", (), "lists 7 tools"),
        ("print('hello', flush=True)\n" + textwrap.dedent(ANSWERS), "failed", ("client_output",), "1 line to stdout"),
        ("print('a\\n{}\\n[]\\n3')", "failed", ("client_output",), "4 lines to stdout"),
        ("print('no end', end='')", "failed", ("client_output",), "1 line"),
        ("raise SystemExit(3)", "failed", ("client_answer",), "ended before it answered"),
        (
            ANSWERS.replace('{"tools": [{}] * 7}', '{"tools": []}'),
            "failed",
            ("client_answer",),
            "did not list its tools",
        ),
    ],
    ids=["good", "banner", "no messages", "no line break", "exit", "no tools"],
)
async def test_what_a_started_command_does(
    script: str, status: str, found: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    (check,) = await found_in(entry_of(tmp_path, script, WALLET_MCP_SANDBOX="1"))
    assert (check.status, check.culprits) == (status, found)
    assert said in check.said


@pytest.mark.anyio
async def test_a_silent_or_endless_command_is_given_up_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_checks, "PATIENCE_S", 0.5)
    monkeypatch.setattr(client_checks, "END_S", 0.1)
    marker = tmp_path / "pid"
    script = f"""
        import os, signal, time
        open({str(marker)!r}, "w").write(str(os.getpid()))
        time.sleep(600)
    """
    (check,) = await found_in(entry_of(tmp_path, script, WALLET_MCP_SANDBOX="1"))
    assert check.culprits == ("client_answer",)
    if marker.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(marker.read_text()), 0)
    monkeypatch.setattr(client_checks, "PATIENCE_S", 20)
    monkeypatch.setattr(client_checks, "_MAX_LINE", 1000)
    endless = "import sys\nwhile True: sys.stdout.write('x' * 1000)"
    (check,) = await found_in(entry_of(tmp_path, endless, WALLET_MCP_SANDBOX="1"))
    assert check.culprits == ("client_output",)


@pytest.mark.anyio
@pytest.mark.parametrize("command", ["/nowhere/wallet-mcp", "no-such-wallet-mcp"])
async def test_a_command_that_is_not_there(command: str, tmp_path: Path) -> None:
    (check,) = await check_entry(FoundEntry(CURSOR, tmp_path / "f", "w", command, (), {}), environment())
    assert check.culprits == ("client_command",)
    folder = FoundEntry(CURSOR, tmp_path / "none" / "f", "w", sys.executable, (), {})
    assert (await check_entry(folder, environment()))[0].culprits == ("client_command",)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({"WALLET_MCP_API_KEY": SANDBOX_API_KEY, "WALLET_MCP_SECRET_KEY": "canary"}, [("client_secret",), ()]),
        (
            {"WALLET_MCP_API_KEY": SANDBOX_API_KEY, "WALLET_MCP_SECRET_KEY": "can ary"},
            [("client_secret",), ("setting",)],
        ),
        ({"WALLET_MCP_API_KEY": SANDBOX_API_KEY, "WALLET_MCP_SECRET_KEY": "${input:canary}"}, [()]),
        ({"WALLET_MCP_API_KEY": SANDBOX_API_KEY, "WALLET_MCP_SECRET_KEY_FILE": "/none"}, [("setting",)]),
        ({"WALLET_MCP_DEADLINE_S": "canary", "WALLET_MCP_SANDBOX": "1"}, [()]),
        ({}, [("credentials_missing",)]),
    ],
)
async def test_the_settings_of_an_entry(env: dict[str, str], found: list[tuple[str, ...]], tmp_path: Path) -> None:
    checks = await found_in(entry_of(tmp_path, ANSWERS, **env))
    assert [check.culprits for check in checks] == found
    assert "canary" not in str(checks)


CONTAINER = f"""#!{sys.executable}
{textwrap.dedent(ANSWERS)}"""
FILES = [f"-eWALLET_MCP_{name}_FILE=/keys/x" for name in ("API_KEY", "SECRET_KEY")]


def container_of(tmp_path: Path, *words: str, **env: str) -> FoundEntry:
    """An entry of Cursor, read from its file, that starts a stand-in for docker."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(CONTAINER)
    program.chmod(0o755)
    entry = {"command": str(program), "args": ["run", "-i", "--rm", *words], "env": env}
    written(CURSOR, tmp_path, {"mcpServers": {"wallet": entry}})
    (found,) = find_entries(here(tmp_path))
    assert isinstance(found, FoundEntry)
    return found


@pytest.mark.anyio
@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a script")
@pytest.mark.parametrize(
    ("words", "env", "found"),
    [
        (["-e", "WALLET_MCP_SANDBOX=1", "wallet-mcp"], {}, [()]),
        (["wallet-mcp", "--sandbox"], {}, [()]),
        (["-e", "WALLET_MCP_SANDBOX", "wallet-mcp"], {"WALLET_MCP_SANDBOX": "1"}, [()]),
        ([*FILES, "-v", "/home/u/.config/wallet-mcp:/keys:ro", "wallet-mcp"], {}, [()]),
        (["--env-file", "/home/u/wallet.env", "wallet-mcp"], {}, [()]),
        (["wallet-mcp"], {"WALLET_MCP_SANDBOX": "1"}, [("credentials_missing",)]),
        ([FILES[0], "wallet-mcp"], {}, [("credentials_missing",)]),
        ([*FILES, "-e", "WALLET_MCP_DEADLINE_S=soon", "wallet-mcp"], {}, [("setting",)]),
        (
            ["-e", "WALLET_MCP_API_KEY=k", "-e", "WALLET_MCP_SECRET_KEY=canary", "wallet-mcp"],
            {},
            [("client_secret",), ()],
        ),
    ],
)
async def test_a_container_s_entry_is_judged_by_what_is_handed_in(
    words: list[str], env: dict[str, str], found: list[tuple[str, ...]], tmp_path: Path
) -> None:
    checks = await found_in(container_of(tmp_path, *words, **env))
    assert [check.culprits for check in checks] == found
    assert "canary" not in str(checks)


@pytest.mark.anyio
async def test_the_sandbox_may_be_chosen_by_a_word(tmp_path: Path) -> None:
    entry = replace(entry_of(tmp_path), args=("-m", "wallet_mcp", "--sandbox"))
    (check,) = await found_in(entry)
    assert check.status == "ok"


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "npx", "args": ["-y", "@acme/wallet-mcp"], "env": {"TOKEN": "canary"}},
        {"command": "uv", "args": ["--directory", "/home/u/src/wallet-mcp", "run", "server.py"]},
        {"command": "docker", "args": ["run", "--name", "wallet-mcp", "acme/other"]},
    ],
)
def test_servers_of_a_like_name_are_not_taken_for_ours(entry: dict[str, object], tmp_path: Path) -> None:
    written(CURSOR, tmp_path, {"mcpServers": {"wallet-mcp": entry}})
    assert find_entries(here(tmp_path)) == []


@pytest.mark.anyio
async def test_what_the_shell_has_is_passed_on_by_some_clients(tmp_path: Path) -> None:
    around = environment(API_KEY="k", SECRET_KEY="s")
    (check,) = await check_entry(entry_of(tmp_path, ANSWERS), around)
    assert check.status == "ok"


@pytest.mark.anyio
async def test_all_entries_have_their_line(tmp_path: Path) -> None:
    assert [check.status for check in await check_clients([], {})] == ["skipped"]
    broken = UnreadableFile(CODEX, tmp_path / "config.toml", "it is not TOML")
    checks = await check_clients([broken, entry_of(tmp_path, ANSWERS, **HELD)], environment())
    assert [check.culprits for check in checks] == [("client_file",), ()]
    assert checks[0].said == f"Codex CLI: {tmp_path / 'config.toml'}: it is not TOML."
