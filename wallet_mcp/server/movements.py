"""Transactions and their movements as answers show them, with each amount in the unit that is known of it.

What several rows have in common is folded into fields of the answer: the contracts of symbols, the addresses of
counterparties, the usual status and date. A row that says otherwise always says it itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal

from pydantic import MISSING, Field

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.length import leading
from wallet_mcp.server.output import Part
from wallet_mcp.server.parties import Assets, Parties, common_counterparties, parties_of
from wallet_mcp.server.units import amount_fields
from wallet_mcp.wallet.addresses import same_address
from wallet_mcp.wallet.assets import decimals_of, is_known, symbol_of
from wallet_mcp.wallet.chains import NATIVE, Chain
from wallet_mcp.wallet.history import FAILED_INTERNAL, Direction, Movement, Status, Transaction, first_parties
from wallet_mcp.wallet.labels import Labels
from wallet_mcp.wallet.times import iso_s

_IN_ONE_LINE = 4
FAILED_NOTE = "A failed transaction moved only its fee: its movements are what it tried."
FAILED_PART = "failed"
FAILED_PART_NOTE = "A movement flagged failed did not happen; it is in no net."
FAILED_INTERNAL_NOTE = "failed_internal: a transfer of coins inside it failed and is left out."
MORE_NOTE = "more_movements are left out here; wallet_get_transaction tells more of one transaction."

MAX_MOVEMENTS: Final = 10
"""How many movements of one transaction a list shows; anybody can make one of thousands."""

# Of the 10,000 characters that an answer may have, so that one transaction always fits beside the totals.
_MOVEMENTS_LENGTH: Final = 3_000


class AmountPart(Part):
    """An amount that moved: `amount` in whole coins, or `amount_raw` where its unit is not proved."""

    amount: str | MISSING = MISSING
    amount_raw: str | MISSING = MISSING
    amount_if_base_units: str | MISSING = MISSING
    unit: Literal["coins", "base_units", "undecided"] | MISSING = MISSING
    symbol: str
    contract: Annotated[str | MISSING, Field(description="native for the chain's coin")] = MISSING

    @property
    def reading(self) -> tuple[object, bool]:
        """Its unit, and whether a reading in whole coins stands beside it: what `unit_notes` asks for."""
        return self.unit, self.amount_if_base_units is not MISSING

    @property
    def asset(self) -> str:
        """Its contract, "" where none is given."""
        return "" if self.contract is MISSING else self.contract


class MovementRow(AmountPart):
    """A movement from the point of view of the address asked about.

    What the whole answer has in common is folded: `contract` stands here only where chain and symbol do not tell it
    by the answer's `assets`, `direction` and `counterparty` only where they are not the transaction's, `unit` only
    where it is not coins.
    """

    contract: Annotated[str | MISSING, Field(description="absent: see assets, else unknown")] = MISSING
    direction: Direction | MISSING = MISSING
    counterparty: Annotated[str | MISSING, Field(description="address, or a name (see parties)")] = MISSING
    flags: list[str] | MISSING = MISSING


class TransactionRow(Part):
    """A transaction with its movements; `fee` is what the address asked about paid, in the chain's own coin."""

    hash: str
    chain: str
    time: str | MISSING = MISSING
    status: Status | MISSING = MISSING
    direction: Direction
    counterparty: Annotated[str | MISSING, Field(description="of all its movements")] = MISSING
    movements: list[MovementRow]
    more_movements: int | MISSING = MISSING
    fee: Annotated[str | MISSING, Field(description="paid by this wallet")] = MISSING
    flags: list[str] | MISSING = MISSING


class UsualRow(Part):
    """What several transactions have in common and do not repeat."""

    status: Status | MISSING = MISSING
    date: str | MISSING = MISSING


@dataclass(frozen=True, slots=True)
class Folds:
    """What the rows of an answer leave out, for the answer tells it once."""

    assets: Assets
    parties: Parties
    date: str = ""
    success: bool = False

    @property
    def usual(self) -> UsualRow | None:
        """The fields that a row has where it gives none; None where every row gives its own."""
        fields = {"status": "success"} if self.success else {}
        if self.date:
            fields["date"] = self.date
        return UsualRow.model_validate(fields) if fields else None


def cut(found: Transaction, wanted: Callable[[Transaction, Movement], bool]) -> Transaction:
    """The transaction with no more movements than a list shows, in their order.

    What was asked for comes before the rest, the asked address's own before those of others, coins and well-known
    tokens before what anybody can have made; and one of each direction that the transaction has is always there.
    """
    moved = found.movements
    leaders = {next((at for at, each in enumerate(moved) if each.direction == way), -1) for way in ("in", "out")}

    def worth(at: int) -> tuple[bool, bool, bool, bool]:
        each = moved[at]
        known = is_known(found.chain, each.contract)
        return at not in leaders, not wanted(found, each), each.direction == "other", not known

    order = sorted(range(len(moved)), key=worth)
    shown = order[: leading(order, MAX_MOVEMENTS, _MOVEMENTS_LENGTH, lambda at: _length(moved[at]))]
    if len(shown) == len(moved):
        return found
    return replace(found, movements=tuple(moved[at] for at in sorted(shown)), more=len(moved) - len(shown))


def _length(movement: Movement) -> int:
    """About as long as the movement's row is, with nothing folded."""
    parties = sum(len(party) for party in first_parties(movement.counterparties)[0])
    return 100 + parties + len(movement.contract) + len(movement.symbol) + 2 * len(movement.amount)


def folds_of(transactions: Sequence[Transaction], chains: Mapping[str, Chain], labels: Labels) -> Folds:
    """What these transactions can leave out: a status and a date only where at least two of them share it."""
    dates = Counter(iso_s(found.time_ms)[:10] for found in transactions if found.time_ms is not None)
    # Of several equally frequent dates the newest, which comes first.
    date, count = dates.most_common(1)[0] if dates else ("", 0)
    succeeded = sum(found.status == "success" for found in transactions)
    assets = assets_of(transactions, chains)
    parties = parties_of(transactions, labels, assets)
    return Folds(assets, parties, date if count > 1 else "", succeeded > 1)


def assets_of(transactions: Iterable[Transaction], chains: Mapping[str, Chain]) -> dict[str, dict[str, str]]:
    """The contract of each symbol that occurs repeatedly on its chain in these transactions and means one only."""
    found: dict[tuple[str, str], list[str]] = {}
    for transaction in transactions:
        for movement in transaction.movements:
            symbol = symbol_of(movement.symbol, movement.contract, chains[transaction.chain])
            found.setdefault((transaction.chain, symbol), []).append(movement.contract)
    assets: dict[str, dict[str, str]] = {}
    for (chain, symbol), contracts in found.items():
        if symbol and contracts[0] and len(contracts) > 1 and len(set(contracts)) == 1:
            assets.setdefault(chain, {})[symbol] = contracts[0]
    return assets


def symbols_shown(shown: Iterable[Transaction]) -> Iterator[tuple[str, str, str]]:
    """Chain, contract and symbol of each movement of these."""
    for transaction in shown:
        for movement in transaction.movements:
            yield transaction.chain, movement.contract, movement.symbol


def transaction_row(
    context: ToolContext,
    found: Transaction,
    chain: Chain,
    address: str,
    folds: Folds,
    suspicions: Sequence[str] = (),
) -> TransactionRow:
    """The row of a transaction with what is known of it; `suspicions` are further flags."""
    common = common_counterparties(found)
    fields: dict[str, Any] = {
        "hash": found.hash,
        "chain": chain.id,
        "direction": found.direction,
        "movements": [
            _movement_fields(context, movement, chain, folds, direction=found.direction, named=bool(common))
            for movement in found.movements
        ],
    }
    if found.more:
        fields["more_movements"] = found.more
    if found.status != "success" or not folds.success:
        fields["status"] = found.status
    if found.time_ms is not None:
        time = iso_s(found.time_ms)
        fields["time"] = time.removeprefix(f"{folds.date}T") if folds.date else time
    if common:
        fields["counterparty"] = folds.parties.text(chain.id, common)
    # A fee that somebody else paid is no part of this wallet's history.
    if found.fee and found.fee_payer and same_address(found.fee_payer, address):
        fields["fee"] = f"{found.fee} {chain.native_symbol}" if chain.native_symbol else found.fee
    if found.flags or suspicions:
        fields["flags"] = [*found.flags, *suspicions]
    return TransactionRow.model_validate(fields)


def row_notes(rows: Sequence[TransactionRow]) -> Iterator[str]:
    """What must be said about some of these rows."""
    if any(row.status == "failed" for row in rows):
        yield FAILED_NOTE
    if any(row.flags is not MISSING and FAILED_INTERNAL in row.flags for row in rows):
        yield FAILED_INTERNAL_NOTE
    if any(row.more_movements is not MISSING for row in rows):
        yield MORE_NOTE


def _movement_fields(
    context: ToolContext, movement: Movement, chain: Chain, folds: Folds, *, direction: Direction, named: bool
) -> dict[str, Any]:
    """The fields of a movement; those of its transaction are its `direction` and, where it is `named`, with whom."""
    fields = asset_fields(
        context, f"transactions.{movement.amount_field}", movement.amount, movement.contract, movement.symbol, chain
    )
    if fields["symbol"] in folds.assets.get(chain.id, {}):
        fields.pop("contract", None)
    if fields.get("unit") == "coins":
        del fields["unit"]
    if movement.direction != direction:
        fields["direction"] = movement.direction
    if not named and (others := folds.parties.text(chain.id, movement.counterparties)):
        fields["counterparty"] = others
    if movement.flags:
        fields["flags"] = list(movement.flags)
    return fields


def asset_fields(
    context: ToolContext, amount_field: str, amount: str, contract: str, symbol: str, chain: Chain
) -> dict[str, Any]:
    """The fields of an amount and its asset; `amount_field` is the endpoint and field that it was read from."""
    unit = context.services.units.unit(amount_field, context.settings.tx_amount_unit)
    fields: dict[str, Any] = dict(amount_fields(amount, unit, decimals_of(chain.id, contract)))
    fields["symbol"] = symbol_of(symbol, contract, chain)
    if contract:
        fields["contract"] = contract
    return fields


def amount_text(part: AmountPart, *, folded: bool = False) -> str:
    """An amount with its asset, such as `1.5 USDT (0xdac1...)`; an undecided one says so.

    `folded`: a contract that is not given here stands in the answer's list of assets.
    """
    asset = part.symbol or ("coin of the chain" if part.contract == NATIVE else "token without symbol")
    if part.contract is not MISSING and part.contract != NATIVE:
        asset += f" ({part.contract})"
    elif part.contract is MISSING and not folded:
        asset += " (contract not given)"
    if part.amount is not MISSING:
        return f"{part.amount} {asset}"
    if part.amount_raw is MISSING:
        return f"amount not given, {asset}"
    reading = "" if part.amount_if_base_units is MISSING else f"; amount_if_base_units {part.amount_if_base_units}"
    return f"amount_raw {part.amount_raw} (unit {part.unit}{reading}) {asset}"


def transaction_lines(row: TransactionRow, assets: Assets) -> list[str]:
    """A transaction in one line, and one more for each movement where there are many.

    What came in comes `from` somebody and what went out goes `to` somebody, so a direction is named only where no
    counterparty stands beside its amount; that of the whole transaction follows from its movements.
    """
    head = ["no time yet" if row.time is MISSING else row.time[-9:-1], row.chain, row.hash or "hash not given"]
    if row.status is not MISSING:
        head.append(row.status)
    tail = [] if row.more_movements is MISSING else [f"{row.more_movements} more movements"]
    tail += [] if row.fee is MISSING else [f"fee {row.fee}"]
    tail += [] if row.flags is MISSING else [f"flags {' '.join(row.flags)}"]
    known = assets.get(row.chain, {})
    moved = [_movement_text(movement, row.direction, known) for movement in row.movements]
    if row.counterparty is not MISSING:
        head.append(f"with {row.counterparty}:")
    if len(moved) <= _IN_ONE_LINE:
        return [" ".join([*head, ", ".join(moved), *tail])]
    return [" ".join([*head, *tail]), *(f"  {each}" for each in moved)]


def _movement_text(movement: MovementRow, direction: Direction, known: Mapping[str, str]) -> str:
    """A movement in words; `direction` is that of its transaction, `known` the contracts of its chain's symbols."""
    shown = movement.direction if movement.direction is not MISSING else direction
    text = amount_text(movement, folded=movement.symbol in known)
    towards = {"in": "from", "out": "to"}.get(shown)
    if towards is None or movement.counterparty is MISSING:
        text = f"{shown} {text}"
    if movement.counterparty is not MISSING:
        text += f" {towards or 'counterparty'} {movement.counterparty}"
    if movement.flags is not MISSING:
        text += f" [{' '.join(movement.flags)}]"
    return text
