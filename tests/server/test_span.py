from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.server.arguments import WITHHELD
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.scan import Scan
from wallet_mcp.server.span import ClockProblem, Span, read_span
from wallet_mcp.wallet.cursor import Position
from wallet_mcp.wallet.times import iso_ms

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()
NOW_MS = int(NOW * 1000)
HORIZON_MS = int(datetime(2026, 5, 22, 10, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000
DIGEST = bytes(8)


@pytest.mark.parametrize(
    ("begin", "end", "field", "rule", "kind"),
    [
        ("soon", None, "begin", "ISO 8601", ArgumentProblem),
        (None, "soon", "end", "ISO 8601", ArgumentProblem),
        ("2026-11-22T10:01:00Z", None, "begin", "in the past; it is 2026-11-22T10:00:00Z now", ClockProblem),
        (None, "2026-05-21", "end", "later than 2026-05-22T10:00:00Z", ArgumentProblem),
        ("2026-11-20", "2026-11-19", "begin", "not later than end (2026-11-19T23:59:59.999Z)", ArgumentProblem),
        ("7d", "2w", "begin", "not later than end", ArgumentProblem),
        # Against an age a fixed time is late or early by the clock alone.
        ("24h", "2026-11-20", "begin", "not later than end", ClockProblem),
        ("2026-11-22", "24h", "begin", "not later than end", ClockProblem),
    ],
)
def test_a_span_that_cannot_be_is_refused(
    begin: str | None, end: str | None, field: str, rule: str, kind: type[ArgumentProblem]
) -> None:
    with pytest.raises(ArgumentProblem) as caught:
        read_span(begin, end, NOW, {})
    assert type(caught.value) is kind
    assert caught.value.field == field
    assert rule in caught.value.rule
    assert caught.value.value == (begin if field == "begin" else end)


@pytest.mark.parametrize(
    ("begin", "end", "call", "corrected"),
    [
        (
            "2026-11-20",
            "2026-11-19",
            {"address": "0xa", "cursor": "abc", "limit": None},
            {"address": "0xa", "begin": "2026-11-19", "end": "2026-11-20"},
        ),
        ("7d", "2w", {}, {"begin": "2w", "end": "7d"}),
        # A separator of the writer's own choice does not come back.
        (
            "2026-11-20\u202e10:00",
            "2026-11-19",
            {},
            {"begin": "2026-11-19", "end": "2026-11-20T10:00:00Z"},
        ),
        ("7d", "2w", {"contract": WITHHELD}, None),
    ],
)
def test_two_ends_the_wrong_way_round_are_changed_over(
    begin: str, end: str, call: dict[str, Any], corrected: dict[str, Any] | None
) -> None:
    with pytest.raises(ArgumentProblem) as caught:
        read_span(begin, end, NOW, call | {"begin": begin, "end": end})
    assert caught.value.corrected == corrected


TIMES = st.one_of(
    st.integers(0, 170).map(lambda days: f"{days}d"),
    st.integers(HORIZON_MS, NOW_MS).map(iso_ms),
    st.integers(HORIZON_MS + DAY_MS, NOW_MS).map(lambda at: iso_ms(at)[:10]),
)


@given(TIMES, TIMES)
def test_what_is_corrected_is_right(begin: str, end: str) -> None:
    try:
        span = read_span(begin, end, NOW, {"begin": begin, "end": end})
    except ArgumentProblem as problem:
        assert problem.corrected is not None
        span = read_span(str(problem.corrected["begin"]), str(problem.corrected["end"]), NOW, {})
    assert span.begin_ms is not None
    assert span.end_ms is not None
    assert span.begin_ms <= span.end_ms


@pytest.mark.parametrize(
    ("begin_ms", "too_early"), [(None, False), (HORIZON_MS, False), (HORIZON_MS - 1, True), (0, True)]
)
def test_a_span_begins_too_early_before_the_horizon(begin_ms: int | None, too_early: bool) -> None:
    span = Span(begin_ms, None, NOW_MS)
    assert (span.horizon_ms, span.begins_too_early) == (HORIZON_MS, too_early)


LATE: Position = (-(NOW_MS - 5), DIGEST)


@pytest.mark.parametrize(
    ("span", "scan", "after", "read_at", "searched"),
    [
        (Span(None, None, NOW_MS), Scan(finished=True), None, None, (HORIZON_MS, NOW_MS)),
        (Span(0, None, NOW_MS), Scan(finished=True), None, None, (HORIZON_MS, NOW_MS)),
        (Span(NOW_MS - 9, NOW_MS - 2, NOW_MS), Scan(finished=True), None, None, (NOW_MS - 9, NOW_MS - 2)),
        # Down to what was looked at, where the end was not reached.
        (Span(NOW_MS - 9, None, NOW_MS), Scan(consumed=LATE), None, None, (NOW_MS - 5, NOW_MS)),
        (Span(NOW_MS - 9, None, NOW_MS), Scan(consumed=LATE, finished=True), None, None, (NOW_MS - 9, NOW_MS)),
        # Nowhere, where nothing older than the newest could be told.
        (Span(NOW_MS - 9, None, NOW_MS), Scan(), None, None, (NOW_MS, NOW_MS)),
        (Span(NOW_MS - 9, None, NOW_MS), Scan(), LATE, None, (NOW_MS - 5, NOW_MS - 5)),
        # From where an earlier page ended.
        (Span(NOW_MS - 9, None, NOW_MS), Scan(finished=True), LATE, None, (NOW_MS - 9, NOW_MS - 5)),
        # Up to when the answer was given.
        (Span(NOW_MS - 9, NOW_MS, NOW_MS), Scan(finished=True), None, NOW - 0.004, (NOW_MS - 9, NOW_MS - 4)),
        # A transaction without a time is newer than everything.
        (Span(None, None, NOW_MS), Scan(consumed=(-(10**14), DIGEST)), None, None, (NOW_MS, NOW_MS)),
        (Span(NOW_MS - 1, None, NOW_MS), Scan(finished=True), None, NOW - 1, (NOW_MS - 1000, NOW_MS - 1000)),
    ],
)
def test_what_was_searched_is_never_more_than_was_looked_at(
    span: Span, scan: Scan, after: Position | None, read_at: float | None, searched: tuple[int, int]
) -> None:
    assert span.searched(scan, after, read_at) == searched
