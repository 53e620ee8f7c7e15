"""An event loop on virtual time: waiting costs nothing, and the clock moves only when everybody waits."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class _JumpingSelector(selectors.BaseSelector):
    """Polls real file descriptors without waiting and, where nothing is ready, jumps over the wait."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 1_000.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            # Nothing is scheduled: only a file descriptor can wake the loop; a stuck test shows after 5 s.
            ready = self._real.select(5.0)
            if not ready:
                raise RuntimeError("the event loop waits for nothing: a task is stuck")
            return ready
        ready = self._real.select(0)
        if not ready and timeout > 0:
            self.now += timeout
        return ready

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A selector event loop whose `time()` starts at 1000 s and jumps from one timer to the next."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def advance(self, seconds: float) -> None:
        """Move the clock by hand, without waiting."""
        self._jumping.now += seconds
