"""The text form of answers: short sentences and comma-separated tables, from the same `Output` as the structure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import MISSING

from wallet_mcp.server.output import ToolOutput


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lines of a comma-separated table, the names first; a column that no row has is left out.

    An absent value is an empty cell. Cleaned text holds no line break and no comma, so a cell cannot break its row.
    """
    kept = [dict(row) for row in rows]
    shown = [name for name in columns if any(name in row for row in kept)]
    return [",".join(shown), *(",".join(cell(row.get(name)) for name in shown) for row in kept)]


def cell(value: object) -> str:
    """A value of the structure as a table cell."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return " ".join(cell(item) for item in value)
        case _:
            return str(value).replace(",", " ").replace("\n", " ")


def closing(output: ToolOutput) -> list[str]:
    """The lines of the common fields, last in every answer."""
    source = "sandbox (invented test data)" if output.source == "sandbox" else output.source
    stale = ", stale" if output.stale is True else ""
    lines = [f"Source: {source}, as of {output.as_of}, {output.age_seconds} s old{stale}."]
    if output.complete:
        lines.append("Complete: yes.")
    else:
        because = "" if output.incomplete_because is MISSING else f", {output.incomplete_because.rstrip('.')}"
        lines.append(f"Complete: no{because}.")
    if output.notes is not MISSING:
        lines += [f"Note: {note}" for note in output.notes]
    if output.next is not MISSING:
        lines.append(f"Next: {output.next.tool} {compact(output.next.arguments)}")
    return lines


def compact(value: object) -> str:
    """Compact JSON, as a model can paste it into a call."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
