"""`python -m tests.golden` writes the golden files anew; read what has changed before it is kept."""

from __future__ import annotations

import asyncio

from tests.golden.answers import CALLS, FOLDER, text_of
from tests.support.virtual_time import VirtualTimeLoop


def main() -> None:
    """Writes each file; removes those of calls that are gone."""
    for path in FOLDER.glob("*.txt"):
        if path.stem not in CALLS:
            path.unlink()
    for name, asked in CALLS.items():
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            (FOLDER / f"{name}.txt").write_text(runner.run(text_of(asked)), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
