"""wallet_get_portfolio: what a wallet holds and is worth over all its chains, or how much of one token it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import MISSING, Field
from pydantic.json_schema import SkipJsonSchema

from wallet_mcp.server.arguments import (
    MAX_TEXT,
    NUMBER,
    WHOLE,
    ChainsArgument,
    NoEcho,
    Rule,
    ToolInput,
    WalletArgument,
)
from wallet_mcp.server.collect import MAX_PAGES, Collected, collect_holdings
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.length import LONGEST, LONGEST_ASKED, fitted
from wallet_mcp.server.output import NextCall, Part, WalletOutput, listed
from wallet_mcp.server.resolve import find_wallet, wallet_chains
from wallet_mcp.server.rows import VALUE_USD, note_doubts, note_listed_twice, note_no_entry, symbols_shown
from wallet_mcp.server.text import closing, table
from wallet_mcp.server.token_filter import (
    TOKEN_RULE,
    TokenFilter,
    apply_filter,
    find_token_chain,
    find_token_filter,
    nameless,
    note_findings,
)
from wallet_mcp.server.tool import Tool
from wallet_mcp.wallet.addresses import Address
from wallet_mcp.wallet.assets import symbol_of
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.holdings import Holding
from wallet_mcp.wallet.money import plain
from wallet_mcp.wallet.portfolio import Dominant, Group, Portfolio, portfolio_of

NAME = "wallet_get_portfolio"

_NEVER = "staking, DeFi, NFTs, other chains"


class Input(ToolInput):
    """Whose portfolio, and which part of it."""

    address: WalletArgument
    chains: ChainsArgument = None
    token: Annotated[
        Annotated[str, Field(max_length=MAX_TEXT)] | SkipJsonSchema[None],
        Rule(TOKEN_RULE),
        NoEcho(),
        Field(description="Only this token, wherever held: symbol, contract or chain:contract"),
    ] = None
    min_value_usd: Annotated[
        float,
        Field(ge=0, le=10**12, description="List only holdings worth at least this"),
        NUMBER,
        Rule("a number from 0 to 1000000000000"),
    ] = 1
    include_risk_tokens: Annotated[bool, Field(description="List tokens flagged as scams too")] = False
    offset: Annotated[int, Field(ge=0, le=100_000, description="Holdings to skip, in value order"), WHOLE] = 0
    limit: Annotated[int, Field(ge=1, le=200), WHOLE] = 20


class HoldingRow(Part):
    """A holding. `balance` is in whole coins; price, decimals and raw balance come from wallet_get_token_balances."""

    chain: str
    contract: Annotated[str, Field(description="native for the chain's coin")]
    symbol: str
    balance: str | MISSING = MISSING
    value_usd: Annotated[str | MISSING, Field(description=VALUE_USD)] = MISSING
    risk_flagged: bool | MISSING = MISSING
    flags: list[str] | MISSING = MISSING


class CountRow(Part):
    """Holdings that are counted and in no total."""

    count: int


class RiskRow(CountRow):
    """Flagged holdings: in no total, and their value only a claim of their own prices."""

    value_usd: str | MISSING = MISSING


class SmallRow(CountRow):
    """Holdings that are in the total and not listed."""

    value_usd: str


class DominantRow(Part):
    """An unknown token that is more than half of the total."""

    chain: str
    contract: str
    symbol: str
    value_usd: str
    total_without_it_usd: str


class Output(WalletOutput):
    """A wallet's worth, and a page of its holdings in value order."""

    token: str | MISSING = MISSING
    total_value_usd: Annotated[str | MISSING, Field(description="absent: unknown")] = MISSING
    at_least: Annotated[bool | MISSING, Field(description="true: not everything was read")] = MISSING
    by_chain: Annotated[dict[str, str], Field(description="value by chain")]
    nothing_priced_on: list[str] | MISSING = MISSING
    honeypots_unchecked: Annotated[list[str] | MISSING, Field(description="chains")] = MISSING
    holdings: list[HoldingRow]
    holdings_count: Annotated[int, Field(description="of all pages")]
    offset: int | MISSING = MISSING
    below_minimum: Annotated[SmallRow | MISSING, Field(description="in the total; absent: none")] = MISSING
    unpriced: CountRow
    risk: Annotated[RiskRow, Field(description="value as their own prices claim")]
    dominant: DominantRow | MISSING = MISSING
    scope: str


async def run(context: ToolContext, arguments: Input) -> Output:
    """The portfolio. Raises `ApiError` when no chain can be read, `ArgumentProblem`."""
    context.require_api()
    address = find_wallet(context, arguments.address)
    chains, token = await _asked_for(context, arguments, address)
    collected = await collect_holdings(context, address, chains)
    by_id = {chain.id: chain for chain in chains}
    read = [chain for chain in chains if chain.id not in collected.failures]
    # The shortest text of a float is what the caller wrote.
    minimum, holdings = Decimal(str(arguments.min_value_usd)), collected.holdings
    doubled, unclear = collected.doubled, ""
    if token is not None:
        found = apply_filter(token, holdings)
        holdings, minimum = found.holdings, Decimal(0)
        doubled, unclear = [same for same in doubled if token.matches(same[0])], nameless(token, found)
    portfolio = portfolio_of(
        holdings,
        [chain.id for chain in read],
        minimum_usd=minimum,
        # Whoever asks for one token wants to see it, flagged and priced or not.
        include_risk=arguments.include_risk_tokens or token is not None,
        include_unpriced=token is not None,
    )
    partial = bool(collected.is_partial or doubled or unclear)
    note_no_entry(context, [chain for chain in read if chain.id in collected.absent])
    note_listed_twice(context, doubled)
    if token is not None:
        note_findings(context, token, found, portfolio, read, collected.is_partial)
    total_usd = portfolio.total_usd
    if (token is not None and token.is_unknown) or (unclear and not portfolio.listed):
        total_usd = None
    elif total_usd is None:
        lacking = "a known worth" if portfolio.unclear else "a price"
        context.note(f"Nothing found has {lacking}: what it is worth is unknown, which is not 0.")
    if portfolio.unclear:
        context.note(
            f"Of the unpriced {portfolio.unclear} have a price, but no certain amount: see wallet_list_balances."
        )
    page = portfolio.listed[arguments.offset : arguments.offset + arguments.limit]
    rows = [HoldingRow.model_validate(_holding_fields(holding, by_id[holding.chain])) for holding in page]
    note_doubts(context, holdings, page)
    dominant = portfolio.dominant if token is None else None
    told = [*page, dominant.holding] if dominant is not None else page
    context.note_symbols(symbols_shown(told))
    if dominant is not None and dominant.holding.flags and dominant.holding not in page:
        context.note(f"The token of more than half is flagged {listed(dominant.holding.flags)}.")
    context.note_chains(by_id[chain] for chain in (*collected.failures, *collected.incomplete, *_chains_of(doubled)))
    # What leaves an unknown total in doubt, though all was read, does not limit what the total covers.
    in_part = collected.is_partial or (partial and total_usd is not None)
    held_on = {holding.chain for holding in holdings if not holding.is_nothing}
    lists = {
        "nothing_priced_on": [chain for chain, value in portfolio.by_chain if value is None],
        "honeypots_unchecked": [chain.id for chain in read if chain.id in held_on and not chain.honeypot_checked],
    }
    fields: dict[str, Any] = {
        "address": address.text,
        "by_chain": {chain: plain(value) for chain, value in portfolio.by_chain if value is not None},
        "holdings_count": len(portfolio.listed),
        "unpriced": CountRow(count=portfolio.unpriced.count),
        "risk": RiskRow.model_validate(_group(portfolio.risk)),
        "scope": _scope(portfolio, token.shown if token else "", in_part),
    } | {name: chains_named for name, chains_named in lists.items() if chains_named}
    if token is not None:
        fields["token"] = token.shown
    if total_usd is not None:
        fields["total_value_usd"] = plain(total_usd)
        if partial:
            fields["at_least"] = True
    if arguments.offset:
        fields["offset"] = arguments.offset
    if portfolio.below_minimum.count:
        fields["below_minimum"] = SmallRow.model_validate(_group(portfolio.below_minimum))
    if dominant is not None:
        fields["dominant"] = _dominant(dominant)
    count = len(portfolio.listed)

    def answer(shown: int) -> Output:
        following = arguments.offset + shown
        reasons = _reasons(collected, by_id, doubled)
        if unclear:
            reasons.append(unclear)
        if shown < len(rows):
            reasons.append(f"only {shown} of the {len(rows)} holdings asked for fit into one answer")
        if following < count:
            # Where `next` first asks for what failed, this tells how the list itself goes on.
            where = f" (this call with offset {following})" if collected.failures else ""
            reasons.append(f"{count - following} more holdings follow{where}")
        common = context.common(
            incomplete_because=listed(reasons),
            next_call=_next(arguments, address.text, chains, collected, following if following < count else None),
            address=address.text,
        )
        return Output(**fields, holdings=rows[:shown], **common)

    longest = LONGEST_ASKED if "limit" in arguments.model_fields_set else LONGEST
    return fitted(len(rows), answer, render, longest)


async def _asked_for(
    context: ToolContext, arguments: Input, address: Address
) -> tuple[tuple[Chain, ...], TokenFilter | None]:
    """The chains to read and the token to count. One that is asked for on one chain is looked for only there."""
    if arguments.token is None:
        return await wallet_chains(context, arguments.chains, address), None
    only = await find_token_chain(context, arguments.token, address)
    named = [only.id] if only is not None and arguments.chains is None else arguments.chains
    chains = await wallet_chains(context, named, address)
    token = await find_token_filter(context, arguments.token, chains)
    return (chains if only is None else (only,)), token


def _holding_fields(holding: Holding, chain: Chain) -> dict[str, object]:
    symbol = symbol_of(holding.symbol, holding.contract, chain)
    fields: dict[str, object] = {"chain": chain.id, "contract": holding.contract, "symbol": symbol}
    if holding.balance is not None:
        fields["balance"] = plain(holding.balance)
    if holding.value_usd is not None:
        fields["value_usd"] = plain(holding.value_usd)
    if holding.risk:
        fields["risk_flagged"] = True
    if holding.flags:
        fields["flags"] = list(holding.flags)
    return fields


def _group(group: Group) -> dict[str, object]:
    return {"count": group.count} | ({} if group.value_usd is None else {"value_usd": plain(group.value_usd)})


def _dominant(dominant: Dominant) -> DominantRow:
    return DominantRow(
        chain=dominant.holding.chain,
        contract=dominant.holding.contract,
        symbol=dominant.holding.symbol,
        value_usd=plain(dominant.value_usd),
        total_without_it_usd=plain(dominant.rest_usd),
    )


def _scope(portfolio: Portfolio, token: str, partial: bool) -> str:
    what = f"only {token}, where" if token else "what is"
    extent = ", as far as read" if partial else ""
    claim = " The value of risk is what their own prices claim." if portfolio.risk.value_usd is not None else ""
    return f"Total: {what} priced and not risk-flagged{extent}.{claim} Never: {_NEVER}."


def _chains_of(doubled: Sequence[Sequence[Holding]]) -> list[str]:
    return list(dict.fromkeys(same[0].chain for same in doubled))


def _reasons(collected: Collected, by_id: Mapping[str, Chain], doubled: Sequence[Sequence[Holding]]) -> list[str]:
    """Why what was read is not all that there is."""
    reasons = [
        f"{by_id[chain].name} ({chain}) could not be read (error {error.code})"
        for chain, error in collected.failures.items()
    ]
    reasons += [f"the API repeated a page on {by_id[chain].name} ({chain})" for chain in collected.repeated]
    reasons += [
        f"the API refused a further page of {by_id[chain].name} ({chain}), so more may be held there"
        for chain in collected.refused
    ]
    reasons += [
        f"the API lists tokens of {by_id[chain].name} ({chain}) twice with different balances"
        for chain in _chains_of(doubled)
    ]
    if collected.capped:
        names = listed([f"{by_id[chain].name} ({chain})" for chain in collected.capped])
        reasons.append(f"more of {names} was not read ({collected.pages} pages were, at most {MAX_PAGES} a call)")
    return reasons


def _next(
    arguments: Input, address: str, chains: Sequence[Chain], collected: Collected, following: int | None
) -> NextCall | None:
    """The call for what is missing. `following`: the offset of the first holding after this page, if any."""
    repeat: dict[str, Any] = {"address": address}
    if arguments.token is not None:
        repeat["token"] = arguments.token.strip()
    if arguments.min_value_usd != 1:
        repeat["min_value_usd"] = arguments.min_value_usd
    if arguments.include_risk_tokens:
        repeat["include_risk_tokens"] = True
    if arguments.limit != 20:
        repeat["limit"] = arguments.limit
    if following is not None and not collected.failures:
        if arguments.chains is not None:
            repeat["chains"] = [chain.id for chain in chains]
        return NextCall(tool=NAME, arguments=repeat | {"offset": following})
    if collected.failures:
        # First of all what is missing: until then neither the total nor the order of the list is right.
        return NextCall(tool=NAME, arguments=repeat | {"chains": list(collected.failures)})
    return None


def render(output: Output) -> list[str]:
    """The total, by chain, then a table of the holdings."""
    least = "at least " if output.at_least is True else ""
    what = f"{output.token} in {output.wallet}" if output.token is not MISSING else output.wallet
    total = "unknown" if output.total_value_usd is MISSING else f"{least}{output.total_value_usd} USD"
    lines = [f"{what}: total value {total}.", _by_chain_text(output)]
    if output.dominant is not MISSING:
        row = output.dominant
        contract = row.contract or "contract missing"
        lines.append(
            f"More than half of it is an unknown token: {row.symbol} ({row.chain}:{contract}), "
            f"{row.value_usd} USD; without it the total is {row.total_without_it_usd} USD."
        )
    offset = 0 if output.offset is MISSING else output.offset
    if output.holdings:
        lines.append(f"Holdings {offset + 1} to {offset + len(output.holdings)} of {output.holdings_count}:")
        columns = ("chain", "contract", "symbol", "balance", "value_usd", "risk_flagged", "flags")
        lines += table(columns, [row.model_dump() for row in output.holdings])
    elif output.holdings_count:
        lines.append(f"No holding to list at offset {offset}; {output.holdings_count} in all.")
    else:
        lines.append("No holdings to list.")
    if output.below_minimum is not MISSING:
        below = output.below_minimum
        lines.append(f"Below the minimum, in the total but not listed: {below.count} ({below.value_usd} USD).")
    claimed = f" (their own prices claim {output.risk.value_usd} USD)" if output.risk.value_usd is not MISSING else ""
    # The scope in other words, with its figures.
    lines.append(f"In no total: {output.unpriced.count} unpriced, {output.risk.count} risk{claimed}, {_NEVER}.")
    return [*lines, *closing(output)]


def _by_chain_text(output: Output) -> str:
    unchecked = () if output.honeypots_unchecked is MISSING else output.honeypots_unchecked
    values = [(chain in unchecked, f"{chain} {value}") for chain, value in output.by_chain.items()]
    parts = [", ".join(text for is_unchecked, text in values if not is_unchecked)]
    if any(is_unchecked for is_unchecked, _ in values):
        parts.append("honeypots unchecked: " + ", ".join(text for is_unchecked, text in values if is_unchecked))
    if output.nothing_priced_on is not MISSING:
        named = (f"{chain}{' (honeypots unchecked)' * (chain in unchecked)}" for chain in output.nothing_priced_on)
        parts.append(f"nothing priced on {', '.join(named)}")
    return f"By chain: {'; '.join(filter(None, parts))}."


TOOL = Tool(
    name=NAME,
    title="Get a wallet's portfolio",
    description=(
        "Get what a wallet is worth and holds over all its chains in one call: total, by chain, holdings in value"
        " order. Also for one token wherever it is held (token), or for more of the list (offset, limit). Use "
        "wallet_list_balances for one chain in full detail. Risk-flagged and unpriced tokens are counted apart "
        "and in no total; scope says what the total covers. Data at most 15 s old."
    ),
    input_model=Input,
    output_model=Output,
    run=run,
    render=render,
    upstream_names={"address": "address", "walletAddress": "address", "chains": "chains", "binanceChainId": "chains"},
)
