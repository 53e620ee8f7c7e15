"""`wallet-mcp install` as a whole: each client, existing, broken and foreign files, and no secret anywhere."""

from __future__ import annotations

import getpass
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.fake_clients import FakeClient, Reply
from tests.cli.process import PATIENCE_S, command
from wallet_mcp.cli import install as module
from wallet_mcp.cli.clients import CLIENTS, Surroundings
from wallet_mcp.cli.handshake import Handshake, NoHandshake
from wallet_mcp.cli.install import Options, entry_for, install
from wallet_mcp.cli.key_files import NoKey
from wallet_mcp.sandbox.app import SANDBOX_ED25519_PRIVATE_KEY
from wallet_mcp.server.tools import TOOLS
from wallet_mcp.settings import load_settings

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are scripts")

KEYS = {"WALLET_MCP_API_KEY": "canary-id", "WALLET_MCP_SECRET_KEY": "canary-secret"}
SANDBOX = entry_for({"WALLET_MCP_SANDBOX": "1"}).as_json()


class Place:
    """A home folder with nothing in it, commands of clients, and what was written."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = folder / "home"
        self.bin = folder / "bin"
        self.home.mkdir()
        self.bin.mkdir()
        self.keys = self.home / ".config" / "wallet-mcp"
        self.cursor = self.home / ".cursor" / "mcp.json"
        self._capsys = capsys
        self.out = self.err = ""

    def has(self, file: Path, text: str) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def install(self, client: str, *, environment: dict[str, str] | None = None, **options: bool | str) -> int:
        here = Surroundings({"PATH": str(self.bin)} | (environment or {}), self.home, "linux")
        status = install(Options(client, **options), here)  # type: ignore[arg-type]
        self.out, self.err = self._capsys.readouterr()
        return status

    def files(self) -> dict[str, str]:
        """All files below the home folder."""
        paths = (path for path in self.home.rglob("*") if path.is_file())
        return {str(path.relative_to(self.home)): path.read_text() for path in paths}


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(tmp_path, capsys)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[object, Path]]]:
    """Spares the start of a server: the entries that would have been tried out, and where."""
    tried: list[tuple[object, Path]] = []

    def shake(entry: object, folder: Path) -> Handshake:
        tried.append((entry, folder))
        return Handshake("0.1.0", "2026-07-28", 7, 1.234)

    monkeypatch.setattr(module, "shake_hands", shake)
    yield tried


Hands = list[tuple[object, Path]]


def test_a_whole_installation_as_a_process(place: Place) -> None:
    file = place.has(place.cursor, '{"mcpServers": {"files": {"command": "npx"}}}')
    environment = {"HOME": str(place.home), "PATH": os.environ["PATH"], **KEYS}
    run = subprocess.run(
        command("install", "cursor"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    servers = json.loads(file.read_text())["mcpServers"]
    assert servers["files"] == {"command": "npx"}
    assert servers["wallet"]["command"] == sys.executable
    assert servers["wallet"]["env"] == {
        "WALLET_MCP_API_KEY_FILE": str(place.keys / "api-key"),
        "WALLET_MCP_SECRET_KEY_FILE": str(place.keys / "secret-key"),
    }
    assert f"lists {len(TOOLS)} tools (2026-07-28, " in run.stdout.splitlines()[-1]
    assert run.stdout.count("Tried out: ") == 1
    assert "canary" not in run.stdout
    held = place.files()
    assert held.pop(".config/wallet-mcp/api-key") == "canary-id\n"
    assert held.pop(".config/wallet-mcp/secret-key") == "canary-secret\n"
    assert "canary" not in str(held)


def test_the_sandbox_needs_no_key_and_stores_none(place: Place, hands: Hands) -> None:
    place.has(place.cursor, "")
    assert place.install("cursor", environment=KEYS, sandbox=True) == 0
    assert json.loads(place.cursor.read_text()) == {"mcpServers": {"wallet": SANDBOX}}
    assert not place.keys.exists()
    assert "invented data" in place.out
    assert hands == [(entry_for({"WALLET_MCP_SANDBOX": "1"}), place.home)]


def test_the_second_time_nothing_is_written(place: Place, hands: Hands) -> None:
    place.has(place.cursor, "{}")
    assert place.install("cursor", sandbox=True) == 0
    before = place.files()
    assert place.install("cursor", sandbox=True) == 0
    assert "already" in place.out
    assert place.files() == before


def test_what_is_tried_out_is_what_the_client_will_read(place: Place, hands: Hands) -> None:
    old = {"command": "wallet-mcp", "env": {"WALLET_MCP_DEADLINE_S": 9, "WALLET_MCP_SECRET_KEY": "canary"}}
    place.has(place.cursor, json.dumps({"mcpServers": {"mine": old}}))
    assert place.install("cursor", sandbox=True, name="mine") == 0
    assert hands[0][0] == entry_for({"WALLET_MCP_DEADLINE_S": "9", "WALLET_MCP_SANDBOX": "1"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"mcpServers": {},}', "is not strict JSON (line 1, column 19)"),
        ('{"mcpServers": []}', '"mcpServers" is not an object'),
    ],
)
def test_a_broken_file_is_not_touched_and_the_block_is_shown(
    place: Place, hands: Hands, text: str, told: str
) -> None:
    place.has(place.cursor, text)
    assert place.install("cursor", environment=KEYS) == 1
    assert told in place.err
    assert f"put this into {place.cursor}:" in place.err
    shown = json.loads(place.err[place.err.index("{\n") :])
    assert shown["mcpServers"]["wallet"]["env"]["WALLET_MCP_API_KEY_FILE"] == str(place.keys / "api-key")
    # What is then pasted must work.
    assert (place.keys / "api-key").read_text() == "canary-id\n"
    assert place.cursor.read_text() == text
    assert "canary" not in place.out + place.err
    assert hands == []


def test_a_foreign_server_of_this_name_stays(place: Place, hands: Hands) -> None:
    text = '{"mcpServers": {"wallet": {"command": "npx"}}}'
    place.has(place.cursor, text)
    assert place.install("cursor", environment=KEYS) == 1
    assert "--name" in place.err
    assert place.files() == {".cursor/mcp.json": text}
    assert place.install("cursor", sandbox=True, name="wallet-2") == 0
    assert json.loads(place.cursor.read_text())["mcpServers"]["wallet-2"] == SANDBOX


def test_a_package_of_a_like_name_is_somebody_else_s(place: Place, hands: Hands) -> None:
    theirs = {"command": "npx", "args": ["-y", "@acme/wallet-mcp"], "env": {"ACME_TOKEN": "canary"}}
    text = json.dumps({"mcpServers": {"wallet": theirs}})
    place.has(place.cursor, text)
    assert place.install("cursor", sandbox=True) == 1
    assert "--name" in place.err
    assert place.files() == {".cursor/mcp.json": text}
    assert hands == []


def test_a_client_that_was_never_started_here_gets_no_folder(place: Place, hands: Hands) -> None:
    assert place.install("claude-desktop", sandbox=True) == 1
    assert "Start Claude Desktop once and run this again." in place.err
    assert place.files() == {}


def test_a_dry_run_changes_nothing_and_shows_no_other_entry(place: Place, hands: Hands) -> None:
    other = {"mcpServers": {"files": {"env": {"TOKEN": "canary-token"}}}}
    place.has(place.cursor, json.dumps(other))
    before = place.files()
    assert place.install("cursor", environment=KEYS, dry_run=True) == 0
    assert place.files() == before
    assert f"Would write the key to {place.keys}/api-key, {place.keys}/secret-key" in place.out
    assert '"WALLET_MCP_API_KEY_FILE"' in place.out
    assert "canary" not in place.out + place.err
    assert hands == []
    assert place.install("cursor", dry_run=True) == 0
    assert "Would ask for the key and write the key to" in place.out


def test_a_dry_run_calls_no_program(place: Place, hands: Hands) -> None:
    claude = FakeClient(place.bin, "claude")
    assert place.install("claude-code", environment=KEYS, dry_run=True) == 0
    assert claude.calls == []
    line = next(line for line in place.out.splitlines() if line.startswith("Would run: "))
    assert shlex.split(line.removeprefix("Would run: "))[:3] == [str(place.bin / "claude"), "mcp", "add"]
    assert "canary" not in place.out


@pytest.mark.parametrize(("client", "program"), [("claude-code", "claude"), ("codex", "codex"), ("vscode", "code")])
def test_a_client_with_a_command_gets_the_server_through_it(
    place: Place, hands: Hands, client: str, program: str
) -> None:
    fake = FakeClient(place.bin, program, [Reply(["mcp", "get"], 1, err="No MCP server found")])
    assert place.install(client, environment=KEYS) == 0
    calls = fake.calls
    words = calls[-1]["words"]
    assert ("--add-mcp" in words) or words[:2] == ["mcp", "add"]
    assert len(calls) == (1 if client == "vscode" else 2)
    assert str(place.keys / "secret-key") in " ".join(words)
    assert sys.executable in " ".join(words)
    assert [call["settings"] for call in calls] == [[]] * len(calls)
    assert [call["stdin"] for call in calls] == [""] * len(calls)
    assert "canary" not in str(calls) + place.out + place.err
    assert f"added by `{program}`" in place.out
    assert len(hands) == 1


@pytest.mark.parametrize(
    ("shown", "ours"),
    [
        ("wallet:\n  Command: /venv/bin/python\n  Args: -P -m wallet_mcp", True),
        ("wallet\n  command: /venv/bin/wallet-mcp", True),
        ('{"args": ["-m", "wallet_mcp"]}', True),
        ("wallet-mcp:\n  Command: npx my-wallet_mcp", False),
        ("Server 'wallet-mcp':\n  Command: npx\n  Args: -y @acme/wallet-mcp", False),
        ("wallet_mcp:\n  Command: uv\n  Args: --directory /home/u/src/wallet-mcp run server.py", False),
    ],
)
def test_a_server_of_this_name_is_replaced_only_if_it_is_ours(
    place: Place, hands: Hands, shown: str, ours: bool
) -> None:
    claude = FakeClient(place.bin, "claude", [Reply(["mcp", "get"], 0, shown), Reply(["mcp", "remove"], 1)])
    assert place.install("claude-code", sandbox=True) == (0 if ours else 1)
    assert [call["words"][1] for call in claude.calls] == (["get", "remove", "add"] if ours else ["get"])
    assert ("--name" in place.err) is not ours


def test_codex_replaces_by_adding(place: Place, hands: Hands) -> None:
    codex = FakeClient(place.bin, "codex", [Reply(["mcp", "get"], 0, "args: -m wallet_mcp")])
    assert place.install("codex", sandbox=True) == 0
    assert [call["words"][1] for call in codex.calls] == ["get", "add"]


def test_a_refusal_of_the_client_is_told_in_its_words(place: Place, hands: Hands) -> None:
    replies = [Reply(["mcp", "get"], 1), Reply(["mcp", "add"], 3, err="\x1b[31munknown\noption")]
    FakeClient(place.bin, "codex", replies)
    assert place.install("codex", sandbox=True) == 1
    assert "did not take the server (status 3):  [31munknown option" in place.err
    toml = place.err[place.err.index("[mcp_servers") :]
    assert tomllib.loads(toml)["mcp_servers"]["wallet"]["command"] == sys.executable
    assert hands == []


@pytest.mark.parametrize("client", [client.name for client in CLIENTS if client.kind == "program"])
def test_without_the_command_the_block_is_shown(place: Place, hands: Hands, client: str) -> None:
    assert place.install(client, sandbox=True) == 1
    assert "is not on the PATH" in place.err
    assert "WALLET_MCP_SANDBOX" in place.err
    assert place.files() == {}


def test_a_command_that_cannot_run_or_does_not_end(
    place: Place, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.bin / "code").write_text("#!/no/such/interpreter\n")
    (place.bin / "code").chmod(0o755)
    assert place.install("vscode", sandbox=True) == 1
    assert "cannot be started (No such file or directory)" in place.err

    def slow(words: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(words, 60)

    monkeypatch.setattr(subprocess, "run", slow)
    assert place.install("vscode", sandbox=True) == 1
    assert "did not end within 60 s" in place.err


def test_a_batch_file_gets_no_arguments_that_its_shell_would_read_otherwise(place: Place, hands: Hands) -> None:
    for name in ("code", "claude"):
        FakeClient(place.bin, f"{name}.cmd", [Reply(["mcp", "get"], 1)])
        (place.bin / f"{name}.cmd.calls").touch()
    for name, status in (("code", 1), ("claude", 0)):
        program = place.bin / f"{name}.cmd"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shutil, "which", lambda *_, path, found=str(program): found)
            assert place.install("vscode" if name == "code" else "claude-code", sandbox=True) == status
    assert (place.bin / "code.cmd.calls").read_text() == ""
    assert (place.bin / "claude.cmd.calls").read_text() != ""


def test_for_another_client_the_block_is_printed(place: Place, hands: Hands) -> None:
    assert place.install("other", environment=KEYS) == 0
    block, _ = json.JSONDecoder().raw_decode(place.out[place.out.index("{\n") :])
    assert block["mcpServers"]["wallet"]["args"] == ["-P", "-m", "wallet_mcp"]
    assert (place.keys / "secret-key").exists()
    assert "canary" not in place.out
    assert len(hands) == 1


def test_the_key_that_was_stored_serves_the_next_client(place: Place, hands: Hands) -> None:
    assert place.install("other", environment=KEYS) == 0
    before = place.files()
    place.has(place.cursor, "{}")
    assert place.install("cursor") == 0
    assert f"The key is read from {place.keys}/api-key" in place.out
    assert {name: text for name, text in place.files().items() if "wallet-mcp" in name} == before


PEM_KEY = {"WALLET_MCP_API_KEY": "id-b", "WALLET_MCP_PRIVATE_KEY": SANDBOX_ED25519_PRIVATE_KEY}


def test_a_key_of_the_other_kind_says_what_is_gone_and_who_has_to_be_set_up_again(place: Place, hands: Hands) -> None:
    place.has(place.cursor, "{}")
    desktop = place.has(place.home / ".config" / "Claude" / "claude_desktop_config.json", "{}")
    FakeClient(place.bin, "codex", [Reply(["mcp", "get"], 1)])
    assert place.install("cursor", environment=KEYS) == 0
    assert place.install("cursor", name="w2") == 0
    assert place.install("claude-desktop") == 0
    assert "gone" not in place.out
    before = place.files()
    assert place.install("cursor", environment=PEM_KEY, dry_run=True) == 0
    assert f"Would remove what is left of the key before: {place.keys}/secret-key." in place.out
    assert place.out.count("That client still names a file that would be gone; run: ") == 2
    assert place.files() == before
    assert place.install("cursor", environment=PEM_KEY) == 0
    assert not (place.keys / "secret-key").exists()
    assert f"Removed what is left of the key before: {place.keys}/secret-key." in place.out
    commands = re.findall("is gone; run: (.*)", place.out)
    assert commands == ["wallet-mcp install claude-desktop", "wallet-mcp install cursor --name w2"]
    assert "need the new block: wallet-mcp install other" in place.out
    # Following the words mends it, and the key of the next client is whole.
    assert place.install("cursor", name="w2") == 0
    assert place.install("claude-desktop") == 0
    for file in (place.cursor, desktop):
        for entry in json.loads(file.read_text())["mcpServers"].values():
            settings = load_settings(entry["env"])
            assert settings.credentials is not None
            assert settings.credentials.algorithm == "Ed25519"
            assert settings.credentials.api_key.get_secret_value() == "id-b"


def test_also_where_the_client_refuses_it_is_told_what_is_gone(place: Place, hands: Hands) -> None:
    place.has(place.cursor, "{}")
    assert place.install("cursor", environment=KEYS) == 0
    place.cursor.write_text(place.cursor.read_text().replace("{", "{ // mine", 1))
    assert place.install("cursor", environment=PEM_KEY) == 1
    assert "is gone; run: wallet-mcp install cursor\n" in place.out


def test_a_private_key_file_that_is_copied_is_named(
    place: Place, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = place.has(place.home / "b.pem", SANDBOX_ED25519_PRIVATE_KEY)
    given = {"WALLET_MCP_API_KEY": "id-b", "WALLET_MCP_PRIVATE_KEY_FILE": str(file)}
    assert place.install("other", environment=given) == 0
    assert f"Copied from {file}: clients read the copy." in place.out
    assert (place.keys / "private-key.pem").read_text() == SANDBOX_ED25519_PRIVATE_KEY.strip() + "\n"


@pytest.mark.parametrize("sandbox", [True, False])
def test_that_the_key_itself_was_not_tried_is_said(place: Place, hands: Hands, sandbox: bool) -> None:
    assert place.install("other", environment=KEYS, sandbox=sandbox) == 0
    assert ("The key itself was not tried: `wallet-mcp doctor` tries it." in place.out) is not sandbox


def test_a_key_file_that_others_can_read_is_pointed_out(place: Place, hands: Hands, reachable: Path) -> None:
    named = {}
    for name in ("API_KEY", "SECRET_KEY"):
        file = place.has(reachable / f"my {name}", "x")
        file.chmod(0o644)
        named[f"WALLET_MCP_{name}_FILE"] = str(file)
    assert place.install("other", environment=named) == 0
    assert f"run: chmod 600 '{reachable}/my API_KEY'" in place.out


@pytest.mark.parametrize(
    ("client", "options", "told"),
    [
        (
            "zed",
            {},
            "zed is no client that I know. Name one of claude-code, claude-desktop, codex, cursor, vscode, other.",
        ),
        ("\x1b[2J", {}, " [2J is no client"),
        ("cursor", {"name": "a b"}, "--name must be"),
        ("cursor", {"name": ""}, "--name must be"),
        ("cursor", {"name": "x" * 41}, "--name must be"),
    ],
)
def test_wrong_words_end_with_status_2(
    place: Place, hands: Hands, client: str, options: dict[str, str], told: str
) -> None:
    assert place.install(client, environment=KEYS, **options) == 2
    assert told in place.err
    assert place.files() == {}


def test_a_server_that_does_not_answer_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Handshake:
        raise NoHandshake("The server does not work as set up: it did not answer in time.")

    monkeypatch.setattr(module, "shake_hands", fails)
    assert place.install("other", sandbox=True) == 1
    assert place.err.endswith("it did not answer in time. `wallet-mcp doctor` looks for the cause.\n")


def test_without_a_path_of_its_own_it_does_not_guess(
    place: Place, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "")
    assert place.install("other", sandbox=True) == 1
    assert "start wallet-mcp by its whole path" in place.err


class Terminal:
    def isatty(self) -> bool:
        return True


def asked(answer: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", answer)
    return module.ask_secretly("API key: ")


def test_a_key_is_asked_for_without_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(lambda prompt: f"answer to {prompt}", monkeypatch) == "answer to API key: "


def test_a_terminal_that_would_show_the_key_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def shows(_: str) -> str:
        warnings.warn("Can not control echo", getpass.GetPassWarning, stacklevel=1)
        return "canary"

    with pytest.raises(NoKey, match="would show the key"):
        asked(shows, monkeypatch)


def test_the_end_of_input_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(_: str) -> str:
        raise EOFError

    with pytest.raises(NoKey, match="No answer was given"):
        asked(ends, monkeypatch)


def test_without_a_terminal_nothing_is_asked(place: Place, hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    place.has(place.cursor, "{}")
    assert place.install("cursor") == 1
    assert "There is no terminal to ask for the key on." in place.err
    assert place.files() == {".cursor/mcp.json": "{}"}


def test_the_command_line_leads_here(monkeypatch: pytest.MonkeyPatch) -> None:
    from wallet_mcp.cli.main import main

    seen: list[Options] = []

    def note(options: Options) -> int:
        seen.append(options)
        return 1

    monkeypatch.setattr(module, "install", note)
    assert main(["install", "cursor"]) == 1
    assert main(["install", "codex", "--sandbox", "--dry-run", "--new-key", "--name", "w2"]) == 1
    assert seen == [Options("cursor"), Options("codex", "w2", sandbox=True, dry_run=True, new_key=True)]
