"""A provider that is down for several addresses is left alone, and one probe at a time finds out when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import pytest

from tests.support.wallet_api import loop_time, within
from wallet_mcp.wallet_api.cooldown import ADDRESSES, FIRST_PAUSE_S, LONGEST_PAUSE_S, WITHIN_S, Cooldown
from wallet_mcp.wallet_api.errors import ApiError, Code
from wallet_mcp.wallet_api.patience import ROOM_S

pytestmark = pytest.mark.anyio

PLACE = ("all_token_balances", "56")


async def attempt(
    cooldown: Cooldown,
    address: Hashable,
    code: Code | None,
    place: Hashable = PLACE,
    *,
    deadline_s: float = 0.0,
    takes_s: float = 0.0,
) -> str:
    """What became of one call whose upstream answer is `code` (None: success); by default it has no time to wait."""
    try:
        async with cooldown.watch(place, address, within(deadline_s)):
            await asyncio.sleep(takes_s)
            if code is not None:
                raise ApiError(code=code)
    except ApiError as error:
        return "cooling" if error.cooling else "failed"
    return "answered"


async def down(cooldown: Cooldown) -> None:
    """Let as many addresses fail as start a cool-down."""
    for number in range(ADDRESSES):
        assert await attempt(cooldown, f"a{number}", 50001) == "failed"


async def test_several_addresses_start_a_cool_down_for_their_place_alone() -> None:
    cooldown = Cooldown()
    await down(cooldown)
    assert await attempt(cooldown, "another", None) == "cooling"
    assert await attempt(cooldown, "another", None, ("all_token_balances", "1")) == "answered"
    assert await attempt(cooldown, "another", None, ("transactions", "56")) == "answered"


async def test_one_address_alone_never_starts_one() -> None:
    cooldown = Cooldown()
    assert [await attempt(cooldown, "same", 50001) for _ in range(20)] == ["failed"] * 20


@pytest.mark.parametrize("code", [50000, 42900, 40001, "timeout"])
async def test_other_failures_never_start_one(code: Code) -> None:
    cooldown = Cooldown()
    assert [await attempt(cooldown, f"a{number}", code) for number in range(9)] == ["failed"] * 9


async def test_an_answer_in_between_starts_the_count_anew() -> None:
    cooldown = Cooldown()
    for number in range(ADDRESSES - 1):
        await attempt(cooldown, f"a{number}", 50001)
    assert await attempt(cooldown, "b", None) == "answered"
    assert await attempt(cooldown, "c", 50001) == "failed"
    assert await attempt(cooldown, "d", None) == "answered"


async def test_failures_long_ago_do_not_count() -> None:
    cooldown = Cooldown()
    for number in range(ADDRESSES - 1):
        await attempt(cooldown, f"a{number}", 50001)
    await asyncio.sleep(WITHIN_S + 1)
    assert await attempt(cooldown, "b", 50001) == "failed"
    assert await attempt(cooldown, "c", None) == "answered"


async def test_a_call_that_cannot_wait_fails_at_once_with_the_time_that_remains() -> None:
    cooldown = Cooldown()
    await down(cooldown)
    until = loop_time() + FIRST_PAUSE_S
    await asyncio.sleep(4.5)
    with pytest.raises(ApiError) as caught:
        async with cooldown.watch(PLACE, "b", until + ROOM_S - 0.1):
            pass
    error = caught.value
    assert (error.code, error.retry_after_s, error.attempts, error.held_until) == (50001, 11.0, 0, until)
    assert loop_time() == until - 10.5


async def test_a_call_with_room_for_it_waits_for_the_end_of_the_cool_down() -> None:
    cooldown = Cooldown()
    await down(cooldown)
    until = loop_time() + FIRST_PAUSE_S
    assert await attempt(cooldown, "b", None, deadline_s=FIRST_PAUSE_S + ROOM_S) == "answered"
    assert loop_time() == until


@pytest.mark.parametrize("asked_s", [None, 3.0, 40.0])
async def test_a_failure_in_a_cool_down_names_its_end_unless_it_is_held_for_longer(asked_s: float | None) -> None:
    cooldown = Cooldown()
    for number in range(ADDRESSES - 1):
        await attempt(cooldown, f"a{number}", 50001)
    for pause in (FIRST_PAUSE_S, 2 * FIRST_PAUSE_S):
        # The one that starts the cool-down, then the probe that doubles it.
        held_until = None if asked_s is None else loop_time() + asked_s
        error = ApiError(code=50001, retry_after_s=asked_s, held_until=held_until)
        with pytest.raises(ApiError):
            async with cooldown.watch(PLACE, "last", within(25)):
                raise error
        told = max(pause, asked_s or 0.0)
        assert (error.retry_after_s, error.held_until) == (told, loop_time() + told)
        await asyncio.sleep(pause)


async def test_one_probe_at_a_time_ends_it() -> None:
    cooldown = Cooldown()
    await down(cooldown)
    await asyncio.sleep(FIRST_PAUSE_S)
    async with cooldown.watch(PLACE, "probe", within(25)):
        with pytest.raises(ApiError) as caught:
            async with cooldown.watch(PLACE, "b", within(ROOM_S)):
                pass
        # Nobody knows when the probe ends, so no time is promised.
        assert (caught.value.cooling, caught.value.retry_after_s, caught.value.held_until) == (True, 1.0, None)
    assert await attempt(cooldown, "b", None) == "answered"


@pytest.mark.parametrize(
    ("probe", "others", "after_s"),
    [
        # An answer lets all of them go at once; no news lets one of them try, and its answer the others.
        (None, {"answered": 4}, 4.0),
        ("timeout", {"answered": 4}, 5.0),
        # A pause of twice the length does not fit their deadline.
        (50001, {"cooling": 4}, 3.0),
    ],
)
async def test_those_who_wait_for_the_end_wait_for_the_probe(
    probe: Code | None, others: dict[str, int], after_s: float
) -> None:
    cooldown = Cooldown()
    await down(cooldown)
    first = asyncio.create_task(attempt(cooldown, "probe", probe, deadline_s=25, takes_s=3))
    await asyncio.sleep(0)
    rest = [
        asyncio.create_task(attempt(cooldown, f"b{number}", None, deadline_s=25, takes_s=1)) for number in range(4)
    ]
    await asyncio.sleep(FIRST_PAUSE_S)
    started = loop_time()
    ended = await asyncio.gather(*rest)
    assert {end: ended.count(end) for end in ended} == others
    assert await first == ("answered" if probe is None else "failed")
    assert loop_time() - started == pytest.approx(after_s)


async def test_those_who_wait_are_tried_one_after_another() -> None:
    cooldown = Cooldown()
    await down(cooldown)
    under_way: list[int] = []
    most = 0

    async def probe(number: int) -> None:
        nonlocal most
        async with cooldown.watch(PLACE, number, within(60)):
            under_way.append(number)
            most = max(most, len(under_way))
            await asyncio.sleep(1)
            under_way.remove(number)
            raise ApiError(code=50001 if number == 0 else "timeout")

    ends = await asyncio.gather(*(probe(number) for number in range(4)), return_exceptions=True)
    assert [error.cooling for error in ends if isinstance(error, ApiError)] == [False] * 4
    assert most == 1
    assert loop_time() - 1000 == pytest.approx(FIRST_PAUSE_S + 1 + 2 * FIRST_PAUSE_S + 3)


async def test_an_answer_that_was_under_way_ends_the_wait_at_once() -> None:
    cooldown = Cooldown()
    answer = asyncio.create_task(attempt(cooldown, "slow", None, takes_s=5))
    await asyncio.sleep(0)
    await down(cooldown)
    started = loop_time()
    assert await attempt(cooldown, "b", None, deadline_s=25) == "answered"
    assert loop_time() - started == 5
    assert await answer == "answered"


async def test_a_failed_probe_doubles_the_pause_up_to_a_bound() -> None:
    cooldown = Cooldown()
    await down(cooldown)
    pause = FIRST_PAUSE_S
    for _ in range(6):
        await asyncio.sleep(pause)
        assert await attempt(cooldown, "probe", 50001) == "failed"
        assert await attempt(cooldown, "b", None) == "cooling"
        pause = min(2 * pause, LONGEST_PAUSE_S)
    await asyncio.sleep(pause - 1)
    assert await attempt(cooldown, "b", None) == "cooling"


async def test_a_probe_that_learns_nothing_lets_the_next_one_try() -> None:
    cooldown = Cooldown()
    await down(cooldown)
    await asyncio.sleep(FIRST_PAUSE_S)
    assert await attempt(cooldown, "probe", "timeout") == "failed"
    with pytest.raises(asyncio.CancelledError):
        async with cooldown.watch(PLACE, "cancelled", within(0)):
            raise asyncio.CancelledError
    assert await attempt(cooldown, "probe", None) == "answered"


async def test_a_cancelled_wait_changes_nothing() -> None:
    cooldown = Cooldown()
    await down(cooldown)
    waiting = asyncio.create_task(attempt(cooldown, "b", None, deadline_s=25))
    await asyncio.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await attempt(cooldown, "c", None) == "cooling"
    await asyncio.sleep(FIRST_PAUSE_S - 1)
    assert await attempt(cooldown, "c", None) == "answered"


async def test_failures_under_way_when_it_began_do_not_lengthen_it() -> None:
    cooldown = Cooldown()
    calls = [attempt(cooldown, f"a{number}", 50001, takes_s=1) for number in range(ADDRESSES + 2)]
    assert await asyncio.gather(*calls) == ["failed"] * (ADDRESSES + 2)
    await asyncio.sleep(FIRST_PAUSE_S)
    assert await attempt(cooldown, "probe", None) == "answered"
