"""Sums over a span of history, and transfers that only pretend to be part of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from .addresses import same_address
from .assets import is_known
from .chains import NATIVE
from .history import Movement, Transaction, amount_of
from .known_tokens import known_token
from .money import total
from .units import TellingUnit

SUSPECTED_POISONING: Final = "suspected_poisoning"
"""The flag of a transfer of nothing or next to nothing with an address made to look like a real counterparty."""

ZERO_VALUE: Final = "zero_value"
"""The flag of a token transfer of zero: it moved nothing, and anybody can make one appear in a history."""

# Wallets show the first and last few characters of an address; forgers match three to five on each side.
_SHOWN: Final = 3
_EVM: Final = re.compile(r"0x[0-9a-f]{40}", re.ASCII)
_SOLANA: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}", re.ASCII)
_DUST_SHARE: Final = 1000
# Of no asset of the table more than some dollars, and of most a few cents.
_TINY: Final = Decimal("0.001")
_TINY_DOLLARS: Final = Decimal("0.1")
_TINY_COINS: Final[Mapping[str, Decimal]] = {"137": Decimal("0.1"), "143": Decimal(1), "9745": Decimal("0.1")}

_Ends: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Flow:
    """An amount that came in or went out, in the unit that is known of it. Amounts of two units are never added.

    `field`: the field that an undecided amount was read from, for two fields may be of two units.
    """

    chain: str
    contract: str
    symbol: str
    unit: TellingUnit
    decimals: int | None
    direction: Literal["in", "out"]
    amount: Decimal
    flags: tuple[str, ...] = ()
    field: str = ""


@dataclass(frozen=True, slots=True)
class FlowTotal:
    """What came in and went out of one asset in one unit.

    `decimals` are None as well where a part has a fraction: then the sum is none of base units.
    """

    chain: str
    contract: str
    symbol: str
    unit: TellingUnit
    decimals: int | None
    incoming: Decimal
    outgoing: Decimal
    flags: tuple[str, ...] = ()


def totals_of(flows: Iterable[Flow]) -> tuple[FlowTotal, ...]:
    """The flows summed by chain, contract and unit, in the order in which each was met first; exact.

    A total has every flag that one of its flows has.
    """
    groups: dict[tuple[str, str, str, str, str], list[Flow]] = {}
    for flow in flows:
        # Tokens whose contract is missing are told apart by nothing but their symbol.
        symbol = "" if flow.contract else flow.symbol
        groups.setdefault((flow.chain, flow.contract, symbol, flow.unit, flow.field), []).append(flow)
    return tuple(
        FlowTotal(
            chain=group[0].chain,
            contract=group[0].contract,
            symbol=group[0].symbol,
            unit=group[0].unit,
            decimals=group[0].decimals if _are_whole(group) else None,
            incoming=total(flow.amount for flow in group if flow.direction == "in"),
            outgoing=total(flow.amount for flow in group if flow.direction == "out"),
            flags=tuple(dict.fromkeys(flag for flow in group for flag in flow.flags)),
        )
        for group in groups.values()
    )


def _are_whole(flows: Iterable[Flow]) -> bool:
    return all(flow.unit == "coins" or flow.amount == flow.amount.to_integral_value() for flow in flows)


def fees_paid(transactions: Iterable[Transaction], address: str) -> tuple[tuple[str, Decimal], ...]:
    """Chain and sum of the fees that the address paid, once per transaction; failed ones cost a fee too."""
    fees: dict[str, list[Decimal]] = {}
    for transaction in transactions:
        if transaction.status == "pending" or not transaction.fee:
            continue
        if transaction.fee_payer and same_address(transaction.fee_payer, address):
            fees.setdefault(transaction.chain, []).append(Decimal(transaction.fee))
    return tuple((chain, total(amounts)) for chain, amounts in fees.items())


def suspicions(
    transactions: Sequence[Transaction],
    coins: Callable[[Transaction, Movement], Decimal | None] = lambda _, movement: amount_of(movement),
    address: str = "",
) -> dict[Transaction, tuple[str, ...]]:
    """The flags of those transactions that look like address poisoning, judged by all those given.

    `coins`: what moved in whole coins as far as that can be read, else any measure in which amounts of one asset can
    be compared; None for an amount that is not known. `address`: whose history it is.

    A transfer is suspected when its counterparty shares the shown ends of the address with another, with which the
    wallet dealt while it did not with this one, and when it moves nothing, next to nothing, or a token that anybody
    can have made. Whoever was sent a real coin or token, gave more than dust of one, or was sent anything in a
    transaction that the address itself paid for, is never suspected: nobody else can make that.
    """
    deals = _Deals(transactions, coins, address)
    found: dict[Transaction, tuple[str, ...]] = {}
    for transaction in transactions:
        flags = {flag for movement in transaction.movements for flag in _flags(transaction, movement, deals)}
        if flags:
            found[transaction] = tuple(sorted(flags))
    return found


def _flags(transaction: Transaction, movement: Movement, deals: _Deals) -> list[str]:
    flags: list[str] = []
    amount = amount_of(movement)
    if amount == 0 and movement.contract != NATIVE:
        flags.append(ZERO_VALUE)
    forgeable = not (is_known(transaction.chain, movement.contract) or deals.is_signed(transaction, movement))
    cheap = forgeable or amount == 0 or deals.is_dust(transaction, movement)
    if cheap and deals.is_outdone(party_of(movement)):
        flags.append(SUSPECTED_POISONING)
    return flags


class _Deals:
    """How seriously the wallet dealt with each counterparty.

    2: it sent a real asset there, or anything in a transaction that it paid for, or got more than dust of a real
    asset; 1: a token that is not known here moved, without a flag; 0: nothing that costs anybody anything.
    """

    def __init__(
        self,
        transactions: Sequence[Transaction],
        coins: Callable[[Transaction, Movement], Decimal | None],
        address: str,
    ) -> None:
        self._coins = coins
        self._address = address
        self._largest: dict[tuple[_Ends, str, str], Decimal] = {}
        self._rank: dict[str, int] = {}
        self._best: dict[_Ends, int] = {}
        moved = [
            (transaction, movement, party, amount)
            for transaction in transactions
            for movement in transaction.movements
            if transaction.status == "success"
            and (party := party_of(movement))
            and (amount := coins(transaction, movement)) is not None
            and amount > 0
        ]
        for transaction, movement, party, amount in moved:
            asset = (_ends(party), transaction.chain, movement.contract)
            self._largest[asset] = max(amount, self._largest.get(asset, amount))
        for transaction, movement, party, _ in moved:
            rank = self._weight(transaction, movement)
            self._rank[party] = max(rank, self._rank.get(party, 0))
            self._best[_ends(party)] = max(rank, self._best.get(_ends(party), 0))

    def is_signed(self, transaction: Transaction, movement: Movement) -> bool:
        """Whether the wallet itself sent this, in a transaction whose fee it paid."""
        payer = transaction.fee_payer
        signed = bool(self._address and payer) and same_address(payer, self._address)
        return signed and movement.direction == "out" and transaction.status == "success"

    def is_dust(self, transaction: Transaction, movement: Movement) -> bool:
        """Whether an amount is next to nothing, as such or beside what else moved with addresses of these ends."""
        amount, party = self._coins(transaction, movement), party_of(movement)
        if amount is None or not party:
            return False
        chain, contract = transaction.chain, movement.contract
        if amount * _DUST_SHARE <= self._largest.get((_ends(party), chain, contract), amount):
            return True
        return is_known(chain, contract) and amount <= _tiny(chain, contract)

    def is_outdone(self, party: str) -> bool:
        """Whether the wallet dealt more seriously with another address of the same ends."""
        return bool(party) and self._rank.get(party, 0) < self._best.get(_ends(party), 0)

    def _weight(self, transaction: Transaction, movement: Movement) -> int:
        if self.is_signed(transaction, movement):
            return 2
        # Anybody can make a token that tells of transfers that its holder never made.
        if not is_known(transaction.chain, movement.contract):
            return 0 if movement.flags else 1
        return 2 if movement.direction == "out" or not self.is_dust(transaction, movement) else 0


def party_of(movement: Movement) -> str:
    """The counterparty where it is a single address that can be compared, EVM in lower case; else `""`."""
    addresses = {address.lower() if address[:2] == "0x" else address for address in movement.counterparties}
    address = addresses.pop() if len(addresses) == 1 else ""
    return address if _EVM.fullmatch(address) or _SOLANA.fullmatch(address) else ""


def _tiny(chain: str, contract: str) -> Decimal:
    token = known_token(chain, contract)
    if token is None:
        return _TINY_COINS.get(chain, _TINY)
    return _TINY_DOLLARS if "USD" in token.symbol.upper() else _TINY


def _ends(address: str) -> _Ends:
    start = 2 if address[:2] == "0x" else 0
    return address[:start], address[start : start + _SHOWN], address[-_SHOWN:]
