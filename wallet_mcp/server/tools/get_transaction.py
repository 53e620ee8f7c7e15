"""wallet_get_transaction: what became of one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import MISSING, Field
from pydantic.json_schema import SkipJsonSchema

from wallet_mcp.server.arguments import MAX_TEXT, NoEcho, Rule, ToolInput
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.detail_search import Search, chains_to_search, search_chains
from wallet_mcp.server.length import leading
from wallet_mcp.server.movements import (
    FAILED_NOTE,
    FAILED_PART,
    FAILED_PART_NOTE,
    AmountPart,
    amount_text,
    asset_fields,
)
from wallet_mcp.server.output import NextCall, ToolOutput, listed
from wallet_mcp.server.parties import labels_of, party_key
from wallet_mcp.server.resolve import find_tx_hash
from wallet_mcp.server.text import closing, compact
from wallet_mcp.server.tool import Tool
from wallet_mcp.server.units import told, unit_notes
from wallet_mcp.wallet.addresses import TxHash
from wallet_mcp.wallet.assets import asset_on, decimals_of, is_known
from wallet_mcp.wallet.chains import NATIVE, Chain
from wallet_mcp.wallet.history import Status, readable, shown_parties, status_of
from wallet_mcp.wallet.known_tokens import clean_symbol, is_coin_symbol
from wallet_mcp.wallet.money import total
from wallet_mcp.wallet.times import iso_s
from wallet_mcp.wallet.units import AmountSample, TellingUnit
from wallet_mcp.wallet_api.models import WireDetail, WireDetailParty

NAME = "wallet_get_transaction"
MAX_MOVEMENTS = 30
MAX_NET = 20
# An answer, which has other parts too, is shorter than 10,000 characters.
_MOVEMENTS_LENGTH = 5_200
_NET_LENGTH = 2_600
_NOT_TOLD = "?"
"""In the place of an amount that is missing beside others: it is no number, and not nothing."""

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
    context.note_symbols((chain.id, moved.asset, moved.symbol) for moved in movements)
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


def _outer(context: ToolContext, chain: Chain, row: WireDetail) -> Iterator[Transfer]:
    """What the transaction itself carried; to all receivers together where none of their shares is told."""
    senders, asset = _joined(row.from_details), (NATIVE, "") if _is_of_coin(row, chain) else ("", row.symbol)
    # With a token transfer upstream may put the token's amount and symbol into the outer fields.
    tokens = bool(row.token_transfer_details)
    if not any(receiver.amount for receiver in row.to_details):
        if is_coin_symbol(chain, row.symbol) or not tokens:
            receivers = _joined(row.to_details)
            yield from _transfer(context, chain, "detail.amount", senders, receivers, row.amount, *asset)
    elif asset[0] or not tokens:
        for receiver in row.to_details:
            share = receiver.amount or _NOT_TOLD
            yield from _transfer(context, chain, "detail.to.amount", senders, receiver.address, share, *asset)


def _internal(context: ToolContext, chain: Chain, row: WireDetail, status: Status) -> Iterator[Transfer]:
    for inner in row.internal_transaction_details:
        flags = (FAILED_PART,) if status != "failed" and status_of(inner.tx_status) == "failed" else ()
        yield from _transfer(
            context, chain, "detail.internal", inner.from_, inner.to, inner.amount, NATIVE, "", flags
        )


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
    sums: dict[tuple[str, str, str, TellingUnit], list[Decimal]] = {}
    symbols: dict[tuple[str, str], str] = {}
    spelled: dict[str, str] = {}
    for moved in movements:
        if moved.unit is MISSING or moved.has_failed:
            continue
        amount = Decimal(moved.amount if moved.amount is not MISSING else str(moved.amount_raw))
        # Tokens whose contract is missing are told apart by nothing but their symbol.
        nameless = "" if moved.asset else moved.symbol
        symbols.setdefault((moved.asset, nameless), moved.symbol)
        for party, sign in ((moved.from_, -1), (moved.to, 1)):
            if party is not MISSING:
                key = " ".join(map(party_key, party.split(" ")))
                spelled.setdefault(key, party)
                sums.setdefault((key, moved.asset, nameless, moved.unit), []).append(sign * amount)
    if all(len(amounts) == 1 for amounts in sums.values()):
        return []
    rows: list[NetRow] = []
    for (key, asset, nameless, unit), amounts in sums.items():
        amount = total(amounts)
        if not amount:
            continue
        fields: dict[str, Any] = {"party": spelled[key], "symbol": symbols[asset, nameless]}
        fields |= told(amount, unit, decimals_of(chain.id, asset)) | ({"contract": asset} if asset else {})
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
) -> list[Transfer]:
    shown = clean_symbol(chain.id, contract, symbol)
    fields = asset_fields(context, field, amount, contract, shown.text, chain)
    if field != "detail.token" and (not amount.strip() or fields.get("amount") == "0"):
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
