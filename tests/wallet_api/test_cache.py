from __future__ import annotations

import asyncio

import pytest

from tests.support.wallet_api import loop_time, wall_clock
from wallet_mcp.wallet_api.cache import AnswerCache, Entry, SingleFlight
from wallet_mcp.wallet_api.errors import ApiError

pytestmark = pytest.mark.anyio


def entry(value: str, lifetime_s: float = 15, size: int = 10) -> Entry[str]:
    return Entry(value, loop_time(), wall_clock(), lifetime_s, size)


class Work:
    """A piece of work that takes time and counts its starts and cancellations."""

    def __init__(self, seconds: float = 1.0, error: Exception | None = None) -> None:
        self.seconds = seconds
        self.error = error
        self.started = 0
        self.cancelled = 0

    async def __call__(self) -> str:
        self.started += 1
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return f"answer {self.started}"


async def test_nothing_is_there_before_the_first_answer() -> None:
    assert AnswerCache[str](100, 600).get("key") is None


async def test_entry_is_fresh_for_its_lifetime_and_stays_for_the_stale_allowance() -> None:
    cache = AnswerCache[str](100, 600)
    cache.put("key", entry("a", 15))
    await asyncio.sleep(14.9)
    kept = cache.get("key")
    assert kept is not None
    assert kept.age(loop_time(), wall_clock()) == pytest.approx(14.9)
    assert kept.is_fresh(loop_time(), wall_clock())
    await asyncio.sleep(0.1)
    assert not kept.is_fresh(loop_time(), wall_clock())
    await asyncio.sleep(599.9)
    assert cache.get("key") is kept
    await asyncio.sleep(0.1)
    assert cache.get("key") is None


async def test_a_cache_that_has_forgotten_keeps_again() -> None:
    cache = AnswerCache[str](100, 600)
    cache.put("key", entry("a"))
    cache.forget()
    assert cache.get("key") is None
    cache.put("key", entry("b"))
    kept = cache.get("key")
    assert kept is not None and kept.value == "b"


@pytest.mark.parametrize(
    ("loop_s", "wall_s", "age_s"), [(5, 5, 5), (5, 500, 500), (5, -500, 5), (0, 0, 0), (0, -1, 0)]
)
async def test_age_counts_by_the_clock_that_went_further(loop_s: float, wall_s: float, age_s: float) -> None:
    kept = entry("a", 15)
    assert kept.age(loop_time() + loop_s, wall_clock() + wall_s) == age_s
    assert kept.is_fresh(loop_time() + loop_s, wall_clock() + wall_s) is (age_s < 15)


async def test_cache_is_bounded_by_bytes_and_drops_the_least_recently_used() -> None:
    cache = AnswerCache[str](100, 600)
    for name in "abc":
        cache.put(name, entry(name, size=40))
        cache.get("b")
    assert [cache.get(name) is not None for name in "abc"] == [False, True, True]


@pytest.mark.parametrize(("lifetime_s", "size"), [(15, 101), (0, 10), (-1, 10)])
async def test_too_large_and_lifeless_entries_are_not_kept(lifetime_s: float, size: int) -> None:
    cache = AnswerCache[str](100, 600)
    cache.put("key", entry("a", lifetime_s, size))
    assert cache.get("key") is None


async def test_an_entry_as_large_as_the_cache_is_kept() -> None:
    cache = AnswerCache[str](100, 600)
    cache.put("key", entry("a", size=100))
    assert cache.get("key") is not None


async def test_concurrent_identical_calls_share_one_piece_of_work() -> None:
    flights, work = SingleFlight[str](), Work()
    assert await asyncio.gather(*(flights.run("key", work) for _ in range(10))) == ["answer 1"] * 10
    assert work.started == 1
    assert await flights.run("key", work) == "answer 2"


async def test_different_keys_do_not_share() -> None:
    flights, work = SingleFlight[str](), Work()
    await asyncio.gather(flights.run("a", work), flights.run("b", work))
    assert work.started == 2


async def test_error_reaches_everybody_and_is_not_kept() -> None:
    flights, work = SingleFlight[str](), Work(error=ApiError(code=50001))
    outcomes = await asyncio.gather(*(flights.run("key", work) for _ in range(3)), return_exceptions=True)
    assert [getattr(outcome, "code", None) for outcome in outcomes] == [50001] * 3
    work.error = None
    assert await flights.run("key", work) == "answer 2"


async def test_first_caller_cancelled_and_the_others_are_answered() -> None:
    flights, work = SingleFlight[str](), Work()
    first, *others = [asyncio.create_task(flights.run("key", work)) for _ in range(3)]
    await asyncio.sleep(0.5)
    first.cancel()
    assert await asyncio.gather(*others) == ["answer 1"] * 2
    assert first.cancelled()
    assert (work.started, work.cancelled) == (1, 0)


async def test_all_callers_cancelled_cancel_the_work_at_once() -> None:
    flights, work = SingleFlight[str](), Work(seconds=100)
    callers = [asyncio.create_task(flights.run("key", work)) for _ in range(3)]
    await asyncio.sleep(0.5)
    before = loop_time()
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await asyncio.sleep(0)
    assert (work.cancelled, loop_time()) == (1, before)


async def test_newcomer_does_not_join_work_that_is_being_cancelled() -> None:
    flights, work = SingleFlight[str](), Work()
    first = asyncio.create_task(flights.run("key", work))
    await asyncio.sleep(0.5)
    first.cancel()
    await asyncio.sleep(0)
    assert await flights.run("key", work) == "answer 2"
    assert await flights.run("key", work) == "answer 3"


async def test_error_after_the_last_caller_left_is_not_reported_as_lost() -> None:
    class Stubborn(Work):
        async def __call__(self) -> str:
            try:
                return await Work.__call__(self)
            except asyncio.CancelledError:
                raise ApiError(code=50000) from None

    lost: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: lost.append(context))
    flights = SingleFlight[str]()
    caller = asyncio.create_task(flights.run("key", Stubborn()))
    await asyncio.sleep(0.5)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await asyncio.sleep(1)
    assert lost == []
