"""The gateway's time, estimated from its answers: the local clock may be wrong or be stepped (contract §1.4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Plausible only between 2001 and 2286; anything else is no time of the gateway.
_EARLIEST_S, _LATEST_S = 10**9, 10**10
_SERVER_TIME_IN_MESSAGE = re.compile(r"serverTime=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z?")


def iso_utc(seconds: float) -> str:
    """ISO 8601 UTC with milliseconds and `Z`, the only form the gateway is known to take."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ServerClock:
    """Wall time corrected by the offset to the gateway.

    Each answer that carries the server's time bounds the offset: it lies between the server's time less the
    moment of arrival and the server's time less the moment of sending. The estimate is kept while it lies within
    the newest bounds and no tighter bounds have come; otherwise it becomes their middle.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._offset = 0.0
        self._width: float | None = None

    def now(self) -> float:
        """The gateway's time in Unix seconds."""
        return self._wall() + self._offset

    def timestamp(self) -> str:
        """The gateway's time as the timestamp header wants it."""
        return iso_utc(self.now())

    @property
    def offset_s(self) -> float | None:
        """Server time less local time in seconds; None before the first answer."""
        return None if self._width is None else self._offset

    @property
    def uncertainty_s(self) -> float:
        """By how much `offset_s` can be wrong, either way."""
        return 0.0 if self._width is None else self._width / 2

    def wall(self) -> float:
        """Local wall time in Unix seconds, uncorrected."""
        return self._wall()

    def learn(self, server_time: float, sent: float, received: float) -> None:
        """Take in an answer; `sent` and `received` are wall times around it, all in Unix seconds."""
        low, high = server_time - received, server_time - sent
        width = high - low
        if width < 0:
            return  # the wall clock was stepped back during the exchange: these bounds mean nothing
        # The server's time has milliseconds only.
        inside = low - 0.001 <= self._offset <= high + 0.001
        if self._width is None or not inside or width < self._width:
            self._offset = (low + high) / 2
            self._width = width


def server_time_of(header_ms: str | None, message: str, envelope_ms: object, date: str | None) -> float | None:
    """The server's time in Unix seconds from the first of its four places that has one (contract §1.1).

    In order: the header `x-oc-server-time`, the envelope's `timestamp`, the text of a 40103, the HTTP `Date`.
    """
    for seconds in (_of_ms(header_ms), _of_ms(envelope_ms), _of_message(message), http_date(date or "")):
        if seconds is not None and _EARLIEST_S <= seconds < _LATEST_S:
            return seconds
    return None


def http_date(text: str) -> float | None:
    """Unix seconds of an HTTP date, as `Date` and `Retry-After` carry it; None for anything else."""
    try:
        moment = parsedate_to_datetime(text)
        # The zone "-0000" parses as no zone at all, which would mean local time.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _of_message(message: str) -> float | None:
    found = _SERVER_TIME_IN_MESSAGE.search(message)
    if found is None:
        return None
    fraction = (found[2] or "")[:7]  # the server writes nanoseconds
    try:
        return datetime.fromisoformat(found[1] + fraction).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _of_ms(value: object) -> float | None:
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) < 16):
            return None
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**15:
        return value / 1000
    return None
