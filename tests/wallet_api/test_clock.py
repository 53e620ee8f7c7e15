from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wallet_api import START, START_MS
from wallet_mcp.wallet_api.clock import ServerClock, http_date, iso_utc, server_time_of

NOW = "Sun, 22 Nov 2026 10:00:00 GMT"
MESSAGE = "Timestamp outside recv_window. serverTime=2026-11-22T10:00:00.123456789Z"


class Wall:
    """A wall clock that is moved by hand."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (START, "2026-11-22T10:00:00.000Z"),
        (1778494137.715, "2026-05-11T10:08:57.715Z"),
        (START + 0.0009, "2026-11-22T10:00:00.000Z"),
        (START - 0.001, "2026-11-22T09:59:59.999Z"),
    ],
)
def test_timestamp_form(seconds: float, text: str) -> None:
    assert iso_utc(seconds) == text


@given(st.floats(min_value=10**9, max_value=10**10 - 1))
def test_timestamp_always_has_milliseconds_and_z(seconds: float) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", iso_utc(seconds))


@pytest.mark.parametrize(
    ("header", "message", "envelope", "date", "expected"),
    [
        (str(START_MS + 5), MESSAGE, START_MS + 9, NOW, START + 0.005),
        (None, MESSAGE, START_MS + 9, NOW, START + 0.009),
        (None, MESSAGE, str(START_MS + 9), NOW, START + 0.009),
        (None, MESSAGE, None, NOW, START + 0.123456),
        (None, "serverTime=2026-11-22T10:00:00Z", None, None, START),
        (None, "serverTime=2026-11-22T10:00:00.5", None, None, START + 0.5),
        (None, "no time here", None, NOW, START),
        (None, "", None, "Sun, 22 Nov 2026 10:00:00 -0000", START),
        (None, "", None, "Sun, 22 Nov 2026 11:00:00 +0100", START),
        ("", "", None, None, None),
        ("12:00", "", True, "soon", None),
        (str(int(START)), "", int(START), None, None),  # seconds where milliseconds belong
        ("9" * 5000, "", 10**400, None, None),
        ("-1790000000000", "", -1790000000000, None, None),
        (None, "", 1.8e12, None, None),
        (None, "serverTime=2026-13-45T10:00:00.1Z", None, None, None),
        (None, "serverTime=9999-12-31T23:59:59.999Z", None, NOW, START),
        (None, "", None, "Mon, 01 Jan 0001 00:00:00 GMT", None),
        # An implausible time in one place does not hide a good one in the next.
        ("1000", "serverTime=2026-13-45T10:00:00.1Z", "x", NOW, START),
    ],
)
def test_server_time_is_taken_from_the_first_place_that_has_one(
    header: str | None, message: str, envelope: object, date: str | None, expected: float | None
) -> None:
    assert server_time_of(header, message, envelope, date) == pytest.approx(expected, abs=1e-6)


@given(st.text(), st.text().map("serverTime={}".format) | st.from_regex(r"serverTime=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"))
def test_any_text_gives_a_plausible_time_or_none(header: str, message: str) -> None:
    for found in (server_time_of(header, message, header, header), server_time_of(None, message, None, message)):
        assert found is None or 10**9 <= found < 10**10


@given(
    st.text() | st.from_regex(r"(Mon|Sun)?,? ?\d{1,5}[ -](Jan|Nov)[ -]\d{1,6} \d\d?:\d\d:\d\d ?(GMT|[+-]\d{4,9})?")
)
def test_http_date_never_raises(text: str) -> None:
    found = http_date(text)
    assert found is None or isinstance(found, float)


@pytest.mark.parametrize("offset", [0.0, 40.0, -40.0, 3600.0, -3600.0, 259200.0, -259200.0])
def test_offset_is_the_middle_of_the_round_trip(offset: float) -> None:
    wall = Wall(START)
    clock = ServerClock(wall)
    assert (clock.offset_s, clock.uncertainty_s) == (None, 0.0)
    assert clock.now() == START
    clock.learn(START + offset + 0.1, START, START + 0.2)
    assert clock.offset_s == pytest.approx(offset, abs=1e-6)
    assert clock.uncertainty_s == pytest.approx(0.1, abs=1e-6)
    wall.at += 10
    assert clock.now() == pytest.approx(START + offset + 10)
    assert clock.timestamp() == iso_utc(clock.now())
    assert clock.wall() == START + 10


def test_a_slower_answer_that_agrees_leaves_the_better_estimate() -> None:
    clock = ServerClock(Wall(START))
    clock.learn(START + 5.1, START, START + 0.2)
    clock.learn(START + 5.1, START, START + 4.0)
    assert clock.offset_s == pytest.approx(5.0)


def test_a_quicker_answer_improves_the_estimate() -> None:
    clock = ServerClock(Wall(START))
    clock.learn(START + 5.0, START, START + 4.0)
    assert clock.offset_s == pytest.approx(3.0)
    clock.learn(START + 5.1, START, START + 0.2)
    assert clock.offset_s == pytest.approx(5.0)


def test_a_slow_answer_that_contradicts_replaces_the_estimate() -> None:
    clock = ServerClock(Wall(START))
    clock.learn(START + 5.1, START, START + 0.2)
    clock.learn(START + 3605.0, START, START + 2.0)
    assert clock.offset_s == pytest.approx(3604.0)


def test_bounds_of_an_exchange_in_which_the_clock_was_set_back_are_not_used() -> None:
    clock = ServerClock(Wall(START))
    clock.learn(START + 5.1, START, START + 0.2)
    clock.learn(START + 5.1, START, START - 3600)
    assert clock.offset_s == pytest.approx(5.0)


def test_truncated_milliseconds_do_not_count_as_contradiction() -> None:
    clock = ServerClock(Wall(START))
    clock.learn(START, START, START)
    clock.learn(START + 0.9991, START + 1, START + 1)
    assert clock.offset_s == 0.0
