"""Points in time as people and models write them: ISO 8601, a date, or an age such as `7d`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

Side: TypeAlias = Literal["begin", "end"]

# Not with a capital M, which means months elsewhere.
_AGE = re.compile(r"(\d{1,4})\s*(m|(?i:min|h|d|w))", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UNITS: Final = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MINUTE_MS: Final = 60_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999: no later one can be written."""

TIME_RULE: Final = (
    "ISO 8601 UTC (2026-11-22T10:00:00Z), a date (2026-11-22: the whole day) or an age (7d, 24h, 30m: minutes)"
)


class BadTime(ValueError):
    """A text that is no point in time in any of the three forms."""


def parse_time(text: str, now: float, side: Side) -> int:
    """The Unix milliseconds that a text means as the inclusive begin or end of a span.

    A date means its first or its last millisecond. A time without an offset is taken as UTC. An age counts back
    from `now` (Unix seconds) and is rounded down to the minute, so that a question asked again within it is the
    same question. What lies before 1970 or after 9999 is moved there. Raises `BadTime`.
    """
    return min(max(_parsed(text.strip(), now, side), 0), _LAST_MS)


def is_age(text: str) -> bool:
    """Whether a text is an age, which means another moment when the clock is found to be wrong."""
    return _AGE.fullmatch(text.strip()) is not None


def _parsed(given: str, now: float, side: Side) -> int:
    age = _AGE.fullmatch(given)
    try:
        if age:
            moment = datetime.fromtimestamp(now, UTC) - timedelta(**{_UNITS[age[2].lower()]: int(age[1])})
            return _milliseconds(moment) // _MINUTE_MS * _MINUTE_MS
        if _DATE.fullmatch(given):
            day = datetime.fromisoformat(given).replace(tzinfo=UTC)
            return _milliseconds(day) + (86_400_000 - 1 if side == "end" else 0)
        if not 16 <= len(given) <= 40:
            raise BadTime(TIME_RULE)
        moment = datetime.fromisoformat(given)
        return _milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise BadTime(TIME_RULE) from None


def iso_ms(milliseconds: int) -> str:
    """ISO 8601 UTC; milliseconds are shown only where there are any."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    spec = "milliseconds" if milliseconds % 1000 else "seconds"
    return moment.isoformat(timespec=spec).replace("+00:00", "Z")


def iso_s(milliseconds: int) -> str:
    """ISO 8601 UTC in whole seconds, which is all that a block's time has."""
    return iso_ms(milliseconds // 1000 * 1000)


def months_before(milliseconds: int, months: int) -> int:
    """The same day and time so many calendar months earlier; the last day of a shorter month."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    month = moment.year * 12 + moment.month - 1 - months
    year, month = divmod(month, 12)
    for day in range(moment.day, 27, -1):
        try:
            return _milliseconds(moment.replace(year=year, month=month + 1, day=day))
        except ValueError:
            continue
    return _milliseconds(moment.replace(year=year, month=month + 1))


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
