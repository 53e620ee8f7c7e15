"""Sums over a span of history, and transfers that only pretend to be part of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from .addresses import same_address
from .history import Movement, Transaction
from .money import BadNumber, parse_amount, total

SUSPECTED_POISONING: Final = "suspected_poisoning"
"""The flag of a transfer of nothing or next to nothing with an address made to look like a real counterparty."""

ZERO_VALUE: Final = "zero_value"
"""The flag of a token transfer of zero: it moved nothing, and anybody can make one appear in a history."""

# Wallets show the first and last few characters of an address; forgers match three to five on each side.
_SHOWN: Final = 3
_EVM_LENGTH: Final = 42
_DUST_SHARE: Final = 1000


@dataclass(frozen=True, slots=True)
class Flow:
    """An amount that came in or went out, in the unit that is known of it. Amounts of two units are never added."""

    chain: str
    contract: str
    symbol: str
    unit: Literal["coins", "base_units", "undecided"]
    decimals: int | None
    direction: Literal["in", "out"]
    amount: Decimal


@dataclass(frozen=True, slots=True)
class FlowTotal:
    """What came in and went out of one asset in one unit."""

    chain: str
    contract: str
    symbol: str
    unit: Literal["coins", "base_units", "undecided"]
    decimals: int | None
    incoming: Decimal
    outgoing: Decimal


def totals_of(flows: Iterable[Flow]) -> tuple[FlowTotal, ...]:
    """The flows summed by chain, contract and unit, in the order in which each was met first; exact."""
    groups: dict[tuple[str, str, str], list[Flow]] = {}
    for flow in flows:
        groups.setdefault((flow.chain, flow.contract, flow.unit), []).append(flow)
    return tuple(
        FlowTotal(
            chain=group[0].chain,
            contract=group[0].contract,
            symbol=group[0].symbol,
            unit=group[0].unit,
            decimals=group[0].decimals,
            incoming=total(flow.amount for flow in group if flow.direction == "in"),
            outgoing=total(flow.amount for flow in group if flow.direction == "out"),
        )
        for group in groups.values()
    )


def fees_paid(transactions: Iterable[Transaction], address: str) -> tuple[tuple[str, Decimal], ...]:
    """Chain and sum of the fees that the address paid, once per transaction; failed ones cost a fee too."""
    fees: dict[str, list[Decimal]] = {}
    for transaction in transactions:
        if transaction.status == "pending" or not transaction.fee:
            continue
        if transaction.fee_payer and same_address(transaction.fee_payer, address):
            fees.setdefault(transaction.chain, []).append(Decimal(transaction.fee))
    return tuple((chain, total(amounts)) for chain, amounts in fees.items())


def suspicions(transactions: Sequence[Transaction]) -> dict[str, tuple[str, ...]]:
    """Hash -> flags of the transactions that look like address poisoning, judged by all those given.

    A transfer is suspected when it moves nothing, or less than a thousandth of what moved otherwise, and its
    counterparty shares the shown ends of the address with another counterparty, to or from which more was moved.
    """
    real = [
        movement
        for transaction in transactions
        for movement in transaction.movements
        if transaction.status == "success" and _amount(movement) > 0 and _evm_party(movement)
    ]
    by_ends: dict[tuple[str, str], list[Movement]] = {}
    for movement in real:
        by_ends.setdefault(_ends(_evm_party(movement)), []).append(movement)
    found: dict[str, tuple[str, ...]] = {}
    for transaction in transactions:
        flags = {flag for movement in transaction.movements for flag in _flags(movement, by_ends)}
        if flags:
            found[transaction.hash] = tuple(sorted(flags))
    return found


def _flags(movement: Movement, by_ends: dict[tuple[str, str], list[Movement]]) -> list[str]:
    flags: list[str] = []
    amount = _amount(movement)
    if amount == 0 and movement.contract != "native":
        flags.append(ZERO_VALUE)
    own = _evm_party(movement)
    if own:
        for other in by_ends.get(_ends(own), ()):
            if _evm_party(other) == own:
                continue
            comparable = other.contract == movement.contract
            if amount == 0 or (comparable and amount * _DUST_SHARE <= _amount(other)):
                return [*flags, SUSPECTED_POISONING]
    return flags


def _amount(movement: Movement) -> Decimal:
    try:
        return parse_amount(movement.amount) or Decimal(0)
    except BadNumber:
        return Decimal(0)


def _ends(address: str) -> tuple[str, str]:
    return address[2 : 2 + _SHOWN], address[-_SHOWN:]


def _evm_party(movement: Movement) -> str:
    """The counterparty in lower case where it is a single EVM address, else `""`."""
    addresses = {address.lower() for address in movement.counterparties}
    address = addresses.pop() if len(addresses) == 1 else ""
    return address if len(address) == _EVM_LENGTH and address[:2] == "0x" else ""
