"""A line on stderr that tells how far a call is, and is gone when its answer is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO


class ProgressNote(Protocol):
    """What the SDK's client calls for each progress notification."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...


@contextmanager
def progress_on(stream: TextIO, first: str) -> Iterator[ProgressNote]:
    """Show `first` and then what the server tells, with the time since; on a dumb terminal nothing."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from wallet_mcp.cli.tables import console_on

    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    with Progress(*columns, console=console_on(stream), transient=True, disable=dumb) as shown:
        task = shown.add_task(first, total=None)

        async def note(progress: float, total: float | None, message: str | None) -> None:
            shown.update(task, completed=progress, total=total, description=message or first)

        yield note
