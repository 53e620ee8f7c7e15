from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
import time
from pathlib import Path

import pytest

from scripts import node_tools
from scripts.node_tools import PINS, NodeTools, NoTools, Run, install_tools, run, scratch_folder

posix = pytest.mark.skipif(os.name != "posix", reason="the stand-in for npm is a script")


@pytest.fixture(autouse=True)
def own_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def npm(folder: Path, monkeypatch: pytest.MonkeyPatch, status: int = 0) -> Path:
    """A stand-in for npm that leaves a mark where it runs; the file that counts its runs."""
    folder.mkdir()
    runs = folder / "runs"
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\necho run >> '{runs}'\nmkdir -p node_modules\necho 'no way' >&2\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return runs


@posix
def test_tools_are_installed_once_per_set_of_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = npm(tmp_path / "bin", monkeypatch)
    first = install_tools({"a": "1"})
    assert install_tools({"a": "1"}) == first
    assert runs.read_text() == "run\n"
    assert install_tools({"a": "2"}).folder != first.folder
    assert (first.folder / "node_modules").is_dir()
    assert json.loads((first.folder / "package.json").read_text())["dependencies"] == {"a": "1"}
    assert {path.name for path in first.folder.parent.iterdir()} == {
        first.folder.name,
        install_tools({"a": "2"}).folder.name,
    }


@posix
def test_a_failed_install_leaves_nothing_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm(tmp_path / "bin", monkeypatch, status=1)
    with pytest.raises(NoTools, match="no way"):
        install_tools({"a": "1"})
    assert list(scratch_folder().iterdir()) == []


def test_without_npm_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoTools, match="npm is needed"):
        install_tools({"a": "1"})


@posix
def test_programs_of_another_user_are_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stat.S_IMODE(scratch_folder().stat().st_mode) == 0o700
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(NoTools, match="belongs to another user"):
        scratch_folder()


@pytest.mark.parametrize("version", PINS.values())
def test_a_pin_is_one_exact_version(version: str) -> None:
    assert version[0].isdigit()
    assert not set(version) & set("^~*<>= ")


def test_a_run_has_its_own_home_and_none_of_our_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALLET_MCP_API_KEY", "canary")
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    done = NodeTools(tmp_path).run([sys.executable, "-c", program], 30)
    assert done.status == 0
    seen = json.loads(done.output)
    assert seen["HOME"] == str(tmp_path / "home")
    assert seen["PATH"].startswith(str(tmp_path / "node_modules" / ".bin"))
    assert "canary" not in done.output


def test_a_run_that_is_too_slow_or_impossible_is_an_answer_too(tmp_path: Path) -> None:
    slow = run([sys.executable, "-c", "input()"], 0.01, {}, None)
    assert (slow.status, slow.messages) == (None, "not done after 0.01 s")
    assert run(["/no/such/program"], 1, {}, None).messages == "cannot be started: No such file or directory"
    assert run([sys.executable, "-c", "raise SystemExit(3)"], 30, dict(os.environ), None).status == 3


def test_late_runs_are_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def note(_: object, patience_s: float, *__: object) -> Run:
        given.append(patience_s)
        return Run(0, "", "")

    monkeypatch.setattr(node_tools, "run", note)
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    for until in (130.0, 101.5, 90.0):
        NodeTools(tmp_path, until).run(["x"], 20.0)
    assert given == [20.0, 1.5, 1.0]


def test_the_commands_lie_in_the_folder(tmp_path: Path) -> None:
    tools = NodeTools(tmp_path)
    for command in (tools.suite, tools.inspector, tools.mcpb):
        assert command[0].startswith(str(tmp_path))
    assert node_tools.SCRATCH == "wallet-mcp-conformance"
