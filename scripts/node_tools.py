"""The outside checks, which are npm packages: pinned, in a scratch folder of this user, with their own Node."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PINS: Final = {
    # The suite and the Inspector need Node 22; older ones end at their imports.
    "node": "22.23.3",
    "@modelcontextprotocol/conformance": "0.2.0-alpha.12",
    "@modelcontextprotocol/inspector": "2.12.0",
    "@anthropic-ai/mcpb": "2.1.2",
}
SCRATCH: Final = "wallet-mcp-conformance"
INSTALL_PATIENCE_S: Final = 400.0


class NoTools(Exception):
    """The tools cannot be had; the message is a sentence with the reason."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a program left behind: exit status (None: it was stopped, being too slow), output and messages."""

    status: int | None
    output: str
    messages: str


@dataclass(frozen=True, slots=True)
class NodeTools:
    """The installed tools in `folder`; from `until` on (`time.monotonic`) no run takes longer than a second."""

    folder: Path
    until: float = math.inf

    @property
    def suite(self) -> tuple[str, str]:
        """The command of the official conformance suite."""
        script = self.folder / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
        return self._program("node"), str(script)

    @property
    def inspector(self) -> tuple[str, str]:
        """The command of the Inspector, without its browser part."""
        return self._program("mcp-inspector"), "--cli"

    @property
    def mcpb(self) -> tuple[str]:
        """The command that checks and packs bundles."""
        return (self._program("mcpb"),)

    def run(self, command: Sequence[str], patience_s: float, folder: Path | None = None) -> Run:
        """Run a command with these tools on its PATH and a home folder of its own; nothing is raised."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        others = {name: value for name, value in os.environ.items() if not name.startswith("WALLET_MCP_")}
        path = os.pathsep.join([str(self.folder / "node_modules" / ".bin"), os.environ.get("PATH", "")])
        environment = others | {"PATH": path, "HOME": str(home), "NO_COLOR": "1"}
        left_s = max(1.0, self.until - time.monotonic())
        return run(command, min(patience_s, left_s), environment, folder)

    def _program(self, name: str) -> str:
        return str(self.folder / "node_modules" / ".bin" / name)


def run(command: Sequence[str], patience_s: float, environment: dict[str, str], folder: Path | None) -> Run:
    """Run a command to its end, or for `patience_s` seconds."""
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=patience_s,
            check=False,
            env=environment,
            cwd=folder,
        )
    except subprocess.TimeoutExpired:
        return Run(None, "", f"not done after {patience_s:g} s")
    except OSError as error:
        return Run(None, "", f"cannot be started: {error.strerror}")
    return Run(ended.returncode, ended.stdout, ended.stderr)


def scratch_folder() -> Path:
    """The folder for tools and results outside of the repository. Raises `NoTools` where it is somebody else's."""
    folder = Path(tempfile.gettempdir()) / SCRATCH
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        # Programs from there are going to be started.
        raise NoTools(f"{folder} belongs to another user; set TMPDIR to a folder of your own.")
    return folder


def install_tools(pins: dict[str, str] = PINS) -> NodeTools:
    """The tools in exactly these versions, installed by the machine's npm unless they are there. Raises `NoTools`."""
    digest = hashlib.sha256(json.dumps(pins, sort_keys=True).encode()).hexdigest()[:12]
    place = scratch_folder() / f"tools-{digest}"
    if place.is_dir():
        return NodeTools(place)
    npm = shutil.which("npm")
    if npm is None:
        raise NoTools("npm is needed to install the outside checks, and is not on the PATH.")
    # Beside the place and moved there when whole: a broken or parallel install leaves nothing half done.
    beside = Path(tempfile.mkdtemp(prefix="new-", dir=place.parent))
    try:
        (beside / "package.json").write_text(json.dumps({"private": True, "dependencies": pins}), encoding="utf-8")
        options = ["--no-fund", "--no-audit", "--loglevel=error"]
        done = run([npm, "install", *options], INSTALL_PATIENCE_S, dict(os.environ), beside)
        if done.status != 0:
            raise NoTools(f"npm could not install the outside checks: {done.messages.strip()[-600:]}")
        if not place.is_dir():
            beside.rename(place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return NodeTools(place)
