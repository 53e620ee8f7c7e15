"""wallet_get_transaction: what became of one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any

from pydantic import MISSING, Field
from pydantic.json_schema import SkipJsonSchema

from wallet_mcp.server.arguments import MAX_TEXT, NoEcho, Rule, ToolInput
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.movements import FAILED_NOTE, AmountPart, amount_text, asset_fields
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE, NextCall, ToolOutput
from wallet_mcp.server.parties import labels_of
from wallet_mcp.server.resolve import check_family, find_chain, find_tx_hash, served_chains
from wallet_mcp.server.text import closing
from wallet_mcp.server.tool import Tool
from wallet_mcp.server.units import decimals_of, unit_notes
from wallet_mcp.wallet.addresses import TxHash
from wallet_mcp.wallet.chains import Chain, chains_of_family
from wallet_mcp.wallet.history import Status, shown_parties, status_of
from wallet_mcp.wallet.holdings import NATIVE, asset_of
from wallet_mcp.wallet.known_tokens import clean_symbol, is_well_known
from wallet_mcp.wallet.money import BadNumber, parse_amount, plain, scale, total
from wallet_mcp.wallet.times import iso_s
from wallet_mcp.wallet.units import AmountSample
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireDetail, WireDetailParty

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


class Transfer(AmountPart):
    """An asset that moved from one party to another."""

    from_: Annotated[str | MISSING, Field(alias="from")] = MISSING
    to: str | MISSING = MISSING
    flags: list[str] | MISSING = MISSING


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
    chains = await _chains(context, arguments.chain, tx_hash)
    search = await _search(context, chains, tx_hash)
    head: dict[str, Any] = {"hash": tx_hash.text, "searched": search.searched}
    if search.chain is None or search.row is None:
        return Output(found=False, **head, **_not_found(context, arguments, tx_hash, search))
    chain, row = search.chain, search.row
    head |= {"chain": chain.id, "chain_name": chain.name}
    _learn_units(context, chain, row)
    movements = _movements(context, chain, row)
    facts = _facts(row, chain)
    if any(moved.symbol and not is_well_known(chain.id, _contract(moved), moved.symbol) for moved in movements):
        context.note(CHAIN_TEXT_NOTICE)
    if facts["status"] == "failed" and movements:
        context.note(FAILED_NOTE)
    for note in unit_notes(moved.reading for moved in movements):
        context.note(note)
    net = [] if facts["status"] == "failed" else _net(movements, chain)
    more: dict[str, Any] = {"net": net} if net else {}
    parties = [end for moved in movements for end in (moved.from_, moved.to) if end is not MISSING]
    if labels := labels_of([*parties, facts.get("fee_payer", "")], context.settings.wallets):
        more["labels"] = labels
    return Output(found=True, **head, **facts, movements=movements, **more, **context.common())


@dataclass(slots=True)
class _Search:
    searched: list[str] = field(default_factory=list)
    failures: dict[str, ApiError] = field(default_factory=dict)
    chain: Chain | None = None
    row: WireDetail | None = None


async def _chains(context: ToolContext, text: str | None, tx_hash: TxHash) -> tuple[Chain, ...]:
    if text is None:
        return chains_of_family(tx_hash.family, await served_chains(context))
    chain = await find_chain(context, text, "chain")
    check_family(tx_hash.family, chain, "tx_hash", "transaction hash")
    return (chain,)


async def _search(context: ToolContext, chains: Sequence[Chain], tx_hash: TxHash) -> _Search:
    """Ask chain after chain until one knows the hash. Raises the first error when none could be asked."""
    search = _Search()
    for chain in chains:
        try:
            answer = await context.api.transaction_detail(chain.id, tx_hash.text, deadline=context.deadline)
        except ApiError as error:
            if error.concerns_every_call:
                raise
            search.failures[chain.id] = error
            continue
        context.provenance.take(answer)
        search.searched.append(chain.id)
        # Upstream may send several entries; one of another hash or chain would tell about something else.
        rows = [row for row in answer.data if _is_asked(row, tx_hash.text, chain)]
        if rows:
            search.chain, search.row = chain, rows[0]
            return search
    if not search.searched:
        raise next(iter(search.failures.values()))
    return search


def _not_found(context: ToolContext, arguments: Input, tx_hash: TxHash, search: _Search) -> dict[str, Any]:
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


def _is_asked(row: WireDetail, tx_hash: str, chain: Chain) -> bool:
    same_hash = row.txhash.lower() == tx_hash.lower() if tx_hash[:2] == "0x" else row.txhash == tx_hash
    return (same_hash or not row.txhash) and row.chain_index in ("", chain.id)


def _facts(row: WireDetail, chain: Chain) -> dict[str, Any]:
    facts: dict[str, Any] = {"status": status_of(row.tx_status)}
    if row.tx_time is not None:
        facts["time"] = iso_s(row.tx_time)
    block, fee = _plain(row.height), _plain(row.tx_fee)
    if block:
        facts["block"] = block
    if fee:
        facts["fee"] = f"{fee} {chain.native_symbol}" if chain.native_symbol else fee
    payers = [party.address for party in row.from_details if party.address.strip()]
    if chain.family == "evm" and len(payers) == 1:
        facts["fee_payer"] = shown_parties(payers)
    return facts


def _movements(context: ToolContext, chain: Chain, row: WireDetail) -> list[Transfer]:
    """The native transfer, the internal ones and the token transfers, zero native amounts left out."""
    found: list[Transfer] = []
    senders = ",".join(party.address for party in row.from_details)
    for receiver in row.to_details or (WireDetailParty(),):
        if receiver.amount:
            found += _transfer(
                context, chain, "detail.to.amount", senders, receiver.address, receiver.amount, NATIVE, ""
            )
        # With a token transfer upstream may put the token's amount and symbol into the outer fields.
        elif len(row.to_details) < 2 and not row.token_transfer_details:
            asset = (NATIVE, "") if _is_of_coin(row, chain) else ("", row.symbol)
            found += _transfer(context, chain, "detail.amount", senders, receiver.address, row.amount, *asset)
    for inner in row.internal_transaction_details:
        found += _transfer(context, chain, "detail.internal", inner.from_, inner.to, inner.amount, NATIVE, "")
    for moved in row.token_transfer_details:
        contract = asset_of(moved.token_contract_address) if moved.token_contract_address.strip() else ""
        found += _transfer(
            context, chain, "detail.token", moved.from_, moved.to, moved.amount, contract, moved.symbol
        )
    return found


def _net(movements: Sequence[Transfer], chain: Chain) -> list[NetRow]:
    """The movements added up by party and asset, each unit for itself; what adds up to nothing is left out.

    None where no party moved an asset more than once: the sums would be the movements.
    """
    sums: dict[tuple[str, str, str], list[Decimal]] = {}
    symbols: dict[str, str] = {}
    for moved in movements:
        if moved.unit is MISSING or moved.contract is MISSING:
            continue
        amount = Decimal(moved.amount if moved.amount is not MISSING else str(moved.amount_raw))
        symbols.setdefault(moved.contract, moved.symbol)
        for party, sign in ((moved.from_, -1), (moved.to, 1)):
            if party is not MISSING:
                sums.setdefault((party, moved.contract, moved.unit), []).append(sign * amount)
    if all(len(amounts) == 1 for amounts in sums.values()):
        return []
    rows: list[NetRow] = []
    for (party, contract, unit), amounts in sums.items():
        amount = total(amounts)
        if not amount:
            continue
        fields: dict[str, Any] = {"party": party, "contract": contract, "symbol": symbols[contract], "unit": unit}
        fields["amount" if unit == "coins" else "amount_raw"] = plain(amount)
        decimals = decimals_of(chain, contract)
        if unit == "undecided" and decimals is not None and amount == amount.to_integral_value():
            fields["amount_if_base_units"] = plain(scale(amount, decimals))
        rows.append(NetRow.model_validate(fields))
    return rows


def _contract(moved: Transfer) -> str:
    return "" if moved.contract is MISSING else moved.contract


def _transfer(
    context: ToolContext,
    chain: Chain,
    field: str,
    sender: str,
    receiver: str,
    amount: str,
    contract: str,
    symbol: str,
) -> list[Transfer]:
    shown = clean_symbol(chain.id, contract, symbol)
    fields = asset_fields(context, field, amount, contract, shown.text, chain)
    if field != "detail.token" and fields.get("amount", fields.get("amount_raw", "0")) == "0":
        return []
    for name, address in (("from", sender), ("to", receiver)):
        if address.strip():
            fields[name] = shown_parties([address])
    if shown.flags:
        fields["flags"] = list(shown.flags)
    return [Transfer.model_validate(fields)]


def _learn_units(context: ToolContext, chain: Chain, row: WireDetail) -> None:
    units = context.services.units
    native = [party.amount for party in row.to_details]
    units.learn("detail.to.amount", [AmountSample(amount, chain.id, True) for amount in native])
    if not row.token_transfer_details:
        units.learn("detail.amount", [AmountSample(row.amount, chain.id, _is_of_coin(row, chain))])
    inner = [transfer.amount for transfer in row.internal_transaction_details]
    units.learn("detail.internal", [AmountSample(amount, chain.id, True) for amount in inner])
    tokens = [transfer.amount for transfer in row.token_transfer_details]
    units.learn("detail.token", [AmountSample(amount, chain.id) for amount in tokens])


def _is_of_coin(row: WireDetail, chain: Chain) -> bool:
    """Whether the outer amount is one of the chain's coin; its symbol is all that can tell."""
    return row.symbol.strip() in ("", chain.native_symbol)


def _plain(text: str) -> str:
    try:
        number = parse_amount(text)
    except BadNumber:
        return ""
    return "" if number is None else plain(number)


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
