"""Sums over a completely searched span of history: what came in and went out, and the fees that were paid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import MISSING, Field

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.output import Part
from wallet_mcp.server.units import amount_fields, decimals_of
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.flows import Flow, FlowTotal, fees_paid, totals_of
from wallet_mcp.wallet.history import Movement, Transaction
from wallet_mcp.wallet.money import plain, scale, total

UNCLEAR_FEES_NOTE = (
    "fees_unclear: tokens left without a row naming the payer, most likely this wallet; wallet_get_transaction tells."
)


class TotalRow(Part):
    """What came in and went out of one asset on one chain, over successful transactions."""

    chain: str
    contract: str
    symbol: str
    in_: Annotated[str | MISSING, Field(alias="in")] = MISSING
    out: str | MISSING = MISSING
    in_raw: str | MISSING = MISSING
    out_raw: str | MISSING = MISSING
    in_if_base_units: str | MISSING = MISSING
    out_if_base_units: str | MISSING = MISSING
    unit: Literal["coins", "base_units", "undecided"]

    @property
    def reading(self) -> tuple[object, bool]:
        """Its unit, and whether a reading in whole coins stands beside it: what `unit_notes` asks for."""
        return self.unit, self.in_if_base_units is not MISSING or self.out_if_base_units is not MISSING


class FeeRow(Part):
    """The fees that the address paid on one chain, in its coin."""

    chain: str
    amount: str
    symbol: str


def total_rows(
    context: ToolContext,
    found: Iterable[Transaction],
    chains: Mapping[str, Chain],
    wanted: Callable[[Movement], bool] = lambda _movement: True,
) -> list[TotalRow]:
    """The totals of successful transactions; transfers of nothing and to oneself are in none.

    Only movements that are `wanted` are summed: what else moved in the transactions found is not all there was.
    """
    flows = [
        flow
        for transaction in found
        if transaction.status == "success"
        for movement in transaction.movements
        if wanted(movement) and (flow := _flow(context, movement, chains[transaction.chain])) is not None
    ]
    return [TotalRow.model_validate(_total_fields(total)) for total in totals_of(flows)]


def fee_rows(found: Sequence[Transaction], address: str, chains: Mapping[str, Chain]) -> list[FeeRow]:
    """The fees paid, once per transaction."""
    return [
        FeeRow(chain=chain, amount=plain(amount), symbol=chains[chain].native_symbol or "")
        for chain, amount in fees_paid(found, address)
    ]


def unclear_fee_rows(found: Sequence[Transaction], chains: Mapping[str, Chain]) -> list[FeeRow]:
    """The fees of transactions in which the address sent something and the rows do not tell who paid."""
    fees: dict[str, list[Decimal]] = {}
    for transaction in found:
        sent = transaction.direction in ("out", "both", "self")
        if sent and transaction.fee and not transaction.fee_payer and transaction.status != "pending":
            fees.setdefault(transaction.chain, []).append(Decimal(transaction.fee))
    return [
        FeeRow(chain=chain, amount=plain(total(amounts)), symbol=chains[chain].native_symbol or "")
        for chain, amounts in fees.items()
    ]


def _flow(context: ToolContext, movement: Movement, chain: Chain) -> Flow | None:
    if movement.direction not in ("in", "out"):
        return None
    decimals = decimals_of(chain, movement.contract)
    unit = context.services.units.unit(f"transactions.{movement.amount_field}", context.settings.tx_amount_unit)
    fields = amount_fields(movement.amount, unit, decimals)
    amount = Decimal(fields.get("amount", fields.get("amount_raw", "0")))
    if not amount:
        return None
    return Flow(
        chain=chain.id,
        contract=movement.contract,
        symbol=movement.symbol or (chain.native_symbol or ""),
        unit=fields["unit"],  # type: ignore[arg-type]
        decimals=decimals,
        direction="in" if movement.direction == "in" else "out",
        amount=amount,
    )


def _total_fields(total: FlowTotal) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "chain": total.chain,
        "contract": total.contract,
        "symbol": total.symbol,
        "unit": total.unit,
    }
    for name, amount in (("in", total.incoming), ("out", total.outgoing)):
        if not amount:
            continue
        fields[name if total.unit == "coins" else f"{name}_raw"] = plain(amount)
        whole = amount == amount.to_integral_value()
        if total.unit == "undecided" and total.decimals is not None and whole:
            fields[f"{name}_if_base_units"] = plain(scale(amount, total.decimals))
    return fields
