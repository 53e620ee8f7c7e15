"""A pause for one endpoint on one chain when its balance provider is down, ended by one probe at a time.

A 50001 for one address may be about that address. The same from several addresses within a minute, with no answer in
between, is about the provider: further calls would only use up the rate window that other chains and endpoints need.
They wait here where their deadline allows, and otherwise fail at once with the time that remains.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.patience import ROOM_S, moment_after, refused_wait

ADDRESSES = 3
WITHIN_S = 60.0
FIRST_PAUSE_S = 15.0
LONGEST_PAUSE_S = 120.0
_UNAVAILABLE = 50001
_PROBE_RUNS_S = 1.0
"""What a call is told that cannot wait any longer for a probe, of which nobody knows when it ends."""


@dataclass(slots=True)
class _State:
    failed: dict[Hashable, float] = field(default_factory=dict)
    pause_s: float = 0.0
    until: float = 0.0
    probing: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Let those who wait look again."""
        self.changed.set()
        self.changed = asyncio.Event()


class Cooldown:
    """Which places (endpoint and chain) are left alone at present. Times are event-loop seconds."""

    def __init__(self) -> None:
        self._states: dict[Hashable, _State] = {}

    def refusal(self, place: Hashable, deadline: float) -> ApiError | None:
        """50001 with the time that remains, where the place cools down for longer than a call can wait."""
        state = self._states.get(place)
        if state is None or state.until <= _now() or state.until + ROOM_S <= deadline:
            return None
        return refused_wait(_UNAVAILABLE, state.until, cooling=True)

    @asynccontextmanager
    async def watch(self, place: Hashable, address: Hashable, deadline: float) -> AsyncIterator[None]:
        """Around one call for one address, entered when the place has cooled down.

        One call at a time goes through then: its answer ends the cool-down, for those who wait as well; another 50001
        doubles it. Raises `refusal` as soon as the wait does not fit, and names the end of the cool-down in a 50001
        that comes while there is one.
        """
        probed = await self._enter(place, deadline)
        try:
            yield
        except ApiError as error:
            if error.code == _UNAVAILABLE:
                self._failed(place, address, error, probed)
            raise
        else:
            state = self._states.pop(place, None)
            if state is not None:
                state.wake()
        finally:
            if probed is not None:
                probed.probing = False
                probed.wake()

    async def _enter(self, place: Hashable, deadline: float) -> _State | None:
        """Wait for the place; the state that this call probes, None where nothing cools down."""
        while True:
            state = self._states.get(place)
            if state is None or state.pause_s == 0:
                return None
            refusal = self.refusal(place, deadline)
            if refusal is not None:
                raise refusal
            look_again = state.until
            if look_again <= _now():
                if not state.probing:
                    state.probing = True
                    return state
                look_again = deadline - ROOM_S
                if look_again <= _now():
                    raise ApiError(code=_UNAVAILABLE, retry_after_s=_PROBE_RUNS_S, attempts=0, cooling=True)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(look_again):
                    await state.changed.wait()

    def _failed(self, place: Hashable, address: Hashable, error: ApiError, probed: _State | None) -> None:
        now = _now()
        state = self._states.setdefault(place, _State())
        if state.pause_s == 0:
            state.failed[address] = now
            state.failed = {known: at for known, at in state.failed.items() if now - at <= WITHIN_S}
            if len(state.failed) >= ADDRESSES:
                state.pause_s = FIRST_PAUSE_S
                state.until = moment_after(now, state.pause_s)
        elif state is probed:
            # Calls that were under way when the cool-down began say nothing new.
            state.pause_s = min(2 * state.pause_s, LONGEST_PAUSE_S)
            state.until = moment_after(now, state.pause_s)
        if state.until > max(now, error.held_until or 0.0):
            error.retry_after_s, error.held_until = state.until - now, state.until


def _now() -> float:
    return asyncio.get_running_loop().time()
