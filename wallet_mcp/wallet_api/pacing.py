"""Places in the gateway's rate window: at most so many arrivals in any sliding second per key (contract §1.9).

The gateway counts arrivals, we only see sendings and answers. So a place is held while its request is in flight
and is then dated by the answer's arrival, which is never too early, less what is certain of the round trip. The
next request will be under way at least as long as the quickest ever was; but the shortest round trip seen so far is
longer than the shortest possible by about the jitter, so the jitter is taken off. On a fresh connection the set-up
hides the round trip, and nothing is taken off.
"""

from __future__ import annotations

import asyncio
import bisect
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from wallet_mcp.wallet_api.errors import ApiError

_NS = 1_000_000_000
_SECOND = _NS
_MINUTE = 60 * _NS
_GUARD = 1_000_000  # the loop's clock is a float, and the gateway's second is not ours
_PER_SECOND_UP_TO = 50  # a limit header above this is per 60 s: raised keys show 1200 (contract §1.9)
_ROUND_TRIPS_TO_TRUST = 8
DEFAULT_LIMIT = 5


class Place:
    """A place in the window, held from before sending until `date` or `free` is called."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.sent_at = _now()
        self._open = True

    def date(self, *, fresh_connection: bool) -> None:
        """The answer is here: keep the place for a second after the request's arrival at the gateway."""
        if self._open:
            self._open = False
            self._window._date(self.sent_at, fresh_connection)

    def free(self, *, arrived: bool) -> None:
        """No answer came: give the place back, at once where the request cannot have arrived."""
        if self._open:
            self._open = False
            self._window._free(arrived)


@dataclass(order=True, slots=True)
class _Waiter:
    ticket: int
    deadline: float = field(compare=False, default=math.inf)
    woken: asyncio.Event = field(compare=False, default_factory=asyncio.Event)
    refusal: ApiError | None = field(compare=False, default=None)


class Window:
    """The places of one key, shared by all calls of the process, first come first served.

    Who comes first is decided by the call's ticket: an attempt that was refused stands at its old place in the queue
    again. At its end it would seldom get another place before its deadline when many wait.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._allowed = limit  # what the gateway says
        self._limit = limit  # what we take of it in a second
        self._per_minute: int | None = None
        self._held = 0
        self._arrivals: list[int] = []
        self._round_trips = 0
        self._shortest = 0
        self._usual = 0
        self._quiet_until = 0
        self._answers_since_growth = 0
        self._tickets = 0
        self._queue: list[_Waiter] = []

    def ticket(self) -> int:
        """A call's place in the queue for all of its attempts."""
        self._tickets += 1
        return self._tickets

    @asynccontextmanager
    async def place(self, deadline: float, ticket: int | None = None) -> AsyncIterator[Place]:
        """A place to send one request from, as soon as one is free; `deadline` is event-loop time in seconds.

        Raises `ApiError` `busy` when the place would come too late, with the time after which it would not: at once,
        or as soon as a lower limit is learned. And at the deadline, with the wait that is expected then, when the
        requests in flight took longer than could be known.
        """
        quiet = self._quiet_until / _NS
        if quiet > deadline:
            # Nobody queues: the gateway itself has asked for this long.
            wait_s = math.ceil(quiet - _now() / _NS)
            raise ApiError(code=42900, retry_after_s=wait_s, attempts=0)
        waiter = _Waiter(self.ticket() if ticket is None else ticket, deadline)
        refusal = self._refusal(waiter)
        if refusal is not None:
            raise refusal
        bisect.insort(self._queue, waiter)
        try:
            async with asyncio.timeout_at(deadline):
                await self._until_free(waiter)
                self._held += 1
        except TimeoutError:
            wait = max(1, math.ceil(self.expected_wait(waiter.ticket)))
            raise ApiError(code="busy", retry_after_s=wait, attempts=0) from None
        finally:
            if waiter.refusal is None:
                self._queue.remove(waiter)
            self._wake()
        place = Place(self)
        try:
            yield place
        finally:
            place.free(arrived=True)

    def expected_wait(self, ticket: int | None = None) -> float:
        """Seconds until a request that queues up now, with a ticket or at the end, would be sent."""
        now = _now()
        self._forget(now)
        waiting = len(self._queue) if ticket is None else bisect.bisect_left(self._queue, _Waiter(ticket))
        return (self._expected_start(now, waiting) - now) / _NS

    def _expected_start(self, now: int, waiting: int) -> int:
        """When a request is sent that so many in the queue go before."""
        start = max(now, self._quiet_until)
        recent = self._recent(now)
        # Requests in flight are taken to arrive now; each place comes free a second after its arrival.
        # Places free now are taken by those who queue already.
        free_now = max(0, self._limit - len(recent) - self._held)
        frees = [at + _SECOND + _GUARD for at in recent][-self._limit :]
        frees += [now + _SECOND + _GUARD] * (self._held + free_now)
        behind = waiting - free_now
        if behind >= 0:
            # The pace of the moment after a refusal is the lowest there is: it grows by one with each full turn.
            turns, size = 0, len(frees)
            while behind >= size:
                behind -= size
                turns += 1
                size = min(size + 1, max(size, self._allowed))
            start = max(start, frees[min(behind, len(frees) - 1)] + turns * (_SECOND + _GUARD))
        if self._per_minute is not None:
            # A full minute's worth before it went, goes or will go the request whose place it gets.
            before = len(self._arrivals) + self._held + waiting - self._per_minute
            if 0 <= before < len(self._arrivals):
                start = max(start, self._arrivals[before] + _MINUTE + _GUARD)
            elif before >= 0:
                queued = before - len(self._arrivals) - self._held
                sent = now if queued < 0 else self._expected_start(now, queued)
                start = max(start, sent + _MINUTE + _GUARD)
        return start

    def learn_limit(self, limit: int | None, remaining: int | None, sent_at: int) -> None:
        """Take in an answer's rate headers; `sent_at` is when its request was sent (event-loop nanoseconds).

        A limit up to 50 counts per sliding second, a larger one per 60 s, none means 5 per second. `remaining`
        tells of other processes on the same key: what is used beyond our own arrivals takes places here too.
        Those in the queue whose place comes too late under a lower limit are refused at once.
        """
        before = self._allowed, self._per_minute or math.inf
        if limit is None or limit < 1:
            self._allowed, self._per_minute = DEFAULT_LIMIT, None
        elif limit <= _PER_SECOND_UP_TO:
            self._allowed, self._per_minute = limit, None
        else:
            self._allowed, self._per_minute = _PER_SECOND_UP_TO, limit
        self._limit = min(self._limit, self._allowed)
        if self._limit < self._allowed:
            self._answers_since_growth += 1
            if self._answers_since_growth >= self._limit:
                self._limit += 1
                self._answers_since_growth = 0
        if self._per_minute is None and limit is not None and remaining is not None and 0 <= remaining <= limit:
            now = _now()
            self._forget(now)
            # The gateway counted when the request arrived: some of ours that it saw may have left the window by now.
            unseen = limit - remaining - len(self._recent(sent_at)) - self._held
            for _ in range(min(unseen, self._allowed)):
                bisect.insort(self._arrivals, now)
        if self._allowed < before[0] or (self._per_minute or math.inf) < before[1]:
            self._refuse_late()
        self._wake()

    def refused(self, quiet_s: float) -> None:
        """The gateway refused a request for its rate: everybody waits `quiet_s`, then goes on at half the pace."""
        self._quiet_until = max(self._quiet_until, _now() + int(quiet_s * _NS))
        self._limit = max(1, self._limit // 2)
        self._answers_since_growth = 0

    def _refusal(self, waiter: _Waiter) -> ApiError | None:
        """`busy` where a request's place comes after its deadline."""
        late = _now() / _NS + self.expected_wait(waiter.ticket) - waiter.deadline
        return ApiError(code="busy", retry_after_s=math.ceil(late), attempts=0) if late > 0 else None

    def _refuse_late(self) -> None:
        for waiter in list(self._queue):
            waiter.refusal = self._refusal(waiter)
            if waiter.refusal is not None:
                # Out of the queue at once: it must not count for those behind it.
                self._queue.remove(waiter)
                waiter.woken.set()

    async def _until_free(self, waiter: _Waiter) -> None:
        while True:
            if waiter.refusal is not None:
                raise waiter.refusal
            free_at: float | None = math.inf
            if self._queue[0] is waiter:
                free_at = self._free_at()
            if free_at is None:
                return
            waiter.woken.clear()
            delay = None if free_at == math.inf else max(0.0, (free_at - _now()) / _NS)
            # Not wait_for: before Python 3.12 it swallows a cancellation in the tick of the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await waiter.woken.wait()

    def _free_at(self) -> float | None:
        """When to look again: None means a place is free now, infinity that only an answer can free one."""
        now = _now()
        self._forget(now)
        if now < self._quiet_until:
            return self._quiet_until
        recent = self._recent(now)
        if len(recent) + self._held >= self._limit:
            return recent[0] + _SECOND + _GUARD if recent else math.inf
        if self._per_minute is not None and len(self._arrivals) + self._held >= self._per_minute:
            return self._arrivals[0] + _MINUTE + _GUARD if self._arrivals else math.inf
        return None

    def _recent(self, now: int) -> list[int]:
        return self._arrivals[bisect.bisect_right(self._arrivals, now - _SECOND - _GUARD) :]

    def _forget(self, now: int) -> None:
        del self._arrivals[: bisect.bisect_right(self._arrivals, now - _MINUTE - _GUARD)]

    def _date(self, sent_at: int, fresh_connection: bool) -> None:
        now = _now()
        arrived = now
        if not fresh_connection:
            self._learn_round_trip(now - sent_at)
            arrived -= self._certain_round_trip()
        self._held -= 1
        bisect.insort(self._arrivals, arrived)
        self._wake()

    def _learn_round_trip(self, round_trip: int) -> None:
        self._round_trips += 1
        self._shortest = round_trip if self._round_trips == 1 else min(self._shortest, round_trip)
        self._usual += (round_trip - self._usual) // min(self._round_trips, 16)

    def _certain_round_trip(self) -> int:
        if self._round_trips < _ROUND_TRIPS_TO_TRUST:
            return 0
        jitter = self._usual - self._shortest
        return max(0, self._shortest - 2 * jitter)

    def _free(self, arrived: bool) -> None:
        self._held -= 1
        if arrived:
            bisect.insort(self._arrivals, _now())
        self._wake()

    def _wake(self) -> None:
        if self._queue:
            self._queue[0].woken.set()


def _now() -> int:
    return round(asyncio.get_running_loop().time() * _NS)
