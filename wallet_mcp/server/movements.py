"""Transactions and their movements as answers show them, with each amount in the unit that is known of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import MISSING, Field

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.output import Part
from wallet_mcp.server.units import BASE_UNITS_NOTE, UNDECIDED_NOTE, amount_fields, decimals_of
from wallet_mcp.wallet.addresses import same_address
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.history import Direction, Movement, Status, Transaction
from wallet_mcp.wallet.holdings import NATIVE
from wallet_mcp.wallet.times import iso_s

FAILED_NOTE = "A failed transaction moved nothing but its fee: its movements are what it tried."


class AmountPart(Part):
    """An amount that moved: `amount` in whole coins, or `amount_raw` where its unit is not proved."""

    amount: str | MISSING = MISSING
    amount_raw: str | MISSING = MISSING
    amount_if_base_units: str | MISSING = MISSING
    unit: Literal["coins", "base_units", "undecided"] | MISSING = MISSING
    symbol: str
    contract: Annotated[str | MISSING, Field(description="native for the chain's coin")] = MISSING


class MovementRow(AmountPart):
    """A movement from the point of view of the address asked about.

    What the whole answer has in common is folded: `contract` stands here only where chain and symbol do not tell it
    by the answer's `assets`, `direction` only where it is not the transaction's, `unit` only where it is not coins.
    """

    direction: Direction | MISSING = MISSING
    counterparty: str | MISSING = MISSING
    flags: list[str] | MISSING = MISSING


class AssetRow(Part):
    """Which contract a symbol means on a chain, in this answer."""

    chain: str
    symbol: str
    contract: str


class TransactionRow(Part):
    """A transaction with its movements; `fee` is what the address asked about paid, in the chain's own coin."""

    hash: str
    chain: str
    time: str | MISSING = MISSING
    status: Status
    direction: Direction
    movements: list[MovementRow]
    fee: Annotated[str | MISSING, Field(description="paid by this wallet")] = MISSING
    flags: list[str] | MISSING = MISSING


def assets_of(transactions: Iterable[Transaction], chains: Mapping[str, Chain]) -> dict[tuple[str, str], str]:
    """Chain and symbol -> contract, for each symbol that means one contract only in these transactions."""
    found: dict[tuple[str, str], set[str]] = {}
    for transaction in transactions:
        for movement in transaction.movements:
            symbol = symbol_of(movement.symbol, movement.contract, chains[transaction.chain])
            found.setdefault((transaction.chain, symbol), set()).add(movement.contract)
    return {key: contracts.pop() for key, contracts in found.items() if len(contracts) == 1 and "" not in contracts}


def symbol_of(symbol: str, contract: str, chain: Chain) -> str:
    """The symbol to show: upstream's, or the coin's own where upstream gave none."""
    return symbol or (chain.native_symbol or "" if contract == NATIVE else "")


def transaction_fields(
    context: ToolContext,
    found: Transaction,
    chain: Chain,
    address: str,
    assets: Mapping[tuple[str, str], str],
    suspicions: Sequence[str] = (),
) -> dict[str, Any]:
    """The fields of a transaction's row, those that are known; `suspicions` are further flags."""
    fields: dict[str, Any] = {
        "hash": found.hash,
        "chain": chain.id,
        "status": found.status,
        "direction": found.direction,
        "movements": [_movement_fields(context, movement, found, chain, assets) for movement in found.movements],
    }
    if found.time_ms is not None:
        fields["time"] = iso_s(found.time_ms)
    # A fee that somebody else paid is no part of this wallet's history.
    if found.fee and found.fee_payer and same_address(found.fee_payer, address):
        fields["fee"] = f"{found.fee} {chain.native_symbol}" if chain.native_symbol else found.fee
    if found.flags or suspicions:
        fields["flags"] = [*found.flags, *suspicions]
    return fields


def _movement_fields(
    context: ToolContext,
    movement: Movement,
    transaction: Transaction,
    chain: Chain,
    assets: Mapping[tuple[str, str], str],
) -> dict[str, Any]:
    fields = asset_fields(
        context, f"transactions.{movement.amount_field}", movement.amount, movement.contract, movement.symbol, chain
    )
    if assets.get((chain.id, fields["symbol"])) == movement.contract:
        fields.pop("contract", None)
    if fields.get("unit") == "coins":
        del fields["unit"]
    if movement.direction != transaction.direction:
        fields["direction"] = movement.direction
    if movement.counterparty:
        fields["counterparty"] = movement.counterparty
    if movement.flags:
        fields["flags"] = list(movement.flags)
    return fields


def asset_fields(
    context: ToolContext, amount_field: str, amount: str, contract: str, symbol: str, chain: Chain
) -> dict[str, Any]:
    """The fields of an amount and its asset; `amount_field` is the endpoint and field that it was read from."""
    unit = context.services.units.unit(amount_field, context.settings.tx_amount_unit)
    fields: dict[str, Any] = dict(amount_fields(amount, unit, decimals_of(chain, contract)))
    fields["symbol"] = symbol_of(symbol, contract, chain)
    if contract:
        fields["contract"] = contract
    return fields


def unit_notes(parts: Iterable[TransactionRow | AmountPart]) -> list[str]:
    """The sentences that the units in an answer call for."""
    amounts: list[AmountPart] = []
    for part in parts:
        amounts += part.movements if isinstance(part, TransactionRow) else [part]
    return unit_notes_of({amount.unit for amount in amounts})


def unit_notes_of(units: Collection[object]) -> list[str]:
    """The sentences that these units call for."""
    notes = {"undecided": UNDECIDED_NOTE, "base_units": BASE_UNITS_NOTE}
    return [note for unit, note in notes.items() if unit in units]


def amount_text(part: AmountPart, *, folded: bool = False) -> str:
    """An amount with its asset, such as `1.5 USDT (0xdac1...)`; an undecided one says so.

    `folded`: a contract that is not given here stands in the answer's list of assets.
    """
    asset = part.symbol or "token without symbol"
    if part.contract is not MISSING and part.contract != NATIVE:
        asset += f" ({part.contract})"
    elif part.contract is MISSING and not folded:
        asset += " (contract not given)"
    if part.amount is not MISSING:
        return f"{part.amount} {asset}"
    if part.amount_raw is MISSING:
        return f"amount not given, {asset}"
    reading = f"amount_raw {part.amount_raw}"
    if part.amount_if_base_units is not MISSING:
        reading += f" (amount_if_base_units {part.amount_if_base_units})"
    return f"{reading} {asset}, unit {part.unit}"


def movement_text(movement: MovementRow, direction: Direction) -> str:
    """A movement in words; `direction` is that of its transaction."""
    shown = movement.direction if movement.direction is not MISSING else direction
    towards = {"in": "from", "out": "to"}.get(shown, "counterparty")
    text = f"{shown} {amount_text(movement, folded=True)}"
    if movement.counterparty is not MISSING:
        text += f" {towards} {movement.counterparty}"
    if movement.flags is not MISSING:
        text += f" [{' '.join(movement.flags)}]"
    return text
