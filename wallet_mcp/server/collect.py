"""All balances of an address on several chains: every page within a cap, chains side by side, failures apart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import anyio

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.rows import coin_spellings, holding_of, listed_twice, note_coin_twice, with_one_coin
from wallet_mcp.wallet.addresses import Address
from wallet_mcp.wallet.chains import NATIVE, Chain
from wallet_mcp.wallet.holdings import Holding
from wallet_mcp.wallet_api.endpoints import NoBalancePage
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireBalancePage, WireToken

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
    `absent`: the chains that the API gave no entry for. `doubled`: the rows of each token that one page lists with
    different balances. `coins`: each chain's rows of its coin.
    """

    holdings: list[Holding] = field(default_factory=list)
    pages: int = 0
    read: int = 0
    failures: dict[str, ApiError] = field(default_factory=dict)
    capped: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    doubled: list[list[Holding]] = field(default_factory=list)
    coins: dict[str, list[tuple[WireToken, Holding]]] = field(default_factory=dict)
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
    read, collected.holdings = collected.holdings, []
    for chain in chains:
        # Which row is the coin is only known once a chain is read: the right one may stand on its last page.
        collected.holdings += with_one_coin([holding for holding in read if holding.chain == chain.id])
        coins = collected.coins.get(chain.id, []) if chain.id not in collected.failures else []
        note_coin_twice(context, chain, coin_spellings([row for row, _ in coins], [coin for _, coin in coins]))
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
    coins = collected.coins.setdefault(chain.id, [])
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
            collected.doubled[:] = [same for same in collected.doubled if same[0].chain != chain.id]
            await collected.tell(context, chain, 1, chains)
            return
        context.provenance.take(answer)
        if page == 1 and isinstance(answer.data, NoBalancePage):
            collected.absent.append(chain.id)
        collected.read += 1
        full = len(answer.data.token_assets) >= page_size_of(answer.data, PAGE_SIZE)
        # How many pages there are is not known before the last (contract §3.2).
        await collected.tell(context, chain, page / (page + 1) if full else 1, chains)
        if found and all(_key(holding) in seen for holding in found):
            collected.repeated.append(chain.id)
            return
        collected.doubled += listed_twice([holding for holding in found if _key(holding) not in seen])
        for row, holding in zip(answer.data.token_assets, found, strict=True):
            if holding.contract == NATIVE:
                coins.append((row, holding))
            key = _key(holding)
            # Balances can shift over a page border while paging: a token counts once, where it came first.
            if not isinstance(key, str) or key not in seen:
                collected.holdings.append(holding)
            seen.add(key)
        if not full:
            return


def _key(holding: Holding) -> str | Holding:
    """What makes a row the same one on a later page: its contract, or all but its price where others may share it."""
    return holding.contract if holding.contract not in ("", NATIVE) else replace(holding, price_usd=None)


def page_size_of(page: WireBalancePage, asked: int) -> int:
    """Rows of a full page: as many as asked for, or fewer where the answer says that the API gives fewer."""
    told = page.page_size
    return min(asked, int(told)) if told.isascii() and told.isdigit() and len(told) < 10 and int(told) else asked
