from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from scripts.bundle import NEEDED, ROOT, BadBundle, clean_copy, try_out


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def test_only_tracked_files_are_copied_as_they_are_now(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "a").mkdir(parents=True)
    for name in ("kept", "a/ö name", "gone", "untracked.pem"):
        (source / name).write_text("first")
    git(source, "init", "--quiet")
    git(source, "add", "kept", "a/ö name", "gone")
    (source / "kept").write_text("changed")
    (source / "gone").unlink()
    assert clean_copy(source, target) == 2
    copied = {str(path.relative_to(target)): path.read_text() for path in target.rglob("*") if path.is_file()}
    assert copied == {"kept": "changed", "a/ö name": "first"}


def test_without_git_nothing_is_packed(tmp_path: Path) -> None:
    with pytest.raises(BadBundle, match="git"):
        clean_copy(tmp_path, tmp_path / "target")


def bundle(path: Path, *, without: str = "", more: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in [*NEEDED, *([more] if more else [])]:
            if name != without:
                archive.write(ROOT / name, name) if (ROOT / name).exists() else archive.writestr(name, "")
    return path


@pytest.mark.parametrize("name", NEEDED)
def test_a_bundle_that_lacks_something_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadBundle, match=f"{name} is missing"):
        try_out(bundle(tmp_path / "x.mcpb", without=name))


@pytest.mark.parametrize("name", ["tests/test_x.py", ".venv/pyvenv.cfg", "scripts/bundle.py", ".git/config"])
def test_a_bundle_that_holds_what_it_should_not_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadBundle, match=f"{name} should not be there"):
        try_out(bundle(tmp_path / "x.mcpb", more=name))


def test_a_bundle_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    # Its package has one module only, and stands in the way of the installed one.
    broken = bundle(tmp_path / "x.mcpb", more="wallet_mcp/__init__.py")
    with pytest.raises(BadBundle, match="Unpacked, the bundle does not answer"):
        try_out(broken)


def test_what_is_needed_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".mcpbignore").read_text().splitlines()
    for name in NEEDED:
        assert (ROOT / name).is_file()
        assert not any(name.startswith(rule.rstrip("/") + "/") or name == rule for rule in ignored if rule)
