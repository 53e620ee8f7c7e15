"""wallet_get_transaction: what became of one transaction."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import MISSING, Field

from wallet_mcp.server.arguments import MAX_TEXT, NoEcho, Rule, ToolInput
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.movements import FAILED_NOTE, AmountPart, amount_text, asset_fields, unit_notes
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE, NextCall, ToolOutput
from wallet_mcp.server.resolve import check_family, find_chain, find_tx_hash
from wallet_mcp.server.text import closing
from wallet_mcp.server.tool import Tool
from wallet_mcp.wallet.chain_text import SYMBOL_LIMIT, clean
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.history import Status, shown_parties, status_of
from wallet_mcp.wallet.holdings import NATIVE, asset_of
from wallet_mcp.wallet.money import BadNumber, parse_amount, plain
from wallet_mcp.wallet.times import iso_ms
from wallet_mcp.wallet.units import AmountSample
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
        str,
        Field(max_length=MAX_TEXT, description="Chain id, name or short name: 56, bsc"),
        Rule("a chain by id, name or short name (56, BNB Chain, bsc)"),
    ]


class Transfer(AmountPart):
    """An asset that moved from one party to another."""

    from_: Annotated[str | MISSING, Field(alias="from")] = MISSING
    to: str | MISSING = MISSING
    flags: list[str] | MISSING = MISSING


class Output(ToolOutput):
    """A transaction, or that it was not found."""

    found: bool
    hash: str
    chain: str
    chain_name: str
    time: str | MISSING = MISSING
    status: Status | MISSING = MISSING
    block: str | MISSING = MISSING
    movements: list[Transfer] | MISSING = MISSING
    fee: Annotated[str | MISSING, Field(description="in the chain's coin")] = MISSING
    fee_payer: str | MISSING = MISSING


async def run(context: ToolContext, arguments: Input) -> Output:
    """The transaction on the chain asked for. Raises `ApiError`, `ArgumentProblem`."""
    api = context.api
    tx_hash = find_tx_hash(arguments.tx_hash)
    chain = await find_chain(context, arguments.chain, "chain")
    check_family(tx_hash.family, chain, "tx_hash", "transaction hash")
    answer = await api.transaction_detail(chain.id, tx_hash.text, deadline=context.deadline)
    context.provenance.take(answer)
    head = {"hash": tx_hash.text, "chain": chain.id, "chain_name": chain.name}
    # Upstream may send several entries; one of another hash or chain would tell about something else.
    rows = [row for row in answer.data if _is_asked(row, tx_hash.text, chain)]
    if not rows:
        again = NextCall(tool=NAME, arguments={"tx_hash": tx_hash.text, "chain": chain.id})
        because = "it is not found on this chain, or not indexed yet: a new transaction takes some seconds"
        context.note("If it stays unfound, ask on the chain that the transaction was made on.")
        return Output(found=False, **head, **context.common(incomplete_because=because, next_call=again))
    row = rows[0]
    _learn_units(context, chain, row)
    movements = _movements(context, chain, row)
    context.note(CHAIN_TEXT_NOTICE)
    facts = _facts(row, chain)
    if facts["status"] == "failed" and movements:
        context.note(FAILED_NOTE)
    for note in unit_notes(movements):
        context.note(note)
    return Output(found=True, **head, **facts, movements=movements, **context.common())


def _is_asked(row: WireDetail, tx_hash: str, chain: Chain) -> bool:
    same_hash = row.txhash.lower() == tx_hash.lower() if tx_hash[:2] == "0x" else row.txhash == tx_hash
    return (same_hash or not row.txhash) and row.chain_index in ("", chain.id)


def _facts(row: WireDetail, chain: Chain) -> dict[str, Any]:
    facts: dict[str, Any] = {"status": status_of(row.tx_status)}
    if row.tx_time is not None:
        facts["time"] = iso_ms(row.tx_time)
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
    shown = clean(symbol, SYMBOL_LIMIT)
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
    where = f"{output.chain_name} ({output.chain})"
    if not output.found:
        return [f"Transaction {output.hash} was not found on {where}, or is not indexed yet.", *closing(output)]
    status = output.status if output.status is not MISSING else "unknown"
    lines = [f"Transaction {output.hash} on {where} {_STATUS_WORDS[status]} (status {status})."]
    facts = [
        f"{name.replace('_', ' ')} {value}"
        for name in ("time", "block", "fee", "fee_payer")
        if (value := getattr(output, name)) is not MISSING
    ]
    if facts:
        lines.append(f"{', '.join(facts)}.")
    for movement in output.movements if output.movements is not MISSING else []:
        lines.append(f"  {_transfer_text(movement)}")
    return [*lines, *closing(output)]


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
        "Get what became of one transaction: status, time, fee, and each coin and token that moved from whom to "
        "whom. Use it when a hash is known; use wallet_list_transactions to find one. found is false when the "
        "chain does not know the hash or has not indexed it yet. A final transaction is cached for a day, a "
        "pending one for 3 s."
    ),
    input_model=Input,
    output_model=Output,
    run=run,
    render=render,
    upstream_names={"binanceChainId": "chain", "txHash": "tx_hash"},
)
