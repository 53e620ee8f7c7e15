from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.server.history_stream import Budget, Question, overlap
from wallet_mcp.wallet.history import UNTIMED_MS
from wallet_mcp.wallet_api.models import WireTransaction

DIGEST = bytes(8)


def rows(text: str) -> list[WireTransaction]:
    """A row for each letter, of that hash; `.` has none."""
    return [WireTransaction(tx_hash=letter.strip(".")) for letter in text]


@pytest.mark.parametrize(
    ("before", "page", "count"),
    [
        ("", "abc", 0),
        ("abc", "", 0),
        ("abc", "def", 0),
        ("abc", "cde", 1),
        ("abc", "bcd", 2),
        ("abc", "abc", 3),
        ("abc", "abcd", 3),
        ("abab", "abc", 2),
        ("abc", "ac", 0),
        ("abc", "ab", 0),
        # Without a hash nothing tells a row from the next.
        ("ab.", ".cd", 0),
        ("ab.", "b.c", 2),
    ],
)
def test_rows_that_ended_one_page_and_begin_the_next_are_counted(before: str, page: str, count: int) -> None:
    assert overlap(rows(before), rows(page)) == count


@given(st.text("ab.", max_size=8), st.text("ab.", max_size=8))
def test_the_longest_overlap_is_found(before: str, page: str) -> None:
    shared = [n for n in range(1, min(len(before), len(page)) + 1) if before.endswith(page[:n])]
    expected = max(shared, default=0) if page[:1] != "." else 0
    assert overlap(rows(before), rows(page)) == expected


@pytest.mark.parametrize(
    ("end_ms", "after", "last_ms"),
    [
        (None, None, None),
        (5, None, 5),
        (None, (-3, DIGEST), 3),
        (5, (-3, DIGEST), 3),
        (2, (-3, DIGEST), 2),
        (5, (-UNTIMED_MS, DIGEST), 5),
    ],
)
def test_a_listing_goes_on_with_the_whole_millisecond_that_it_ended_in(
    end_ms: int | None, after: tuple[int, bytes] | None, last_ms: int | None
) -> None:
    assert Question("0xa", end_ms=end_ms, after=after).last_ms == last_ms


@pytest.mark.anyio
async def test_a_budget_is_one_of_time_as_well_as_of_requests() -> None:
    assert not Budget(0.0).take()
    budget = Budget(float("inf"))
    taken = [budget.take() for _ in range(50)]
    assert taken == [True] * 40 + [False] * 10
