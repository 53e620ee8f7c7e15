"""The way of one upstream answer: cache, single flight, call, wire model, and how old it is."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from wallet_mcp.wallet_api.cache import AnswerCache, Entry, SingleFlight
from wallet_mcp.wallet_api.cooldown import Cooldown
from wallet_mcp.wallet_api.errors import ApiError, Code
from wallet_mcp.wallet_api.patience import Patience
from wallet_mcp.wallet_api.retry import Outcome

T = TypeVar("T")

DEGRADABLE: frozenset[Code] = frozenset(
    {42900, 50000, 50001, "timeout", "connection", "refused", "dns", "bad_gateway", "not_json", "busy"}
)
"""Failures that say nothing about the question, so that an earlier answer to it still serves."""

MEMORY_PER_BODY_BYTE = 6
"""Bytes of memory for each byte of a body: pages of balances and history, read into rows, took 6.0 to 6.1."""
_MEMORY_PER_ANSWER = 1_000


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """An upstream answer. `server_time` is the API's time when it answered, in Unix seconds.

    `age_s` counts since then; `stale_because` is the failure for which an answer beyond its lifetime was given.
    """

    data: T
    server_time: float
    age_s: float
    sandbox: bool
    sandbox_wallets: str
    stale_because: ApiError | None = None


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    data: T
    server_time: float
    sandbox: bool
    sandbox_wallets: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call asks: endpoint and chain, and for whom. Only calls of one chain have a place."""

    where: tuple[str, str]
    address: str


class AnswerSource:
    """Answers by canonical key, from the cache or from one shared call.

    `max_bytes` bounds the memory of the answers kept, by estimate. `wall` gives Unix seconds.
    """

    def __init__(self, max_bytes: int, max_stale_s: float, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._cache: AnswerCache[_Kept[object]] = AnswerCache(max_bytes, max_stale_s)
        self._flights: SingleFlight[Entry[_Kept[object]]] = SingleFlight()
        self._patience = Patience()
        self._cooldown = Cooldown()
        self._max_stale_s = max_stale_s

    async def get(
        self,
        key: Hashable,
        fetch: Callable[[], Awaitable[Outcome]],
        read: Callable[[Outcome], T],
        lifetime_s: Callable[[T, float], float],
        *,
        deadline: float = math.inf,
        place: Place | None = None,
    ) -> Answer[T]:
        """The answer of `key`, before `deadline` (event-loop seconds).

        `fetch` makes the upstream call, `read` its wire model, `lifetime_s` tells from data and server time how
        long it stays fresh. `place` is what cools down when its provider is down. Errors are never kept. When `fetch`
        fails with a failure that says nothing about the question, an answer at most `max_stale_s` old is given
        instead, marked with that failure.
        """
        loop = asyncio.get_running_loop()
        kept = self._cache.get(key)
        if kept is not None and kept.is_fresh(loop.time(), self._wall()):
            return self._answer(cast(Entry[_Kept[T]], kept))

        # Who has an old answer at hand gets that at once instead of waiting for a provider that is known to be down.
        old_at_hand = kept is not None and self._age(kept) <= self._max_stale_s
        patient_until = loop.time() if old_at_hand else deadline

        async def work() -> Entry[_Kept[object]]:
            await self._wait(key, place, deadline, patient_until)
            async with self._cooldown.watch(place.where, place.address, patient_until) if place else nullcontext():
                try:
                    outcome = await fetch()
                except ApiError as error:
                    self._patience.remember(key, error)
                    raise
            self._patience.forget(key)
            data = _read(read, outcome)
            value: _Kept[object] = _Kept(data, outcome.server_time, outcome.exchange.sandbox, outcome.sandbox_wallets)
            entry = Entry(
                value,
                stored_at=loop.time(),
                stored_wall=self._wall(),
                lifetime_s=lifetime_s(data, outcome.server_time),
                size=outcome.size * MEMORY_PER_BODY_BYTE + _MEMORY_PER_ANSWER,
            )
            self._cache.put(key, entry)
            return entry

        try:
            entry = await self._flights.run(key, work, deadline)
        except ApiError as error:
            old = self._cache.get(key)
            # The cache keeps more: what outlives the allowance is fresh for longer than that.
            if old is None or error.code not in DEGRADABLE or self._age(old) > self._max_stale_s:
                raise
            return self._answer(cast(Entry[_Kept[T]], old), error)
        return self._answer(cast(Entry[_Kept[T]], entry))

    def kept(self, key: Hashable) -> object:
        """The data kept under a key, fresh or not, without a call; None where there is none."""
        entry = self._cache.get(key)
        return None if entry is None else entry.value.data

    async def _wait(self, key: Hashable, place: Place | None, deadline: float, patient_until: float) -> None:
        """Wait for the time before which the call is not to be sent.

        Not begun where the cool-down of its place does not end in time for `patient_until`.
        A call that cannot wait for both learns the later of the two ends: the earlier one would be no time to repeat.
        """
        refusals = [self._patience.refusal(key, deadline)]
        if place is not None:
            refusals.append(self._cooldown.refusal(place.where, patient_until))
        if any(refusals):
            raise max(filter(None, refusals), key=lambda refusal: refusal.held_until or 0.0)
        await self._patience.wait(key)

    def _age(self, entry: Entry[_Kept[T]]) -> float:
        return entry.age(asyncio.get_running_loop().time(), self._wall())

    def _answer(self, entry: Entry[_Kept[T]], stale_because: ApiError | None = None) -> Answer[T]:
        kept, age_s = entry.value, self._age(entry)
        return Answer(kept.data, kept.server_time, age_s, kept.sandbox, kept.sandbox_wallets, stale_because)


def _read(read: Callable[[Outcome], T], outcome: Outcome) -> T:
    try:
        return read(outcome)
    except ApiError as error:
        # It came as a success: the facts of its exchange stand in the outcome.
        error.exchange, error.attempts, error.elapsed_s = outcome.exchange, outcome.attempts, outcome.elapsed_s
        raise
