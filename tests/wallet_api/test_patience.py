"""An early repeat of a call waits for the stated time where its deadline allows."""

from __future__ import annotations

import asyncio

import pytest

from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.patience import PROVIDER_PAUSE_S, Patience

pytestmark = pytest.mark.anyio


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_an_unknown_call_does_not_wait() -> None:
    patience, start = Patience(), now()
    await patience.wait("call", start + 25)
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
    await patience.wait("other call", start + 25)
    assert now() == start
    await patience.wait("call", start + 25)
    assert now() == start + held
    await patience.wait("call", start + 25)
    assert now() == start + held


async def test_a_repeat_that_cannot_wait_fails_at_once_with_the_time_that_remains() -> None:
    patience, start = Patience(), now()
    patience.remember("call", ApiError(code=42900, retry_after_s=30.0))
    await asyncio.sleep(4.5)
    with pytest.raises(ApiError) as caught:
        await patience.wait("call", start + 25)
    assert now() == start + 4.5
    assert (caught.value.code, caught.value.retry_after_s, caught.value.attempts) == (42900, 26.0, 0)
    # Failing for the wait alone must not start a new one.
    patience.remember("call", caught.value)
    await asyncio.sleep(25.5)
    await patience.wait("call", now() + 25)
    assert now() == start + 30


@pytest.mark.parametrize("code", [40001, 40102, 50000, "timeout", "busy"])
async def test_other_failures_hold_nothing(code: int | str) -> None:
    patience, start = Patience(), now()
    error = ApiError(code=code)
    patience.remember("call", error)
    assert error.retry_after_s is None
    await patience.wait("call", start + 25)
    assert now() == start


async def test_an_answer_ends_the_hold() -> None:
    patience, start = Patience(), now()
    patience.remember("call", ApiError(code=50001))
    patience.forget("call")
    await patience.wait("call", start + 25)
    assert now() == start


async def test_the_holds_are_bounded() -> None:
    patience = Patience()
    for number in range(3_000):
        patience.remember(number, ApiError(code=50001))
    assert len(patience._holds) == 1_000
    await asyncio.sleep(PROVIDER_PAUSE_S + 1)
    patience.remember("new", ApiError(code=50001))
    assert len(patience._holds) == 1
