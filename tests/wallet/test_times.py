from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.wallet.times import TIME_RULE, BadTime, iso_ms, iso_s, months_before, parse_time

NOW = datetime(2026, 11, 22, 10, 0, 30, 500_000, tzinfo=UTC).timestamp()
LAST = 253_402_300_799_999
DAY = 86_400_000


def ms_of(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def ms(*parts: int) -> int:
    year, month, day, hour, minute = (*parts, 0, 0)[:5]
    return ms_of(datetime(year, month, day, hour, minute, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T10:00:00Z", ms(2026, 11, 22, 10)),
        ("2026-11-22T10:00:00.250Z", ms(2026, 11, 22, 10) + 250),
        (" 2026-11-22T10:00 ", ms(2026, 11, 22, 10)),
        ("2026-11-22 10:00:00", ms(2026, 11, 22, 10)),
        ("2026-11-22T10:00:00+02:00", ms(2026, 11, 22, 8)),
        ("2026-11-22T10:00:00-0330", ms(2026, 11, 22, 13, 30)),
        ("20261122T100000Z", ms(2026, 11, 22, 10)),
        ("30m", ms(2026, 11, 22, 9, 30)),
        ("30 min", ms(2026, 11, 22, 9, 30)),
        ("24h", ms(2026, 11, 21, 10)),
        ("7d", ms(2026, 11, 15, 10)),
        ("30 MIN", ms(2026, 11, 22, 9, 30)),
        ("2W", ms(2026, 11, 8, 10)),
        ("0d", ms(2026, 11, 22, 10)),
        ("9999w", 0),
        ("1969-12-31T23:59:59Z", 0),
        ("0001-01-01T00:00:00Z", 0),
        ("0001-01-01T00:00:00+14:00", 0),
        ("9999-12-31T23:59:59.999Z", LAST),
        ("9999-12-31T23:59:59-14:00", LAST),
    ],
)
def test_a_point_in_time_is_the_same_on_both_sides(text: str, expected: int) -> None:
    assert parse_time(text, NOW, "begin") == parse_time(text, NOW, "end") == expected


def test_a_date_is_its_first_or_its_last_millisecond() -> None:
    start = ms(2026, 2, 28)
    assert parse_time("2026-02-28", NOW, "begin") == start
    assert parse_time("2026-02-28", NOW, "end") == start + DAY - 1
    assert parse_time("9999-12-31", NOW, "end") == LAST


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "now",
        "yesterday",
        "7",
        "d",
        "7y",
        "7 months",
        # Months to anybody else.
        "6M",
        "-7d",
        "+7d",
        "1.5h",
        "7d ago",
        "12345d",
        "٧d",
        "2026-02-29",
        "2026-13-01",
        "2026-11-22T25:00:00Z",
        "20261122",
        "2026-W47",
        "2026-11-22T",
        "2026-11-2",
        "1790000000",
        "1790000000000",
        "2026-11-22T10:00:00Z" + "0" * 40,
        "x" * 20,
        "2026-11-22T10:00:00Zulu",
    ],
)
def test_all_else_is_refused_with_the_rule(text: str) -> None:
    for side in ("begin", "end"):
        with pytest.raises(BadTime) as caught:
            parse_time(text, NOW, "begin" if side == "begin" else "end")
        assert str(caught.value) == TIME_RULE


@given(st.text(max_size=30) | st.from_regex(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?Z?)?", fullmatch=True))
def test_any_text_is_a_time_that_can_be_written_or_refused(text: str) -> None:
    try:
        found = parse_time(text, NOW, "begin")
    except BadTime:
        return
    assert 0 <= found <= LAST
    assert parse_time(iso_ms(found), NOW, "end") == found


@given(st.integers(0, LAST))
def test_what_is_written_reads_back_to_the_millisecond(milliseconds: int) -> None:
    text = iso_ms(milliseconds)
    assert text.endswith("Z")
    assert ("." in text) is (milliseconds % 1000 != 0)
    assert parse_time(text, NOW, "begin") == milliseconds


@given(st.integers(0, 9_999), st.sampled_from(["m", "h", "d", "w"]), st.floats(1.6e9, 4e9))
def test_an_age_counts_back_in_whole_minutes(number: int, unit: str, now: float) -> None:
    seconds = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}[unit]
    found = parse_time(f"{number}{unit}", now, "begin")
    assert found % 60_000 == 0
    exact = now * 1000 - number * seconds * 1000
    assert found == 0 if exact < 0 else exact - 60_001 <= found <= exact + 1


@given(st.integers(0, 3_000), st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))
def test_the_same_age_within_a_minute_is_the_same_question(number: int, moment: datetime) -> None:
    start = moment.replace(second=0, microsecond=0, tzinfo=UTC).timestamp()
    answers = {parse_time(f"{number}h", start + second, "begin") for second in (0, 0.001, 30, 59.999)}
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("moment", "months", "expected"),
    [
        ("2026-11-22T10:00:00Z", 6, "2026-05-22T10:00:00Z"),
        ("2026-03-31T12:30:00.001Z", 6, "2025-09-30T12:30:00.001Z"),
        ("2026-08-31T00:00:00Z", 6, "2026-02-28T00:00:00Z"),
        ("2028-08-30T00:00:00Z", 6, "2028-02-29T00:00:00Z"),
        ("2026-05-31T00:00:00Z", 1, "2026-04-30T00:00:00Z"),
        ("2026-01-15T00:00:00Z", 1, "2025-12-15T00:00:00Z"),
        ("2026-01-01T00:00:00Z", 12, "2025-01-01T00:00:00Z"),
        ("2026-06-30T00:00:00Z", 0, "2026-06-30T00:00:00Z"),
    ],
)
def test_months_are_those_of_the_calendar(moment: str, months: int, expected: str) -> None:
    assert iso_ms(months_before(parse_time(moment, NOW, "begin"), months)) == expected


@given(st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1)), st.integers(0, 11))
def test_a_month_back_keeps_the_day_or_takes_the_last_one(moment: datetime, months: int) -> None:
    whole = moment.replace(microsecond=0, tzinfo=UTC)
    then = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=months_before(ms_of(whole), months))
    assert (whole.year * 12 + whole.month) - (then.year * 12 + then.month) == months
    assert then.time() == whole.time()
    assert then.day == whole.day or (then.day < whole.day and (then + timedelta(days=1)).day == 1)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (999, "1970-01-01T00:00:00Z"),
        (1_795_341_600_999, "2026-11-22T10:00:00Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_blocks_time_is_told_in_whole_seconds_and_never_later(milliseconds: int, text: str) -> None:
    assert iso_s(milliseconds) == text
