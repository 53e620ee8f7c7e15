"""An answer as the parts of a page for a terminal: sentences as they stand in its text, its tables as rows.

The text is the guide: what is not known here stays the sentence that it is, so no page ever tells less than the text.
Rows and facts come from the structure. Nothing here draws; `tables.py` does.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from wallet_mcp.server.movements import MovementRow, amount_text
from wallet_mcp.server.output import ToolOutput
from wallet_mcp.server.text import cell

_COMMON = set(ToolOutput.model_fields)
_AMOUNT_COLUMNS = ("amount", "amount_raw", "amount_if_base_units", "unit", "symbol", "contract")
_TRANSFER_COLUMNS = (*_AMOUNT_COLUMNS, "from", "to", "flags")
_NET_COLUMNS = ("party", *_AMOUNT_COLUMNS)
_FACTS_OF_TRANSACTION = ("time", "block", "fee", "fee_payer")
_TABLE_HEAD = re.compile(r"[a-z_]+(?:,[a-z_]+)+")
_DAY_OR_TIME = re.compile(r"\d{4}-\d\d-\d\d \(?UTC|\d\d:\d\d:\d\d[ .]|no time yet |  ")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: the names of its columns, and rows that leave out the cells they do not have."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, a line each."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction of a listing: `head` (time, chain, status) beside the lines of what moved and its hash.

    `kind`: its status, or its direction where it succeeded.
    """

    head: tuple[str, ...]
    lines: tuple[str, ...]
    kind: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The transactions of one day, newest first."""

    entries: tuple[Entry, ...]


PagePart: TypeAlias = str | Sheet | Facts | Listing


def page_of(tool: str, structure: Mapping[str, Any], text: str, *, sandbox: bool) -> list[PagePart]:
    """The parts of the page for a tool's answer, in the order of its text.

    `sandbox`: the call was made with `--sandbox`, and so must be the one that continues it.
    """
    lines = text.split("\n")
    match tool:
        case "wallet_check_setup":
            closing = next((at for at, line in enumerate(lines) if line.startswith("Source: ")), 0)
            parts: list[PagePart] = [*_setup(structure), *lines[closing:]]
        case "wallet_get_transaction":
            parts = list(_transaction(structure, lines))
        case "wallet_list_transactions":
            first = next((at for at, line in enumerate(lines) if _DAY_OR_TIME.match(line)), len(lines))
            others = [line for line in lines[first:] if not _DAY_OR_TIME.match(line)]
            parts = [*lines[:first], *_days(structure), *others]
        case _:
            parts = list(lines)
    return list(_drawn(structure, parts, sandbox))


def command_of(following: Mapping[str, Any], *, sandbox: bool) -> str:
    """The call of an answer's `next` as a command to paste."""
    pairs = []
    for name, given in following["arguments"].items():
        words = [cell(part) for part in given] if isinstance(given, list) else [cell(given)]
        pairs.append(f"{name}={','.join(words)}")
    options = ["--sandbox"] if sandbox else []
    return shlex.join(["wallet-mcp", "call", following["tool"], *pairs, *options])


def _drawn(structure: Mapping[str, Any], parts: Sequence[PagePart], sandbox: bool) -> Iterator[PagePart]:
    """The parts, tables and the lines that are better as tables drawn as such."""
    at = 0
    while at < len(parts):
        part = parts[at]
        at += 1
        if not isinstance(part, str):
            yield part
        elif _TABLE_HEAD.fullmatch(part) and (sheet := _sheet(structure, part.split(","), parts[at:])) is not None:
            at += len(sheet.rows)
            yield sheet
        elif part.startswith("By chain") and isinstance(structure.get("by_chain"), dict):
            yield from ("By chain:", _by_chain(structure))
        elif part.startswith("Assets: ") and isinstance(structure.get("assets"), dict):
            yield from ("Assets:", _assets(structure["assets"]))
        elif part.startswith("Parties: ") and "parties" in structure:
            # Each stands beside its name where it is mentioned.
            continue
        elif part.startswith("Next: ") and "next" in structure:
            yield f"Next: {command_of(structure['next'], sandbox=sandbox)}"
        else:
            yield part


def _sheet(structure: Mapping[str, Any], columns: Sequence[str], below: Sequence[PagePart]) -> Sheet | None:
    """The table under these column names: the list of the structure whose rows stand in the lines below."""
    for rows in structure.values():
        if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict) or len(rows) > len(below):
            continue
        found: list[dict[str, str]] = []
        for row, line in zip(rows, below, strict=False):
            # A cell that the text leaves empty may be a value that its row tells elsewhere.
            cells = dict(zip(columns, line.split(","), strict=False)) if isinstance(line, str) else {}
            if len(cells) < len(columns) or any(said and said != cell(row.get(name)) for name, said in cells.items()):
                break
            found.append({name: said for name, said in cells.items() if said})
        else:
            return Sheet(tuple(columns), tuple(found))
    return None


def _rows(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Sheet:
    shown = tuple(name for name in columns if any(name in row for row in rows))
    return Sheet(shown, tuple({name: _said(row[name]) for name in shown if name in row} for row in rows))


def _said(value: object) -> str:
    """A value in words; unlike a cell of the text, one of a table that is drawn may hold commas."""
    return value if isinstance(value, str) else cell(value)


def _by_chain(structure: Mapping[str, Any]) -> Sheet:
    values = structure["by_chain"] | dict.fromkeys(structure.get("nothing_priced_on", ()), "nothing priced")
    rows = [{"chain": chain, "value_usd": value} for chain, value in values.items()]
    for row in rows:
        if row["chain"] in structure.get("honeypots_unchecked", ()):
            row["honeypots"] = "unchecked"
    return _rows(("chain", "value_usd", "honeypots"), rows)


def _setup(structure: Mapping[str, Any]) -> Iterator[PagePart]:
    """The state as facts, then the lists in it as tables."""
    own = {name: value for name, value in structure.items() if name not in _COMMON}
    tables = {
        name: rows for name, rows in own.items() if isinstance(rows, list) and rows and isinstance(rows[0], dict)
    }
    yield Facts(tuple(_flat({name: value for name, value in own.items() if name not in tables})))
    for name, rows in tables.items():
        yield from (f"{name.capitalize()}:", _rows(tuple(dict.fromkeys(key for row in rows for key in row)), rows))


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        label = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _flat(value, f"{label} ")
        elif isinstance(value, list):
            yield from ((label, _said(item)) for item in value)
        else:
            yield label, _said(value)


def _transaction(structure: Mapping[str, Any], lines: Sequence[str]) -> Iterator[PagePart]:
    facts = tuple(
        (name.replace("_", " "), _said(structure[name])) for name in _FACTS_OF_TRANSACTION if name in structure
    )
    moved = False
    for at, line in enumerate(lines):
        if at == 1 and facts and line.lower().startswith(f"{facts[0][0]} "):
            yield Facts(facts)
        elif not line.startswith("  ") or "movements" not in structure:
            yield line
        elif not moved:
            moved = True
            yield from ("Movements:", _rows(_TRANSFER_COLUMNS, structure["movements"]))
            if "net" in structure:
                yield from ("Net:", _rows(_NET_COLUMNS, structure["net"]))


def _assets(assets: Mapping[str, Mapping[str, str]]) -> Sheet:
    rows = [
        {"chain": chain, "symbol": symbol, "contract": contract}
        for chain, symbols in assets.items()
        for symbol, contract in symbols.items()
    ]
    return _rows(("chain", "symbol", "contract"), rows)


def _days(structure: Mapping[str, Any]) -> Iterator[PagePart]:
    """A heading and a listing for each day; what has no time yet stays where the order has it."""
    simple = [row["amount"] for each in structure["transactions"] for row in each["movements"] if "amount" in row]
    widest = max((len(amount) for amount in simple), default=0)
    day = ""
    entries: list[Entry] = []
    for row in structure["transactions"]:
        date = row.get("time", "").rpartition("T")[0] or structure.get("unless_given", {}).get("date", "")
        if "time" in row and date != day:
            if entries:
                yield Listing(tuple(entries))
            entries, day = [], date
            yield f"{day} UTC:"
        entries.append(_entry(row, structure, widest))
    if entries:
        yield Listing(tuple(entries))


def _entry(row: Mapping[str, Any], structure: Mapping[str, Any], widest: int) -> Entry:
    status = row.get("status") or structure.get("unless_given", {}).get("status", "")
    parties, known = structure.get("parties", {}), structure.get("assets", {}).get(row["chain"], {})
    lines: list[str] = []
    for movement in row["movements"]:
        lines += _movement_lines(movement, row["direction"], widest, known, parties)
    if not row["movements"]:
        lines.append(row["direction"])
    if "more_movements" in row:
        lines.append(f"{row['more_movements']} more movements")
    if "counterparty" in row:
        lines.append(f"with {_whole(row['counterparty'], parties)}")
    lines.append(row["hash"] or "hash not given")
    if "fee" in row:
        lines.append(f"fee {row['fee']}")
    if "flags" in row:
        lines.append(f"flags {' '.join(row['flags'])}")
    time = row["time"][-9:-1] if "time" in row else "no time yet"
    kind = row["direction"] if status == "success" else status
    return Entry((time, f"chain {row['chain']}", status), tuple(lines), kind)


def _movement_lines(
    movement: Mapping[str, Any],
    direction: str,
    widest: int,
    known: Mapping[str, str],
    parties: Mapping[str, str],
) -> Iterator[str]:
    """What moved, its amount in one column with all others of the answer, and below it the other party."""
    shown = movement.get("direction", direction)
    amount = amount_text(MovementRow.model_validate(movement), folded=movement["symbol"] in known)
    padding = " " * (widest - len(movement["amount"])) if "amount" in movement else ""
    flags = f" [{' '.join(movement['flags'])}]" if "flags" in movement else ""
    yield f"{shown:<4} {padding}{amount}{flags}"
    if "counterparty" in movement:
        towards = {"in": "from", "out": "to"}.get(shown, "counterparty")
        yield f"{towards:<4} {_whole(movement['counterparty'], parties)}"


def _whole(counterparties: str, parties: Mapping[str, str]) -> str:
    """Counterparties with the address beside each short name: a terminal has the room."""
    return " ".join(f"{word} {parties[word]}" if word in parties else word for word in counterparties.split(" "))
