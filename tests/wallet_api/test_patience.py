"""An early repeat of a call waits for the stated time where its deadline allows."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.patience import PROVIDER_PAUSE_S, ROOM_S, Patience, moment_after

pytestmark = pytest.mark.anyio


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_an_unknown_call_does_not_wait() -> None:
    patience, start = Patience(), now()
    await patience.wait("call")
    assert now() == start


@pytest.mark.parametrize(
    ("code", "asked", "held"),
    [(50001, None, PROVIDER_PAUSE_S), (50001, 3.0, 3.0), (42900, None, 1.0), (42900, 7.0, 7.0)],
)
async def test_an_early_repeat_is_held_until_the_time_has_come(code: int, asked: float | None, held: float) -> None:
    patience, start = Patience(), now()
    error = ApiError(code=code, retry_after_s=asked)
    patience.remember("call", error)
    assert (error.retry_after_s, error.held_until) == (held, start + held)
    await patience.wait("other call")
    assert now() == start
    await patience.wait("call")
    assert now() == start + held
    await patience.wait("call")
    assert now() == start + held


async def test_a_repeat_that_cannot_wait_fails_at_once_with_the_time_that_remains() -> None:
    patience, start = Patience(), now()
    patience.remember("call", ApiError(code=42900, retry_after_s=30.0))
    await asyncio.sleep(4.5)
    refusal = patience.refusal("call", start + 25)
    assert refusal is not None
    assert now() == start + 4.5
    assert (refusal.code, refusal.retry_after_s, refusal.attempts) == (42900, 26.0, 0)
    # Failing for the wait alone must not start a new one.
    patience.remember("call", refusal)
    await asyncio.sleep(25.5)
    await patience.wait("call")
    assert now() == start + 30


@pytest.mark.parametrize("code", [40001, 40102, 50000, "timeout", "busy"])
async def test_other_failures_hold_nothing(code: int | str) -> None:
    patience, start = Patience(), now()
    error = ApiError(code=code)
    patience.remember("call", error)
    assert error.retry_after_s is None
    await patience.wait("call")
    assert now() == start


async def test_an_answer_ends_the_hold() -> None:
    patience, start = Patience(), now()
    patience.remember("call", ApiError(code=50001))
    patience.forget("call")
    await patience.wait("call")
    assert now() == start


async def test_the_holds_are_bounded() -> None:
    patience = Patience()
    for number in range(3_000):
        patience.remember(number, ApiError(code=50001))
    assert len(patience._holds) == 1_000
    await asyncio.sleep(PROVIDER_PAUSE_S + 1)
    patience.remember("new", ApiError(code=50001))
    assert len(patience._holds) == 1


async def test_only_a_hold_that_found_room_is_promised() -> None:
    patience, start = Patience(), now()
    errors = [ApiError(code=50001) for _ in range(1_001)]
    for number, error in enumerate(errors):
        patience.remember(number, error)
    assert errors[999].held_until == start + PROVIDER_PAUSE_S
    assert (errors[1_000].held_until, errors[1_000].retry_after_s) == (None, PROVIDER_PAUSE_S)
    await patience.wait(1_000)
    assert now() == start
    # A call that is held already has its room.
    again = ApiError(code=50001)
    await asyncio.sleep(3)
    patience.remember(0, again)
    assert again.held_until == start + 3 + PROVIDER_PAUSE_S
    await patience.wait(0)
    assert now() == again.held_until


@given(st.floats(0, 1e9), st.floats(0.001, 3600))
def test_a_moment_is_never_further_away_than_the_seconds_that_were_told(now_s: float, seconds: float) -> None:
    until = moment_after(now_s, seconds)
    assert until - now_s <= seconds
    assert until == pytest.approx(now_s + seconds, rel=1e-12)


async def test_a_refusal_is_told_without_waiting() -> None:
    patience, start = Patience(), now()
    patience.remember("call", ApiError(code=42900, retry_after_s=5.0))
    assert patience.refusal("other", start) is None
    assert patience.refusal("call", start + 5 + ROOM_S) is None
    refusal = patience.refusal("call", start + 5 + ROOM_S - 0.1)
    assert refusal is not None
    assert (refusal.code, refusal.retry_after_s, refusal.held_until) == (42900, 5.0, start + 5)
    await asyncio.sleep(5)
    assert patience.refusal("call", now()) is None
