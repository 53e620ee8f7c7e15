"""A pause for one endpoint on one chain when its balance provider is down, ended by one probe at a time.

A 50001 for one address may be about that address. The same from several addresses within a minute, with no answer in
between, is about the provider: further calls would only use up the rate window that other chains and endpoints need.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from wallet_mcp.wallet_api.errors import ApiError

ADDRESSES = 3
WITHIN_S = 60.0
FIRST_PAUSE_S = 15.0
LONGEST_PAUSE_S = 120.0
_UNAVAILABLE = 50001


@dataclass(slots=True)
class _State:
    failed: dict[Hashable, float] = field(default_factory=dict)
    pause_s: float = 0.0
    until: float = 0.0
    probing: bool = False


class Cooldown:
    """Which places (endpoint and chain) are left alone at present. Times are event-loop seconds."""

    def __init__(self) -> None:
        self._states: dict[Hashable, _State] = {}

    @contextmanager
    def watch(self, place: Hashable, address: Hashable) -> Iterator[None]:
        """Around one call for one address.

        Raises `ApiError` 50001 with the time that remains while the place cools down. When its time is over, one
        call at a time goes through: its answer ends the cool-down, another 50001 doubles it.
        """
        state = self._states.get(place)
        probe = state is not None and state.pause_s > 0
        if state is not None and probe:
            remaining = state.until - asyncio.get_running_loop().time()
            if remaining > 0 or state.probing:
                wait = float(max(1, math.ceil(remaining)))
                raise ApiError(code=_UNAVAILABLE, retry_after_s=wait, attempts=0, cooling=True)
            state.probing = True
        try:
            yield
        except ApiError as error:
            if error.code == _UNAVAILABLE:
                self._failed(place, address, probe=probe)
            raise
        else:
            self._states.pop(place, None)
        finally:
            if state is not None and probe:
                state.probing = False

    def _failed(self, place: Hashable, address: Hashable, *, probe: bool) -> None:
        now = asyncio.get_running_loop().time()
        state = self._states.setdefault(place, _State())
        if state.pause_s > 0:
            # Calls that were under way when the cool-down began say nothing new.
            if probe:
                state.pause_s = min(2 * state.pause_s, LONGEST_PAUSE_S)
                state.until = now + state.pause_s
            return
        state.failed[address] = now
        state.failed = {known: at for known, at in state.failed.items() if now - at <= WITHIN_S}
        if len(state.failed) >= ADDRESSES:
            state.pause_s = FIRST_PAUSE_S
            state.until = now + state.pause_s
