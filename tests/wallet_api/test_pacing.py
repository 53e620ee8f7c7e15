"""The window against a gateway that counts arrivals itself and refuses with 429, all on virtual time."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

import httpx
import pytest

from tests.support.wallet_api import Jittery, asgi, loop_time, make_api, wall_clock, within
from wallet_mcp.sandbox.app import Sandbox, SandboxOptions
from wallet_mcp.wallet_api.endpoints import WalletApi
from wallet_mcp.wallet_api.errors import ApiError, Code
from wallet_mcp.wallet_api.pacing import Place, Window

pytestmark = pytest.mark.anyio

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Ended:
    """How one of many calls ended: its error's code or "answer", and after how many seconds."""

    code: Code
    after_s: float
    error: ApiError | None = None


def gateway(*, rate: int = 5, delay_ms: int = 0, limit_header: int | None = None) -> Sandbox:
    options = SandboxOptions(rate=rate, delay_ms=delay_ms, limit_header=limit_header)
    return Sandbox(options, wall_clock=wall_clock)


async def burst(apis: list[WalletApi], address: str, count: int, deadline_s: float) -> list[Ended]:
    """So many distinct calls at once, spread over the clients."""
    started = loop_time()

    async def one(number: int) -> Ended:
        api = apis[number % len(apis)]
        try:
            await api.transactions(address, ["1"], begin_ms=number, limit=1, deadline=within(deadline_s))
        except ApiError as error:
            return Ended(error.code, loop_time() - started, error)
        return Ended("answer", loop_time() - started)

    return await asyncio.gather(*(one(number) for number in range(count)))


def refusals(sandbox: Sandbox) -> int:
    return sum(request.status == 429 for request in sandbox.requests)


def most_in_a_second(sandbox: Sandbox) -> int:
    times = [round(request.at * SECOND) for request in sandbox.requests]
    return max(sum(0 <= at - start < SECOND for at in times) for start in times)


@pytest.mark.parametrize("delay_ms", [0, 20, 80, 250])
async def test_burst_ends_without_refusals_at_the_allowed_rate(delay_ms: int) -> None:
    sandbox = gateway(delay_ms=delay_ms)
    ended = await burst([make_api(sandbox)], sandbox.wallets["empty"], 100, 60)
    assert {end.code for end in ended} == {"answer"}
    assert refusals(sandbox) == 0
    # The first five go at once; the other 95 are what the rate is about.
    assert 95 / 5 / max(end.after_s for end in ended) >= 0.95
    assert most_in_a_second(sandbox) == 5


@pytest.mark.parametrize(("out_s", "back_s"), [(0.1, 0.0), (0.0, 0.1), (0.05, 0.05)])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("delay_ms", [0, 80])
async def test_burst_on_a_jittery_network(out_s: float, back_s: float, seed: int, delay_ms: int) -> None:
    sandbox = gateway(delay_ms=delay_ms)
    api = make_api(Jittery(asgi(sandbox), out_s, back_s, seed))
    ended = await burst([api], sandbox.wallets["empty"], 100, 60)
    assert {end.code for end in ended} == {"answer"}
    assert refusals(sandbox) == 0
    assert 95 / 5 / max(end.after_s for end in ended) >= 0.85


@pytest.mark.parametrize("delay_ms", [0, 80])
async def test_calls_that_cannot_fit_the_deadline_are_refused_at_once(delay_ms: int) -> None:
    sandbox = gateway(delay_ms=delay_ms)
    ended = await burst([make_api(sandbox)], sandbox.wallets["empty"], 200, 25)
    busy = [end for end in ended if end.code == "busy"]
    assert [end.code for end in ended] == ["answer"] * 125 + ["busy"] * 75
    assert max(end.after_s for end in busy) == 0.0
    assert all(end.error and end.error.retry_after_s == 1 and end.error.attempts == 0 for end in busy)
    assert len(sandbox.requests) == 125


async def test_too_many_calls_on_a_jittery_network_all_end_by_the_deadline() -> None:
    sandbox = gateway()
    api = make_api(Jittery(asgi(sandbox), 0.05, 0.05))
    ended = await burst([api], sandbox.wallets["empty"], 200, 25)
    assert sum(end.code == "answer" for end in ended) >= 0.85 * 125
    assert {end.code for end in ended} <= {"answer", "busy", "timeout"}
    assert sum(end.after_s == 0.0 for end in ended) == 75
    assert max(end.after_s for end in ended) <= 25.001


@pytest.mark.parametrize("jitter_s", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("clients", [2, 3])
async def test_no_caller_of_several_clients_on_one_key_sees_a_refusal(
    jitter_s: float, seed: int, clients: int
) -> None:
    sandbox = gateway()
    apis = [make_api(Jittery(asgi(sandbox), jitter_s, jitter_s, seed + n), seed=seed + n) for n in range(clients)]
    ended = await burst(apis, sandbox.wallets["empty"], 80, 25)
    assert {end.code for end in ended} == {"answer"}
    assert refusals(sandbox) > 0


async def test_raised_key_is_paced_per_minute_and_taken_up_slowly() -> None:
    sandbox = gateway(rate=1200, limit_header=1200)
    ended = await burst([make_api(sandbox)], sandbox.wallets["empty"], 1300, 300)
    assert {end.code for end in ended} == {"answer"}
    times = [request.at - 1000 for request in sandbox.requests]
    assert 5 <= sum(at < 1 for at in times) <= 6
    assert 6 <= sum(1 <= at < 2 for at in times) <= 12
    assert 40 <= most_in_a_second(sandbox) <= 50
    assert max(sum(start <= at < start + 60 for at in times) for start in times) == 1200


@pytest.mark.parametrize("rate", [1, 2, 20])
async def test_other_limits_are_followed(rate: int) -> None:
    sandbox = gateway(rate=rate)
    ended = await burst([make_api(sandbox)], sandbox.wallets["empty"], 40, 120)
    assert {end.code for end in ended} == {"answer"}
    # Before the first answer nobody knows a limit below 5.
    assert refusals(sandbox) <= max(0, 5 - rate)


async def place_of(window: Window, deadline_s: float = 60) -> Place:
    async with window.place(within(deadline_s)) as place:
        place.date(fresh_connection=True)
        return place


async def sends(window: Window, count: int) -> list[float]:
    """Seconds after which so many requests, asked for at once and answered at once, are sent."""
    started = loop_time()

    async def one() -> float:
        await place_of(window, 600)
        return round(loop_time() - started, 2)

    return await asyncio.gather(*(one() for _ in range(count)))


async def test_limit_header_grows_by_one_and_shrinks_at_once() -> None:
    window = Window()
    window.learn_limit(7, None, 0)
    assert await sends(window, 6) == [0, 0, 0, 0, 0, 1]
    await asyncio.sleep(2)
    for _ in range(4):
        window.learn_limit(7, None, 0)
    assert await sends(window, 7) == [0, 0, 0, 0, 0, 0, 1]
    await asyncio.sleep(2)
    window.learn_limit(2, None, 0)
    assert await sends(window, 5) == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("limit", [None, 0, -1])
async def test_no_limit_header_means_five(limit: int | None) -> None:
    window = Window(2)
    for _ in range(20):
        window.learn_limit(limit, None, 0)
    assert await sends(window, 6) == [0, 0, 0, 0, 0, 1]


async def test_remaining_tells_of_other_processes() -> None:
    window = Window()
    place = await place_of(window)
    window.learn_limit(5, 1, place.sent_at)
    assert await sends(window, 2) == [0, 1]


async def test_remaining_that_our_own_requests_explain_takes_nothing() -> None:
    window = Window()
    for left in (4, 3, 2):
        place = await place_of(window)
        window.learn_limit(5, left, place.sent_at)
    assert await sends(window, 3) == [0, 0, 1]


async def test_own_requests_that_left_the_window_since_are_not_taken_for_others() -> None:
    window = Window()
    await sends(window, 4)
    await asyncio.sleep(0.9)
    async with window.place(within(60)) as place:
        await asyncio.sleep(0.2)
        place.date(fresh_connection=False)
        # At its arrival the gateway had seen five of ours; four have left by now.
        window.learn_limit(5, 0, place.sent_at)
    assert await sends(window, 4) == [0, 0, 0, 0]


@pytest.mark.parametrize("remaining", [-1, 6])
async def test_absurd_remaining_is_not_believed(remaining: int) -> None:
    window = Window()
    window.learn_limit(5, remaining, 0)
    assert await sends(window, 5) == [0] * 5


async def test_refusal_stops_everybody_and_halves_the_pace() -> None:
    window = Window()
    window.refused(3)
    assert await sends(window, 4) == [3, 3, 4, 4]


@pytest.mark.parametrize(
    ("calls", "wait"), [(1, 1), (2, 2), (3, 2), (4, 3), (6, 3), (7, 4), (11, 5), (15, 5), (25, 7)]
)
async def test_expected_wait_after_refusals_counts_on_the_pace_to_grow(calls: int, wait: int) -> None:
    window = Window()
    for _ in range(3):
        window.refused(0)
    # One is sent now; then there is room for one, two, three, four and, from then on, five in each second.
    waiting = [asyncio.create_task(place_of(window)) for _ in range(calls)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert window.expected_wait() == pytest.approx(wait, abs=0.01)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_place_is_held_until_its_answer() -> None:
    window = Window(1)
    async with window.place(within(60)) as place:
        waiting = asyncio.create_task(place_of(window))
        await asyncio.sleep(30)
        assert not waiting.done()
        place.date(fresh_connection=True)
        place.free(arrived=False)  # dated already: nothing is given back twice
    started = loop_time()
    await waiting
    assert loop_time() - started == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("arrived", "wait"), [(False, 0.0), (True, 1.0)])
async def test_a_place_without_an_answer(arrived: bool, wait: float) -> None:
    window = Window(1)
    async with window.place(within(60)) as place:
        place.free(arrived=arrived)
    assert await sends(window, 1) == [wait]


async def test_a_place_left_by_an_exception_counts_as_used() -> None:
    window = Window(1)
    with pytest.raises(RuntimeError):
        async with window.place(within(60)):
            raise RuntimeError
    assert await sends(window, 1) == [1.0]


async def test_cancelled_waiters_leave_the_queue() -> None:
    window = Window(1)
    await place_of(window)
    tasks = [asyncio.create_task(place_of(window)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in tasks[:2]:
        task.cancel()
    started = loop_time()
    await tasks[2]
    assert loop_time() - started == pytest.approx(1.0, abs=0.01)
    assert window.expected_wait() == pytest.approx(1.0, abs=0.01)


async def test_an_earlier_ticket_goes_before_a_later_one() -> None:
    window = Window(1)
    early, late = window.ticket(), window.ticket()
    await place_of(window)
    order: list[str] = []

    async def wait(name: str, ticket: int) -> None:
        async with window.place(within(60), ticket) as place:
            order.append(name)
            place.date(fresh_connection=True)

    second = asyncio.create_task(wait("late", late))
    await asyncio.sleep(0.5)
    assert window.expected_wait(early) < window.expected_wait()
    await asyncio.gather(second, wait("early", early))
    assert order == ["early", "late"]


async def test_places_in_flight_count_in_the_expected_wait() -> None:
    window = Window(2)
    async with window.place(within(60)):
        assert window.expected_wait() == 0.0
        async with window.place(within(60)):
            assert window.expected_wait() == pytest.approx(1.0, abs=0.01)
            with pytest.raises(ApiError) as raised:
                async with window.place(within(0.5)):
                    pass
    assert (raised.value.code, raised.value.retry_after_s) == ("busy", 1)


async def test_expected_wait_of_a_spent_minute() -> None:
    window = Window(50)
    window.learn_limit(60, None, 0)
    await sends(window, 60)
    assert window.expected_wait() == pytest.approx(59, abs=0.1)
    assert await sends(window, 1) == [59.0]


@pytest.mark.parametrize(
    ("queued", "wait"),
    # Sent at 0 s: five, then five a second; the sixtieth at 11 s. Now it is 12 s. The sixty-sixth goes a minute
    # after the sixth, and the hundred-and-twenty-first a minute after the sixty-first.
    [(0, 48), (4, 48), (5, 49), (20, 52), (59, 59), (60, 108), (65, 109)],
)
async def test_each_in_the_queue_of_a_spent_minute_waits_for_a_place_of_its_own(queued: int, wait: float) -> None:
    window = Window()
    await sends(window, 60)
    await asyncio.sleep(1)
    window.learn_limit(60, None, 0)
    waiting = [asyncio.create_task(place_of(window, 600)) for _ in range(queued)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert window.expected_wait() == pytest.approx(wait, abs=0.1)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_calls_beyond_a_spent_minute_are_refused_as_soon_as_its_limit_is_known() -> None:
    sandbox = gateway(rate=60, limit_header=60, delay_ms=30)
    api = make_api(sandbox)
    ended = await burst([api], sandbox.wallets["empty"], 200, 25)
    busy = [end for end in ended if end.code == "busy"]
    assert [end.code for end in ended] == ["answer"] * 60 + ["busy"] * 140
    # Those beyond five a second at once; the others when the first answer came and told the limit.
    assert sum(end.after_s == 0 for end in busy) == 75
    assert max(end.after_s for end in busy) == pytest.approx(0.03, abs=0.01)
    for end in busy:
        if end.after_s:
            assert end.error is not None
            # The first place comes free a minute after the first request, and a call waits for it at most 25 s.
            assert end.error.retry_after_s in range(35, 48)
    # The same is true of a call that comes later.
    with pytest.raises(ApiError) as raised:
        await api.supported_chains(deadline=within(25))
    assert raised.value.retry_after_s == math.ceil(60 - (loop_time() - 1000) - 25)


async def refusals_of(window: Window, deadlines_s: list[float]) -> list[float | None]:
    """After how many seconds each of several calls in the queue was refused; None for those that are sent."""
    started = loop_time()

    async def one(deadline_s: float) -> float | None:
        try:
            await place_of(window, deadline_s)
        except ApiError as error:
            assert error.code == "busy"
            return round(loop_time() - started, 2)
        return None

    tasks = [asyncio.create_task(one(deadline_s)) for deadline_s in deadlines_s]
    await asyncio.sleep(0.5)
    window.learn_limit(1, None, 0)
    return await asyncio.gather(*tasks)


async def test_a_lower_limit_refuses_those_alone_that_no_longer_fit() -> None:
    # Two are sent at once. At one a second the next go at 1, 2, ... s; who is refused does not delay those behind.
    deadlines_s = [60.0, 60.0, 3.0, 1.5, 3.0, 2.5, 60.0, 3.5, 60.0]
    assert await refusals_of(Window(2), deadlines_s) == [None, None, None, 0.5, None, 0.5, None, 0.5, None]


async def test_a_higher_limit_refuses_nobody() -> None:
    window = Window(1)
    tasks = [asyncio.create_task(place_of(window, 60)) for _ in range(5)]
    await asyncio.sleep(0.5)
    window.learn_limit(5, None, 0)
    assert len(window._queue) == 4
    assert all(isinstance(place, Place) for place in await asyncio.gather(*tasks))


async def test_busy_at_the_deadline_tells_the_wait_that_is_expected_then() -> None:
    window = Window(1)
    async with window.place(within(600)) as place:
        waiting = asyncio.create_task(place_of(window, 25))
        await asyncio.sleep(1)
        # Meanwhile the gateway refuses for a minute.
        window.refused(60)
        with pytest.raises(ApiError) as raised:
            await waiting
        place.date(fresh_connection=True)
    assert loop_time() == 1025
    assert (raised.value.code, raised.value.retry_after_s, raised.value.attempts) == ("busy", 36, 0)


@pytest.mark.parametrize("timed", [False, True], ids=["waits for an answer", "waits for a time"])
@pytest.mark.parametrize("ticks", range(4))
async def test_a_call_that_is_cancelled_when_its_place_comes_free_sends_nothing_after_that(
    ticks: int, timed: bool
) -> None:
    window, entered = Window(1), asyncio.Event()

    async def call() -> None:
        async with window.place(within(60)) as place:
            entered.set()
            await asyncio.sleep(1)
            place.date(fresh_connection=True)

    async with window.place(within(60)) as place:
        if timed:
            place.date(fresh_connection=True)
        waiting = asyncio.create_task(call())
        await asyncio.sleep(0.5)
        if timed:
            window.learn_limit(5, None, 0)  # one place more
        else:
            place.free(arrived=False)
        for _ in range(ticks):
            await asyncio.sleep(0)
        sent = entered.is_set()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert entered.is_set() is sent
    assert window._queue == []


class Warming(httpx.AsyncBaseTransport):
    """The first requests set up a connection each, which takes longer than the request; later ones use those."""

    def __init__(self, inner: httpx.AsyncBaseTransport, cold: int) -> None:
        self._inner = inner
        self._cold = cold

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._cold:
            self._cold -= 1
            await request.extensions["trace"]("connection.connect_tcp.started", {})
            await asyncio.sleep(0.1)
        return await self._inner.handle_async_request(request)


async def test_set_up_of_a_connection_is_not_taken_for_the_round_trip() -> None:
    sandbox = gateway()
    ended = await burst([make_api(Warming(asgi(sandbox), cold=20))], sandbox.wallets["empty"], 40, 60)
    assert {end.code for end in ended} == {"answer"}
    assert refusals(sandbox) == 0
