"""wallet_list_transactions: what happened in a wallet, newest first, over one or several chains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

from pydantic import MISSING, Field
from pydantic.json_schema import SkipJsonSchema

from wallet_mcp.server.arguments import MAX_TEXT, WHOLE, NoEcho, Rule, ToolInput, shown
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.movements import FAILED_NOTE, TransactionRow, movement_text, transaction_fields, unit_notes
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE, NextCall, Part, ToolOutput, listed
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.resolve import check_family, find_address, find_chains, find_contract, served_chains
from wallet_mcp.server.scan import Question, Scan, scan_history
from wallet_mcp.server.text import closing, compact
from wallet_mcp.server.tool import Tool
from wallet_mcp.wallet.addresses import Address
from wallet_mcp.wallet.chains import Chain, chains_of_family
from wallet_mcp.wallet.cursor import BadCursor, Position, decode_cursor, encode_cursor, question_digest
from wallet_mcp.wallet.times import TIME_RULE, BadTime, iso_ms, months_before, parse_time

NAME = "wallet_list_transactions"

MAX_TIME_TEXT = 40
HORIZON_MONTHS = 6
"""How far back upstream's history goes (contract §3.4)."""


class Input(ToolInput):
    """Whose history, where, of what and when."""

    address: Annotated[
        str, Field(max_length=MAX_TEXT, description="Wallet address"), Rule("a wallet address"), NoEcho()
    ]
    chains: Annotated[
        Annotated[list[Annotated[str, Field(max_length=MAX_TEXT)]], Field(min_length=1, max_length=20)]
        | SkipJsonSchema[None],
        Rule('a list of chains by id, name or short name, such as ["bsc", "1"]'),
        Field(description="Default: every supported chain of the address's family"),
    ] = None
    contract: Annotated[
        Annotated[str, Field(max_length=MAX_TEXT)] | SkipJsonSchema[None],
        Rule("a token contract, or native"),
        NoEcho(),
        Field(description="Only this token: its contract, or native"),
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


class Output(ToolOutput):
    """A page of the history, newest first."""

    address: str
    transactions: list[TransactionRow]
    searched: Searched


async def run(context: ToolContext, arguments: Input) -> Output:
    """The page asked for. Raises `ApiError`, `ArgumentProblem`."""
    context.require_api()
    address = find_address(arguments.address)
    chains = await _chains(context, arguments, address)
    contract = _contract(arguments, chains)
    now_ms = int(context.now() * 1000)
    begin_ms, end_ms = _span(arguments, context.now())

    def digest(ids: Iterable[str]) -> bytes:
        return question_digest([address.key, *sorted(ids), contract, str(begin_ms), str(end_ms)])

    after = None
    if arguments.cursor is not None:
        try:
            after = decode_cursor(arguments.cursor, digest(chain.id for chain in chains))
        except BadCursor as bad:
            rule = "the cursor from next of an earlier answer, together with that call's other arguments, unchanged"
            rule = f"{rule}; this one is {bad}. Leave it out to start anew"
            raise ArgumentProblem("cursor", rule, shown(arguments.cursor)) from None
    question = Question(address.text, contract, begin_ms, end_ms, after)
    scan = await scan_history(context, chains, question, arguments.limit)

    by_id = {chain.id: chain for chain in chains}
    fields = [transaction_fields(context, found, by_id[found.chain]) for found in scan.transactions]
    rows = [TransactionRow.model_validate(row) for row in fields]
    horizon_ms = months_before(now_ms, HORIZON_MONTHS)
    from_ms = max(begin_ms, horizon_ms) if begin_ms is not None else horizon_ms
    if not scan.finished and scan.consumed is not None:
        from_ms = max(from_ms, min(-scan.consumed[0], now_ms))
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
    repeat |= {
        "begin": None if begin_ms is None else iso_ms(begin_ms),
        "end": None if end_ms is None else iso_ms(end_ms),
    }
    next_calls = _next_calls(scan, chains, repeat, digest, after)
    for call in next_calls[1:]:
        context.note(f"For what could not be read, also call {call.tool} {compact(call.arguments)}")
    return Output(
        address=address.text,
        transactions=rows,
        searched=Searched(from_=iso_ms(min(from_ms, to_ms)), to=iso_ms(to_ms), chains=searched_chains),
        **context.common(
            incomplete_because=_incomplete_because(scan, by_id),
            next_call=next(iter(next_calls), None),
            address=address.text,
        ),
    )


async def _chains(context: ToolContext, arguments: Input, address: Address) -> tuple[Chain, ...]:
    if arguments.chains is not None:
        chains = await find_chains(context, arguments.chains, "chains")
        for chain in chains:
            check_family(address.family, chain, "address", value=address.text)
        return chains
    served = chains_of_family(address.family, await served_chains(context))
    if not served:
        raise ArgumentProblem("chains", "the API serves no chain of this address's family at present")
    return served


def _contract(arguments: Input, chains: Sequence[Chain]) -> str:
    return "" if arguments.contract is None else find_contract(arguments.contract, chains[0])


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
        raise ArgumentProblem(
            "begin", f"a time in the past; it is {iso_ms(int(now) * 1000)} now", arguments.begin or ""
        )
    if begin_ms is not None and end_ms is not None and begin_ms > end_ms:
        raise ArgumentProblem("begin", f"not later than end ({iso_ms(end_ms)})", iso_ms(begin_ms))
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
    if not scan.finished and not scan.out_of_time and not scan.interruptions:
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
    if not scan.finished:
        calls.append(call([chain.id for chain in chains if chain.id not in scan.failures], scan.consumed or after))
    if scan.failures:
        calls.append(call(list(scan.failures), after))
    return calls


def render(output: Output) -> list[str]:
    """A line per transaction and one per movement."""
    searched = output.searched
    count = len(output.transactions)
    lines = [
        f"{count} transaction{'' if count == 1 else 's'} of {output.address}, newest first. Searched "
        f"{searched.from_} to {searched.to} on chains {', '.join(searched.chains)}."
    ]
    for row in output.transactions:
        lines.append(_line(row))
        lines += [f"  {movement_text(movement)}" for movement in row.movements]
    if not count:
        lines.append("No transaction was found in that span.")
    return [*lines, *closing(output)]


def _line(row: TransactionRow) -> str:
    words = [row.time if row.time is not MISSING else "no time yet", f"chain {row.chain}", row.hash, row.status]
    if row.fee is not MISSING:
        words.append(f"fee {row.fee}")
    if row.fee_payer is not MISSING:
        words.append(f"paid by {row.fee_payer}")
    if row.flags is not MISSING:
        words.append(f"flags {' '.join(row.flags)}")
    return f"{row.direction}: {', '.join(words)}"


TOOL = Tool(
    name=NAME,
    title="List a wallet's transactions",
    description=(
        "List what an address sent and received, newest first, on one, several or all supported chains, merged by"
        " time; rows of one hash are one transaction. Use it for recent activity or a span of time; use "
        "wallet_get_transaction for a known hash. The API keeps six months. searched tells the span really looked"
        " at. Data at most 15 s old. More: make the call in next."
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
