"""A history listing over several chains: pages in, whole transactions out, newest first, from any position on.

Each chain is read through its own upstream cursor. Rows of one hash can straddle a page, so a transaction is held
back until an older row has been seen. The merged order is total (time, then digest), which makes a position of it
all that a cursor needs to hold. What is given never reaches beyond what has been read of every chain.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import anyio

from wallet_mcp.server.context import ToolContext
from wallet_mcp.wallet.assets import asset_of, asset_on
from wallet_mcp.wallet.chains import NATIVE, Chain
from wallet_mcp.wallet.cursor import Position
from wallet_mcp.wallet.history import INTERNAL, UNTIMED_MS, Party, Row, Transaction, status_of, transaction_of
from wallet_mcp.wallet.units import AmountSample
from wallet_mcp.wallet_api.answers import Answer
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireHistory, WireTransaction

PAGE_LIMIT = 100
MAX_REQUESTS = 40
JOINT_PAUSE_S = 3_600.0
"""For how long chains are asked one by one after an answer for several that could not be told apart."""

_RESERVE_S = 3.0
"""Seconds before the deadline at which no further page is asked for: what was found must still be answered."""

_NO_DIGEST = bytes(8)
_TOP: Position = (-UNTIMED_MS, _NO_DIGEST)
_BOTTOM: Position = (1, _NO_DIGEST)


@dataclass(frozen=True, slots=True)
class Question:
    """What is listed: the inclusive span in Unix milliseconds, and a contract, `native`, or `""` for everything."""

    address: str
    contract: str = ""
    begin_ms: int | None = None
    end_ms: int | None = None
    after: Position | None = None

    @property
    def last_ms(self) -> int | None:
        """The end to ask upstream for: inclusive, for other transactions of that millisecond may still be due."""
        if self.after is None or -self.after[0] >= UNTIMED_MS:
            return self.end_ms
        return -self.after[0] if self.end_ms is None else min(self.end_ms, -self.after[0])

    def asset(self, chain: str) -> str:
        """The contract as rows of a chain name it, which may be the coin of that chain alone; `""` for everything."""
        return asset_on(chain, self.contract) if self.contract else ""

    async def page(
        self, context: ToolContext, chains: Sequence[Chain], limit: int, cursor: str = ""
    ) -> Answer[tuple[WireHistory, ...]]:
        """A page of the chains' rows from upstream, which has no filter for coins alone. Raises `ApiError`."""
        asset = self.asset(chains[0].id)
        return await context.api.transactions(
            self.address,
            [chain.id for chain in chains],
            contract="" if asset == NATIVE else asset,
            begin_ms=self.begin_ms,
            end_ms=self.last_ms,
            cursor=cursor,
            limit=limit,
            deadline=context.deadline,
        )


@dataclass(slots=True)
class Scan:
    """What a scan found. Down to `consumed` all chains without a failure have been looked at.

    `transactions` are those to show, `beyond` those that would follow where the whole span was read, `seen` all that
    were looked at, asked for or not.

    `finished` tells that all of these were read to their end. `failures` holds the error of each chain of which
    nothing could be read, `interruptions` of each that failed on a later page: the scan ends there.
    """

    transactions: list[Transaction] = field(default_factory=list)
    beyond: list[Transaction] = field(default_factory=list)
    seen: list[Transaction] = field(default_factory=list)
    consumed: Position | None = None
    finished: bool = False
    out_of_time: bool = False
    failures: dict[str, ApiError] = field(default_factory=dict)
    interruptions: dict[str, ApiError] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)

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
    scan = Scan()
    budget = _Budget(context.deadline - _RESERVE_S)
    # Where most of a page may not be wanted, small pages would use up the requests.
    page = PAGE_LIMIT if to_end or filtered else min(PAGE_LIMIT, 2 * limit + 10)
    streams = [_ChainStream(context, chain, question, page, budget, scan) for chain in chains]
    await _first_pages(context, chains, question, page, streams, budget)
    async with anyio.create_task_group() as group:
        for stream in streams:
            group.start_soon(stream.prepare)
    if len(scan.failures) == len(chains):
        raise scan.failures[chains[0].id]
    while to_end or len(scan.transactions) < limit:
        for stream in streams:
            await stream.prepare()
        bound = min(stream.read_to for stream in streams)
        heads = [stream for stream in streams if stream.ready and stream.ready[0].position < bound]
        if not heads:
            scan.finished = bound == _BOTTOM
            if not scan.finished and len(scan.transactions) < limit and bound > (question.after or _TOP):
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
        scan.finished = all(stream.read_to == _BOTTOM and not stream.ready for stream in streams)
    return scan


async def _first_pages(
    context: ToolContext,
    chains: Sequence[Chain],
    question: Question,
    page: int,
    streams: Sequence[_ChainStream],
    budget: _Budget,
) -> None:
    """Begin all chains with one request where upstream answers it for each of them; else leave them as they are.

    That it does is documented and unproved (contract §3.4). An entry without rows does not name its chain, so the
    answer is only taken when there is one entry per chain and those without rows are finished.
    """
    now = asyncio.get_running_loop().time()
    one_asset = len({question.asset(chain.id) for chain in chains}) == 1
    if len(chains) < 2 or not one_asset or now < context.services.joint_history_from or not budget.take():
        return
    try:
        answer = await question.page(context, chains, page)
    except ApiError as error:
        if error.concerns_every_call:
            raise
        if error.code not in (40001, 50000):
            return
        # A busy chain fails for all of them; a refusal is about the request itself.
        if error.code == 40001:
            context.services.joint_history_from = now + JOINT_PAUSE_S
        return
    entries = _by_chain(answer.data, [chain.id for chain in chains])
    if entries is None:
        context.services.joint_history_from = now + JOINT_PAUSE_S
        return
    context.provenance.take(answer)
    for stream in streams:
        stream.begin(entries[stream.chain.id])


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


class _Budget:
    """How many more pages may be asked for, and until when."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._requests = MAX_REQUESTS

    def take(self) -> bool:
        if self._requests <= 0 or asyncio.get_running_loop().time() >= self._until:
            return False
        self._requests -= 1
        return True


class _ChainStream:
    """The whole transactions of one chain in order; all before `read_to` have come through `ready`."""

    def __init__(
        self, context: ToolContext, chain: Chain, question: Question, page: int, budget: _Budget, scan: Scan
    ) -> None:
        self.ready: deque[Transaction] = deque()
        self.read_to = question.after or _TOP
        self.chain = chain
        self._context = context
        self._question = question
        self._page = page
        self._budget = budget
        self._scan = scan
        self._rows: list[Row] = []
        self._released: set[str] = set()
        self._alike: Counter[Position] = Counter()
        self._cursor = ""
        self._seen_cursors: set[str] = set()
        self._began = False
        self._ended = False

    async def prepare(self) -> None:
        """Read pages until a transaction is whole, the chain ends or fails, or the budget is spent."""
        while not self.ready and not self._ended and self.chain.id not in self._scan.interruptions:
            try:
                if self._budget.take():
                    await self._read_page()
                elif self._began:
                    self._scan.out_of_time = True
                    return
                else:
                    raise ApiError(code="timeout", received="no time was left to ask", attempts=0)
            except ApiError as error:
                if self._began:
                    self._scan.interruptions[self.chain.id] = error
                    return
                self._scan.failures[self.chain.id] = error
                self._ended = True
            self._began = True
            self._release()

    def begin(self, entry: WireHistory) -> None:
        """Take in the first page, which came with those of other chains."""
        self._take_page([entry])
        self._began = True
        self._release()

    async def _read_page(self) -> None:
        answer = await self._question.page(self._context, [self.chain], self._page, self._cursor)
        self._context.provenance.take(answer)
        self._take_page(answer.data)

    def _take_page(self, entries: Sequence[WireHistory]) -> None:
        rows = [row for entry in entries for row in entry.transaction_list]
        # A row of another chain is none of this listing, and its amounts prove nothing about these.
        own = [row for row in rows if row.binance_chain_id in ("", self.chain.id)]
        learn_units(self._context, self.chain, own)
        # A page that comes twice must not show its transactions twice.
        fresh = (row for row in own if not row.tx_hash or row.tx_hash not in self._released)
        self._rows += [_row(row, self.chain) for row in fresh]
        self._cursor = next_cursor(entries)
        if self._cursor in self._seen_cursors:
            self._scan.repeated.append(self.chain.id)
            self._cursor = ""
        self._seen_cursors.add(self._cursor)
        self._ended = not self._cursor or not rows

    def _release(self) -> None:
        """Move what is whole from rows to `ready`: all older than the last row may still be to come."""
        groups: dict[str, list[Row]] = {}
        for number, row in enumerate(self._rows):
            # Rows without a hash have nothing in common.
            groups.setdefault(row.hash or f"row {number}", []).append(row)
        times = [row.time_ms for row in self._rows if row.time_ms is not None]
        oldest = min(times, default=UNTIMED_MS)
        whole: list[list[Row]] = []
        self._rows = []
        for rows in groups.values():
            if self._ended or (rows[0].time_ms or UNTIMED_MS) > oldest:
                whole.append(rows)
                self._released.add(rows[0].hash)
            else:
                self._rows += rows
        self.read_to = _BOTTOM if self._ended else max(self.read_to, (-oldest, _NO_DIGEST))
        found = [self._transaction(rows) for rows in whole if self._asked_for(rows)]
        self.ready.extend(sorted(found, key=lambda transaction: transaction.position))
        while self.ready and self._question.after is not None and self.ready[0].position <= self._question.after:
            self.ready.popleft()

    def _transaction(self, rows: list[Row]) -> Transaction:
        found = transaction_of(rows, self._question.address)
        if found.hash:
            return found
        # Their order is upstream's, which begins anew with all of that millisecond wherever a cursor goes on.
        alike = self._alike[found.position]
        self._alike[found.position] += 1
        return replace(found, ordinal=alike)

    def _asked_for(self, rows: list[Row]) -> bool:
        """Whether a transaction is within the question, whatever upstream made of its parameters."""
        question, at = self._question, rows[0].time_ms
        end_ms = UNTIMED_MS if question.end_ms is None else question.end_ms
        if at is not None and not (question.begin_ms or 0) <= at <= end_ms:
            return False
        if not question.contract:
            return True
        return any(row.asset == question.asset(row.chain) for row in rows)


def next_cursor(entries: Sequence[WireHistory]) -> str:
    """The cursor to a chain's next page; `""` when it is finished (contract §3.4)."""
    return next((entry.cursor for entry in entries if entry.cursor), "")


def learn_units(context: ToolContext, chain: Chain, rows: Sequence[WireTransaction]) -> None:
    """Take in what the amounts of history rows prove about their unit, each field for itself.

    Only what moved proves anything: anybody can send a transaction that fails with any amount.
    """
    units = context.services.units
    fields: dict[str, list[AmountSample]] = {"amount": [], "from.amount": [], "to.amount": []}
    failed = {row.tx_hash for row in rows if row.itype != INTERNAL and status_of(row.tx_status) != "success"}
    for row in rows:
        if status_of(row.tx_status) != "success" or (row.tx_hash and row.tx_hash in failed):
            continue
        native = row.itype in ("0", "1") and asset_of(row.token_contract_address) == NATIVE
        fields["amount"].append(AmountSample(row.amount, chain.id, native))
        fields["from.amount"] += [AmountSample(party.amount, chain.id, native) for party in row.from_]
        fields["to.amount"] += [AmountSample(party.amount, chain.id, native) for party in row.to]
    for name, samples in fields.items():
        units.learn(f"transactions.{name}", samples)


def _row(row: WireTransaction, chain: Chain) -> Row:
    return Row(
        chain=chain.id,
        hash=row.tx_hash,
        itype=row.itype,
        time_ms=row.tx_time,
        senders=tuple(Party(party.address, party.amount) for party in row.from_),
        receivers=tuple(Party(party.address, party.amount) for party in row.to),
        contract=row.token_contract_address,
        amount=row.amount,
        symbol=row.symbol,
        fee=row.tx_fee,
        status=row.tx_status,
        blacklisted=row.hit_blacklist,
    )
