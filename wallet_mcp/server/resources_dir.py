"""Where the texts of `prompts/` are: inside the package in a wheel, beside it in a checkout or a bundle."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

PACKAGED_NAME = "_prompts"
"""What the wheel calls `prompts/` inside the package (`force-include` in pyproject.toml)."""


def prompts_dir(package: Traversable | None = None) -> Traversable:
    """The folder with the texts a model reads.

    `package`: the package's own folder; tests pass another one. The packaged folder wins: a folder that happens to be
    called `prompts` beside an installed package is not ours. Raises `FileNotFoundError` when there is neither.
    """
    root = files("wallet_mcp") if package is None else package
    packaged = root / PACKAGED_NAME
    if packaged.is_dir():
        return packaged
    beside = Path(str(root)).parent / "prompts"
    if beside.is_dir():
        return beside
    raise FileNotFoundError("the prompts folder is neither in the wallet_mcp package nor beside it")


def read_text(name: str) -> str:
    """One file of the folder as text, with `\\n` line ends. Raises `FileNotFoundError` naming the file."""
    file = prompts_dir() / name
    if not file.is_file():
        raise FileNotFoundError(f"prompts/{name} is missing")
    return file.read_text(encoding="utf-8")
