"""All balances of an address on several chains: every page within a cap, chains side by side, failures apart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.rows import coin_spellings, holding_of, note_coin_twice
from wallet_mcp.wallet.addresses import Address
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.holdings import Holding
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireBalancePage

PAGE_SIZE = 100
MAX_PAGES = 60
"""Pages of one call over all chains: 6,000 tokens. The busiest wallet seen had 2,000 (contract §3.2)."""

_RESERVE_S = 3.0
"""Seconds before the deadline at which no further page is asked for."""


@dataclass(slots=True)
class Collected:
    """What was read. A chain is in at most one of the last three: failed, cut off, or repeating its pages."""

    holdings: list[Holding] = field(default_factory=list)
    pages: int = 0
    read: int = 0
    failures: dict[str, ApiError] = field(default_factory=dict)
    capped: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    hopeless: ApiError | None = None
    parts: dict[str, float] = field(default_factory=dict)

    async def tell(self, context: ToolContext, chain: Chain, part: float, chains: int) -> None:
        """Report how much is read: chains, and of one with more pages than were read an ever larger part."""
        self.parts[chain.id] = part
        what = f"{self.read} page{'' if self.read == 1 else 's'} of balances read"
        await context.report(round(sum(self.parts.values()), 3), what, total=chains)


async def collect_holdings(context: ToolContext, address: Address, chains: Sequence[Chain]) -> Collected:
    """Everything that the address holds on the chains, as far as it could be read.

    Raises the first chain's `ApiError` when no chain could be read at all.
    """
    context.require_api()
    collected = Collected()
    async with anyio.create_task_group() as group:
        for chain in chains:
            group.start_soon(_collect_chain, context, address, chain, collected, group.cancel_scope, len(chains))
    if collected.hopeless is not None:
        raise collected.hopeless
    if len(collected.failures) == len(chains):
        raise collected.failures[chains[0].id]
    order = {chain.id: index for index, chain in enumerate(chains)}
    collected.holdings.sort(key=lambda holding: order[holding.chain])
    return collected


async def _collect_chain(
    context: ToolContext,
    address: Address,
    chain: Chain,
    collected: Collected,
    all_chains: anyio.CancelScope,
    chains: int,
) -> None:
    seen: set[str] = set()
    coins: dict[str, Holding] = {}
    until = context.deadline - _RESERVE_S
    page = 0
    while True:
        if collected.pages >= MAX_PAGES or (page and asyncio.get_running_loop().time() >= until):
            collected.capped.append(chain.id)
            return
        page += 1
        collected.pages += 1
        try:
            answer = await context.api.all_token_balances(
                address.text, chain.id, page=page, page_size=PAGE_SIZE, deadline=context.deadline
            )
            found = [holding_of(row, chain) for row in answer.data.token_assets]
        except ApiError as error:
            if error.concerns_every_call:
                collected.hopeless = error
                all_chains.cancel()
            collected.failures[chain.id] = error
            # A chain in part would make a total that covers nobody knows what.
            collected.holdings[:] = [holding for holding in collected.holdings if holding.chain != chain.id]
            await collected.tell(context, chain, 1, chains)
            return
        context.provenance.take(answer)
        coins = coin_spellings(answer.data.token_assets, found) | coins
        note_coin_twice(context, chain, coins)
        collected.read += 1
        full = len(answer.data.token_assets) >= page_size_of(answer.data, PAGE_SIZE)
        # How many pages there are is not known before the last (contract §3.2).
        await collected.tell(context, chain, page / (page + 1) if full else 1, chains)
        # Balances can shift over a page border while paging: a token counts once, where it came first.
        fresh = list(
            {holding.contract: holding for holding in reversed(found) if holding.contract not in seen}.values()
        )
        if found and not fresh:
            collected.repeated.append(chain.id)
            return
        seen.update(holding.contract for holding in fresh)
        collected.holdings += reversed(fresh)
        if not full:
            return


def page_size_of(page: WireBalancePage, asked: int) -> int:
    """Rows of a full page: as many as asked for, or fewer where the answer says that the API gives fewer."""
    told = page.page_size
    return min(asked, int(told)) if told.isascii() and told.isdigit() and int(told[:9]) > 0 else asked
