"""The page of an answer on a terminal, drawn with `rich`; this module is imported only where one is written to.

Chain text is hostile: every text is drawn as it is, never read as markup, and what is not printable is escaped.
Figures stay whole where the terminal is wide enough for them, and nothing is ever cut: what does not fit is folded,
and a table that would not fit is drawn as one block per row.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wallet_mcp.cli.pages import Facts, Listing, PagePart, Sheet

_FIGURES = frozenset(
    {
        "amount",
        "amount_if_base_units",
        "amount_raw",
        "balance",
        "decimals",
        "in",
        "in_if_base_units",
        "in_raw",
        "out",
        "out_if_base_units",
        "out_raw",
        "price_usd",
        "raw_balance",
        "value_usd",
    }
)
_IN_HEADING = ("asked", "symbol", "chain", "contract")
_GAP = 2
_NARROWEST = 21
"""Columns that a folded address gets at least: half of an EVM address."""

_FALLBACK_WIDTH = 80
_SENTENCES = {
    "Source: sandbox": "bold yellow",
    "Complete: no": "bold yellow",
    "Complete: yes": "green",
    "Next: ": "cyan",
    "Error ": "bold red",
    "Next step: ": "bold cyan",
}
_KINDS = {"in": "green", "failed": "red", "pending": "yellow", "unknown": "yellow"}


def console_on(stream: TextIO) -> Console:
    """A console as wide as COLUMNS or the terminal says, in colours that the terminal and NO_COLOR allow."""
    return Console(file=stream, width=_width_of(stream), height=25, highlight=False, markup=False, emoji=False)


def draw_page(console: Console, parts: Sequence[PagePart]) -> None:
    """Print the parts of an answer's page."""
    for at, part in enumerate(parts):
        if isinstance(part, str):
            _print_sentence(console, part, first=at == 0)
        else:
            console.print(drawn(part, console.width))


def draw_error(console: Console, text: str) -> None:
    """Print a failure: its lines as they are, what to do highlighted."""
    for line in text.split("\n"):
        _print_sentence(console, line)


def drawn(part: Sheet | Facts | Listing, width: int) -> RenderableType:
    """A part as something that fits into `width` columns."""
    match part:
        case Facts():
            return _facts(part)
        case Listing():
            return _listing(part)
        case Sheet():
            widths = column_widths(part, width)
            return _records(part, width) if widths is None else _table(part, widths)


def column_widths(sheet: Sheet, width: int) -> list[int] | None:
    """The widths of a sheet's columns in `width` columns, or None where its rows do not fit side by side.

    Figures and short words keep their own; addresses and hashes share what is left, down to half an address.
    """
    widths = [
        max([cell_len(name), *(cell_len(_shown(row.get(name, ""))) for row in sheet.rows)]) for name in sheet.columns
    ]
    room = width - _GAP * (len(widths) - 1)
    foldable = [
        at
        for at, name in enumerate(sheet.columns)
        if name not in _FIGURES and widths[at] > max(_NARROWEST, len(name))
    ]
    # The shortest first: what one does not need is left to the others.
    left = room - sum(each for at, each in enumerate(widths) if at not in foldable)
    for position, at in enumerate(sorted(foldable, key=lambda at: widths[at])):
        widths[at] = min(widths[at], left // (len(foldable) - position))
        left -= widths[at]
        if widths[at] < _NARROWEST:
            return None
    return widths if left >= 0 else None


def _table(sheet: Sheet, widths: Sequence[int]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name, width in zip(sheet.columns, widths, strict=True):
        table.add_column(Text(name), justify="right" if name in _FIGURES else "left", width=width, overflow="fold")
    for row in sheet.rows:
        cells = [Text(_shown(row.get(name, "")), overflow="fold") for name in sheet.columns]
        table.add_row(*cells, style=_style_of(row))
    return table


def _records(sheet: Sheet, width: int) -> Group:
    """A block for each row: what it is about, then its figures by twos where they fit, then its long words."""
    figures = [[name for name in sheet.columns if name in _FIGURES and name in row] for row in sheet.rows]
    by = 2
    while True:
        names, numbers = _record_widths(sheet, figures, by)
        if by == 1 or sum(names) + sum(numbers) + 2 * by * _GAP <= width:
            break
        by = 1
    # A number that is wider than the terminal is folded, which an indent would garble.
    numbers = [min(each, max(1, width - sum(names) - 2 * _GAP)) for each in numbers]
    blocks: list[RenderableType] = []
    for row, shown in zip(sheet.rows, figures, strict=True):
        style = _style_of(row)
        heading = [f"chain {row[name]}" if name == "chain" else row[name] for name in _IN_HEADING if name in row]
        blocks.append(Text(_shown("  ".join(heading)), style=f"bold {style}".strip(), overflow="fold"))
        grid = Table.grid(padding=(0, _GAP, 0, 0))
        for at in range(0, len(shown), by):
            cells: list[Text] = []
            for column, name in enumerate(shown[at : at + by]):
                value = Text(_shown(row[name]).rjust(numbers[column]), style=style, overflow="fold")
                cells += [Text(name.ljust(names[column]), style="dim"), value]
            grid.add_row(*cells)
        blocks.append(Padding(grid, (0, 0, 0, _GAP), expand=False))
        blocks += [Padding(line, (0, 0, 0, _GAP), expand=False) for line in _words_of(sheet, row, style)]
    return Group(*blocks)


def _record_widths(sheet: Sheet, figures: Sequence[Sequence[str]], by: int) -> tuple[list[int], list[int]]:
    """The widths of the names and of the numbers in blocks with `by` figures on a line."""
    names, numbers = [0] * by, [0] * by
    for row, shown in zip(sheet.rows, figures, strict=True):
        for at, name in enumerate(shown):
            names[at % by] = max(names[at % by], len(name))
            numbers[at % by] = max(numbers[at % by], len(row[name]))
    return names, numbers


def _words_of(sheet: Sheet, row: Mapping[str, str], style: str) -> list[Text]:
    """The lines of a block that hold words: the short ones on one, each long one on its own.

    Never in the heading: a symbol there could look like one of them.
    """
    short, lines = Text(overflow="fold"), []
    for name in sheet.columns:
        if name not in row or name in _IN_HEADING or name in _FIGURES:
            continue
        named = Text.assemble((f"{name} ", "dim"), (_shown(row[name]), style), overflow="fold")
        if len(row[name]) > _NARROWEST:
            lines.append(named)
        else:
            short.append(" " * _GAP if short else "").append_text(named)
    return [short, *lines] if short else lines


def _facts(facts: Facts) -> Table:
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.pairs:
        style = {"yes": "green", "no": "bold red"}.get(value, "bold red") if name == "ready" else ""
        if name == "probe what to do":
            style = "bold cyan"
        grid.add_row(Text(name, style="dim"), Text(_shown(value), style=style, overflow="fold"))
    return grid


def _listing(listing: Listing) -> Table:
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for entry in listing.entries:
        style = _KINDS.get(entry.kind, "")
        head, body = Text("\n".join(map(_shown, entry.head))), Text(overflow="fold")
        for at, line in enumerate(entry.lines):
            body.append("\n" if at else "")
            body.append(_shown(line), style="red" if line.startswith("flags ") else style if at == 0 else "")
        grid.add_row(head, body)
    return grid


def _style_of(row: Mapping[str, str]) -> str:
    if row.get("risk_flagged") == "yes" or row.get("status") == "failed":
        return "red"
    return "yellow" if row.get("flags") else ""


def _print_sentence(console: Console, line: str, *, first: bool = False) -> None:
    style = next((style for start, style in _SENTENCES.items() if line.startswith(start)), "bold" if first else "")
    # A command is for pasting: the terminal may break its line, a line feed of ours would break the command.
    console.print(Text(_shown(line), style=style, overflow="fold"), soft_wrap=line.startswith("Next: "))


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _width_of(stream: TextIO) -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and len(columns) < 10 and 0 < int(columns) < 10_000:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _FALLBACK_WIDTH
    except (OSError, ValueError):
        return _FALLBACK_WIDTH
