"""The way of one upstream answer: cache, single flight, call, wire model, and how old it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from wallet_mcp.wallet_api.cache import AnswerCache, Entry, SingleFlight
from wallet_mcp.wallet_api.errors import ApiError, Code
from wallet_mcp.wallet_api.retry import Outcome

T = TypeVar("T")

DEGRADABLE: frozenset[Code] = frozenset(
    {42900, 50000, 50001, "timeout", "connection", "refused", "dns", "bad_gateway", "not_json", "busy"}
)
"""Failures that say nothing about the question, so that an earlier answer to it still serves."""


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


class AnswerSource:
    """Answers by canonical key, from the cache or from one shared call."""

    def __init__(self, max_bytes: int, max_stale_s: float) -> None:
        self._cache: AnswerCache[_Kept[object]] = AnswerCache(max_bytes, max_stale_s)
        self._flights: SingleFlight[Entry[_Kept[object]]] = SingleFlight()

    async def get(
        self,
        key: Hashable,
        fetch: Callable[[], Awaitable[Outcome]],
        read: Callable[[Outcome], T],
        lifetime_s: Callable[[T, float], float],
    ) -> Answer[T]:
        """The answer of `key`.

        `fetch` makes the upstream call, `read` its wire model, `lifetime_s` tells from data and server time how
        long it stays fresh. Errors are never kept. When `fetch` fails with a failure that says nothing about the
        question, an older answer within the stale allowance is given instead, marked with that failure.
        """
        loop = asyncio.get_running_loop()
        kept = self._cache.get(key)
        if kept is not None and kept.is_fresh(loop.time()):
            return _answer(cast(Entry[_Kept[T]], kept), loop.time())

        async def work() -> Entry[_Kept[object]]:
            outcome = await fetch()
            data = read(outcome)
            value: _Kept[object] = _Kept(data, outcome.server_time, outcome.exchange.sandbox, outcome.sandbox_wallets)
            entry = Entry(value, loop.time(), lifetime_s(data, outcome.server_time), outcome.size + 1_000)
            self._cache.put(key, entry)
            return entry

        try:
            entry = await self._flights.run(key, work)
        except ApiError as error:
            old = self._cache.get(key)
            if old is None or error.code not in DEGRADABLE:
                raise
            return _answer(cast(Entry[_Kept[T]], old), loop.time(), error)
        return _answer(cast(Entry[_Kept[T]], entry), loop.time())


def _answer(entry: Entry[_Kept[T]], now: float, stale_because: ApiError | None = None) -> Answer[T]:
    kept = entry.value
    return Answer(kept.data, kept.server_time, entry.age(now), kept.sandbox, kept.sandbox_wallets, stale_because)
