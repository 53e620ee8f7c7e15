"""A history listing over several chains: whole transactions of all of them, newest first, from any position on.

Each chain is read through its own upstream cursor (history_stream.py). The merged order is total (time, then digest),
which makes a position of it all that a cursor needs to hold. What is given never reaches beyond what has been read
of every chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import anyio

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.history_stream import BOTTOM, TOP, Budget, ChainStream, Question
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.cursor import Position
from wallet_mcp.wallet.history import Transaction
from wallet_mcp.wallet_api.answers import Answer
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireHistory

PAGE_LIMIT: Final = 100
JOINT_PAUSE_S: Final = 3_600.0
"""For how long chains are asked one by one after an answer for several that could not be told apart."""

JOINT_REST_S: Final = 60.0
"""The same after a request for several that failed or hung: one chain of them can be the reason."""

_TOO_MUCH_AT_ONCE: Final = (42900, "busy")

_RESERVE_S: Final = 3.0
"""Seconds before the deadline at which no further page is asked for: what was found must still be answered."""


@dataclass(slots=True)
class Scan:
    """What a scan found. Down to `consumed` all chains without a failure have been looked at.

    `transactions` are those to show, `beyond` those that would follow where the whole span was read, `seen` all that
    were looked at, asked for or not, and `known` what was read beyond that, too.

    `finished` tells that all of these were read to their end. `failures` holds the error of each chain of which
    nothing could be read, `interruptions` of each that failed on a later page: the scan ends there. `read_ms` is the
    time down to which all others were read, `given_up` that at which a chain has more rows than could be read.
    """

    transactions: list[Transaction] = field(default_factory=list)
    beyond: list[Transaction] = field(default_factory=list)
    seen: list[Transaction] = field(default_factory=list)
    known: list[Transaction] = field(default_factory=list)
    consumed: Position | None = None
    finished: bool = False
    out_of_time: bool = False
    read_ms: int | None = None
    failures: dict[str, ApiError] = field(default_factory=dict)
    interruptions: dict[str, ApiError] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    given_up: dict[str, int] = field(default_factory=dict)

    def first(self, count: int) -> Scan:
        """The same scan with so many transactions to show, one at least: the others follow."""
        shown, rest = self.transactions[:count], self.transactions[count:]
        if not rest:
            return self
        beyond = [*rest, *self.beyond] if self.finished or self.beyond else []
        return replace(self, transactions=shown, beyond=beyond, consumed=shown[-1].position)


async def scan_history(
    context: ToolContext,
    chains: Sequence[Chain],
    question: Question,
    limit: int,
    *,
    wanted: Callable[[Transaction], bool] = lambda _transaction: True,
    filtered: bool = False,
    to_end: bool = False,
) -> Scan:
    """Up to `limit` transactions after the question's position that are `wanted`; with `to_end` the whole span.

    Only when nothing can be read of any chain is the first error raised.
    """
    budget = Budget(context.deadline - _RESERVE_S)
    # Where most of a page may not be wanted, small pages would use up the requests.
    page = PAGE_LIMIT if to_end or filtered else min(PAGE_LIMIT, 2 * limit + 10)
    streams = [ChainStream(context, chain, question, page, budget) for chain in chains]
    await _first_pages(context, chains, question, page, streams, budget)
    async with anyio.create_task_group() as group:
        for stream in streams:
            group.start_soon(stream.prepare)
    failures = {stream.chain.id: stream.failure for stream in streams if stream.failure is not None}
    if len(failures) == len(chains):
        raise failures[chains[0].id]
    scan = await _merged(streams, question, limit, wanted, to_end)
    scan.failures = failures
    scan.interruptions = {one.chain.id: one.interruption for one in streams if one.interruption is not None}
    scan.repeated = [stream.chain.id for stream in streams if stream.has_repeated]
    scan.given_up = {stream.chain.id: stream.given_up_ms for stream in streams if stream.given_up_ms is not None}
    scan.out_of_time = any(stream.out_of_time for stream in streams)
    scan.known = [transaction for stream in streams for transaction in stream.known]
    scan.read_ms = -min(stream.read_to for stream in streams)[0]
    return scan


async def _merged(
    streams: Sequence[ChainStream],
    question: Question,
    limit: int,
    wanted: Callable[[Transaction], bool],
    to_end: bool,
) -> Scan:
    """What the streams give in the order of all of them, as far as they give it."""
    scan, began = Scan(), question.after or TOP
    while to_end or len(scan.transactions) < limit:
        for stream in streams:
            await stream.prepare()
        bound = min(stream.read_to for stream in streams)
        heads = [stream for stream in streams if stream.ready and stream.ready[0].position < bound]
        if not heads and bound == began and any([one.give_up() for one in streams if one.read_to == bound]):
            continue
        if not heads:
            scan.finished = bound == BOTTOM
            if not scan.finished and len(scan.transactions) < limit and bound > began:
                # Where nothing more was found, the next call must still begin behind what was read.
                scan.consumed = bound
            return scan
        found = min(heads, key=lambda stream: stream.ready[0].position).ready.popleft()
        scan.seen.append(found)
        if len(scan.transactions) == limit:
            if wanted(found):
                scan.beyond.append(found)
            continue
        scan.consumed = found.position
        if wanted(found):
            scan.transactions.append(found)
    if not any(stream.ready for stream in streams):
        for stream in streams:
            await stream.prepare()
        scan.finished = all(stream.read_to == BOTTOM and not stream.ready for stream in streams)
    return scan


async def _first_pages(
    context: ToolContext,
    chains: Sequence[Chain],
    question: Question,
    page: int,
    streams: Sequence[ChainStream],
    budget: Budget,
) -> None:
    """Begin all chains with one request where upstream answers it for each of them; else leave them as they are.

    That it does is documented and unproved (contract §3.4). An entry without rows does not name its chain, so the
    answer is only taken when there is one entry per chain and those without rows are finished.
    """
    now = asyncio.get_running_loop().time()
    one_asset = len({question.asset(chain.id) for chain in chains}) == 1
    if len(chains) < 2 or not one_asset or now < context.services.joint_history_from or not budget.take():
        return
    entries, pause = None, JOINT_PAUSE_S
    try:
        answer = await _joint_page(context, chains, question, page)
        entries = _by_chain(answer.data, [chain.id for chain in chains])
    except ApiError as error:
        if error.concerns_every_call:
            raise
        # Only a refusal is about the request itself.
        pause = JOINT_PAUSE_S if error.code == 40001 else JOINT_REST_S
    if entries is None:
        context.services.joint_history_from = asyncio.get_running_loop().time() + pause
        return
    context.provenance.take(answer)
    for stream in streams:
        stream.begin(entries[stream.chain.id])


async def _joint_page(
    context: ToolContext, chains: Sequence[Chain], question: Question, page: int
) -> Answer[tuple[WireHistory, ...]]:
    """The first page of all chains, asked for once: one of them that hangs or is busy does so for all.

    Half of the time is left for asking them one by one. Raises `ApiError`.
    """
    now = asyncio.get_running_loop().time()
    half = now + (context.deadline - now) / 2
    try:
        return await question.page(context, chains, page, deadline=half, once=True)
    except ApiError as error:
        if error.code not in _TOO_MUCH_AT_ONCE:
            raise
    # One request more for each chain would only make that worse.
    return await question.page(context, chains, page, deadline=context.deadline)


def _by_chain(entries: Sequence[WireHistory], chains: Sequence[str]) -> dict[str, WireHistory] | None:
    """The entry of each chain; None where it cannot be told which entry is whose."""
    found: dict[str, WireHistory] = {}
    for entry in entries:
        owners = {row.binance_chain_id for row in entry.transaction_list}
        if not owners and entry.cursor:
            return None
        if owners:
            owner = owners.pop()
            if owners or owner not in chains or owner in found:
                return None
            found[owner] = entry
    if len(entries) != len(chains):
        return None
    return {chain: found.get(chain, WireHistory()) for chain in chains}
