"""Transactions and their movements as answers show them, with each amount in the unit that is known of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import MISSING, Field

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.output import Part
from wallet_mcp.server.units import BASE_UNITS_NOTE, UNDECIDED_NOTE, amount_fields, decimals_of
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.history import Direction, Movement, Status, Transaction
from wallet_mcp.wallet.holdings import NATIVE
from wallet_mcp.wallet.times import iso_ms

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
    """A movement from the point of view of the address asked about."""

    direction: Direction
    counterparty: str | MISSING = MISSING
    flags: list[str] | MISSING = MISSING


class TransactionRow(Part):
    """A transaction with its movements; `fee` is in the chain's own coin."""

    hash: str
    chain: str
    time: str | MISSING = MISSING
    status: Status
    direction: Direction
    movements: list[MovementRow]
    fee: Annotated[str | MISSING, Field(description="in the chain's coin")] = MISSING
    fee_payer: str | MISSING = MISSING
    flags: list[str] | MISSING = MISSING


def transaction_fields(context: ToolContext, found: Transaction, chain: Chain) -> dict[str, Any]:
    """The fields of a transaction's row, those that are known."""
    fields: dict[str, Any] = {
        "hash": found.hash,
        "chain": chain.id,
        "status": found.status,
        "direction": found.direction,
        "movements": [_movement_fields(context, movement, chain) for movement in found.movements],
    }
    if found.time_ms is not None:
        fields["time"] = iso_ms(found.time_ms)
    if found.fee:
        fields["fee"] = f"{found.fee} {chain.native_symbol}" if chain.native_symbol else found.fee
    if found.fee_payer:
        fields["fee_payer"] = found.fee_payer
    if found.flags:
        fields["flags"] = list(found.flags)
    return fields


def _movement_fields(context: ToolContext, movement: Movement, chain: Chain) -> dict[str, Any]:
    fields = asset_fields(
        context, f"transactions.{movement.amount_field}", movement.amount, movement.contract, movement.symbol, chain
    )
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
    fields["symbol"] = symbol or (chain.native_symbol or "" if contract == NATIVE else "")
    if contract:
        fields["contract"] = contract
    return fields


def unit_notes(parts: Iterable[TransactionRow | AmountPart]) -> list[str]:
    """The sentences that the units in an answer call for."""
    amounts: list[AmountPart] = []
    for part in parts:
        amounts += part.movements if isinstance(part, TransactionRow) else [part]
    units = {amount.unit for amount in amounts}
    notes = {"undecided": UNDECIDED_NOTE, "base_units": BASE_UNITS_NOTE}
    return [note for unit, note in notes.items() if unit in units]


def amount_text(part: AmountPart) -> str:
    """An amount with its asset, such as `1.5 USDT (0xdac1...)`; an undecided one says so."""
    asset = part.symbol or "token without symbol"
    if part.contract is not MISSING and part.contract != NATIVE:
        asset += f" ({part.contract})"
    elif part.contract is MISSING:
        asset += " (contract not given)"
    if part.amount is not MISSING:
        return f"{part.amount} {asset}"
    if part.amount_raw is MISSING:
        return f"amount not given, {asset}"
    reading = f"amount_raw {part.amount_raw}"
    if part.amount_if_base_units is not MISSING:
        reading += f" (amount_if_base_units {part.amount_if_base_units})"
    return f"{reading} {asset}, unit {part.unit}"


def movement_text(movement: MovementRow) -> str:
    """A line for a movement."""
    towards = {"in": "from", "out": "to"}.get(movement.direction, "counterparty")
    text = f"{movement.direction} {amount_text(movement)}"
    if movement.counterparty is not MISSING:
        text += f" {towards} {movement.counterparty}"
    if movement.flags is not MISSING:
        text += f" [{' '.join(movement.flags)}]"
    return text
