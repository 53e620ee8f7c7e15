from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.support.wallet_api import START, loop_time, wall_clock, within
from wallet_mcp.wallet_api.answers import DEGRADABLE, Answer, AnswerSource, Place
from wallet_mcp.wallet_api.cooldown import ADDRESSES, FIRST_PAUSE_S
from wallet_mcp.wallet_api.envelope import Envelope
from wallet_mcp.wallet_api.errors import ApiError, Code, Exchange
from wallet_mcp.wallet_api.patience import PROVIDER_PAUSE_S
from wallet_mcp.wallet_api.retry import Outcome, RateHeaders

pytestmark = pytest.mark.anyio


def source_of(max_bytes: int, max_stale_s: float, wall: Callable[[], float] = wall_clock) -> AnswerSource:
    return AnswerSource(max_bytes, max_stale_s, wall)


class Upstream:
    """Counts its calls and answers with their number, or with an error."""

    def __init__(self, *, size: int = 100, seconds: float = 0.0) -> None:
        self.calls = 0
        self.error: ApiError | None = None
        self.size = size
        self.seconds = seconds

    async def __call__(self) -> Outcome:
        self.calls += 1
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        exchange = Exchange(sandbox=True)
        envelope = Envelope([self.calls], None)
        return Outcome(envelope, exchange, START, self.size, RateHeaders(None, None, None), "a=0x1")


async def ask(source: AnswerSource, upstream: Upstream, key: str = "key", lifetime_s: float = 15) -> Answer[object]:
    return await source.get(key, upstream, lambda outcome: outcome.envelope.data[0], lambda _data, _at: lifetime_s)


async def test_answer_carries_where_and_when_it_comes_from() -> None:
    source, upstream = source_of(10_000, 600), Upstream()
    assert await ask(source, upstream) == Answer(1, START, 0.0, True, "a=0x1")
    await asyncio.sleep(10)
    assert await ask(source, upstream) == Answer(1, START, 10.0, True, "a=0x1")


async def test_answer_is_asked_for_again_after_its_lifetime() -> None:
    source, upstream = source_of(10_000, 600), Upstream()
    await ask(source, upstream)
    await asyncio.sleep(15)
    assert (await ask(source, upstream)).data == 2


async def test_lifetime_is_told_the_data_and_the_server_time() -> None:
    seen: list[tuple[object, float]] = []

    def lifetime_s(data: object, at: float) -> float:
        seen.append((data, at))
        return 1

    await source_of(10_000, 600).get("key", Upstream(), lambda outcome: outcome.size, lifetime_s)
    assert seen == [(100, START)]


@pytest.mark.parametrize("code", sorted(DEGRADABLE, key=str))
async def test_older_answer_serves_when_the_api_fails(code: Code) -> None:
    source, upstream = source_of(10_000, 600), Upstream()
    await ask(source, upstream)
    await asyncio.sleep(100)
    upstream.error = ApiError(code=code)
    answer = await ask(source, upstream)
    assert (answer.data, answer.age_s, answer.stale_because) == (1, 100.0, upstream.error)
    upstream.error = None
    fresh = await ask(source, upstream)
    assert (fresh.data, fresh.stale_because) == (3, None)


@pytest.mark.parametrize("code", [40001, 40101, 40102, 40103, 40104, 40304, "tls", "redirect", "unexpected_answer"])
async def test_failures_that_concern_the_question_or_the_setup_are_never_papered_over(code: Code) -> None:
    source, upstream = source_of(10_000, 600), Upstream()
    await ask(source, upstream)
    await asyncio.sleep(100)
    upstream.error = ApiError(code=code)
    with pytest.raises(ApiError) as raised:
        await ask(source, upstream)
    assert raised.value is upstream.error


@pytest.mark.parametrize(
    ("max_stale_s", "age_s", "serves"),
    [(600, 600, True), (600, 601, False), (600, 615, False), (15, 15, True), (0, 15, False)],
)
async def test_stale_allowance(max_stale_s: float, age_s: float, serves: bool) -> None:
    source, upstream = source_of(10_000, max_stale_s), Upstream()
    await ask(source, upstream)
    await asyncio.sleep(age_s)
    upstream.error = ApiError(code=50001)
    if serves:
        assert (await ask(source, upstream)).age_s == age_s
        return
    with pytest.raises(ApiError):
        await ask(source, upstream)


async def test_errors_are_never_kept() -> None:
    source, upstream = source_of(10_000, 600), Upstream()
    upstream.error = ApiError(code=50001)
    for _ in range(2):
        with pytest.raises(ApiError):
            await ask(source, upstream)
    upstream.error = None
    assert (await ask(source, upstream)).data == 3


async def test_data_that_cannot_be_read_is_not_kept() -> None:
    source, upstream = source_of(10_000, 600), Upstream()

    def read(_outcome: Outcome) -> object:
        raise ApiError(code="unexpected_answer")

    with pytest.raises(ApiError):
        await source.get("key", upstream, read, lambda _data, _at: 15)
    assert (await ask(source, upstream)).data == 2


async def test_size_counts_against_the_bound() -> None:
    source, upstream = source_of(5_000, 600), Upstream(size=3_000)
    await ask(source, upstream, "a")
    await ask(source, upstream, "b")
    assert (await ask(source, upstream, "a")).data == 3


@pytest.mark.parametrize(("bound", "data"), [(2 * 7_000, 1), (2 * 7_000 - 1, 3)])
async def test_an_answer_weighs_what_it_takes_in_memory(bound: int, data: int) -> None:
    source, upstream = source_of(bound, 600), Upstream(size=1_000)
    await ask(source, upstream, "a")
    await ask(source, upstream, "b")
    assert (await ask(source, upstream, "a")).data == data


async def test_concurrent_calls_share_one_request_and_its_failure() -> None:
    source, upstream = source_of(10_000, 600), Upstream(seconds=1)
    answers = await asyncio.gather(*(ask(source, upstream) for _ in range(5)))
    assert {answer.data for answer in answers} == {1}
    assert upstream.calls == 1
    upstream.error = ApiError(code=40001)
    failures = await asyncio.gather(*(ask(source, upstream, "other") for _ in range(5)), return_exceptions=True)
    assert all(failure is upstream.error for failure in failures)
    assert upstream.calls == 2


async def test_answer_is_kept_although_its_first_caller_left() -> None:
    source, upstream = source_of(10_000, 600), Upstream(seconds=1)
    first, second = (asyncio.create_task(ask(source, upstream)) for _ in range(2))
    await asyncio.sleep(0.5)
    first.cancel()
    assert (await second).data == 1
    assert (await ask(source, upstream)).data == 1


async def test_joiner_with_more_time_starts_work_anew_that_ended_with_its_starters_deadline() -> None:
    source, upstream = source_of(10_000, 600), Upstream(seconds=3)
    upstream.error = ApiError(code="timeout")
    loop = asyncio.get_running_loop()

    async def caller(seconds: float) -> Answer[object] | ApiError:
        try:
            return await source.get(
                "key",
                upstream,
                lambda outcome: outcome.envelope.data[0],
                lambda _data, _at: 15,
                deadline=loop.time() + seconds,
            )
        except ApiError as error:
            return error

    short = asyncio.create_task(caller(3))
    await asyncio.sleep(1)
    long = asyncio.create_task(caller(25))
    twin = asyncio.create_task(caller(3.5))
    await asyncio.sleep(2.5)
    upstream.error = None
    ended = await asyncio.gather(short, long, twin)
    assert [isinstance(one, ApiError) for one in ended] == [True, False, True]
    assert upstream.calls == 2


async def test_an_early_repeat_waits_for_the_stated_time_and_an_answer_ends_the_wait() -> None:
    source, upstream = source_of(10_000, 0), Upstream()
    upstream.error = ApiError(code=50001)
    with pytest.raises(ApiError) as raised:
        await ask(source, upstream)
    assert (raised.value.held_until is not None, raised.value.retry_after_s) == (True, PROVIDER_PAUSE_S)
    upstream.error = None
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert (await ask(source, upstream, "other")).data == 2
    assert loop.time() == started
    assert (await ask(source, upstream)).data == 3
    assert loop.time() == started + PROVIDER_PAUSE_S
    await asyncio.sleep(15)
    started = loop.time()
    assert (await ask(source, upstream)).data == 4
    assert loop.time() == started


class Provider:
    """One chain's balances for several addresses, of which so many have failed already that it cools down."""

    def __init__(self, max_stale_s: float = 0) -> None:
        self.source, self.upstream = source_of(10_000, max_stale_s), Upstream()

    async def at(self, address: str, deadline_s: float, chain: str = "56") -> Answer[object]:
        return await self.source.get(
            (address, chain),
            self.upstream,
            lambda outcome: outcome.size,
            lambda _data, _at: 15,
            deadline=within(deadline_s),
            place=Place(("all_token_balances", chain), address),
        )

    async def failure(self, address: str, deadline_s: float, asked_s: float | None = None) -> ApiError:
        self.upstream.error = ApiError(code=50001, retry_after_s=asked_s)
        with pytest.raises(ApiError) as raised:
            await self.at(address, deadline_s)
        self.upstream.error = None
        return raised.value

    async def goes_down(self) -> list[ApiError]:
        return [await self.failure(f"a{number}", 25) for number in range(ADDRESSES)]


async def test_a_place_whose_provider_is_down_is_not_asked() -> None:
    provider = Provider()
    await provider.goes_down()
    failure = await provider.failure("new", FIRST_PAUSE_S)
    assert (failure.code, failure.cooling, provider.upstream.calls) == (50001, True, ADDRESSES)
    assert (await provider.at("new", 25, "1")).data == 100


async def test_the_failure_that_starts_a_cool_down_names_its_end_and_a_repeat_waits_for_it() -> None:
    provider, started = Provider(), loop_time()
    *others, last = await provider.goes_down()
    assert {other.held_until for other in others} == {started + PROVIDER_PAUSE_S}
    assert (last.held_until, last.retry_after_s) == (started + FIRST_PAUSE_S, FIRST_PAUSE_S)
    assert (await provider.at(f"a{ADDRESSES - 1}", 25)).data == 100
    assert (loop_time(), provider.upstream.calls) == (started + FIRST_PAUSE_S, ADDRESSES + 1)


async def test_in_a_cool_down_an_old_answer_at_hand_is_given_at_once() -> None:
    provider = Provider(max_stale_s=600)
    assert (await provider.at("known", 25)).data == 100
    await asyncio.sleep(20)
    await provider.goes_down()
    started = loop_time()
    old = await provider.at("known", 25)
    assert (old.data, old.age_s, loop_time()) == (100, 20, started)
    assert old.stale_because is not None
    assert (old.stale_because.code, old.stale_because.cooling) == (50001, True)
    await asyncio.sleep(FIRST_PAUSE_S)
    assert (await provider.at("known", 25)).stale_because is None


@pytest.mark.parametrize(
    ("asked_s", "deadline_s", "told_s", "cooling"),
    [
        # The hold alone would fit, the cool-down does not.
        (None, PROVIDER_PAUSE_S + 2, FIRST_PAUSE_S, True),
        # Neither fits: the later of the two counts.
        (None, 5, FIRST_PAUSE_S, True),
        (40.0, 25, 40, False),
        (40.0, 5, 40, False),
    ],
)
async def test_a_repeat_without_room_fails_at_once_and_is_told_the_later_end(
    asked_s: float | None, deadline_s: float, told_s: float, cooling: bool
) -> None:
    provider, started = Provider(), loop_time()
    await provider.failure("a0", 25, asked_s)
    for number in range(1, ADDRESSES):
        await provider.failure(f"a{number}", 25)
    failure = await provider.failure("a0", deadline_s)
    assert (loop_time(), provider.upstream.calls) == (started, ADDRESSES)
    assert (failure.retry_after_s, failure.held_until) == (told_s, started + told_s)
    assert failure.cooling is cooling


def slept(seconds: list[float]) -> Callable[[], float]:
    """A wall clock beside the loop's, and `seconds[0]` ahead of it."""
    return lambda: wall_clock() + seconds[0]


@pytest.mark.parametrize(
    ("step_s", "age_s"),
    # The loop's clock stands still while the machine sleeps; a wall clock set back makes nothing younger.
    [(0.0, 5.0), (3.0, 8.0), (-3.0, 5.0), (-86_400.0, 5.0)],
)
async def test_age_is_the_larger_of_loop_time_and_wall_time(step_s: float, age_s: float) -> None:
    step = [0.0]
    source, upstream = source_of(10_000, 600, slept(step)), Upstream()
    await ask(source, upstream)
    await asyncio.sleep(5)
    step[0] = step_s
    answer = await ask(source, upstream)
    assert (answer.data, answer.age_s) == (1, age_s)


@pytest.mark.parametrize(("slept_s", "serves"), [(90.0, True), (3 * 3600.0, False)])
async def test_an_answer_from_before_a_sleep_is_neither_fresh_nor_younger_than_it_is(
    slept_s: float, serves: bool
) -> None:
    step = [0.0]
    source, upstream = source_of(10_000, 600, slept(step)), Upstream()
    await ask(source, upstream)
    await asyncio.sleep(5)
    step[0] = slept_s
    upstream.error = ApiError(code=50000)
    if serves:
        assert (await ask(source, upstream)).age_s == 5 + slept_s
    else:
        with pytest.raises(ApiError):
            await ask(source, upstream)
    upstream.error = None
    answer = await ask(source, upstream)
    assert (answer.data, answer.age_s) == (3, 0.0)
