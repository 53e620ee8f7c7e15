"""What one transaction moved, as the endpoint for details tells it: its transfers, and the net of them per party.

Upstream tells them in four lists and an outer amount, each of which may be told over again or left blank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import MISSING, Field

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.length import leading
from wallet_mcp.server.movements import FAILED_PART, AmountPart, amount_text, asset_fields
from wallet_mcp.server.parties import party_key
from wallet_mcp.server.text import compact
from wallet_mcp.server.units import SUMMED_APART_NOTE, told
from wallet_mcp.wallet.assets import asset_on, decimals_of, is_known
from wallet_mcp.wallet.chains import NATIVE, Chain
from wallet_mcp.wallet.history import Status, amount_number, readable, shown_parties, status_of
from wallet_mcp.wallet.known_tokens import clean_symbol, is_coin_symbol
from wallet_mcp.wallet.money import total
from wallet_mcp.wallet.units import AmountSample, TellingUnit
from wallet_mcp.wallet_api.models import WireDetail, WireDetailParty

MAX_TRANSFERS: Final = 30
MAX_NET: Final = 20
# An answer, which has other parts too, is shorter than 10,000 characters.
_TRANSFERS_LENGTH: Final = 5_200
_NET_LENGTH: Final = 2_600
_NOT_TOLD: Final = "?"
"""In the place of an amount that is missing beside others: it is no number, and not nothing."""


class Transfer(AmountPart):
    """An asset that moved from one party to another."""

    from_: Annotated[str | MISSING, Field(alias="from")] = MISSING
    to: str | MISSING = MISSING
    flags: list[str] | MISSING = MISSING

    @property
    def has_failed(self) -> bool:
        """Whether it did not happen although the transaction succeeded."""
        return self.flags is not MISSING and FAILED_PART in self.flags


class NetRow(AmountPart):
    """What one party gained (or, with a minus, gave) of one asset over the whole transaction."""

    party: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A transfer, and the field that its amount was read from: two undecided fields may be of two units."""

    transfer: Transfer
    field: str


def read_transfers(context: ToolContext, chain: Chain, row: WireDetail, status: Status) -> list[Moved]:
    """The native transfer, the internal ones and the token transfers, zero native amounts left out."""
    found = [*_outer(context, chain, row), *_internal(context, chain, row, status)]
    coins = _coin_transfers(row)
    for moved in row.token_transfer_details:
        contract = asset_on(chain.id, moved.token_contract_address) if moved.token_contract_address.strip() else ""
        key = _transfer_key(moved.from_, moved.to, moved.amount)
        if contract == NATIVE and key in coins:
            # Polygon tells the transfer of its coin over again as one of a token.
            coins.remove(key)
            continue
        found += _transfer(
            context, chain, "detail.token", moved.from_, moved.to, moved.amount, contract, moved.symbol
        )
    return found


def _coin_transfers(row: WireDetail) -> list[tuple[str, str, str]]:
    """The transfers that may be of the chain's coin, to know them again where they are told as a token's."""
    senders = _joined(row.from_details)
    outer = [(senders, receiver.address, receiver.amount or row.amount) for receiver in row.to_details]
    inner = [(each.from_, each.to, each.amount) for each in row.internal_transaction_details]
    return [_transfer_key(*each) for each in (*outer, *inner)]


def _transfer_key(sender: str, receiver: str, amount: str) -> tuple[str, str, str]:
    return sender.strip().lower(), receiver.strip().lower(), readable(amount)


def _joined(parties: Sequence[WireDetailParty]) -> str:
    return ",".join(party.address for party in parties)


def _outer(context: ToolContext, chain: Chain, row: WireDetail) -> Iterator[Moved]:
    """What the transaction itself carried; to all receivers together where none of their shares is told."""
    senders, asset = _joined(row.from_details), (NATIVE, "") if _is_of_coin(row, chain) else ("", row.symbol)
    # With a token transfer upstream may put the token's amount and symbol into the outer fields.
    is_told = is_coin_symbol(chain, row.symbol) or not row.token_transfer_details
    if not any(receiver.amount for receiver in row.to_details):
        if is_told:
            receivers = _joined(row.to_details)
            yield from _transfer(context, chain, "detail.amount", senders, receivers, row.amount, *asset)
    elif asset[0] or is_told:
        for receiver in row.to_details:
            share = receiver.amount or _NOT_TOLD
            yield from _transfer(context, chain, "detail.to.amount", senders, receiver.address, share, *asset)


def _internal(context: ToolContext, chain: Chain, row: WireDetail, status: Status) -> Iterator[Moved]:
    for inner in row.internal_transaction_details:
        flags = (FAILED_PART,) if status != "failed" and status_of(inner.tx_status) == "failed" else ()
        yield from _transfer(
            context, chain, "detail.internal", inner.from_, inner.to, inner.amount, NATIVE, "", flags
        )


def leading_transfers(movements: Sequence[Transfer], chain: Chain) -> list[Transfer]:
    """The transfers to show, in their order: coins and well-known tokens before what anybody can have made."""

    def worth(at: int) -> tuple[bool, bool]:
        return movements[at].has_failed, not is_known(chain.id, movements[at].asset)

    order = sorted(range(len(movements)), key=worth)
    count = leading(order, MAX_TRANSFERS, _TRANSFERS_LENGTH, lambda at: _length(movements[at]))
    return [movements[at] for at in sorted(order[:count])]


def leading_net(rows: Sequence[NetRow]) -> list[NetRow]:
    """The rows of the net to show, in their order."""
    return list(rows[: leading(rows, MAX_NET, _NET_LENGTH, _length)])


def _length(row: Transfer | NetRow) -> int:
    return len(compact(row.model_dump(mode="json")))


def net_of(context: ToolContext, movements: Sequence[Moved], chain: Chain) -> list[NetRow]:
    """The movements added up by party and asset, each unit for itself; what adds up to nothing is left out.

    Undecided amounts are added field by field, and not at all where their field has proved both units.

    None where no party moved an asset more than once: the sums would be the movements. Coins and well-known tokens
    come first where not all of them can be shown.
    """
    sums: dict[tuple[str, str, str, TellingUnit, str], list[Decimal]] = {}
    symbols: dict[tuple[str, str], str] = {}
    spelled: dict[str, str] = {}
    for moved, field in ((each.transfer, each.field) for each in movements):
        if moved.unit is MISSING or moved.has_failed:
            continue
        field = field if moved.unit == "undecided" else ""
        if field and context.services.units.is_contradictory(field):
            continue
        amount = Decimal(moved.amount if moved.amount is not MISSING else str(moved.amount_raw))
        # Tokens whose contract is missing are told apart by nothing but their symbol.
        nameless = "" if moved.asset else moved.symbol
        symbols.setdefault((moved.asset, nameless), moved.symbol)
        # A unary minus would round to the 28 digits of Python's default context.
        for party, change in ((moved.from_, amount.copy_negate()), (moved.to, amount)):
            if party is not MISSING:
                key = " ".join(map(party_key, party.split(" ")))
                spelled.setdefault(key, party)
                sums.setdefault((key, moved.asset, nameless, moved.unit, field), []).append(change)
    parts = Counter((key, asset, nameless) for (key, asset, nameless, _, _), amounts in sums.items() for _ in amounts)
    if all(count == 1 for count in parts.values()):
        return []
    undecided = Counter(key[:3] for key in sums if key[3] == "undecided")
    if any(count > 1 for count in undecided.values()):
        context.note(SUMMED_APART_NOTE)
    rows: list[NetRow] = []
    for (key, asset, nameless, unit, _), amounts in sums.items():
        amount = total(amounts)
        if not amount:
            continue
        fields: dict[str, Any] = {"party": spelled[key], "symbol": symbols[asset, nameless]}
        # A sum of base units has none but whole parts.
        whole = all(each == each.to_integral_value() for each in amounts)
        fields |= told(amount, unit, decimals_of(chain.id, asset) if whole else None)
        fields |= {"contract": asset} if asset else {}
        rows.append(NetRow.model_validate(fields))
    # Where not all can be shown it matters which come first.
    return sorted(rows, key=lambda row: len(rows) > MAX_NET and not is_known(chain.id, row.asset))


def _transfer(
    context: ToolContext,
    chain: Chain,
    field: str,
    sender: str,
    receiver: str,
    amount: str,
    contract: str,
    symbol: str,
    flags: tuple[str, ...] = (),
) -> list[Moved]:
    shown = clean_symbol(chain.id, contract, symbol)
    number = amount_number(amount)
    if number is not None and number < 0:
        amount = _NOT_TOLD
    fields = asset_fields(context, field, amount, contract, shown.text, chain)
    if field != "detail.token" and (not amount.strip() or fields.get("amount") == "0"):
        return []
    for name, address in (("from", sender), ("to", receiver)):
        if address.strip():
            fields[name] = shown_parties([address])
    if shown.flags or flags:
        fields["flags"] = [*shown.flags, *flags]
    return [Moved(Transfer.model_validate(fields), field)]


def learn_units(context: ToolContext, chain: Chain, row: WireDetail) -> None:
    """Take in what the amounts of a successful transaction prove; others moved nothing that could be known."""
    if status_of(row.tx_status) != "success":
        return
    units = context.services.units
    tokens = [transfer.amount for transfer in row.token_transfer_details]
    units.learn("detail.token", [AmountSample(amount, chain.id) for amount in tokens])
    # Beside a token transfer the outer fields may tell the token's amount: only a named coin is surely one.
    native = _is_of_coin(row, chain) and (not tokens or is_coin_symbol(chain, row.symbol))
    if native or not tokens:
        received = [party.amount for party in row.to_details]
        units.learn("detail.to.amount", [AmountSample(amount, chain.id, native) for amount in received])
    if not tokens:
        units.learn("detail.amount", [AmountSample(row.amount, chain.id, native)])
    inner = [each.amount for each in row.internal_transaction_details if status_of(each.tx_status) != "failed"]
    units.learn("detail.internal", [AmountSample(amount, chain.id, True) for amount in inner])


def _is_of_coin(row: WireDetail, chain: Chain) -> bool:
    """Whether the outer amount is one of the chain's coin; its symbol is all that can tell."""
    is_named = not row.symbol.strip() or is_coin_symbol(chain, row.symbol)
    return is_named and not _tells_a_token(row, chain)


def _tells_a_token(row: WireDetail, chain: Chain) -> bool:
    """Whether the outer fields may tell a token transfer over again: anybody can name a token like the coin."""
    outer = {readable(text) for text in (row.amount, *(party.amount for party in row.to_details))} - {""}
    name = row.symbol.strip().casefold()
    return any(
        each.symbol.strip().casefold() == name and readable(each.amount) in outer
        for each in row.token_transfer_details
        if not each.token_contract_address.strip() or asset_on(chain.id, each.token_contract_address) != NATIVE
    )


def transfer_text(transfer: Transfer) -> str:
    """A transfer in a line."""
    text = amount_text(transfer)
    if transfer.from_ is not MISSING:
        text += f" from {transfer.from_}"
    if transfer.to is not MISSING:
        text += f" to {transfer.to}"
    if transfer.flags is not MISSING:
        text += f" [{' '.join(transfer.flags)}]"
    return text
