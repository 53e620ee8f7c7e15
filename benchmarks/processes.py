"""Commands of ours as processes in the background, and what they wrote."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, Literal

from tests.cli.process import command, environment

START_S: Final = 30.0


class Processes:
    """Processes that are ended together. Afterwards `output` is what they wrote, without the lines that `start` gave.

    `failed` names those whose exit status was not 0.
    """

    def __init__(self) -> None:
        self.output = ""
        self.failed: list[str] = []
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._files: list[tuple[Path, int]] = []
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Processes:
        return self

    @property
    def pids(self) -> list[int]:
        """The ids of the processes, in the order of their start."""
        return [process.pid for _, process in self._running]

    def start(self, stream: Literal["stdout", "stderr"], lines: int, *arguments: str, **settings: str) -> list[str]:
        """The first lines that a new `wallet-mcp` writes to a stream. Raises `TimeoutError` when they do not come."""
        paths = {name: Path(self._folder.name) / f"{len(self._files)}-{name}" for name in ("stdout", "stderr")}
        self._files += [(path, lines if name == stream else 0) for name, path in paths.items()]
        with paths["stdout"].open("wb") as out, paths["stderr"].open("wb") as err:
            process = subprocess.Popen(command(*arguments), stdout=out, stderr=err, env=environment(**settings))
        self._running.append((arguments[0], process))
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            written = paths[stream].read_text().splitlines()
            if len(written) >= lines:
                return written[:lines]
            time.sleep(0.1)
        raise TimeoutError(f"no {arguments[0]} within {START_S:.0f} s")

    def __exit__(self, *_error: object) -> None:
        for name, process in reversed(self._running):
            process.terminate()
            try:
                status: int | None = process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                status = None
            if status != 0:
                self.failed.append(f"{name} ended with status {status}")
        self.output = "\n".join(
            line for path, announced in self._files for line in path.read_text().splitlines()[announced:]
        )
        self._folder.cleanup()
