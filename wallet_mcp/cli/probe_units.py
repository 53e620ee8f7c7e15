"""The unit of each amount field, from one wallet's answers: what its amounts prove, and the setting that follows.

Beyond the proofs that the server itself uses (`wallet/units.py`) this has balances and prices beside the history: an
amount that read as coins would be worth more than all money there is must be in base units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from wallet_mcp.cli.probe_findings import Fact, Findings, Row, entries_of
from wallet_mcp.cli.probe_plan import native_contract, text_of
from wallet_mcp.wallet.money import BadNumber, parse_amount
from wallet_mcp.wallet.units import AmountEvidence, AmountSample, Unit

TOO_MUCH_USD: Final = Decimal("1e15")
"""More than everything on Earth is worth; a token amount read as coins must stay below it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One amount of a field; `price` in USD where the balances tell one that can be trusted."""

    amount: AmountSample
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FieldUnit:
    """A field, how many amounts were seen in it, and their unit; `fee` where it is no amount of a transfer.

    Zeros are not counted: nothing is nothing in any unit.
    """

    name: str
    section: str
    seen: int
    unit: Unit
    fee: bool = False

    def as_fact(self) -> Fact:
        """The line of the report."""
        words = {"base": "base units", "scaled": "coins, with decimals", "undecided": "not proved"}
        expected = "coins" if self.fee else "base units by the schema, disputed"
        observed = f"{words[self.unit]} ({self.seen} amounts)"
        verdict: Literal["settled", "no evidence"] = "no evidence" if self.unit == "undecided" else "settled"
        return Fact(f"unit of {self.name}", self.section, "B", expected, observed, verdict)


def field_units(f: Findings) -> list[FieldUnit]:
    """The unit of every amount field of history and detail."""
    chain = f.target.chain.id
    prices = _prices(f)
    history = f.rows("history", "transactionList")
    detail = entries_of(f, "detail")
    transfers = [row for entry in detail for row in _list(entry, "tokenTransferDetails")]
    internal = [row for entry in detail for row in _list(entry, "internalTransactionDetails")]

    def of(rows: Iterable[Row], name: str = "amount") -> list[Sample]:
        return [_sample(text_of(row, name), text_of(row, "tokenContractAddress"), chain, prices) for row in rows]

    def native(rows: Iterable[Row], name: str = "amount") -> list[Sample]:
        return [_sample(text_of(row, name), "", chain, prices) for row in rows]

    def parties(name: str) -> list[Sample]:
        pairs = [(party, row) for row in history for party in _list(row, name)]
        return [
            _sample(text_of(party, "amount"), text_of(row, "tokenContractAddress"), chain, prices)
            for party, row in pairs
        ]

    return [
        _field("amount, history", "3.4", of(history)),
        _field("from[].amount, history", "3.4", parties("from")),
        _field("to[].amount, history", "3.4", parties("to")),
        _field("txFee, history", "3.4", native(history, "txFee"), fee=True),
        # Of which asset the outer amount is nobody says once tokens move.
        _field("amount, detail", "3.5", native(detail) if not transfers else []),
        _field("fromDetails[].amount", "3.5", native(_all(detail, "fromDetails"))),
        _field("toDetails[].amount", "3.5", native(_all(detail, "toDetails"))),
        _field("internalTransactionDetails[].amount", "3.5", native(internal)),
        _field("tokenTransferDetails[].amount", "3.5", of(transfers)),
        _field("txFee, detail", "3.5", native(detail, "txFee"), fee=True),
    ]


def settings_that_follow(units: Iterable[FieldUnit], longest_s: float) -> list[str]:
    """Lines for the environment, each with its reason; `longest_s` is the longest way there and back in seconds."""
    lines = [_unit_line([field for field in units if not field.fee])]
    if longest_s > 2.5:
        lines.append(
            f"WALLET_MCP_RECV_WINDOW_MS=20000: an answer took {longest_s:.1f} s, half of the default window."
        )
    return lines


def _unit_line(fields: Sequence[FieldUnit]) -> str:
    # The setting outweighs all evidence in every field, so a field that is not proved must keep `auto` alive.
    names: dict[Unit, list[str]] = {"base": [], "scaled": [], "undecided": []}
    for field in fields:
        if field.seen:
            names[field.unit].append(field.name)
    base, scaled, open_ = names["base"], names["scaled"], names["undecided"]
    if not base and not scaled:
        return "WALLET_MCP_TX_AMOUNT_UNIT stays `auto`: no amount proved a unit."
    proved = [
        f"{words}: {', '.join(listed)}" for words, listed in (("base units", base), ("coins", scaled)) if listed
    ]
    told = f"Proved are {'; '.join(proved)}."
    if base and scaled:
        why = "the fields differ in their unit"
    elif open_:
        why = "it would count for fields too whose unit is not proved"
    else:
        unseen = [field.name for field in fields if not field.seen]
        without = f" Without an amount, so not proved: {', '.join(unseen)}." if unseen else ""
        unit = "base" if base else "scaled"
        return f"WALLET_MCP_TX_AMOUNT_UNIT={unit}: every field in which an amount was seen has it. {told}{without}"
    left = f" Not proved: {', '.join(open_)}." if open_ else ""
    return f"WALLET_MCP_TX_AMOUNT_UNIT stays `auto`: {why}. {told}{left}"


def _field(name: str, section: str, samples: list[Sample], *, fee: bool = False) -> FieldUnit:
    evidence = AmountEvidence().seeing(sample.amount for sample in samples)
    evidence = AmountEvidence(evidence.scaled, evidence.base or any(_is_too_much(sample) for sample in samples))
    seen = sum(_is_telling(sample.amount.amount) for sample in samples)
    return FieldUnit(name, section, seen, evidence.unit, fee)


def _is_telling(amount: str) -> bool:
    try:
        return bool(amount) and parse_amount(amount) != 0
    except BadNumber:
        return True


def _is_too_much(sample: Sample) -> bool:
    if sample.price is None:
        return False
    try:
        amount = parse_amount(sample.amount.amount)
    except BadNumber:
        return False
    return amount is not None and abs(amount) * sample.price > TOO_MUCH_USD


def _sample(amount: str, contract: str, chain: str, prices: Mapping[str, Decimal]) -> Sample:
    native = native_contract(contract)
    return Sample(AmountSample(amount, chain, native), prices.get("" if native else contract.lower()))


def _prices(f: Findings) -> dict[str, Decimal]:
    """Contract in lower case ("" for the native coin) -> USD price; only of tokens that are not flagged as risks."""
    prices: dict[str, Decimal] = {}
    for row in f.rows("balances", "tokenAssets"):
        contract = text_of(row, "tokenContractAddress")
        try:
            price, balance = parse_amount(text_of(row, "tokenPrice")), parse_amount(text_of(row, "balance"))
        except BadNumber:
            continue
        # An invented price shows by a holding that is worth more than any wallet.
        if price and balance and row.get("isRiskToken") is False and price * balance < Decimal("1e11"):
            prices["" if native_contract(contract) else contract.lower()] = price
    return prices


def _all(entries: Iterable[Row], name: str) -> list[Row]:
    return [row for entry in entries for row in _list(entry, name)]


def _list(row: Row, name: str) -> list[Row]:
    value = row.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
