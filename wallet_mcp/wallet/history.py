"""What history rows mean: rows of one hash are one transaction, seen from the side of the address asked about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from .addresses import same_address
from .assets import asset_on
from .chain_text import clean
from .chains import NATIVE
from .known_tokens import clean_symbol
from .money import BadNumber, parse_amount, plain, total
from .units import NATIVE_SUPPLY

Direction = Literal["in", "out", "self", "both", "other"]
Status = Literal["success", "failed", "pending", "unknown"]
AmountField = Literal["amount", "from.amount", "to.amount"]

OUTER, INTERNAL, TOKEN = "0", "1", "2"
"""`itype` of a row: outer native transfer, internal native transfer, token transfer (contract §3.4)."""

UNTIMED_MS: Final = 10**14
"""Where a transaction without a time is sorted: a pending one may not have any yet, and it is the newest."""

_STATUS: Final[dict[str, Status]] = {
    "success": "success",
    "fail": "failed",
    "failed": "failed",
    "pending": "pending",
}
FAILED_INTERNAL: Final = "failed_internal"
"""The flag of a transaction inside which a transfer of coins failed while the rest went through."""

_ADDRESS_LIMIT: Final = 200
_HASH_LIMIT: Final = 100
_PARTIES_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Party:
    """A sender or receiver of a row; `address` may hold several, comma-joined, for multi-signature wallets."""

    address: str
    amount: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the history, with texts as upstream sent them."""

    chain: str
    hash: str
    itype: str
    time_ms: int | None
    senders: tuple[Party, ...]
    receivers: tuple[Party, ...]
    contract: str
    amount: str
    symbol: str
    fee: str
    status: str
    blacklisted: bool | None

    @property
    def asset(self) -> str:
        """The canonical contract, `native`, or `""` for a token whose contract is missing: that is not the coin."""
        return asset_on(self.chain, self.contract) if self.itype != TOKEN or self.contract.strip() else ""


@dataclass(frozen=True, slots=True)
class Movement:
    """An asset that moved. `amount` is upstream's text in an undecided unit, taken from the field `amount_field`.

    `counterparties` are all of them as sent, for comparing; `first_parties` makes them fit to be shown.
    """

    direction: Direction
    amount: str
    amount_field: AmountField
    contract: str
    symbol: str
    counterparties: tuple[str, ...]
    flags: tuple[str, ...]
    blacklisted: bool = False


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction from one address's point of view. `fee` is in the chain's coin; `fee_payer` "" when unknown.

    `called`: to whom the address itself sent the transaction, with coins or without.
    `more`: how many of its movements are left out of `movements`, for an answer has an end. `ordinal`: how many
    transactions without a hash come before it that are otherwise the same. `sent_inside`: the address sent coins
    inside it, which contracts do.

    `position`: where it stands in every listing: newest first, and among equals by a digest of chain and hash.
    """

    chain: str
    hash: str
    time_ms: int | None
    status: Status
    direction: Direction
    movements: tuple[Movement, ...]
    fee: str
    fee_payer: str
    flags: tuple[str, ...]
    called: tuple[str, ...] = ()
    more: int = 0
    ordinal: int = 0
    sent_inside: bool = False
    position: tuple[int, bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Reckon the position once: a merge of chains compares it again and again."""
        at = UNTIMED_MS if self.time_ms is None else self.time_ms
        # Without a hash only what moved, and which of several alike it is, tells it from others of its time.
        name = self.hash or f"{self.ordinal} {self.movements}"
        object.__setattr__(self, "position", (-at, digest_of(self.chain, name)))


def digest_of(chain: str, tx_hash: str) -> bytes:
    """Eight bytes that stand for a transaction in a cursor."""
    return hashlib.sha256(f"{chain}|{tx_hash.lower() if tx_hash[:2] == '0x' else tx_hash}".encode()).digest()[:8]


def status_of(text: str) -> Status:
    """The status that an upstream word means."""
    return _STATUS.get(text.strip().lower(), "unknown")


def transaction_of(rows: Sequence[Row], address: str) -> Transaction:
    """The transaction that all rows of one hash make up, as `address` sees it.

    An internal transfer has a status of its own: one that failed moved nothing, whatever became of the transaction,
    and is left out, with a flag, where anything else did not fail.
    """
    status, told = _status_of_rows(rows)
    moved = _once([(row, _movement(row, address)) for row in told])
    # A contract call carries an outer row of zero coins: noise beside the tokens that moved.
    telling = [
        movement
        for row, movement in moved
        if not (row.itype in (OUTER, INTERNAL) and movement.contract == NATIVE and _is_zero(movement.amount))
    ]
    kept = telling or [movement for _, movement in moved[:1]]
    flags: list[str] = []
    if any(row.blacklisted for row in rows):
        flags.append("blacklisted")
    if len(told) < len(rows):
        flags.append(FAILED_INTERNAL)
    fee = next((text for text in (readable_fee(row.fee, row.chain) for row in rows) if text), "")
    outer = next((row for row in rows if row.itype == OUTER and row.senders), None)
    first = rows[0]
    return Transaction(
        chain=first.chain,
        hash=clean(first.hash, _HASH_LIMIT).text,
        time_ms=first.time_ms,
        status=status,
        direction=_overall(movement.direction for movement in kept),
        movements=tuple(kept),
        fee=fee,
        fee_payer=_only_address(outer.senders) if outer else "",
        flags=tuple(flags),
        called=tuple(dict.fromkeys(_called(rows, address))),
        sent_inside=any(row.itype == INTERNAL and is_party(row.senders, address) for row in rows),
    )


def _called(rows: Sequence[Row], address: str) -> Iterator[str]:
    for row in rows:
        if row.itype == OUTER and is_party(row.senders, address):
            yield from _addresses(party.address for party in row.receivers)


def _once(moved: Sequence[tuple[Row, Movement]]) -> list[tuple[Row, Movement]]:
    """The movements without the token transfers that tell the transfer of a coin over again, as Polygon's do."""

    def key(movement: Movement) -> tuple[object, ...]:
        parties = sorted(party.lower() for party in movement.counterparties)
        return movement.direction, amount_of(movement), parties

    coins = [key(movement) for row, movement in moved if row.itype != TOKEN and movement.contract == NATIVE]
    kept: list[tuple[Row, Movement]] = []
    for row, movement in moved:
        if row.itype == TOKEN and movement.contract == NATIVE and key(movement) in coins:
            coins.remove(key(movement))
        else:
            kept.append((row, movement))
    return kept


def _status_of_rows(rows: Sequence[Row]) -> tuple[Status, Sequence[Row]]:
    """The status of a transaction, and its rows without the internal transfers that failed inside it."""
    held = [row for row in rows if row.itype != INTERNAL or status_of(row.status) != "failed"]
    # Where nothing else is known of the transaction, what failed is all there is to tell.
    told = held or rows
    deciding = [row for row in told if row.itype != INTERNAL] or told
    # A blank one contradicts nothing.
    statuses = {status_of(row.status) for row in deciding if row.status.strip()}
    status: Status = statuses.pop() if len(statuses) == 1 else "unknown"
    return status, rows if status == "failed" else told


def _only_address(parties: Sequence[Party]) -> str:
    """The address of the one party; `""` where there are several, for then nobody knows whose the fee was."""
    addresses = set(_addresses(party.address for party in parties))
    return shown_parties(addresses) if len(addresses) == 1 else ""


def is_party(parties: Iterable[Party], address: str) -> bool:
    """Whether an address is among the parties, comma-joined ones included."""
    return any(same_address(part.strip(), address) for party in parties for part in party.address.split(","))


def _movement(row: Row, address: str) -> Movement:
    sent, received = is_party(row.senders, address), is_party(row.receivers, address)
    direction: Direction = "other"
    if sent and received:
        direction = "self"
    elif sent:
        direction = "out"
    elif received:
        direction = "in"
    amount, field = _amount(row, address, direction)
    others = row.senders if direction == "in" else row.receivers
    if direction == "self" and (apart := _change_apart(row, address)) is not None:
        direction, amount, field, others = apart
    if (number := amount_number(amount)) is not None and number < 0:
        amount = ""
    symbol = clean_symbol(row.chain, row.asset, row.symbol)
    parties = tuple(_addresses(party.address for party in others))
    return Movement(direction, amount, field, row.asset, symbol.text, parties, symbol.flags, bool(row.blacklisted))


def _change_apart(row: Row, address: str) -> tuple[Direction, str, AmountField, tuple[Party, ...]] | None:
    """What left or came where the address is on both sides beside others; None where nobody else is.

    What went to others is their shares, and what came from others theirs; where others are on both sides nobody
    told the address's own.
    """
    senders, receivers = _others(row.senders, address), _others(row.receivers, address)
    if not senders and not receivers:
        return None
    if not senders:
        return "out", _sum_of([party.amount for party in receivers]), "to.amount", receivers
    if not receivers:
        return "in", _sum_of([party.amount for party in senders]), "from.amount", senders
    return "out", "", "amount", receivers


def _others(parties: Sequence[Party], address: str) -> tuple[Party, ...]:
    return tuple(party for party in parties if party.address.strip() and not is_party([party], address))


def _amount(row: Row, address: str, direction: Direction) -> tuple[str, AmountField]:
    """The amount that moved for this address: the row's own, but a party's share where a side has several."""
    sides: dict[Direction, tuple[tuple[Party, ...], AmountField]] = {
        "out": (row.senders, "from.amount"),
        "in": (row.receivers, "to.amount"),
    }
    parties, field = sides.get(direction, ((), "amount"))
    shares = [party.amount.strip() for party in parties if is_party([party], address)]
    if len(parties) > 1:
        # The row's own amount is that of all of them.
        return _sum_of(shares), field
    if not row.amount.strip() and shares:
        return shares[0], field
    return row.amount.strip(), "amount"


def _sum_of(shares: Sequence[str]) -> str:
    """The sum of amounts in one unit, `""` where one of them is not known."""
    amounts = [amount_number(share) for share in shares]
    if len(shares) == 1 or None in amounts:
        return shares[0] if len(shares) == 1 else ""
    return plain(total(amount for amount in amounts if amount is not None))


def _overall(directions: Iterable[Direction]) -> Direction:
    found = set(directions)
    if {"in", "out"} <= found:
        return "both"
    for direction in ("in", "out", "self"):
        if direction in found:
            return direction
    return "other"


def first_parties(texts: Iterable[str]) -> tuple[tuple[str, ...], int]:
    """The first three addresses, comma-joined ones apart, each once and cleaned; and how many more there are."""
    unique = list(dict.fromkeys(_addresses(texts)))
    shown = tuple(clean(address, _ADDRESS_LIMIT).text for address in unique[:_PARTIES_SHOWN])
    return shown, len(unique) - len(shown)


def party_text(names: Sequence[str], more: int) -> str:
    """Parties as they stand in an answer: `A B C and 2 more`."""
    return " ".join([*names, f"and {more} more"] if more else names)


def shown_parties(texts: Iterable[str]) -> str:
    """Addresses, comma-joined ones apart, each once and whole; beyond three only their number."""
    return party_text(*first_parties(texts))


def _addresses(texts: Iterable[str]) -> list[str]:
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def amount_of(movement: Movement) -> Decimal | None:
    """The number that stands in a movement, in whatever unit; None where there is none, which is not zero."""
    return amount_number(movement.amount)


def _is_zero(amount: str) -> bool:
    return amount_number(amount) == 0


def readable(amount: str) -> str:
    """The number of an upstream text, plainly written; "" where it holds none: no amount and no fee is negative."""
    value = amount_number(amount)
    return "" if value is None or value < 0 else plain(value)


def readable_fee(fee: str, chain: str) -> str:
    """The number of a fee in coins; "" where it holds none, or more than the chain has, which cannot be coins."""
    plainly = readable(fee)
    supply = NATIVE_SUPPLY.get(chain)
    return "" if plainly and supply is not None and Decimal(plainly) > supply else plainly


def amount_number(text: str) -> Decimal | None:
    """The number of an upstream text; None where it holds none."""
    try:
        return parse_amount(text)
    except BadNumber:
        return None
