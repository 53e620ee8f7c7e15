"""All balances of an address on several chains: every page within a cap, chains side by side, failures apart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.rows import coin_spellings, holding_of, note_coin_twice, with_one_coin
from wallet_mcp.wallet.addresses import Address
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.holdings import Holding
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireBalancePage

PAGE_SIZE = 100
MAX_PAGES = 60
"""Pages of one call over all chains: 6,000 tokens. The busiest wallet seen had 2,000 (contract §3.2)."""

PARAMETER_CODE = 40001
"""The code of a parameter that the API takes for wrong (contract §1.8)."""

_RESERVE_S = 3.0
"""Seconds before the deadline at which no further page is asked for."""


@dataclass(slots=True)
class Collected:
    """What was read.

    A chain is in at most one of these: failed, cut off at the cap, repeating its pages, or refused a further page.
    """

    holdings: list[Holding] = field(default_factory=list)
    pages: int = 0
    read: int = 0
    failures: dict[str, ApiError] = field(default_factory=dict)
    capped: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    hopeless: ApiError | None = None
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def is_partial(self) -> bool:
        """Whether there may be more than was read."""
        return bool(self.failures or self.incomplete)

    @property
    def incomplete(self) -> list[str]:
        """The chains that were read, but perhaps not to their end."""
        return [*self.capped, *self.repeated, *self.refused]

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
    seen: set[str | Holding] = set()
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
            if page > 1 and error.code == PARAMETER_CODE:
                # Some APIs refuse the page after the last full one instead of giving an empty one.
                collected.refused.append(chain.id)
                await collected.tell(context, chain, 1, chains)
                return
            if error.concerns_every_call:
                collected.hopeless = error
                all_chains.cancel()
            collected.failures[chain.id] = error
            # A chain in part would make a total that covers nobody knows what.
            collected.holdings[:] = [holding for holding in collected.holdings if holding.chain != chain.id]
            await collected.tell(context, chain, 1, chains)
            return
        context.provenance.take(answer)
        for spelling, coin in coin_spellings(answer.data.token_assets, found).items():
            coins.setdefault(spelling, coin)
        note_coin_twice(context, chain, coins)
        collected.read += 1
        full = len(answer.data.token_assets) >= page_size_of(answer.data, PAGE_SIZE)
        # How many pages there are is not known before the last (contract §3.2).
        await collected.tell(context, chain, page / (page + 1) if full else 1, chains)
        if found and all((holding.contract or holding) in seen for holding in found):
            collected.repeated.append(chain.id)
            return
        for holding in with_one_coin(found):
            # Balances can shift over a page border while paging: a token counts once, where it came first.
            if not holding.contract or holding.contract not in seen:
                collected.holdings.append(holding)
            seen.add(holding.contract or holding)
        if not full:
            return


def page_size_of(page: WireBalancePage, asked: int) -> int:
    """Rows of a full page: as many as asked for, or fewer where the answer says that the API gives fewer."""
    told = page.page_size
    return min(asked, int(told)) if told.isascii() and told.isdigit() and len(told) < 10 and int(told) else asked
