"""wallet_get_transaction: what became of one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import MISSING, Field
from pydantic.json_schema import SkipJsonSchema

from wallet_mcp.server.arguments import MAX_TEXT, NoEcho, Rule, ToolInput
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.detail_search import Search, chains_to_search, search_chains
from wallet_mcp.server.movements import (
    FAILED_NOTE,
    FAILED_PART,
    FAILED_PART_NOTE,
    AmountPart,
    amount_text,
    asset_fields,
    is_known,
    leading,
)
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE, NextCall, ToolOutput, listed
from wallet_mcp.server.parties import labels_of, party_key
from wallet_mcp.server.resolve import find_tx_hash
from wallet_mcp.server.text import closing, compact
from wallet_mcp.server.tool import Tool
from wallet_mcp.server.units import decimals_of, unit_notes
from wallet_mcp.wallet.addresses import TxHash
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.history import Status, readable, shown_parties, status_of
from wallet_mcp.wallet.holdings import NATIVE, asset_of
from wallet_mcp.wallet.known_tokens import clean_symbol, is_coin_symbol, is_well_known
from wallet_mcp.wallet.money import plain, scale, total
from wallet_mcp.wallet.times import iso_s
from wallet_mcp.wallet.units import AmountSample
from wallet_mcp.wallet_api.models import WireDetail, WireDetailParty

NAME = "wallet_get_transaction"
MAX_MOVEMENTS = 30
MAX_NET = 20
# An answer, which has other parts too, is shorter than 10,000 characters.
_MOVEMENTS_LENGTH = 5_200
_NET_LENGTH = 2_600
_STATUS_WORDS = {
    "success": "succeeded",
    "failed": "failed: nothing moved but the fee",
    "pending": "is pending: not final yet",
    "unknown": "has a status that this server does not know",
}


class Input(ToolInput):
    """Which transaction."""

    tx_hash: Annotated[
        str,
        Field(max_length=MAX_TEXT, description="0x and 64 hex digits, or a Solana signature"),
        Rule("a transaction hash: 0x and 64 hex digits, or a Solana signature"),
        NoEcho(),
    ]
    chain: Annotated[
        Annotated[str, Field(max_length=MAX_TEXT)] | SkipJsonSchema[None],
        Rule("a chain by id, name or short name (56, BNB Chain, bsc)"),
        Field(description="Default: every chain that the hash can be of"),
    ] = None


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


class Output(ToolOutput):
    """A transaction, or that it was not found."""

    found: bool
    hash: str
    searched: Annotated[list[str], Field(description="chains asked, in order")]
    chain: str | MISSING = MISSING
    chain_name: str | MISSING = MISSING
    time: str | MISSING = MISSING
    status: Status | MISSING = MISSING
    block: str | MISSING = MISSING
    movements: list[Transfer] | MISSING = MISSING
    net: Annotated[
        list[NetRow] | MISSING,
        Field(description="per party and asset, fee apart, where movements do not show it"),
    ] = MISSING
    labels: Annotated[dict[str, str] | MISSING, Field(description="label -> address, of parties")] = MISSING
    fee: Annotated[str | MISSING, Field(description="in the chain's coin")] = MISSING
    fee_payer: str | MISSING = MISSING


async def run(context: ToolContext, arguments: Input) -> Output:
    """The transaction on the chain asked for, or on the first one that knows it. Raises `ApiError`."""
    context.require_api()
    tx_hash = find_tx_hash(arguments.tx_hash)
    chains = await chains_to_search(context, arguments.chain, tx_hash)
    search = await search_chains(context, chains, tx_hash)
    head: dict[str, Any] = {"hash": tx_hash.text, "searched": search.searched}
    if search.chain is None or search.row is None:
        return Output(found=False, **head, **_not_found(context, arguments, tx_hash, search))
    chain, row = search.chain, search.row
    head |= {"chain": chain.id, "chain_name": chain.name}
    _learn_units(context, chain, row)
    facts = _facts(row, chain)
    every = _movements(context, chain, row, facts["status"])
    movements = _leading(every, chain)
    if any(moved.symbol and not is_well_known(chain.id, moved.asset, moved.symbol) for moved in movements):
        context.note(CHAIN_TEXT_NOTICE)
    if facts["status"] == "failed" and movements:
        context.note(FAILED_NOTE)
    if any(moved.has_failed for moved in movements):
        context.note(FAILED_PART_NOTE)
    if unknown := sum(moved.unit is MISSING and not moved.has_failed for moved in every):
        context.note(f"Movements without a readable amount: {unknown}. They are in no net.")
    for note in unit_notes(moved.reading for moved in movements):
        context.note(note)
    net = [] if facts["status"] == "failed" else _net(every, chain)
    shown = leading(net, MAX_NET, _NET_LENGTH, _length)
    more: dict[str, Any] = {"net": net[:shown]} if net else {}
    parties = [end for moved in movements for end in (moved.from_, moved.to) if end is not MISSING]
    if labels := labels_of([*parties, facts.get("fee_payer", "")], context.settings.wallets):
        more["labels"] = labels
    left_out = [
        f"{count} of {len(rows)} {what} are left out"
        for what, rows, count in (
            ("movements", every, len(every) - len(movements)),
            ("net rows", net, len(net) - shown),
        )
        if count
    ]
    common = context.common(incomplete_because=listed(left_out))
    return Output(found=True, **head, **facts, movements=movements, **more, **common)


def _not_found(context: ToolContext, arguments: Input, tx_hash: TxHash, search: Search) -> dict[str, Any]:
    again = {"tx_hash": tx_hash.text}
    if search.failures:
        failed = ", ".join(f"{chain} (error {error.code})" for chain, error in search.failures.items())
        because = f"not found on the chains searched, and these could not be asked: {failed}"
        again["chain"] = next(iter(search.failures))
    else:
        because = "not found or not indexed yet: a new transaction takes some seconds, so repeat this once at most"
        if arguments.chain is not None:
            again["chain"] = search.searched[0]
            context.note("If it stays unfound, leave chain out to ask on every chain that it can be on.")
    return context.common(incomplete_because=because, next_call=NextCall(tool=NAME, arguments=again))


def _facts(row: WireDetail, chain: Chain) -> dict[str, Any]:
    facts: dict[str, Any] = {"status": status_of(row.tx_status)}
    if row.tx_time is not None:
        facts["time"] = iso_s(row.tx_time)
    block, fee = readable(row.height), readable(row.tx_fee)
    if block:
        facts["block"] = block
    if fee:
        facts["fee"] = f"{fee} {chain.native_symbol}" if chain.native_symbol else fee
    payers = [party.address for party in row.from_details if party.address.strip()]
    if chain.family == "evm" and len(payers) == 1:
        facts["fee_payer"] = shown_parties(payers)
    return facts


def _movements(context: ToolContext, chain: Chain, row: WireDetail, status: Status) -> list[Transfer]:
    """The native transfer, the internal ones and the token transfers, zero native amounts left out."""
    found: list[Transfer] = []
    senders = ",".join(party.address for party in row.from_details)
    asset = (NATIVE, "") if _is_of_coin(row, chain) else ("", row.symbol)
    named = is_coin_symbol(chain, row.symbol)
    for receiver in row.to_details or (WireDetailParty(),):
        # With a token transfer upstream may put the token's amount and symbol into the outer fields.
        if receiver.amount and (asset[0] or not row.token_transfer_details):
            found += _transfer(context, chain, "detail.to.amount", senders, receiver.address, receiver.amount, *asset)
        elif not receiver.amount and len(row.to_details) < 2 and (named or not row.token_transfer_details):
            found += _transfer(context, chain, "detail.amount", senders, receiver.address, row.amount, *asset)
    for inner in row.internal_transaction_details:
        flags = (FAILED_PART,) if status != "failed" and status_of(inner.tx_status) == "failed" else ()
        found += _transfer(context, chain, "detail.internal", inner.from_, inner.to, inner.amount, NATIVE, "", flags)
    for moved in row.token_transfer_details:
        contract = asset_of(moved.token_contract_address) if moved.token_contract_address.strip() else ""
        found += _transfer(
            context, chain, "detail.token", moved.from_, moved.to, moved.amount, contract, moved.symbol
        )
    return found


def _leading(movements: Sequence[Transfer], chain: Chain) -> list[Transfer]:
    """The movements to show, in their order: coins and well-known tokens before what anybody can have made."""

    def worth(at: int) -> tuple[bool, bool]:
        return movements[at].has_failed, not is_known(chain.id, movements[at].asset)

    order = sorted(range(len(movements)), key=worth)
    count = leading(order, MAX_MOVEMENTS, _MOVEMENTS_LENGTH, lambda at: _length(movements[at]))
    return [movements[at] for at in sorted(order[:count])]


def _length(row: Transfer | NetRow) -> int:
    return len(compact(row.model_dump(mode="json")))


def _net(movements: Sequence[Transfer], chain: Chain) -> list[NetRow]:
    """The movements added up by party and asset, each unit for itself; what adds up to nothing is left out.

    None where no party moved an asset more than once: the sums would be the movements. Coins and well-known tokens
    come first where not all of them can be shown.
    """
    sums: dict[tuple[str, str, str], list[Decimal]] = {}
    symbols: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for moved in movements:
        if moved.unit is MISSING or moved.contract is MISSING or moved.has_failed:
            continue
        amount = Decimal(moved.amount if moved.amount is not MISSING else str(moved.amount_raw))
        symbols.setdefault(moved.contract, moved.symbol)
        for party, sign in ((moved.from_, -1), (moved.to, 1)):
            if party is not MISSING:
                key = " ".join(map(party_key, party.split(" ")))
                spelled.setdefault(key, party)
                sums.setdefault((key, moved.contract, moved.unit), []).append(sign * amount)
    if all(len(amounts) == 1 for amounts in sums.values()):
        return []
    rows: list[NetRow] = []
    for (key, contract, unit), amounts in sums.items():
        amount = total(amounts)
        if not amount:
            continue
        fields: dict[str, Any] = {"party": spelled[key], "contract": contract, "symbol": symbols[contract]}
        fields["unit"] = unit
        fields["amount" if unit == "coins" else "amount_raw"] = plain(amount)
        decimals = decimals_of(chain, contract)
        if unit == "undecided" and decimals is not None and amount == amount.to_integral_value():
            fields["amount_if_base_units"] = plain(scale(amount, decimals))
        rows.append(NetRow.model_validate(fields))
    # Where not all can be shown it matters which come first.
    return sorted(rows, key=lambda row: len(rows) > MAX_NET and not is_known(chain.id, str(row.contract)))


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
) -> list[Transfer]:
    shown = clean_symbol(chain.id, contract, symbol)
    fields = asset_fields(context, field, amount, contract, shown.text, chain)
    if field != "detail.token" and fields.get("amount", fields.get("amount_raw", "0")) == "0":
        return []
    for name, address in (("from", sender), ("to", receiver)):
        if address.strip():
            fields[name] = shown_parties([address])
    if shown.flags or flags:
        fields["flags"] = [*shown.flags, *flags]
    return [Transfer.model_validate(fields)]


def _learn_units(context: ToolContext, chain: Chain, row: WireDetail) -> None:
    """Take in what the amounts of a successful transaction prove; others moved nothing that could be known."""
    if status_of(row.tx_status) != "success":
        return
    units = context.services.units
    tokens = [transfer.amount for transfer in row.token_transfer_details]
    units.learn("detail.token", [AmountSample(amount, chain.id) for amount in tokens])
    # Beside a token transfer the outer fields may tell the token's amount: only a named coin is surely one.
    native = is_coin_symbol(chain, row.symbol) if tokens else _is_of_coin(row, chain)
    if native or not tokens:
        received = [party.amount for party in row.to_details]
        units.learn("detail.to.amount", [AmountSample(amount, chain.id, native) for amount in received])
    if not tokens:
        units.learn("detail.amount", [AmountSample(row.amount, chain.id, native)])
    inner = [each.amount for each in row.internal_transaction_details if status_of(each.tx_status) != "failed"]
    units.learn("detail.internal", [AmountSample(amount, chain.id, True) for amount in inner])


def _is_of_coin(row: WireDetail, chain: Chain) -> bool:
    """Whether the outer amount is one of the chain's coin; its symbol is all that can tell."""
    return not row.symbol.strip() or is_coin_symbol(chain, row.symbol)


def render(output: Output) -> list[str]:
    """What became of it, then a line per movement."""
    searched = f"Searched chains: {', '.join(output.searched)}."
    if not output.found:
        return [f"Transaction {output.hash} was not found, or is not indexed yet. {searched}", *closing(output)]
    where = f"{output.chain_name} ({output.chain})"
    status = output.status if output.status is not MISSING else "unknown"
    lines = [f"Transaction {output.hash} on {where} {_STATUS_WORDS[status]} (status {status})."]
    facts = [
        f"{name.replace('_', ' ')} {value}"
        for name in ("time", "block", "fee", "fee_payer")
        if (value := getattr(output, name)) is not MISSING
    ]
    if facts:
        said = ", ".join(facts)
        lines.append(f"{said[:1].upper()}{said[1:]}.")
    for movement in output.movements if output.movements is not MISSING else []:
        lines.append(f"  {_transfer_text(movement)}")
    for net in output.net if output.net is not MISSING else []:
        lines.append(f"  net: {net.party} {amount_text(net)}")
    if output.labels is not MISSING:
        lines.append(f"Labels: {', '.join(f'{label} {address}' for label, address in output.labels.items())}.")
    return [*lines, searched, *closing(output)]


def _transfer_text(transfer: Transfer) -> str:
    text = amount_text(transfer)
    if transfer.from_ is not MISSING:
        text += f" from {transfer.from_}"
    if transfer.to is not MISSING:
        text += f" to {transfer.to}"
    if transfer.flags is not MISSING:
        text += f" [{' '.join(transfer.flags)}]"
    return text


TOOL = Tool(
    name=NAME,
    title="Get one transaction",
    description=(
        "Get what became of one transaction: status, time, fee, each coin and token that moved, and net per party. "
        "Without chain it asks every chain that the hash can be on. Use wallet_list_transactions to find a hash. "
        "found is false when no chain knows it or has indexed it yet. A final transaction is cached for a day, a "
        "pending one for 3 s."
    ),
    input_model=Input,
    output_model=Output,
    run=run,
    render=render,
    upstream_names={"binanceChainId": "chain", "txHash": "tx_hash"},
)
