"""wallet_list_transactions: what happened in a wallet, newest first, over one or several chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import MISSING, Field
from pydantic.json_schema import SkipJsonSchema

from wallet_mcp.server.arguments import (
    MAX_TEXT,
    WHOLE,
    ChainsArgument,
    NoEcho,
    Rule,
    ToolInput,
    WalletArgument,
)
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.continuation import Listing
from wallet_mcp.server.history_filter import HistoryFilter, find_counterparty, refuse_symbol
from wallet_mcp.server.history_stream import Question
from wallet_mcp.server.length import LONGEST, LONGEST_ASKED, fitted
from wallet_mcp.server.movements import (
    TransactionRow,
    UsualRow,
    cut,
    folds_of,
    row_notes,
    symbols_shown,
    transaction_lines,
    transaction_row,
)
from wallet_mcp.server.output import Part, WalletOutput, listed
from wallet_mcp.server.resolve import find_contract, find_wallet, wallet_chains
from wallet_mcp.server.scan import Scan, scan_history
from wallet_mcp.server.span import ClockProblem, Span, ask_the_time, clock_of, read_span
from wallet_mcp.server.summary import (
    FeeRow,
    TotalRow,
    coins_of,
    fee_rows,
    fees_lines,
    totals_lines,
    totals_over,
    unclear_fee_rows,
    unclear_fees_note,
)
from wallet_mcp.server.text import closing, compact
from wallet_mcp.server.tool import Tool
from wallet_mcp.server.units import unit_notes
from wallet_mcp.wallet.addresses import Address
from wallet_mcp.wallet.chains import NATIVE, Chain
from wallet_mcp.wallet.cursor import Position
from wallet_mcp.wallet.flows import suspicions
from wallet_mcp.wallet.history import Transaction
from wallet_mcp.wallet.times import TIME_RULE, iso_ms
from wallet_mcp.wallet_api.errors import ApiError

NAME = "wallet_list_transactions"

MAX_TIME_TEXT = 40
_CLOCK_MOVED_S = 2.0
_DEFAULT_LIMIT = 20


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
    limit: Annotated[int, Field(ge=1, le=100), WHOLE] = _DEFAULT_LIMIT


class Searched(Part):
    """The span that was really looked at, inclusive, and where."""

    from_: Annotated[str, Field(alias="from")]
    to: str
    chains: list[str]


class Output(WalletOutput):
    """A page of the history, newest first."""

    searched: Searched
    unless_given: Annotated[
        UsualRow | MISSING, Field(description="status where none is given, date of a time without one")
    ] = MISSING
    parties: Annotated[
        dict[str, str] | MISSING,
        Field(description="name -> address of counterparties; contract:USDC names a contract in assets"),
    ] = MISSING
    assets: Annotated[dict[str, dict[str, str]], Field(description="chain -> symbol -> contract")]
    transactions: list[TransactionRow]
    totals: Annotated[list[TotalRow] | MISSING, Field(description="of all found in the searched span")] = MISSING
    fees_paid: Annotated[list[FeeRow] | MISSING, Field(description="by the address, in the searched span")] = MISSING
    fees_unclear: Annotated[list[FeeRow] | MISSING, Field(description="of what it sent, payer not told")] = MISSING


async def run(context: ToolContext, arguments: Input) -> Output:
    """The page asked for. Raises `ApiError`, `ArgumentProblem`."""
    context.require_api()
    before = clock_of(context)
    try:
        output = await _listing(context, arguments)
    except (ClockProblem, ApiError) as error:
        if isinstance(error, ClockProblem):
            await ask_the_time(context)
        if not _was_wrong(context, arguments, before):
            raise
    else:
        if not _was_wrong(context, arguments, before):
            return output
    context.notes.clear()
    return await _listing(context, arguments)


def _was_wrong(context: ToolContext, arguments: Input, before: float) -> bool:
    """Whether an answer has shown that the clock was wrong, and with it the span that was reckoned from it."""
    reckoned = arguments.begin is not None or arguments.end is not None
    return reckoned and abs(clock_of(context) - before) >= _CLOCK_MOVED_S


async def _listing(context: ToolContext, arguments: Input) -> Output:
    address = find_wallet(context, arguments.address)
    chains = await wallet_chains(context, arguments.chains, address)
    call = context.call.arguments
    contract = ""
    if arguments.contract is not None:
        refuse_symbol(arguments.contract, chains, call)
        contract = find_contract(arguments.contract, chains[0])
    other = find_counterparty(context, arguments.counterparty, address)
    span = read_span(arguments.begin, arguments.end, context.now(), call)
    listing = _question(arguments, address, chains, contract, other, span)
    after = listing.position(arguments.cursor, call)

    filters = HistoryFilter(contract, arguments.direction, other)
    to_end = after is None and span.begin_ms is not None
    scan = await scan_history(
        context,
        chains,
        Question(address.text, contract, span.begin_ms, span.end_ms, after),
        arguments.limit,
        wanted=filters.wants_any,
        filtered=filters.is_ours,
        # A span with a beginning is read whole, for its totals; without one it may be half a year.
        to_end=to_end,
    )
    by_id = {chain.id: chain for chain in chains}
    sums: dict[str, Any] = {}
    if scan.finished and after is None and not (scan.failures or scan.repeated or scan.given_up):
        found = [*scan.transactions, *scan.beyond]
        totals = totals_over(context, found, by_id, filters.wants)
        sums["totals"] = list(totals.rows)
        # Totals name the assets of what is not listed, too.
        context.note_symbols(symbols_shown(found))
        if filters.is_none:
            sums["fees_paid"] = fee_rows(scan.seen, address.text, by_id)
            if unclear := unclear_fee_rows(scan.seen, by_id):
                sums["fees_unclear"] = unclear
                context.note(unclear_fees_note(scan.known))
        elif arguments.direction != "in":
            context.note("Fees are summed only where neither contract, direction nor counterparty is given.")
        for note in totals.notes():
            context.note(note)
    elif to_end:
        context.note(_no_totals(scan, span, by_id))
    answer = _Answer(
        context=context,
        address=address,
        by_id=by_id,
        listing=listing,
        # The answers have told the time: how far back they reach is reckoned from now on from that.
        span=replace(span, now_ms=int(context.now() * 1000)),
        scan=scan,
        shown=[cut(each, filters.wants) for each in scan.transactions],
        flagged=suspicions(
            scan.known, lambda each, movement: coins_of(context, movement, by_id[each.chain]), address.text
        ),
        after=after,
        sums=sums,
        notes=tuple(context.notes),
        longest=LONGEST_ASKED if "limit" in arguments.model_fields_set else LONGEST,
    )
    return fitted(len(scan.transactions), answer.output, render, answer.longest)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an answer is made of, however many of the transactions found it shows."""

    context: ToolContext
    address: Address
    by_id: Mapping[str, Chain]
    listing: Listing
    span: Span
    scan: Scan
    shown: Sequence[Transaction]
    flagged: Mapping[Transaction, tuple[str, ...]]
    after: Position | None
    sums: Mapping[str, Any]
    notes: tuple[str, ...]
    longest: int

    def output(self, count: int) -> Output:
        """The answer with the first transactions; the notes of the call are then those that belong to it."""
        context, scan, span = self.context, self.scan.first(count), self.span
        context.notes[:] = self.notes
        shown = self.shown[:count]
        folds = folds_of(shown, self.by_id, context.settings.wallets)
        rows = [
            transaction_row(
                context, each, self.by_id[each.chain], self.address.text, folds, self.flagged.get(found, ())
            )
            for each, found in zip(shown, scan.transactions, strict=True)
        ]
        next_calls = self.listing.next_calls(scan, self.after, self.by_id)
        context.note_symbols(symbols_shown(shown))
        _add_notes(context, scan, span, rows, self.sums)
        for following in next_calls[1:]:
            context.note(f"For what could not be read, also call {following.tool} {compact(following.arguments)}")
        first_ms, last_ms = span.searched(scan, self.after, context.provenance.oldest)
        parties = folds.parties.addresses
        fields: dict[str, Any] = {"parties": dict(parties)} if parties else {}
        if folds.usual is not None:
            fields["unless_given"] = folds.usual
        too_long, parts = self.longest if count < len(self.shown) else 0, sum(bool(each.more) for each in shown)
        return Output(
            address=self.address.text,
            searched=Searched(
                from_=iso_ms(first_ms),
                to=iso_ms(last_ms),
                chains=[each for each in self.by_id if each not in scan.failures],
            ),
            **fields,
            assets={chain: dict(symbols) for chain, symbols in folds.assets.items()},
            transactions=rows,
            **self.sums,
            **context.common(
                incomplete_because=span.incomplete_because(scan, self.by_id, too_long, parts),
                next_call=next(iter(next_calls), None),
                address=self.address.text,
            ),
        )


def _question(
    arguments: Input, address: Address, chains: Sequence[Chain], contract: str, other: Address | None, span: Span
) -> Listing:
    given = {
        "address": address.text,
        "contract": contract or None,
        "limit": None if arguments.limit == _DEFAULT_LIMIT else arguments.limit,
        "direction": None if arguments.direction == "any" else arguments.direction,
        "counterparty": None if other is None else other.text,
        "begin": None if span.begin_ms is None else iso_ms(span.begin_ms),
        "end": None if span.end_ms is None else iso_ms(span.end_ms),
    }
    filters = (contract, arguments.direction, other.key if other else "", str(span.begin_ms), str(span.end_ms))
    return Listing(
        tool=NAME,
        repeat={name: value for name, value in given.items() if value is not None},
        filters=(address.key, *filters),
        chains=None if arguments.chains is None else tuple(chain.id for chain in chains),
    )


def _no_totals(scan: Scan, span: Span, by_id: Mapping[str, Chain]) -> str:
    """Why a span has no totals, and how to have some."""
    if scan.failures:
        read = compact([chain for chain in by_id if chain not in scan.failures])
        return (
            f"No totals: {listed(list(scan.failures))} could not be read. For those of the others give chains={read}."
        )
    if scan.repeated or scan.given_up:
        return "No totals: rows came twice or could not all be read."
    told = "No totals: the span was not read to its end"
    if scan.read_ms is None or scan.read_ms >= span.now_ms:
        return f"{told}."
    return f"{told}. For totals ask for a shorter one, such as begin={iso_ms(scan.read_ms + 1)}."


def _add_notes(
    context: ToolContext, scan: Scan, span: Span, rows: Sequence[TransactionRow], sums: Mapping[str, Any]
) -> None:
    if scan.finished and span.begin_ms is None:
        context.note(f"The API keeps six months of history: nothing before {iso_ms(span.horizon_ms)} was searched.")
    readings = [movement.reading for row in rows for movement in row.movements]
    readings += [row.reading for row in sums.get("totals", ())]
    contradicted = context.services.units.notes("transactions", context.settings.tx_amount_unit)
    for note in (*row_notes(rows), *unit_notes(readings), *contradicted):
        context.note(note)


def render(output: Output) -> list[str]:
    """What the rows refer to, a line per transaction and one per movement where these differ in counterparty."""
    searched, usual = output.searched, output.unless_given
    count = len(output.transactions)
    order = ", newest first" if count > 1 else ""
    status = "" if usual is MISSING or usual.status is MISSING else f", status {usual.status} unless given"
    lines = [
        f"{count} transaction{'' if count == 1 else 's'} of {output.wallet}{order}{status}. Searched "
        f"{searched.from_} to {searched.to} on chains {','.join(searched.chains)}."
    ]
    if output.parties is not MISSING:
        lines.append(f"Parties: {' '.join(f'{name}={address}' for name, address in output.parties.items())}")
    # A chain's coin stands in the rows by its symbol alone.
    tokens = [
        f"{chain} {', '.join(known)}"
        for chain, contracts in output.assets.items()
        if (known := [f"{symbol} {contract}" for symbol, contract in contracts.items() if contract != NATIVE])
    ]
    if tokens:
        lines.append(f"Assets: {'; '.join(tokens)}")
    date = ""
    for row in output.transactions:
        own = "" if row.time is MISSING else row.time.rpartition("T")[0] or _usual_date(output)
        if own not in ("", date):
            date = own
            lines.append(f"{date} UTC:")
        lines += transaction_lines(row, output.assets)
    if not count:
        lines.append("No transaction was found in that span.")
    lines += totals_lines(output.totals if output.totals is not MISSING else ())
    lines += fees_lines(output.fees_paid, output.fees_unclear)
    return [*lines, *closing(output)]


def _usual_date(output: Output) -> str:
    usual = output.unless_given
    return "" if usual is MISSING or usual.date is MISSING else usual.date


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
        # Upstream's are set by the scan: its cursor is one per chain, its limit a page.
        "cursor": "",
        "limit": "",
    },
)
