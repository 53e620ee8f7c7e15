"""How a probe reads its answers: facts with what the contract expects and what was observed.

An observation tells forms, counts and codes, never an amount, an address or a hash: the report is meant to be shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from wallet_mcp.cli.probe_plan import Answers, Target, native_contract, rows_of, text_of
from wallet_mcp.server.setup.asking import Asked
from wallet_mcp.wallet.chain_text import MESSAGE_LIMIT, clean
from wallet_mcp.wallet.money import BadNumber, parse_amount
from wallet_mcp.wallet_api.envelope import parse_json

Verdict = Literal["as expected", "differs", "settled", "no evidence"]
Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the report. `mark` is the contract's confidence: A, B, C or U for unknown."""

    title: str
    section: str
    mark: str
    expected: str
    observed: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Findings:
    """The answers and what tells their messages from a person's data."""

    answers: Answers
    target: Target
    anonymous: Callable[[str], str]

    def asked(self, name: str) -> Asked | None:
        """The answer to a question, None where it was not asked."""
        return self.answers.get(name)

    def rows(self, name: str, listing: str) -> list[Row]:
        """The rows in the named list of an answer."""
        return rows_of(self.asked(name), listing)

    def outcome(self, name: str) -> str:
        """An answer in a few words: its code, HTTP status, entries or message."""
        asked = self.asked(name)
        if asked is None:
            return "not asked"
        if asked.envelope is not None:
            return f"code 0, {_entries(asked.envelope.data)}"
        if asked.received is None or asked.error is None:
            return f"no answer ({asked.code})"
        message = clean(self.anonymous(asked.error.message), MESSAGE_LIMIT).text
        said = f": {message}" if message else ""
        return f"{asked.code}, HTTP {asked.received.status}{said}"


def compared(
    title: str, section: str, mark: str, expected: str, observed: str, agrees: bool, evidence: bool = True
) -> Fact:
    """A fact of which the contract says something; without evidence neither right nor wrong."""
    verdict: Verdict = "no evidence" if not evidence else "as expected" if agrees else "differs"
    return Fact(title, section, mark, expected, observed or "nothing to see", verdict)


def settled(
    title: str, section: str, expected: str, observed: str, asked: Asked | None, evidence: bool = True
) -> Fact:
    """A fact that the contract leaves open: settled by any answer of the API itself."""
    settled = evidence and answered(asked)
    return Fact(title, section, "U", expected, observed or "nothing to see", "settled" if settled else "no evidence")


def entries_of(f: Findings, name: str) -> list[Row]:
    """The entries in the data of a success; none of anything else."""
    asked = f.asked(name)
    entries = asked.envelope.data if asked is not None and asked.envelope is not None else []
    return [entry for entry in entries if isinstance(entry, dict)]


def answered(asked: Asked | None) -> bool:
    """Whether the API answered the question itself: an error of its own says nothing about it."""
    return asked is not None and asked.reached_the_api and not str(asked.code).startswith(("5", "429"))


def is_code(asked: Asked | None, code: int) -> bool:
    """Whether a question was answered with this code."""
    return asked is not None and asked.code == code


def header_of(asked: Asked | None, name: str) -> str:
    """A header of an answer, cleaned; empty where it is absent."""
    headers = asked.received.headers if asked is not None and asked.received is not None else {}
    return clean(headers.get(name, ""), 24).text


def message_of(asked: Asked | None) -> str:
    """The message of an error, unclean."""
    return asked.error.message if asked is not None and asked.error is not None else ""


def envelope_fields(asked: Asked | None) -> str:
    """The names in the envelope of a success, in alphabetical order."""
    if asked is None or asked.envelope is None or asked.received is None:
        return ""
    body = parse_json(asked.received.body)
    return ", ".join(sorted(clean(str(name), 24).text for name in body)) if isinstance(body, dict) else ""


def _entries(data: Sequence[object]) -> str:
    words = f"{len(data)} {'entry' if len(data) == 1 else 'entries'}"
    rows = [
        row
        for entry in data
        if isinstance(entry, dict)
        for row in (entry.get("tokenAssets"), entry.get("transactionList"))
        if isinstance(row, list)
    ]
    return f"{words}, {sum(map(len, rows))} rows" if rows else words


def contract_form(contract: str) -> str:
    """Which form a contract has, without telling it."""
    return "blank" if not contract else "0xeeee...eeee" if native_contract(contract) else "another contract"


def listed_numbers(numbers: Iterable[int]) -> str:
    """Numbers as words."""
    return " or ".join(map(str, sorted(numbers))) or "no"


def forms_of(rows: Sequence[Row], name: str) -> str:
    """How often a field comes in which form."""
    counts: dict[str, int] = {}
    for row in rows:
        form = _form(row, name)
        counts[form] = counts.get(form, 0) + 1
    return ", ".join(f"{form} ({count})" for form, count in sorted(counts.items()))


def _form(row: Row, name: str) -> str:
    if name not in row:
        return "absent"
    match row[name]:
        case None:
            return "null"
        case "":
            return "blank"
        case bool():
            return "boolean"
        case str() as text if text.isascii() and text.isdigit():
            return "integer text"
        case str() as text:
            return "decimal text" if _is_number(text) else "text"
        case _:
            return "number or structure"


def _is_number(text: str) -> bool:
    try:
        return parse_amount(text) is not None
    except BadNumber:
        return False


def order_of(rows: Sequence[Row]) -> str:
    """The order that the rows keep, if it is one of those that can be expected."""
    values = [_value(row) for row in rows]
    contracts = [text_of(row, "tokenContractAddress").lower() for row in rows]
    symbols = [text_of(row, "symbol").lower() for row in rows]
    if values == sorted(values, reverse=True):
        return "by value, largest first"
    if contracts == sorted(contracts):
        return "by contract"
    if symbols == sorted(symbols):
        return "by symbol"
    return "by none of value, contract, symbol"


def _value(row: Row) -> Decimal:
    try:
        balance, price = parse_amount(text_of(row, "balance")), parse_amount(text_of(row, "tokenPrice"))
    except BadNumber:
        return Decimal(0)
    return (balance or Decimal(0)) * (price or Decimal(0))
