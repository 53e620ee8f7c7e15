"""Answers kept for their lifetime, and one upstream request for concurrent identical calls.

An entry outlives its lifetime by the stale allowance, so that an old answer is at hand when the API fails;
`cachetools` drops what has expired, hence freshness is judged here, by our own stamp.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import TLRUCache

T = TypeVar("T")

_WORTH_ANOTHER_S = 2.0
"""Seconds of a deadline that make a second try worth while for those who joined work that failed."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A kept answer. `stored_at` is event-loop time, `stored_wall` Unix time, both in seconds.

    `size` is about the bytes of memory it takes.
    """

    value: T
    stored_at: float
    stored_wall: float
    lifetime_s: float
    size: int

    def age(self, now: float, wall: float) -> float:
        """Seconds since the answer came, at an event-loop time and the wall time beside it.

        The loop's clock stands still while the machine sleeps, and the wall clock can be set back: the larger count
        is taken. A wall clock set forward only makes answers old before their time.
        """
        return max(now - self.stored_at, wall - self.stored_wall)

    def is_fresh(self, now: float, wall: float) -> bool:
        """Whether the answer is within its lifetime."""
        return self.age(now, wall) < self.lifetime_s


class AnswerCache(Generic[T]):
    """A bounded store of answers by canonical key; `max_bytes` bounds the sum of their sizes."""

    def __init__(self, max_bytes: int, max_stale_s: float) -> None:
        self._max_stale_s = max_stale_s
        self._store: TLRUCache[Hashable, Entry[T]] | None = None
        self._max_bytes = max_bytes

    def get(self, key: Hashable) -> Entry[T] | None:
        """The entry of a key, fresh or within the stale allowance; the caller looks at its age."""
        return None if self._store is None else self._store.get(key)

    def put(self, key: Hashable, entry: Entry[T]) -> None:
        """Keep an entry; one larger than the whole cache is not kept."""
        if self._store is None:
            self._store = TLRUCache(
                maxsize=self._max_bytes,
                ttu=lambda _key, kept, now: now + kept.lifetime_s + self._max_stale_s,
                timer=asyncio.get_running_loop().time,
                getsizeof=lambda kept: kept.size,
            )
        if entry.size <= self._max_bytes and entry.lifetime_s > 0:
            self._store[key] = entry

    def forget(self) -> None:
        """Drop every entry."""
        self._store = None


class _Flight(Generic[T]):
    def __init__(self, task: asyncio.Task[T], deadline: float) -> None:
        self.task = task
        self.deadline = deadline
        self.waiting = 0


class SingleFlight(Generic[T]):
    """Concurrent calls of one key share one piece of work.

    The work belongs to all who wait for it: it goes on while at least one does, and is cancelled when the last
    one is. An error reaches everybody who waits and is not kept.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]], deadline: float = math.inf) -> T:
        """The result of `work`, started here unless the same key is already under way.

        Work under way may end with its starter's `deadline` (event-loop seconds). Who joined it and has more time
        starts it anew then.
        """
        joined = self._flights.get(key)
        try:
            return await self._share(key, work, deadline)
        except asyncio.CancelledError:
            raise
        except Exception:
            now = asyncio.get_running_loop().time()
            more_time = joined is not None and deadline - joined.deadline >= _WORTH_ANOTHER_S
            if not more_time or deadline - now < _WORTH_ANOTHER_S:
                raise
        return await self._share(key, work, deadline)

    async def _share(self, key: Hashable, work: Callable[[], Awaitable[T]], deadline: float) -> T:
        flight = self._flights.get(key)
        if flight is None:
            flight = _Flight(asyncio.ensure_future(_as_coroutine(work)), deadline)
            self._flights[key] = flight
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.task.done():
                # Out of the table at once: a newcomer must not join work that is being cancelled.
                self._flights.pop(key, None)
                flight.task.cancel()

    def _landed(self, key: Hashable, task: asyncio.Task[T]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # looked at, so that an error nobody waited for is not reported as lost


async def _as_coroutine(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
