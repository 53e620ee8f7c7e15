"""What the text of a list of transactions must say beside the figures, so that it tells what the structure tells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any


def check_listing(structure: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Fail unless days, directions, names and symbols are told as the structure has them."""
    _check_days(structure, lines)
    _check_directions(structure, lines)
    _check_names(structure, lines)


def stands(said: str, text: str) -> bool:
    """Whether a value stands in a text as a word of its own."""
    at = text.find(said)
    while at >= 0:
        before, after = text[at - 1 : at] if at else "", text[at + len(said) : at + len(said) + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        at = text.find(said, at + 1)
    return False


def _check_days(structure: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Fail unless each transaction's day heads the lines in which only the time of day stands."""
    usual = structure.get("unless_given", {})
    rows = [
        row | {"day": row["time"].rpartition("T")[0] or usual["date"]}
        for row in structure["transactions"]
        if "time" in row
    ]
    days = [f"{day} UTC:" for day in dict.fromkeys(row["day"] for row in rows)]
    assert [line for line in lines if line.endswith(" UTC:")] == days
    for row in rows:
        above = lines[: _line_of(row, lines)] if row["hash"] else []
        heads = [line[:10] for line in above if line in days]
        assert heads[-1:] == ([row["day"]] if row["hash"] else [])
    told = f", status {usual['status']} unless given." if "status" in usual else ""
    assert (told in lines[0]) if told else (" unless given" not in lines[0])
    assert "status" in usual or all("status" in row for row in structure["transactions"])


def _check_directions(structure: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Fail unless each movement says whence or whither, or names its direction, and the transaction's follows."""
    for row in structure["transactions"]:
        ways = [move.get("direction", row["direction"]) for move in row["movements"]]
        first = next(way for way in ("in", "out", "self", "other") if way in ways)
        assert row["direction"] == ("both" if {"in", "out"} <= set(ways) else first)
        if not row["hash"]:
            continue
        at = _line_of(row, lines)
        own = lines[at : at + 1 + (len(ways) if len(ways) > 1 else 0)]
        assert "counterparty" not in row or f" with {row['counterparty']}: " in f"{own[0]} "
        for move, way in zip(row["movements"], ways, strict=True):
            assert any(re.search(_movement(move, way), line) for line in own), (move, own)


def _movement(move: Mapping[str, Any], way: str) -> str:
    """A pattern of a movement's direction, amount and counterparty in one breath."""
    figure = move.get("amount") or (
        f"amount_raw {move['amount_raw']}" if "amount_raw" in move else "amount not given"
    )
    towards = {"in": "from", "out": "to"}.get(way)
    named = "" if towards and "counterparty" in move else f"{way} "
    party = f"[^,]* {towards or 'counterparty'} {re.escape(move['counterparty'])}" if "counterparty" in move else ""
    return rf"(?<![\w.]){named}{re.escape(figure)}\b{',' * (figure == 'amount not given')}{party}(?!\w)"


def _check_names(structure: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Fail unless each name and symbol stands beside its address, and every name that is used is told."""
    parties, assets = structure.get("parties", {}), structure["assets"]
    told = [f"Parties: {' '.join(f'{name}={address}' for name, address in parties.items())}"] if parties else []
    assert [line for line in lines if line.startswith("Parties: ")] == told
    tokens = {
        chain: [f"{symbol} {contract}" for symbol, contract in known.items() if contract != "native"]
        for chain, known in assets.items()
    }
    shown = [f"{chain} {', '.join(known)}" for chain, known in tokens.items() if known]
    assert [line for line in lines if line.startswith("Assets: ")] == (
        [f"Assets: {'; '.join(shown)}"] if shown else []
    )
    for row in structure["transactions"]:
        for part in (row, *row["movements"]):
            for name in part.get("counterparty", "").split(" "):
                if re.fullmatch(r"p\d+", name):
                    assert name in parties
                elif name.startswith("contract:"):
                    assert name[9:] in assets[row["chain"]]


def _line_of(row: Mapping[str, Any], lines: Sequence[str]) -> int:
    """The number of the line that a transaction stands in."""
    return next(at for at, line in enumerate(lines) if stands(row["hash"], line))
