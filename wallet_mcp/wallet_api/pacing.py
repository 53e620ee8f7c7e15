"""Places in the gateway's rate window: at most so many arrivals in any sliding second per key (contract §1.9).

The gateway counts arrivals, we only see sendings and answers. So a place is held while its request is in flight
and is then dated by the latest moment the request can have arrived: the answer's arrival less the shortest round
trip ever seen, or the answer's arrival itself when the connection was fresh (its set-up hides the round trip).
"""

from __future__ import annotations

import asyncio
import bisect
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from wallet_mcp.wallet_api.errors import ApiError

_NS = 1_000_000_000
_SECOND = _NS
_MINUTE = 60 * _NS
_GUARD = 1_000_000  # the loop's clock is a float, and the gateway's second is not ours
_PER_SECOND_UP_TO = 50  # a limit header above this is per 60 s: raised keys show 1200 (contract §1.9)
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


class Window:
    """The places of one key, shared by all calls of the process, first come first served."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._allowed = limit  # what the gateway says
        self._limit = limit  # what we take of it in a second
        self._per_minute: int | None = None
        self._held = 0
        self._arrivals: list[int] = []
        self._round_trip: int | None = None
        self._quiet_until = 0
        self._answers_since_growth = 0
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def place(self, deadline: float) -> AsyncIterator[Place]:
        """A place to send one request from, as soon as one is free; `deadline` is event-loop time in seconds.

        Raises `ApiError` `busy` at once when the place would come too late, with the time after which it would not.
        """
        wait = self.expected_wait()
        late = _now() / _NS + wait - deadline
        if late > 0:
            raise ApiError(code="busy", retry_after_s=math.ceil(late), attempts=0)
        self._waiting += 1
        try:
            async with self._turn:
                await self._until_free()
                self._held += 1
        finally:
            self._waiting -= 1
        place = Place(self)
        try:
            yield place
        finally:
            place.free(arrived=True)

    def expected_wait(self) -> float:
        """Seconds until a request that queues up now would be sent."""
        now = _now()
        self._forget(now)
        start = max(now, self._quiet_until)
        recent = self._recent(now)
        # Requests in flight are taken to arrive now; each place comes free a second after its arrival.
        # Places free now are taken by those who queue already.
        free_now = max(0, self._limit - len(recent) - self._held)
        frees = [at + _SECOND + _GUARD for at in recent][-self._limit :]
        frees += [now + _SECOND + _GUARD] * (self._held + free_now)
        behind = self._waiting - free_now
        if behind >= 0:
            turns, position = divmod(behind, len(frees))
            start = max(start, frees[position] + turns * (_SECOND + _GUARD))
        if self._per_minute is not None and len(self._arrivals) + self._held + self._waiting >= self._per_minute:
            start = max(start, (self._arrivals[0] if self._arrivals else now) + _MINUTE + _GUARD)
        return (start - now) / _NS

    def learn_limit(self, limit: int | None, remaining: int | None) -> None:
        """Take in an answer's rate headers.

        A limit up to 50 counts per sliding second, a larger one per 60 s, none means 5 per second. `remaining`
        tells of other processes on the same key: what is used beyond our own arrivals takes places here too.
        """
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
            unseen = limit - remaining - len(self._recent(now)) - self._held
            for _ in range(min(unseen, self._allowed)):
                bisect.insort(self._arrivals, now)
        self._wake()

    def refused(self, quiet_s: float) -> None:
        """The gateway refused a request for its rate: everybody waits `quiet_s`, then goes on at half the pace."""
        self._quiet_until = max(self._quiet_until, _now() + int(quiet_s * _NS))
        self._limit = max(1, self._limit // 2)
        self._answers_since_growth = 0

    async def _until_free(self) -> None:
        while (free_at := self._free_at()) is not None:
            self._changed.clear()
            delay = None if free_at == math.inf else max(0.0, (free_at - _now()) / _NS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), delay)

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
        span = _SECOND if self._per_minute is None else _MINUTE
        del self._arrivals[: bisect.bisect_right(self._arrivals, now - span - _GUARD)]

    def _date(self, sent_at: int, fresh_connection: bool) -> None:
        now = _now()
        arrived = now
        if not fresh_connection:
            round_trip = now - sent_at
            self._round_trip = round_trip if self._round_trip is None else min(self._round_trip, round_trip)
            arrived = now - self._round_trip
        self._held -= 1
        bisect.insort(self._arrivals, arrived)
        self._wake()

    def _free(self, arrived: bool) -> None:
        self._held -= 1
        if arrived:
            bisect.insort(self._arrivals, _now())
        self._wake()

    def _wake(self) -> None:
        self._changed.set()


def _now() -> int:
    return round(asyncio.get_running_loop().time() * _NS)
