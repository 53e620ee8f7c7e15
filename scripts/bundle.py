"""`make bundle`: the MCPB bundle, packed from a clean copy of the tracked files and tried out unpacked."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from scripts.node_tools import NodeTools, NoTools, install_tools, run
from wallet_mcp import __version__

ROOT: Final = Path(__file__).parents[1]
NEEDED: Final = (
    "manifest.json",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "wallet_mcp/__main__.py",
    "prompts/remediation.toml",
)
UNWANTED: Final = ("tests/", "docs/", "scripts/", "benchmarks/", ".git", ".ci/", ".venv/")
PATIENCE_S: Final = 60.0


class BadBundle(Exception):
    """The bundle is not as it should be; the message is a sentence with the reason."""


def clean_copy(root: Path, target: Path) -> int:
    """Copy the files that git tracks, as they are in the working tree; how many. Raises `BadBundle` without git."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    names = [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    if listed.returncode != 0 or not names:
        raise BadBundle("Only the files that git tracks are packed, and git lists none here.")
    present = [name for name in names if (root / name).is_file()]
    for name in present:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / name)
    return len(present)


def pack(tools: NodeTools, root: Path, out: Path) -> Path:
    """Check the manifest and pack the bundle into `out`. Raises `BadBundle`."""
    with tempfile.TemporaryDirectory() as name:
        clean_copy(root, Path(name))
        for command in (["validate", "manifest.json"], ["pack", ".", str(out.resolve())]):
            done = tools.run([*tools.mcpb, *command], PATIENCE_S, Path(name))
            if done.status != 0:
                raise BadBundle(f"mcpb {command[0]} failed: {(done.output + done.messages).strip()[-600:]}")
    return out


def try_out(bundle: Path) -> list[str]:
    """Look into a bundle and answer one call from its unpacked form; the names in it. Raises `BadBundle`.

    The interpreter is the one that runs this: that a host's `uv run` finds the same packages is not shown.
    """
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(bundle) as archive:
        names = archive.namelist()
        wrong = [f"{name} is missing" for name in NEEDED if name not in names]
        wrong += [f"{name} should not be there" for name in names if name.startswith(UNWANTED)]
        if wrong:
            raise BadBundle(f"In the bundle {wrong[0]} ({len(wrong)} faults).")
        archive.extractall(folder)
        others = {name: value for name, value in os.environ.items() if not name.startswith("WALLET_MCP_")}
        command = [sys.executable, "-m", "wallet_mcp", "call", "wallet_list_chains", "--sandbox"]
        called = run(command, PATIENCE_S, others, Path(folder))
        if called.status != 0:
            last = (called.messages.strip().splitlines() or ["it says nothing"])[-1]
            raise BadBundle(f"Unpacked, the bundle does not answer: {last[:300]}")
    return names


def main() -> int:
    """Pack into `dist/`; the exit status is 1 where that failed."""
    parser = argparse.ArgumentParser(description="Pack the MCPB bundle.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / f"wallet-mcp-{__version__}.mcpb")
    out: Path = parser.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        names = try_out(pack(install_tools(), ROOT, out))
    except (NoTools, BadBundle) as error:
        sys.stderr.write(f"bundle: {error}\n")
        return 1
    sys.stdout.write(f"{out}: {len(names)} files, {out.stat().st_size // 1024} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
