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
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE, NextCall, Part, WalletOutput, listed
from wallet_mcp.server.resolve import find_wallet, wallet_chains
from wallet_mcp.server.text import closing, table
from wallet_mcp.server.token_filter import TOKEN_RULE, FilterResult, apply_filter, find_token_filter
from wallet_mcp.server.tool import Tool
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.holdings import NATIVE, Holding
from wallet_mcp.wallet.money import plain
from wallet_mcp.wallet.portfolio import Group, Portfolio, portfolio_of, worth

NAME = "wallet_get_portfolio"

_NEVER = "Never: staking, DeFi, NFTs, other chains."
_NAMED = 5


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
    value_usd: Annotated[str | MISSING, Field(description="to a millionth; absent: unpriced")] = MISSING
    risk_flagged: bool | MISSING = MISSING
    flags: list[str] | MISSING = MISSING


class ChainTotal(Part):
    """What the priced holdings on one chain are worth."""

    chain: str
    value_usd: str
    honeypot_checked: Annotated[bool | MISSING, Field(description="only where false")] = MISSING


class GroupRow(Part):
    """Holdings that are counted and not listed."""

    count: int
    value_usd: str | MISSING = MISSING


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
    total_value_usd: str
    at_least: Annotated[bool | MISSING, Field(description="true: not everything was read")] = MISSING
    by_chain: list[ChainTotal]
    holdings: list[HoldingRow]
    holdings_count: Annotated[int, Field(description="of all pages")]
    offset: int
    below_minimum: GroupRow
    unpriced: GroupRow
    risk: GroupRow
    dominant: DominantRow | MISSING = MISSING
    scope: str


async def run(context: ToolContext, arguments: Input) -> Output:
    """The portfolio. Raises `ApiError` when no chain can be read, `ArgumentProblem`."""
    context.require_api()
    address = find_wallet(context, arguments.address)
    chains = await wallet_chains(context, arguments.chains, address)
    token = await find_token_filter(context, arguments.token, chains) if arguments.token is not None else None
    collected = await collect_holdings(context, address, chains)
    by_id = {chain.id: chain for chain in chains}
    read = [chain for chain in chains if chain.id not in collected.failures]
    # The shortest text of a float is what the caller wrote.
    minimum, holdings = Decimal(str(arguments.min_value_usd)), collected.holdings
    if token is not None:
        found = apply_filter(token, holdings)
        holdings, minimum = found.holdings, Decimal(0)
        _note_namesakes(context, token.text, found)
    portfolio = portfolio_of(
        holdings,
        [chain.id for chain in read],
        minimum_usd=minimum,
        # Whoever asks for one token wants to see it, flagged or not.
        include_risk=arguments.include_risk_tokens or token is not None,
    )
    listing = portfolio.listed if token is None else (*portfolio.listed, *_unpriced(holdings))
    page = listing[arguments.offset : arguments.offset + arguments.limit]
    if page:
        context.note(CHAIN_TEXT_NOTICE)
    partial = bool(collected.failures or collected.capped or collected.repeated)
    fields: dict[str, Any] = {
        "address": address.text,
        "total_value_usd": plain(portfolio.total_usd),
        "by_chain": [
            ChainTotal.model_validate(
                {"chain": chain, "value_usd": plain(value)}
                | ({} if by_id[chain].honeypot_checked else {"honeypot_checked": False})
            )
            for chain, value in portfolio.by_chain
            if value
        ],
        "holdings": [HoldingRow.model_validate(_holding_fields(holding, by_id[holding.chain])) for holding in page],
        "holdings_count": len(listing),
        "offset": arguments.offset,
        "below_minimum": _group(portfolio.below_minimum),
        "unpriced": _group(portfolio.unpriced),
        "risk": _group(portfolio.risk),
        "scope": _scope(
            [chain for chain, value in portfolio.by_chain if not value], token.text if token else "", partial
        ),
    }
    if token is not None:
        fields["token"] = token.text
    if partial:
        fields["at_least"] = True
    if portfolio.dominant is not None and token is None:
        fields["dominant"] = _dominant(portfolio)
    return Output(
        **fields,
        **context.common(
            incomplete_because=_incomplete_because(collected, by_id, len(listing) - arguments.offset - len(page)),
            next_call=_next(arguments, address.text, chains, collected, len(listing)),
            address=address.text,
        ),
    )


def _holding_fields(holding: Holding, chain: Chain) -> dict[str, object]:
    symbol = holding.symbol or (chain.native_symbol or "" if holding.contract == NATIVE else "")
    fields: dict[str, object] = {"chain": chain.id, "contract": holding.contract, "symbol": symbol}
    if holding.balance is not None:
        fields["balance"] = plain(holding.balance)
    if holding.value_usd is not None:
        fields["value_usd"] = plain(worth(holding))
    if holding.risk:
        fields["risk_flagged"] = True
    if holding.flags:
        fields["flags"] = list(holding.flags)
    return fields


def _unpriced(holdings: Sequence[Holding]) -> tuple[Holding, ...]:
    kept = [holding for holding in holdings if holding.value_usd is None and not holding.risk]
    return tuple(sorted(kept, key=lambda holding: (holding.chain, holding.contract)))


def _group(group: Group) -> GroupRow:
    if group.value_usd is None:
        return GroupRow(count=group.count)
    return GroupRow(count=group.count, value_usd=plain(group.value_usd))


def _dominant(portfolio: Portfolio) -> DominantRow:
    dominant = portfolio.dominant
    assert dominant is not None
    return DominantRow(
        chain=dominant.holding.chain,
        contract=dominant.holding.contract,
        symbol=dominant.holding.symbol,
        value_usd=plain(dominant.value_usd),
        total_without_it_usd=plain(dominant.rest_usd),
    )


def _note_namesakes(context: ToolContext, asked: str, found: FilterResult) -> None:
    if not found.namesakes:
        return
    named = ", ".join(f"{holding.chain}:{holding.contract}" for holding in found.namesakes[:_NAMED])
    more = f" and {len(found.namesakes) - _NAMED} more" if len(found.namesakes) > _NAMED else ""
    if found.holdings:
        context.note(
            f"Not counted, because they only carry the symbol {asked} under another contract: {named}{more}."
        )
    else:
        context.note(
            f"{asked} is no well-known token; these holdings carry that symbol: {named}{more}. Ask by contract."
        )


def _scope(worthless: Sequence[str], token: str, partial: bool) -> str:
    what = f"only {token}" if token else "what is priced and not risk-flagged"
    extent = ", as far as read" if partial else ""
    zero = f"; nothing priced on chains {', '.join(worthless)}" if worthless else ""
    return f"Total: {what}{extent}{zero}. {_NEVER}"


def _incomplete_because(collected: Collected, by_id: Mapping[str, Chain], left: int) -> str:
    reasons = [
        f"{by_id[chain].name} ({chain}) could not be read (error {error.code})"
        for chain, error in collected.failures.items()
    ]
    reasons += [f"the API repeated a page on {by_id[chain].name} ({chain})" for chain in collected.repeated]
    if collected.capped:
        names = listed([f"{by_id[chain].name} ({chain})" for chain in collected.capped])
        reasons.append(f"{names} has more than the {collected.pages} pages of at most {MAX_PAGES} read in time")
    if left > 0:
        reasons.append(f"{left} more holdings follow")
    return listed(reasons)


def _next(
    arguments: Input, address: str, chains: Sequence[Chain], collected: Collected, count: int
) -> NextCall | None:
    repeat: dict[str, Any] = {"address": address}
    if arguments.token is not None:
        repeat["token"] = arguments.token.strip()
    if arguments.min_value_usd != 1:
        repeat["min_value_usd"] = arguments.min_value_usd
    if arguments.include_risk_tokens:
        repeat["include_risk_tokens"] = True
    if arguments.limit != 20:
        repeat["limit"] = arguments.limit
    if arguments.offset + arguments.limit < count and not collected.failures:
        if arguments.chains is not None:
            repeat["chains"] = [chain.id for chain in chains]
        return NextCall(tool=NAME, arguments=repeat | {"offset": arguments.offset + arguments.limit})
    if collected.failures:
        # First of all what is missing: until then neither the total nor the order of the list is right.
        return NextCall(tool=NAME, arguments=repeat | {"chains": list(collected.failures)})
    return None


def render(output: Output) -> list[str]:
    """The total, by chain, then a table of the holdings."""
    least = "at least " if output.at_least is True else ""
    what = f"{output.token} in {output.wallet}" if output.token is not MISSING else output.wallet
    lines = [f"{what}: total value {least}{output.total_value_usd} USD."]
    if output.by_chain:
        lines.append("By chain: " + ", ".join(f"{row.chain} {row.value_usd}" for row in output.by_chain) + ".")
    if output.dominant is not MISSING:
        row = output.dominant
        lines.append(
            f"More than half of it is an unknown token: {row.symbol} ({row.chain}:{row.contract}), {row.value_usd}; "
            f"without it the total is {row.total_without_it_usd} USD."
        )
    if output.holdings:
        first = output.offset + 1
        lines.append(f"Holdings {first} to {output.offset + len(output.holdings)} of {output.holdings_count}:")
        columns = ("chain", "contract", "symbol", "balance", "value_usd", "risk_flagged", "flags")
        lines += table(columns, [row.model_dump() for row in output.holdings])
    else:
        lines.append(f"No holding to list at offset {output.offset}; {output.holdings_count} in all.")
    below = _group_text("below the minimum, counted and not listed", output.below_minimum)
    apart = f"{_group_text('unpriced', output.unpriced)}, {_group_text('risk', output.risk)}"
    lines.append(f"{below}. In no total: {apart}.")
    unchecked = [row.chain for row in output.by_chain if row.honeypot_checked is False]
    if unchecked:
        lines.append(f"Honeypots unchecked on {', '.join(unchecked)}.")
    return [*lines, output.scope, *closing(output)]


def _group_text(name: str, group: GroupRow) -> str:
    value = f" ({group.value_usd} USD)" if group.value_usd is not MISSING else ""
    return f"{group.count} {name}{value}"


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
