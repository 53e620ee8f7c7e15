"""Sums over a completely searched span of history: what came in and went out, and the fees that were paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import MISSING, Field

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.length import leading
from wallet_mcp.server.output import Part
from wallet_mcp.server.text import compact, table
from wallet_mcp.server.units import SUMMED_APART_NOTE, amount_fields, told
from wallet_mcp.wallet.assets import decimals_of, is_known, symbol_of
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.flows import Flow, FlowTotal, fees_paid, totals_of
from wallet_mcp.wallet.history import Movement, Transaction, amount_of
from wallet_mcp.wallet.money import plain, scale, total

TOTAL_COLUMNS: Final = (
    "chain",
    "contract",
    "symbol",
    "in",
    "out",
    "in_raw",
    "out_raw",
    "in_if_base_units",
    "out_if_base_units",
    "unit",
    "flags",
)
MAX_TOTALS: Final = 20
# Of the 10,000 characters that an answer may have most belong to its transactions.
_TOTALS_LENGTH: Final = 4_000
_UNCLEAR_FEES = "fees_unclear: tokens left without a row naming the payer"
_WHO_TELLS = "wallet_get_transaction tells."


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
    flags: list[str] | MISSING = MISSING

    @property
    def reading(self) -> tuple[object, bool]:
        """Its unit, and whether a reading in whole coins stands beside it: what `unit_notes` asks for."""
        return self.unit, self.in_if_base_units is not MISSING or self.out_if_base_units is not MISSING


class FeeRow(Part):
    """The fees that the address paid on one chain, in its coin."""

    chain: str
    amount: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals to list; `left_out`: how many rows more there are; `unsummed`: movements that are in none.

    `apart`: whether undecided amounts of one asset stand in several rows.
    """

    rows: tuple[TotalRow, ...]
    left_out: int
    unsummed: int
    apart: bool = False

    def notes(self) -> Iterator[str]:
        """What must be said about them."""
        if self.apart:
            yield SUMMED_APART_NOTE
        if self.left_out:
            are = "totals are" if self.left_out > 1 else "total is"
            yield f"{self.left_out} more {are} left out, flagged and unknown tokens first: ask with contract for one."
        if self.unsummed:
            one = self.unsummed == 1
            yield (
                f"{self.unsummed} movement{'' if one else 's'} without a clear amount or status "
                f"{'is' if one else 'are'} in no total."
            )


def totals_over(
    context: ToolContext,
    found: Iterable[Transaction],
    chains: Mapping[str, Chain],
    wanted: Callable[[Transaction, Movement], bool] = lambda _found, _movement: True,
) -> Totals:
    """The totals of successful transactions; transfers of nothing and to oneself are in none.

    Only movements that are `wanted` are summed: what else moved in the transactions found is not all there was.
    Coins and well-known tokens come first and what is flagged last, for anybody can add to the others.
    """
    flows: list[Flow] = []
    unsummed = 0
    for transaction in found:
        for movement in transaction.movements:
            if transaction.status not in ("success", "unknown") or not wanted(transaction, movement):
                continue
            if movement.direction not in ("in", "out") or amount_of(movement) == 0:
                continue
            flow = _flow(context, movement, chains[transaction.chain]) if transaction.status == "success" else None
            if flow is None:
                unsummed += 1
            else:
                flows.append(flow)
    sums = sorted(totals_of(flows), key=lambda each: (bool(each.flags), not is_known(each.chain, each.contract)))
    rows = [TotalRow.model_validate(_total_fields(each)) for each in sums[:MAX_TOTALS]]
    shown = leading(rows, MAX_TOTALS, _TOTALS_LENGTH, lambda row: len(compact(row.model_dump())))
    split = Counter((each.chain, each.contract, each.symbol) for each in sums if each.unit == "undecided")
    return Totals(tuple(rows[:shown]), len(sums) - shown, unsummed, any(count > 1 for count in split.values()))


def totals_lines(rows: Sequence[TotalRow]) -> list[str]:
    """The totals as a table."""
    if not rows:
        return []
    head = "Totals of the searched span, successful transactions only:"
    return [head, *table(TOTAL_COLUMNS, [row.model_dump() for row in rows])]


def fees_lines(paid: Sequence[FeeRow] | MISSING, unclear: Sequence[FeeRow] | MISSING) -> list[str]:
    """The fees in sentences."""
    lines: list[str] = []
    if paid is not MISSING:
        lines.append(f"Fees paid by this wallet in the searched span: {_fees_text(paid) or 'none'}.")
    if unclear is not MISSING:
        lines.append(f"Fees of what it sent without a payer told: {_fees_text(unclear)}.")
    return lines


def _fees_text(rows: Sequence[FeeRow]) -> str:
    return ", ".join(f"{row.amount} {row.symbol} on chain {row.chain}" for row in rows)


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
        sent = any(movement.direction in ("out", "self") for movement in transaction.movements)
        if sent and transaction.fee and not transaction.fee_payer and transaction.status != "pending":
            fees.setdefault(transaction.chain, []).append(Decimal(transaction.fee))
    return [
        FeeRow(chain=chain, amount=plain(total(amounts)), symbol=chains[chain].native_symbol or "")
        for chain, amounts in fees.items()
    ]


def unclear_fees_note(found: Iterable[Transaction]) -> str:
    """What to make of fees whose payer is not told: a contract sends coins inside transactions and pays for none."""
    if any(transaction.sent_inside for transaction in found):
        return f"{_UNCLEAR_FEES}; this wallet seems to be a contract, for which others pay. {_WHO_TELLS}"
    return f"{_UNCLEAR_FEES}, most likely this wallet; {_WHO_TELLS}"


def _flow(context: ToolContext, movement: Movement, chain: Chain) -> Flow | None:
    decimals = decimals_of(chain.id, movement.contract)
    field, setting = f"transactions.{movement.amount_field}", context.settings.tx_amount_unit
    fields = amount_fields(movement.amount, context.services.units.unit(field, setting), decimals)
    undecided = fields.get("unit") == "undecided"
    if not fields or (undecided and context.services.units.is_contradictory(field)):
        return None
    flags = movement.flags
    # A coin or well-known token is what it is, whoever sent of it.
    if movement.blacklisted and not is_known(chain.id, movement.contract):
        flags = (*flags, "blacklisted")
    return Flow(
        chain=chain.id,
        contract=movement.contract,
        symbol=symbol_of(movement.symbol, movement.contract, chain),
        unit=fields["unit"],  # type: ignore[arg-type]
        decimals=decimals,
        direction="in" if movement.direction == "in" else "out",
        amount=Decimal(fields.get("amount", fields.get("amount_raw", "0"))),
        flags=flags,
        field=field if undecided else "",
    )


def coins_of(context: ToolContext, movement: Movement, chain: Chain) -> Decimal | None:
    """What moved in whole coins; undecided base units as documented, and of unknown decimals the number as it is.

    For comparing alone: an answer tells in which unit an amount is.
    """
    unit = context.services.units.unit(f"transactions.{movement.amount_field}", context.settings.tx_amount_unit)
    amount, decimals = amount_of(movement), decimals_of(chain.id, movement.contract)
    whole = amount is not None and amount == amount.to_integral_value()
    if amount is None or decimals is None or unit == "scaled" or not (whole or unit == "base"):
        return amount
    return scale(amount, decimals)


def _total_fields(total: FlowTotal) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "chain": total.chain,
        "contract": total.contract,
        "symbol": total.symbol,
        "unit": total.unit,
    }
    for name, amount in (("in", total.incoming), ("out", total.outgoing)):
        if amount:
            amounts = told(amount, total.unit, total.decimals)
            fields |= {field.replace("amount", name): value for field, value in amounts.items()}
    if total.flags:
        fields["flags"] = list(total.flags)
    return fields
