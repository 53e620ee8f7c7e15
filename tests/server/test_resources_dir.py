from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wallet_mcp.server.remediation import load_remediation
from wallet_mcp.server.resources_dir import PACKAGED_NAME, prompts_dir, read_text

ROOT = Path(__file__).parents[2]
PROGRAM = """
import wallet_mcp
from wallet_mcp.server.prompts import load_instructions, load_prompts
from wallet_mcp.server.remediation import load_remediation
print(wallet_mcp.__file__, len(load_prompts()), len(load_remediation()), len(load_instructions()) > 0)
"""


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        ([f"wallet_mcp/{PACKAGED_NAME}"], f"wallet_mcp/{PACKAGED_NAME}"),
        (["wallet_mcp", "prompts"], "prompts"),
        ([f"wallet_mcp/{PACKAGED_NAME}", "prompts"], f"wallet_mcp/{PACKAGED_NAME}"),
    ],
)
def test_packaged_folder_comes_before_the_one_beside(tmp_path: Path, folders: list[str], found: str) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    assert str(prompts_dir(tmp_path / "wallet_mcp")) == str(tmp_path / found)


def test_neither_folder_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "wallet_mcp").mkdir()
    with pytest.raises(FileNotFoundError, match="neither in the wallet_mcp package nor beside it"):
        prompts_dir(tmp_path / "wallet_mcp")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"prompts/nothing\.md is missing"):
        read_text("nothing.md")


@pytest.mark.parametrize("target", [f"wallet_mcp/{PACKAGED_NAME}", "prompts"])
def test_every_text_is_found_in_a_wheel_and_beside_a_package(tmp_path: Path, target: str) -> None:
    ignored = shutil.ignore_patterns("__pycache__", PACKAGED_NAME)
    shutil.copytree(ROOT / "wallet_mcp", tmp_path / "wallet_mcp", ignore=ignored)
    shutil.copytree(ROOT / "prompts", tmp_path / target)
    # An environment of its own: coverage would follow the copy into a folder that is gone when it reports.
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stderr == ""
    assert run.stdout.split() == [
        str(tmp_path / "wallet_mcp" / "__init__.py"),
        "5",
        str(len(load_remediation())),
        "True",
    ]
