"""One chain's history: upstream's pages in, whole transactions out, newest first.

Rows of one hash can straddle a page, so a transaction is held back until an older row has been seen. What upstream
repeats is taken once. A transaction of more rows than a call may read is given in part in the end, and said to be so:
anybody can make one, and it must not hide what is older.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from wallet_mcp.server.context import ToolContext
from wallet_mcp.wallet.assets import asset_of, asset_on
from wallet_mcp.wallet.chains import NATIVE, Chain
from wallet_mcp.wallet.cursor import Position
from wallet_mcp.wallet.history import INTERNAL, UNTIMED_MS, Party, Row, Transaction, status_of, transaction_of
from wallet_mcp.wallet.units import AmountSample
from wallet_mcp.wallet_api.answers import Answer
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireHistory, WireTransaction

MAX_REQUESTS: Final = 40
PARTIAL: Final = "partial"
"""The flag of a transaction of which not all rows could be read."""

NO_DIGEST: Final = bytes(8)
TOP: Final[Position] = (-UNTIMED_MS, NO_DIGEST)
BOTTOM: Final[Position] = (1, NO_DIGEST)


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
        self,
        context: ToolContext,
        chains: Sequence[Chain],
        limit: int,
        *,
        deadline: float,
        cursor: str = "",
        once: bool = False,
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
            deadline=deadline,
            once=once,
        )


class Budget:
    """How many more pages may be asked for, and until when (event-loop seconds)."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._requests = MAX_REQUESTS

    def take(self) -> bool:
        """Whether another page may be asked for; it is counted then."""
        if self._requests <= 0 or asyncio.get_running_loop().time() >= self._until:
            return False
        self._requests -= 1
        return True


class ChainStream:
    """The whole transactions of one chain in order; all before `read_to` have come through `ready`.

    `known`: all that were read, asked for or not. `failure`: why nothing could be read; `interruption`: why no more.
    `out_of_time`: the budget was spent. `has_repeated`: upstream gave rows twice. `given_up_ms`: the time at which a
    transaction could only be told in part.
    """

    def __init__(self, context: ToolContext, chain: Chain, question: Question, page: int, budget: Budget) -> None:
        self.chain = chain
        self.ready: deque[Transaction] = deque()
        self.known: list[Transaction] = []
        self.read_to = question.after or TOP
        self.failure: ApiError | None = None
        self.interruption: ApiError | None = None
        self.out_of_time = False
        self.has_repeated = False
        self.given_up_ms: int | None = None
        self._context = context
        self._question = question
        self._page = page
        self._budget = budget
        self._rows: list[Row] = []
        self._last_page: Sequence[WireTransaction] = ()
        self._pages = 0
        self._released: set[str] = set()
        self._alike: Counter[Position] = Counter()
        self._cursor = ""
        self._seen_cursors: set[str] = set()
        self._ended = False

    async def prepare(self) -> None:
        """Read pages until a transaction is whole, the chain ends or fails, or the budget is spent."""
        while not self.ready and not self._ended and self.interruption is None:
            try:
                if self._budget.take():
                    await self._read_page()
                elif self._pages:
                    self.out_of_time = True
                    return
                else:
                    raise ApiError(code="timeout", received="no time was left to ask", attempts=0)
            except ApiError as error:
                if self._pages:
                    self.interruption = error
                    return
                self.failure = error
                self._ended = True
            self._release()

    def begin(self, entry: WireHistory) -> None:
        """Take in the first page, which came with those of other chains."""
        self._take_page([entry])
        self._release()

    def give_up(self) -> bool:
        """Give what is held back as far as it was read; False where nothing is, or a page at least is not read."""
        if not self.out_of_time or self._pages < 2 or not self._rows:
            return False
        self.given_up_ms = self._oldest_ms()
        self._release(partly=True)
        return True

    async def _read_page(self) -> None:
        answer = await self._question.page(
            self._context, [self.chain], self._page, deadline=self._context.deadline, cursor=self._cursor
        )
        self._context.provenance.take(answer)
        self._take_page(answer.data)

    def _take_page(self, entries: Sequence[WireHistory]) -> None:
        rows = [row for entry in entries for row in entry.transaction_list]
        # A row of another chain is none of this listing, and its amounts prove nothing about these.
        own = [row for row in rows if row.binance_chain_id in ("", self.chain.id)]
        learn_units(self._context, self.chain, own)
        known = overlap(self._last_page, own)
        self._last_page = own
        # A page that comes twice must not show its transactions twice.
        fresh = [row for row in own[known:] if not row.tx_hash or row.tx_hash not in self._released]
        self.has_repeated = self.has_repeated or known > 0
        self._rows += [_row(row, self.chain) for row in fresh]
        self._pages += 1
        self._cursor = next_cursor(entries)
        if self._cursor in self._seen_cursors:
            self.has_repeated = True
            self._cursor = ""
        self._seen_cursors.add(self._cursor)
        self._ended = not self._cursor or not rows

    def _oldest_ms(self) -> int:
        return min((row.time_ms for row in self._rows if row.time_ms is not None), default=UNTIMED_MS)

    def _release(self, *, partly: bool = False) -> None:
        """Move what is whole from rows to `ready`: all older than the last row may still be to come.

        `partly`: what is not whole as well, and whatever else is of that millisecond will not come any more.
        """
        groups: dict[str, list[Row]] = {}
        for number, row in enumerate(self._rows):
            # Rows without a hash have nothing in common.
            groups.setdefault(row.hash or f"row {number}", []).append(row)
        oldest = self._oldest_ms()
        self._rows = []
        found: list[Transaction] = []
        for rows in groups.values():
            is_whole = self._ended or (rows[0].time_ms or UNTIMED_MS) > oldest
            if not is_whole and not partly:
                self._rows += rows
                continue
            self._released.add(rows[0].hash)
            transaction = self._transaction(rows, () if is_whole else (PARTIAL,))
            self.known.append(transaction)
            if self._asked_for(rows):
                found.append(transaction)
        end = BOTTOM if self._ended else (-oldest + int(partly), NO_DIGEST)
        self.read_to = max(self.read_to, end)
        self.ready.extend(sorted(found, key=lambda transaction: transaction.position))
        while self.ready and self._question.after is not None and self.ready[0].position <= self._question.after:
            self.ready.popleft()

    def _transaction(self, rows: list[Row], flags: tuple[str, ...]) -> Transaction:
        found = transaction_of(rows, self._question.address)
        if flags:
            found = replace(found, flags=(*found.flags, *flags))
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


def overlap(before: Sequence[WireTransaction], page: Sequence[WireTransaction]) -> int:
    """How many rows a page begins with that ended the page before: a cursor that is inclusive, or rows that shifted.

    Two rows that are alike could be two transfers of one transaction. That is rarer, and whoever uses this says that
    rows came twice. Rows without a hash are never taken for the same.
    """
    for count in range(min(len(before), len(page)), 0, -1):
        if page[0].tx_hash and before[-count] == page[0] and list(before[-count:]) == list(page[:count]):
            return count
    return 0


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
