"""A provider that is down for several addresses is left alone, and one probe at a time finds out when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import pytest

from wallet_mcp.wallet_api.cooldown import ADDRESSES, FIRST_PAUSE_S, LONGEST_PAUSE_S, WITHIN_S, Cooldown
from wallet_mcp.wallet_api.errors import ApiError, Code

pytestmark = pytest.mark.anyio

PLACE = ("all_token_balances", "56")


def attempt(cooldown: Cooldown, address: Hashable, code: Code | None, place: Hashable = PLACE) -> str:
    """What became of one call whose upstream answer is `code` (None: success)."""
    try:
        with cooldown.watch(place, address):
            if code is not None:
                raise ApiError(code=code)
    except ApiError as error:
        return "cooling" if error.cooling else "failed"
    return "answered"


async def test_several_addresses_start_a_cool_down_for_their_place_alone() -> None:
    cooldown = Cooldown()
    assert [attempt(cooldown, f"a{number}", 50001) for number in range(ADDRESSES)] == ["failed"] * ADDRESSES
    assert attempt(cooldown, "another", None) == "cooling"
    assert attempt(cooldown, "another", None, ("all_token_balances", "1")) == "answered"
    assert attempt(cooldown, "another", None, ("transactions", "56")) == "answered"


async def test_one_address_alone_never_starts_one() -> None:
    cooldown = Cooldown()
    assert [attempt(cooldown, "same", 50001) for _ in range(20)] == ["failed"] * 20


@pytest.mark.parametrize("code", [50000, 42900, 40001, "timeout"])
async def test_other_failures_never_start_one(code: Code) -> None:
    cooldown = Cooldown()
    assert [attempt(cooldown, f"a{number}", code) for number in range(9)] == ["failed"] * 9


async def test_an_answer_in_between_starts_the_count_anew() -> None:
    cooldown = Cooldown()
    for number in range(ADDRESSES - 1):
        attempt(cooldown, f"a{number}", 50001)
    assert attempt(cooldown, "b", None) == "answered"
    assert attempt(cooldown, "c", 50001) == "failed"
    assert attempt(cooldown, "d", None) == "answered"


async def test_failures_long_ago_do_not_count() -> None:
    cooldown = Cooldown()
    for number in range(ADDRESSES - 1):
        attempt(cooldown, f"a{number}", 50001)
    await asyncio.sleep(WITHIN_S + 1)
    assert attempt(cooldown, "b", 50001) == "failed"
    assert attempt(cooldown, "c", None) == "answered"


async def test_the_error_tells_the_time_that_remains() -> None:
    cooldown = Cooldown()
    for number in range(ADDRESSES):
        attempt(cooldown, f"a{number}", 50001)
    await asyncio.sleep(4.5)
    with pytest.raises(ApiError) as caught, cooldown.watch(PLACE, "b"):
        pass
    assert (caught.value.code, caught.value.retry_after_s, caught.value.attempts) == (50001, 11.0, 0)


async def test_one_probe_at_a_time_ends_it() -> None:
    cooldown = Cooldown()
    for number in range(ADDRESSES):
        attempt(cooldown, f"a{number}", 50001)
    await asyncio.sleep(FIRST_PAUSE_S)
    with cooldown.watch(PLACE, "probe"):
        assert attempt(cooldown, "b", None) == "cooling"
    assert attempt(cooldown, "b", None) == "answered"


async def test_a_failed_probe_doubles_the_pause_up_to_a_bound() -> None:
    cooldown = Cooldown()
    for number in range(ADDRESSES):
        attempt(cooldown, f"a{number}", 50001)
    pause = FIRST_PAUSE_S
    for _ in range(6):
        await asyncio.sleep(pause)
        assert attempt(cooldown, "probe", 50001) == "failed"
        assert attempt(cooldown, "b", None) == "cooling"
        pause = min(2 * pause, LONGEST_PAUSE_S)
    await asyncio.sleep(pause - 1)
    assert attempt(cooldown, "b", None) == "cooling"


async def test_a_probe_that_learns_nothing_lets_the_next_one_try() -> None:
    cooldown = Cooldown()
    for number in range(ADDRESSES):
        attempt(cooldown, f"a{number}", 50001)
    await asyncio.sleep(FIRST_PAUSE_S)
    assert attempt(cooldown, "probe", "timeout") == "failed"
    with pytest.raises(asyncio.CancelledError), cooldown.watch(PLACE, "cancelled"):
        raise asyncio.CancelledError
    assert attempt(cooldown, "probe", None) == "answered"


async def test_failures_under_way_when_it_began_do_not_lengthen_it() -> None:
    cooldown = Cooldown()
    watches = [cooldown.watch(PLACE, f"a{number}") for number in range(ADDRESSES + 2)]
    for watch in watches:
        watch.__enter__()
    for watch in watches:
        error = ApiError(code=50001)
        assert not watch.__exit__(ApiError, error, None)
    await asyncio.sleep(FIRST_PAUSE_S)
    assert attempt(cooldown, "probe", None) == "answered"
