"""wallet_get_transaction: what became of one transaction."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import MISSING, Field
from pydantic.json_schema import SkipJsonSchema

from wallet_mcp.server.arguments import MAX_TEXT, NoEcho, Rule, ToolInput
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.detail_search import Search, chains_to_search, search_chains
from wallet_mcp.server.movements import (
    FAILED_NOTE,
    FAILED_PART_NOTE,
    amount_text,
)
from wallet_mcp.server.output import NextCall, ToolOutput, listed
from wallet_mcp.server.parties import labels_of
from wallet_mcp.server.resolve import find_tx_hash
from wallet_mcp.server.text import closing
from wallet_mcp.server.tool import Tool
from wallet_mcp.server.transfers import (
    NetRow,
    Transfer,
    leading_net,
    leading_transfers,
    learn_units,
    net_of,
    read_transfers,
    transfer_text,
)
from wallet_mcp.server.units import unit_notes
from wallet_mcp.wallet.addresses import TxHash
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.history import Status, readable, readable_fee, shown_parties, status_of
from wallet_mcp.wallet.times import iso_s
from wallet_mcp.wallet_api.models import WireDetail

NAME = "wallet_get_transaction"
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
    learn_units(context, chain, row)
    facts = _facts(row, chain)
    read = read_transfers(context, chain, row, facts["status"])
    every = [each.transfer for each in read]
    movements = leading_transfers(every, chain)
    context.note_symbols((chain.id, moved.asset, moved.symbol) for moved in movements)
    if facts["status"] == "failed" and movements:
        context.note(FAILED_NOTE)
    if any(moved.has_failed for moved in movements):
        context.note(FAILED_PART_NOTE)
    if unknown := sum(moved.unit is MISSING and not moved.has_failed for moved in every):
        context.note(f"Movements without a readable amount: {unknown}. They are in no net.")
    contradicted = context.services.units.notes("detail", context.settings.tx_amount_unit)
    for note in (*unit_notes(moved.reading for moved in movements), *contradicted):
        context.note(note)
    net = [] if facts["status"] == "failed" else net_of(context, read, chain)
    net_shown = leading_net(net)
    more: dict[str, Any] = {"net": net_shown} if net else {}
    parties = [end for moved in movements for end in (moved.from_, moved.to) if end is not MISSING]
    if labels := labels_of([*parties, facts.get("fee_payer", "")], context.settings.wallets):
        more["labels"] = labels
    left_out = [
        f"{count} of {len(rows)} {what} are left out"
        for what, rows, count in (
            ("movements", every, len(every) - len(movements)),
            ("net rows", net, len(net) - len(net_shown)),
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
        if len(search.failures) == 1 or arguments.chain is not None:
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
    block, fee = readable(row.height), readable_fee(row.tx_fee, chain.id)
    if block:
        facts["block"] = block
    if fee:
        facts["fee"] = f"{fee} {chain.native_symbol}" if chain.native_symbol else fee
    payers = [party.address for party in row.from_details if party.address.strip()]
    if chain.family == "evm" and len(payers) == 1:
        facts["fee_payer"] = shown_parties(payers)
    return facts


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
        lines.append(f"  {transfer_text(movement)}")
    for net in output.net if output.net is not MISSING else []:
        lines.append(f"  net: {net.party} {amount_text(net)}")
    if output.labels is not MISSING:
        lines.append(f"Labels: {', '.join(f'{label} {address}' for label, address in output.labels.items())}.")
    return [*lines, searched, *closing(output)]


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
