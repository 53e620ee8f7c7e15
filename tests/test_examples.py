"""The examples of README and docs are run: what stands there can be typed and ends as promised."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.conftest import logging_as_before as logging_as_before
from tests.cli.process import PATIENCE_S, environment, pipe, started
from tests.support.pages import PAGES, ROOT, blocks_of, command_lines, spans, table_after, words_of
from tests.support.readme import REFUSED
from wallet_mcp.cli.main import main, parser, read_command_line
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.settings import load_settings

posix = pytest.mark.skipif(os.name != "posix", reason="signals and scripts as POSIX has them")

NOT_RUN: Final[Mapping[str, str]] = {
    "make ": "its targets are compared with the Makefile; the gate runs them",
    "python3 -m venv ": "installs from the network: `make wheel` does it",
    ".venv/bin/wallet-mcp install claude-code": "changes a client: tests/cli/test_install.py does it with a stand-in",
    "claude mcp add ": "the client's own program: tests/test_clients_page.py compares it with ours",
    "codex mcp add ": "the client's own program: tests/test_clients_page.py compares it with ours",
    "docker ": "needs a container engine: tests/test_clients_page.py checks the settings",
    "wallet-mcp probe 0xYourWallet ": "needs a live key and a person who agrees",
    "wallet-mcp probe 0x4228": "takes ten seconds and a person who agrees: tests/cli/test_probe.py does it faster",
}
"""How a line begins that is not run here -> why not."""

STATUSES: Final[Mapping[str, int]] = {REFUSED.command: 2}
"""Lines that do not end with status 0."""

SERVERS: Final = (None, "serve", "sandbox")
"""Commands that run until they are stopped; without a command, the server over stdio."""

RECIPES: Final = frozenset(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
PLACEHOLDERS: Final = {
    "CLIENT": "other",
    "TOOL": "wallet_list_chains",
    "ADDRESS": WALLETS["rich"],
    "...": "chain=bsc",
}

Run = Callable[..., tuple[int, str]]


def excused(line: str) -> list[str]:
    """The reasons for not running a line."""
    return [reason for beginning, reason in NOT_RUN.items() if line.startswith(beginning)]


def is_ours(line: str) -> bool:
    return line == "wallet-mcp" or line.startswith("wallet-mcp ")


def starts_a_server(line: str) -> bool:
    try:
        return read_command_line(words_of(line)[1:]).command in SERVERS
    except SystemExit:
        # Not while tests are collected: where the line is run it says so again.
        return False


RUN: Final = [line for line in command_lines() if is_ours(line) and not excused(line)]
CALLS: Final = [line for line in RUN if not starts_a_server(line)]
STARTS: Final = [line for line in RUN if starts_a_server(line)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `wallet-mcp` in this process, in an empty folder that is home too, without settings: status and stdout."""
    for name in os.environ:
        if name.startswith(("WALLET_MCP_", "XDG_", "CLAUDE_", "CODEX_")):
            monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        return main(words), capsys.readouterr().out

    return run


def test_there_are_examples_of_each_sort() -> None:
    assert len(CALLS) >= 10
    assert {read_command_line(words_of(line)[1:]).command for line in RUN} >= {"call", "doctor", "install", *SERVERS}


@pytest.mark.parametrize("line", command_lines())
def test_a_line_is_run_or_excused_and_not_both(line: str) -> None:
    assert len(excused(line)) + (line in RUN) == 1


@pytest.mark.parametrize("beginning", NOT_RUN)
def test_an_excuse_has_its_line(beginning: str) -> None:
    assert any(line.startswith(beginning) for line in command_lines())


@pytest.mark.parametrize("line", CALLS)
def test_a_call_ends_with_its_status(run: Run, line: str) -> None:
    words = words_of(line)[1:]
    assert {"--sandbox", "--version"} & set(words), "it would ask the live API"
    status, out = run(*words)
    assert status == STATUSES.get(line, 0)
    assert bool(out) == (status == 0)
    if "--json" in words:
        assert isinstance(json.loads(out), dict)


def test_the_status_of_a_line_belongs_to_a_line() -> None:
    assert STATUSES.keys() <= set(CALLS)


@posix
@pytest.mark.parametrize("line", [line for line in STARTS if " serve " not in line])
def test_a_server_starts_and_ends_with_status_0(line: str) -> None:
    words = words_of(line)[1:]
    command = read_command_line(words).command
    assert command == "sandbox" or "--sandbox" in words, "it would use a live key"
    # The port of a page may be taken here; the last one counts.
    with started(*words, *(["--port", "0"] if command else [])) as process:
        if command is None:
            pipe(process.stdin).close()
        else:
            assert b"=http://127.0.0.1:" in pipe(process.stdout).readline()
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


@posix
def test_the_bot_gets_its_answer_from_the_server_of_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks_of("python")
    (line,) = (line for line in STARTS if " serve " in line)
    stated = f"http://127.0.0.1:{read_command_line(words_of(line)[1:]).port}/mcp"
    assert block.text.count(stated) == 1
    with started(*words_of(line)[1:], "--port", "0", settings={"WALLETS": f"treasury={WALLETS['rich']}"}) as process:
        taken = re.search(rb"http://\S+", pipe(process.stderr).readline())
        assert taken
        exec(compile(block.text.replace(stated, taken[0].decode()), block.page, "exec"), {})
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert re.fullmatch(r"[0-9]+\.[0-9]+\n", capsys.readouterr().out)


def as_script(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """The script of the pages, run with `program` as the shell's `wallet-mcp`."""
    (script,) = (block for block in blocks_of("sh") if block.is_script)
    (folder / "wallet-mcp").write_text(f"#!/bin/sh\n{program}\n")
    (folder / "wallet-mcp").chmod(0o755)
    return subprocess.run(
        ["/bin/sh", "-c", script.text],
        cwd=folder,
        env={**environment(), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )


@posix
def test_the_script_prints_its_report(tmp_path: Path) -> None:
    done = as_script(tmp_path, f'exec "{sys.executable}" -m wallet_mcp "$@"')
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(WALLETS["rich"])
    assert "\nSource: sandbox " in done.stdout


@posix
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (1, "Somebody has to look after the server.\nreason\n"),
        (2, "The arguments of this report are wrong.\nreason\n"),
        (3, "The API gave no answer; the next run tries again.\n"),
    ],
)
def test_the_script_tells_who_has_to_act(tmp_path: Path, status: int, said: str) -> None:
    done = as_script(tmp_path, f"echo reason >&2; exit {status}")
    assert (done.returncode, done.stdout) == (0, said)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_within_sentences_can_be_typed(page: Path) -> None:
    (commands,) = (action for action in parser()._actions if action.dest == "command")
    for span in spans(page):
        words = span.removeprefix(".venv/bin/").split()
        if words[0] != "wallet-mcp":
            continue
        if words[2:] in ([], ["--help"]) and words[1:]:
            assert words[1] in (commands.choices or ()), span
        else:
            read_command_line([PLACEHOLDERS.get(word, word) for word in words[1:]])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_recipes_and_modules_that_a_page_names_are_there(page: Path) -> None:
    for span in spans(page):
        if made := re.fullmatch(r"make ([a-z-]+)", span):
            assert made[1] in RECIPES
        if module := re.match(r"python -m ([a-z_.]+)", span):
            path = ROOT / module[1].replace(".", "/")
            assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), span


def test_the_recipes_of_the_shell_blocks_are_there() -> None:
    made = {line.removeprefix("make ") for line in command_lines() if line.startswith("make ")}
    assert {"demo", "test"} <= made <= RECIPES


def entry_of(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry of this server in a client's configuration, whatever the client calls the outer object."""
    (outer,) = block
    assert outer in ("mcpServers", "servers", "mcp_servers")
    (name,) = block[outer]
    assert name == read_command_line(["install", "other"]).name
    return dict(block[outer][name])


def test_the_clients_blocks_can_be_read_and_set_what_there_is(run: Run) -> None:
    configured = [json.loads(block.text) for block in blocks_of("json")]
    configured += [tomllib.loads(block.text) for block in blocks_of("toml")]
    assert len(configured) >= 4
    _, printed = run("install", "other", "--dry-run")
    ours = json.loads(printed[printed.index("{") : printed.rindex("}") + 1])
    for block in configured:
        entry, expected = entry_of(block), entry_of(ours)
        assert entry.keys() <= expected.keys()
        if "args" in entry:
            assert entry["args"] == expected["args"]
            assert entry["env"].keys() == expected["env"].keys()
        settings = load_settings(entry["env"])
        assert settings.notes == ()
        assert settings.missing == ()
    assert blocks_of("json", "README.md"), "the README shows a block to paste"
    assert all(json.loads(block.text).keys() == ours.keys() for block in blocks_of("json", "README.md"))


def test_the_checks_of_the_doctor_are_on_its_page(run: Run) -> None:
    status, out = run("doctor", "--sandbox", "--json")
    assert status == 0
    stated = [row[0].strip("`") for row in table_after("docs/doctor.md", "# When it does not work")]
    assert stated == [check["check"] for check in json.loads(out)["checks"]]


def test_what_the_page_for_scripts_says_of_a_failure_is_there(run: Run) -> None:
    status, out = run(*words_of(REFUSED.command)[1:], "--json")
    assert status == 2
    (stated,) = (re.findall(r"`(\w+)`", text) for text in re.findall(r"\(([^()]*`kind`[^()]*)\)", _page("chatops")))
    facts = json.loads(out)
    assert set(stated) - {"retry_after_seconds"} <= facts.keys()
    assert facts["text"].startswith("Error ")


def _page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
