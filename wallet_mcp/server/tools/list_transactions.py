"""wallet_list_transactions: what happened in a wallet, newest first, over one or several chains."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import MISSING, Field
from pydantic.json_schema import SkipJsonSchema

from wallet_mcp.server.arguments import (
    MAX_TEXT,
    WHOLE,
    WITHHELD,
    ChainsArgument,
    NoEcho,
    Rule,
    ToolInput,
    WalletArgument,
    shown,
)
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.movements import (
    FAILED_NOTE,
    AssetRow,
    TransactionRow,
    assets_of,
    movement_text,
    transaction_fields,
    unit_notes,
    unit_notes_of,
)
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE, NextCall, Part, WalletOutput, listed
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.resolve import find_address, find_contract, find_wallet, served_chains, wallet_chains
from wallet_mcp.server.scan import Question, Scan, scan_history
from wallet_mcp.server.summary import UNCLEAR_FEES_NOTE, FeeRow, TotalRow, fee_rows, total_rows, unclear_fee_rows
from wallet_mcp.server.text import closing, compact, table
from wallet_mcp.server.tool import Tool
from wallet_mcp.wallet.addresses import Address, same_address
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.cursor import BadCursor, Position, decode_cursor, encode_cursor, question_digest
from wallet_mcp.wallet.flows import suspicions
from wallet_mcp.wallet.history import Movement
from wallet_mcp.wallet.times import TIME_RULE, BadTime, iso_ms, months_before, parse_time

NAME = "wallet_list_transactions"

MAX_TIME_TEXT = 40
TOTAL_COLUMNS = (
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
)

_CLOCK_MOVED_S = 2.0
HORIZON_MONTHS = 6
"""How far back upstream's history goes (contract §3.4)."""


class Input(ToolInput):
    """Whose history, where, of what and when."""

    address: WalletArgument
    chains: ChainsArgument = None
    contract: Annotated[
        Annotated[str, Field(max_length=MAX_TEXT)] | SkipJsonSchema[None],
        Rule("a token contract, or native"),
        NoEcho(),
        Field(description="Only this token: its contract, or native"),
    ] = None
    direction: Annotated[
        Literal["any", "in", "out"], Field(description="Only what the address received (in) or sent (out)")
    ] = "any"
    counterparty: Annotated[
        Annotated[str, Field(max_length=MAX_TEXT)] | SkipJsonSchema[None],
        Rule("an address"),
        NoEcho(),
        Field(description="Only with this address"),
    ] = None
    begin: Annotated[
        Annotated[str, Field(max_length=MAX_TIME_TEXT)] | SkipJsonSchema[None],
        Rule(TIME_RULE),
        Field(description="From: ISO 8601 UTC, a date, or an age (7d, 24h)"),
    ] = None
    end: Annotated[
        Annotated[str, Field(max_length=MAX_TIME_TEXT)] | SkipJsonSchema[None],
        Rule(TIME_RULE),
        Field(description="To, inclusive"),
    ] = None
    cursor: Annotated[
        Annotated[str, Field(max_length=60)] | SkipJsonSchema[None],
        Rule("the cursor from the next call of an earlier answer, with its other arguments unchanged"),
        Field(description="From next of an earlier answer"),
    ] = None
    limit: Annotated[int, Field(ge=1, le=100), WHOLE] = 20


class Searched(Part):
    """The span that was really looked at, inclusive, and where."""

    from_: Annotated[str, Field(alias="from")]
    to: str
    chains: list[str]


class Output(WalletOutput):
    """A page of the history, newest first."""

    transactions: list[TransactionRow]
    assets: list[AssetRow]
    searched: Searched
    totals: Annotated[list[TotalRow] | MISSING, Field(description="of all found in the searched span")] = MISSING
    fees_paid: Annotated[list[FeeRow] | MISSING, Field(description="by the address, in the searched span")] = MISSING
    fees_unclear: Annotated[list[FeeRow] | MISSING, Field(description="of what it sent, payer not told")] = MISSING


async def run(context: ToolContext, arguments: Input) -> Output:
    """The page asked for. Raises `ApiError`, `ArgumentProblem`."""
    context.require_api()
    try:
        before = _clock(context)
        output = await _listing(context, arguments)
    except _InFuture:
        if context.api.clock.offset_s is not None:
            raise
        # Nothing has been asked yet, so "now" is only what the local clock says.
        await served_chains(context)
        before = _clock(context)
        output = await _listing(context, arguments)
    if (arguments.begin is None and arguments.end is None) or abs(_clock(context) - before) < _CLOCK_MOVED_S:
        return output
    # The first answer has shown that the clock was wrong, and with it the span that was reckoned from it.
    context.notes.clear()
    return await _listing(context, arguments)


class _InFuture(ArgumentProblem):
    """A begin that has not come yet, as far as the clock can be trusted."""


def _clock(context: ToolContext) -> float:
    return context.now() - asyncio.get_running_loop().time()


async def _listing(context: ToolContext, arguments: Input) -> Output:
    address = find_wallet(context, arguments.address)
    chains = await wallet_chains(context, arguments.chains, address)
    contract = _contract(arguments, chains)
    now_ms = int(context.now() * 1000)
    begin_ms, end_ms = _span(arguments, context.now())
    other = _counterparty(context, arguments)
    filtered = arguments.direction != "any" or other is not None
    if end_ms is not None and end_ms < months_before(now_ms, HORIZON_MONTHS):
        horizon = iso_ms(months_before(now_ms, HORIZON_MONTHS))
        raise ArgumentProblem(
            "end", f"later than {horizon}: the API keeps six months of history", shown(arguments.end)
        )

    def digest(ids: Iterable[str]) -> bytes:
        filters = [contract, arguments.direction, other.key if other else ""]
        return question_digest([address.key, *sorted(ids), *filters, str(begin_ms), str(end_ms)])

    after = None
    if arguments.cursor is not None:
        try:
            after = decode_cursor(arguments.cursor, digest(chain.id for chain in chains))
        except BadCursor as bad:
            rule = "the cursor from next of an earlier answer, together with that call's other arguments, unchanged"
            rule = f"{rule}; this one is {bad}. Leave it out to start anew"
            anew = {
                name: value
                for name, value in context.call.arguments.items()
                if name != "cursor" and value is not None
            }
            corrected = None if WITHHELD in str(anew) else anew
            raise ArgumentProblem("cursor", rule, shown(arguments.cursor), corrected) from None

    def wanted(movement: Movement) -> bool:
        return _is_wanted(movement, arguments.direction, other)

    question = Question(address.text, contract, begin_ms, end_ms, after)
    scan = await scan_history(
        context,
        chains,
        question,
        arguments.limit,
        wanted=lambda found: any(wanted(movement) for movement in found.movements),
        filtered=filtered,
        # A span with a beginning is read whole, for its totals; without one it may be half a year.
        to_end=after is None and begin_ms is not None,
    )
    by_id = {chain.id: chain for chain in chains}
    flagged = suspicions(scan.seen)
    assets = assets_of(scan.transactions, by_id)
    fields = [
        transaction_fields(context, found, by_id[found.chain], address.text, assets, flagged.get(found.hash, ()))
        for found in scan.transactions
    ]
    rows = [TransactionRow.model_validate(row) for row in fields]
    horizon_ms = months_before(now_ms, HORIZON_MONTHS)
    from_ms = max(begin_ms, horizon_ms) if begin_ms is not None else horizon_ms
    # The span was searched whole where its end was reached, even if not all that was found is shown.
    if not scan.finished and scan.consumed is not None:
        from_ms = max(from_ms, min(-scan.consumed[0], now_ms))
    whole = scan.finished and after is None and not (scan.failures or scan.repeated)
    everything = [*scan.transactions, *scan.beyond]
    # An answer from the cache has not looked at what came after it.
    read_ms = now_ms if context.provenance.oldest is None else int(context.provenance.oldest * 1000)
    to_ms = min(end_ms if end_ms is not None else read_ms, read_ms)
    if after is not None:
        to_ms = min(to_ms, -after[0])
    searched_chains = [chain.id for chain in chains if chain.id not in scan.failures]
    if scan.finished and (begin_ms is None or begin_ms < horizon_ms):
        context.note(f"The API keeps six months of history: nothing before {iso_ms(horizon_ms)} was searched.")
    if rows:
        context.note(CHAIN_TEXT_NOTICE)
    if any(row.status == "failed" for row in rows):
        context.note(FAILED_NOTE)
    for note in unit_notes(rows):
        context.note(note)
    repeat = {"address": address.text, "contract": contract or None, "limit": arguments.limit}
    repeat["direction"] = None if arguments.direction == "any" else arguments.direction
    repeat["counterparty"] = None if other is None else other.text
    repeat |= {
        "begin": None if begin_ms is None else iso_ms(begin_ms),
        "end": None if end_ms is None else iso_ms(end_ms),
    }
    next_calls = _next_calls(scan, chains, repeat, digest, after)
    for call in next_calls[1:]:
        context.note(f"For what could not be read, also call {call.tool} {compact(call.arguments)}")
    sums: dict[str, Any] = {}
    if whole:
        sums = {"totals": total_rows(context, everything, by_id, wanted)}
        if not filtered and not contract:
            sums["fees_paid"] = fee_rows(scan.seen, address.text, by_id)
            unclear = unclear_fee_rows(scan.seen, by_id)
            if unclear:
                sums["fees_unclear"] = unclear
                context.note(UNCLEAR_FEES_NOTE)
        for note in unit_notes_of({row.unit for row in sums["totals"]}):
            context.note(note)
    return Output(
        address=address.text,
        transactions=rows,
        assets=[AssetRow(chain=chain, symbol=symbol, contract=known) for (chain, symbol), known in assets.items()],
        **sums,
        searched=Searched(from_=iso_ms(min(from_ms, to_ms)), to=iso_ms(to_ms), chains=searched_chains),
        **context.common(
            incomplete_because=_incomplete_because(scan, by_id),
            next_call=next(iter(next_calls), None),
            address=address.text,
        ),
    )


def _contract(arguments: Input, chains: Sequence[Chain]) -> str:
    return "" if arguments.contract is None else find_contract(arguments.contract, chains[0])


def _counterparty(context: ToolContext, arguments: Input) -> Address | None:
    if arguments.counterparty is None:
        return None
    named = context.settings.wallets.find(arguments.counterparty)
    return named[1] if named is not None else find_address(arguments.counterparty, "counterparty")


def _is_wanted(movement: Movement, direction: str, other: Address | None) -> bool:
    """Whether a movement has the direction and the counterparty asked for."""
    return (direction == "any" or movement.direction in (direction, "self")) and (
        other is None or any(same_address(party, other.text) for party in movement.counterparties)
    )


def _span(arguments: Input, now: float) -> tuple[int | None, int | None]:
    bounds: dict[str, int | None] = {"begin": None, "end": None}
    for side in ("begin", "end"):
        text = getattr(arguments, side)
        if text is not None:
            try:
                bounds[side] = parse_time(text, now, "begin" if side == "begin" else "end")
            except BadTime as bad:
                raise ArgumentProblem(side, str(bad), shown(text)) from None
    begin_ms, end_ms = bounds["begin"], bounds["end"]
    if begin_ms is not None and begin_ms > now * 1000:
        raise _InFuture("begin", f"a time in the past; it is {iso_ms(int(now) * 1000)} now", arguments.begin or "")
    if begin_ms is not None and end_ms is not None and begin_ms > end_ms:
        raise ArgumentProblem("begin", f"not later than end ({iso_ms(end_ms)})", shown(arguments.begin))
    return begin_ms, end_ms


def _incomplete_because(scan: Scan, by_id: dict[str, Chain]) -> str:
    reasons = [
        f"{by_id[chain].name} ({chain}) could not be read (error {error.code})"
        for chain, error in scan.failures.items()
    ]
    reasons += [
        f"{by_id[chain].name} ({chain}) could not be read further (error {error.code})"
        for chain, error in scan.interruptions.items()
    ]
    reasons += [f"the API repeated a page on {by_id[chain].name} ({chain})" for chain in scan.repeated]
    if scan.out_of_time:
        reasons.append("the search reached its limit of time or requests")
    if scan.beyond:
        reasons.append(f"{len(scan.beyond)} more of this span follow")
    elif not scan.finished and not scan.out_of_time and not scan.interruptions:
        reasons.append("older transactions follow")
    return listed(reasons)


def _next_calls(
    scan: Scan,
    chains: Sequence[Chain],
    repeat: dict[str, Any],
    digest: Callable[[Iterable[str]], bytes],
    after: Position | None,
) -> list[NextCall]:
    """The calls that go on: behind what was looked at, and from the start of this page for what was not."""

    def call(ids: list[str], behind: Position | None) -> NextCall:
        arguments = {name: value for name, value in repeat.items() if value is not None} | {"chains": ids}
        if behind is not None:
            arguments["cursor"] = encode_cursor(behind, digest(ids))
        return NextCall(tool=NAME, arguments=arguments)

    calls: list[NextCall] = []
    if not scan.finished or scan.beyond:
        calls.append(call([chain.id for chain in chains if chain.id not in scan.failures], scan.consumed or after))
    if scan.failures:
        calls.append(call(list(scan.failures), after))
    return calls


def render(output: Output) -> list[str]:
    """A line per transaction and one per movement."""
    searched = output.searched
    count = len(output.transactions)
    lines = [
        f"{count} transaction{'' if count == 1 else 's'} of {output.wallet}, newest first. Searched "
        f"{searched.from_} to {searched.to} on chains {', '.join(searched.chains)}."
    ]
    day = ""
    for row in output.transactions:
        if row.time is not MISSING and row.time[:10] != day:
            day = row.time[:10]
            lines.append(f"{day} (UTC), status success where none is given:")
        lines += _lines(row)
    if output.assets:
        lines.append(
            f"Assets: {', '.join(f'{row.symbol} on {row.chain} is {row.contract}' for row in output.assets)}."
        )
    if not count:
        lines.append("No transaction was found in that span.")
    if output.totals is not MISSING and output.totals:
        lines.append("Totals of the searched span, successful transactions only:")
        lines += table(TOTAL_COLUMNS, [row.model_dump() for row in output.totals])
    if output.fees_paid is not MISSING:
        fees = ", ".join(f"{row.amount} {row.symbol} on chain {row.chain}" for row in output.fees_paid)
        lines.append(f"Fees paid by this wallet in the searched span: {fees or 'none'}.")
    if output.fees_unclear is not MISSING:
        unclear = ", ".join(f"{row.amount} {row.symbol} on chain {row.chain}" for row in output.fees_unclear)
        lines.append(f"Fees of what it sent without a payer told: {unclear}.")
    return [*lines, *closing(output)]


def _lines(row: TransactionRow) -> list[str]:
    """A transaction: one line where one thing moved, else one for it and one for each movement."""
    head = [row.time[11:-1] if row.time is not MISSING else "no time yet", row.chain]
    if row.status != "success":
        head.append(row.status)
    tail = [row.hash]
    if row.fee is not MISSING:
        tail.append(f"fee {row.fee}")
    if row.flags is not MISSING:
        tail.append(f"flags {' '.join(row.flags)}")
    moved = [movement_text(movement, row.direction) for movement in row.movements]
    if len(moved) == 1:
        return [f"{' '.join(head)} {moved[0]}, {', '.join(tail)}"]
    return [f"{' '.join(head)} {row.direction}, {', '.join(tail)}", *(f"  {each}" for each in moved)]


TOOL = Tool(
    name=NAME,
    title="List a wallet's transactions",
    description=(
        "List what an address sent and received, newest first, on one, several or all supported chains, merged by"
        " time; rows of one hash are one transaction. Use it for recent activity or a span of time; use "
        "wallet_get_transaction for a known hash. With begin the whole span is read, and totals and fees of it "
        "are given (limit=1 for these alone). The API keeps six months. searched tells the span really looked at."
        " Data at most 15 s old."
    ),
    input_model=Input,
    output_model=Output,
    run=run,
    render=render,
    upstream_names={
        "address": "address",
        "walletAddress": "address",
        "chains": "chains",
        "binanceChainId": "chains",
        "tokenContractAddress": "contract",
        "begin": "begin",
        "end": "end",
        "cursor": "cursor",
        "limit": "limit",
    },
)
