"""Waiting for the caller: a model has no timer, so an early repeat of a call is held until its time has come.

After a failure that names a delay (42900, 50001) the same call sent again before that delay has passed would meet
the same failure and spend a place in the rate window. It waits here instead where its deadline allows, and otherwise
fails at once with the time that remains.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Hashable
from dataclasses import dataclass

from wallet_mcp.wallet_api.errors import ApiError, Code

PROVIDER_PAUSE_S = 8.0
"""How long to leave the balance provider alone after a 50001 that outlasted its retries; upstream names no time."""

REFUSED_PAUSE_S = 1.0
"""The same after a 42900 without Retry-After: the rate window is one second (contract §1.9)."""

_PAUSES: dict[Code, float] = {50001: PROVIDER_PAUSE_S, 42900: REFUSED_PAUSE_S}
ROOM_S = 2.0
"""What must be left of the deadline after the wait for the call itself."""
_MAX_KEPT = 1_000


def will_wait(error: ApiError, deadline_s: float) -> bool:
    """Whether the same call, sent again at once with a whole deadline, would be held until its time has come."""
    if error.held_until is None:
        return False
    return error.held_until - asyncio.get_running_loop().time() + ROOM_S <= deadline_s


def moment_after(now: float, seconds: float) -> float:
    """The moment so many seconds after `now`, never later: rounded up, a float's last digit would add a second."""
    until = now + seconds
    return until if until - now <= seconds else math.nextafter(until, now)


def refused_wait(code: Code, until: float, *, cooling: bool = False) -> ApiError:
    """The failure of a call that would have to wait until an event-loop time, and cannot: nothing is sent."""
    remaining = until - asyncio.get_running_loop().time()
    asked = float(max(1, math.ceil(remaining)))
    return ApiError(code=code, retry_after_s=asked, attempts=0, held_until=until, cooling=cooling)


@dataclass(frozen=True, slots=True)
class _Hold:
    code: Code
    until: float


class Patience:
    """The calls that are not to be sent again before a time. All times are event-loop seconds."""

    def __init__(self) -> None:
        self._holds: dict[Hashable, _Hold] = {}

    def refusal(self, key: Hashable, deadline: float) -> ApiError | None:
        """The failure that named the delay, with the time that remains, where waiting for it leaves no room."""
        hold = self._holds.get(key)
        if hold is None or hold.until <= asyncio.get_running_loop().time() or hold.until + ROOM_S <= deadline:
            return None
        return refused_wait(hold.code, hold.until)

    async def wait(self, key: Hashable) -> None:
        """Return when the call may be sent; whether that fits its deadline, `refusal` has told."""
        hold = self._holds.get(key)
        if hold is None:
            return
        remaining = hold.until - asyncio.get_running_loop().time()
        if remaining <= 0:
            self.forget(key)
            return
        await asyncio.sleep(remaining)

    def remember(self, key: Hashable, error: ApiError) -> None:
        """Take in a failure: where it names a delay, or its code implies one, the call is held for so long.

        `held_until` is set on the error only where the hold has found room: nothing else is promised.
        """
        pause = _PAUSES.get(error.code)
        if pause is None or error.held_until is not None:
            return
        now = asyncio.get_running_loop().time()
        error.retry_after_s = pause if error.retry_after_s is None else error.retry_after_s
        if len(self._holds) >= _MAX_KEPT:
            self._holds = {kept: hold for kept, hold in self._holds.items() if hold.until > now}
        if key in self._holds or len(self._holds) < _MAX_KEPT:
            error.held_until = moment_after(now, error.retry_after_s)
            self._holds[key] = _Hold(error.code, error.held_until)

    def forget(self, key: Hashable) -> None:
        """The call was answered."""
        self._holds.pop(key, None)
