"""wallet_list_balances: one page of what an address holds on one chain."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_mcp.server.arguments import MAX_TEXT, WHOLE, Rule, ToolInput, WalletArgument
from wallet_mcp.server.collect import page_size_of
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.length import LONGEST, LONGEST_ASKED, fitted
from wallet_mcp.server.output import NextCall, WalletOutput
from wallet_mcp.server.resolve import check_family, find_chain, find_wallet
from wallet_mcp.server.rows import (
    COLUMNS,
    TokenRow,
    coin_spellings,
    holding_of,
    note_coin_twice,
    note_no_entry,
    note_shown,
    token_fields,
    with_one_coin,
)
from wallet_mcp.server.text import closing, table
from wallet_mcp.server.tool import Tool
from wallet_mcp.wallet.holdings import visible
from wallet_mcp.wallet_api.endpoints import NoBalancePage

NAME = "wallet_list_balances"


class Input(ToolInput):
    """Whose balances, where, and which page."""

    address: WalletArgument
    chain: Annotated[
        str,
        Field(max_length=MAX_TEXT, description="Chain id, name or short name: 56, bsc"),
        Rule("a chain by id, name or short name (56, BNB Chain, bsc)"),
    ]
    include_risk_tokens: Annotated[bool, Field(description="Show tokens flagged as scams too")] = False
    page: Annotated[int, Field(ge=1, le=100_000), WHOLE] = 1
    page_size: Annotated[int, Field(ge=1, le=100), WHOLE] = 50


class Output(WalletOutput):
    """A page of balances in upstream's order."""

    chain: str
    chain_name: str
    page: int
    page_size: int
    tokens: list[TokenRow]
    hidden_risk_count: Annotated[int, Field(description="flagged, of this page")]
    honeypot_checked: bool


_SHORTER = (96, 80, 72, 60, 50, 48, 40, 36, 30, 25, 24, 20, 12, 10, 6, 5, 4, 3, 2, 1)
"""Sizes of a shortened page: wherever it begins, and each leaves smaller ones for a later page of longer rows."""


async def run(context: ToolContext, arguments: Input) -> Output:
    """The page asked for. Raises `ApiError`, `ArgumentProblem`."""
    api = context.api
    address = find_wallet(context, arguments.address)
    chain = await find_chain(context, arguments.chain, "chain")
    check_family(address.family, chain, "chain")
    answer = await api.all_token_balances(
        address.text, chain.id, page=arguments.page, page_size=arguments.page_size, deadline=context.deadline
    )
    context.provenance.take(answer)
    if arguments.page == 1 and isinstance(answer.data, NoBalancePage):
        note_no_entry(context, [chain])
    rows = answer.data.token_assets
    holdings = [holding_of(row, chain) for row in rows]
    note_coin_twice(context, chain, coin_spellings(rows, holdings))
    one_coin = with_one_coin(holdings)
    risky = arguments.include_risk_tokens
    shown, _ = visible(one_coin, include_risk=risky)
    note_shown(context, shown)
    context.note_chains([chain])
    # Upstream tells neither a total nor whether there is more: a full page may or may not be the last (§3.2).
    given = page_size_of(answer.data, arguments.page_size)
    full = len(rows) >= given
    offset = (arguments.page - 1) * given

    def page_of(count: int) -> Output:
        page, page_size, reason = arguments.page, arguments.page_size, ""
        if count < len(rows):
            # A shorter page that begins where this one does, so that the pages after it leave nothing out.
            page_size = next(size for size in _SHORTER if size <= count and offset % size == 0)
            page = offset // page_size + 1
            reason = f"the rows are too long for {arguments.page_size} in one answer, so pages are of {page_size}"
        elif full:
            reason = f"page {page} is full, so there may be more"
        kept = {id(holding) for holding in holdings[:page_size]}
        shown, hidden = visible([one for one in one_coin if id(one) in kept], include_risk=risky)
        following = {"address": address.text, "chain": chain.id, "page": page + 1}
        options = {"page_size": page_size, "include_risk_tokens": risky}
        next_call = NextCall(tool=NAME, arguments=following | options) if reason else None
        return Output(
            address=address.text,
            chain=chain.id,
            chain_name=chain.name,
            page=page,
            page_size=page_size,
            tokens=[TokenRow.model_validate(token_fields(holding, chain)) for holding in shown],
            hidden_risk_count=hidden,
            honeypot_checked=chain.honeypot_checked,
            **context.common(incomplete_because=reason, next_call=next_call, address=address.text),
        )

    longest = LONGEST_ASKED if "page_size" in arguments.model_fields_set else LONGEST
    return fitted(len(rows), page_of, render, longest)


def render(output: Output) -> list[str]:
    """A table of the tokens, the constant chain folded into the first line."""
    count = f"{len(output.tokens)} token{'' if len(output.tokens) == 1 else 's'}"
    lines = [
        f"Balances of {output.wallet} on {output.chain_name} ({output.chain}), page {output.page} of up to "
        f"{output.page_size} tokens: {count} shown, {output.hidden_risk_count} flagged as risk hidden."
    ]
    if output.tokens:
        lines += table(COLUMNS, [row.model_dump() for row in output.tokens])
    elif output.page == 1 and not output.hidden_risk_count:
        lines.append("The API reports no token and no coin here.")
    if not output.honeypot_checked:
        lines.append("Honeypots are not looked for on this chain: a token without a flag is not known to be safe.")
    else:
        lines.append("Honeypots are looked for on this chain; no flag is still no proof of safety.")
    return [*lines, *closing(output)]


TOOL = Tool(
    name=NAME,
    title="List a wallet's balances on one chain",
    description=(
        "List what an address holds on one chain: coin and tokens with exact balance and USD price, value to a "
        "millionth, one page in the API's order. For a few named tokens wallet_get_token_balances is faster. "
        "Tokens flagged as risk are counted but hidden unless asked for. No price means unpriced, not worthless. "
        "Not covered: staking, DeFi positions, NFTs. Data at most 15 s old. More pages: make the call in next."
    ),
    input_model=Input,
    output_model=Output,
    run=run,
    render=render,
    upstream_names={
        "address": "address",
        "walletAddress": "address",
        "chains": "chain",
        "binanceChainId": "chain",
        "page": "page",
        "pageSize": "page_size",
    },
)
