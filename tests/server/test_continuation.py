from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from wallet_mcp.server.arguments import WITHHELD
from wallet_mcp.server.continuation import Listing, changed_call
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.scan import Scan
from wallet_mcp.wallet.cursor import Position
from wallet_mcp.wallet.history import Transaction
from wallet_mcp.wallet_api.errors import ApiError

HERE: Position = (-1_790_000_000_000, b"12345678")
BEFORE: Position = (-1_790_000_000_999, b"abcdefgh")
EVERY = Listing("tool", {"address": "0xa", "begin": "7d"}, ("0xa", "native", "any"), None)
NAMED = replace(EVERY, chains=("56", "1"))
CALL = {"address": "0xa", "begin": "7d", "cursor": "x", "limit": None}
SERVED = ["1", "56", "10"]
BEYOND = Transaction("1", "0x1", 1, "success", "in", (), "", "", ())


def arguments_of(listing: Listing, scan: Scan, after: Position | None = None) -> list[dict[str, Any]]:
    """The arguments of the calls that go on, each cursor read by the question that its call asks."""
    found = []
    for call in listing.next_calls(scan, after, SERVED):
        assert call.tool == "tool"
        given = dict(call.arguments)
        if "cursor" in given:
            assert len(given["cursor"]) <= 60
            chains = tuple(given["chains"]) if "chains" in given else None
            given["cursor"] = replace(listing, chains=chains).position(given["cursor"], {})
        found.append(given)
    return found


BASE = {"address": "0xa", "begin": "7d"}


@pytest.mark.parametrize(
    ("listing", "scan", "after", "calls"),
    [
        (EVERY, Scan(finished=True), None, []),
        (EVERY, Scan(consumed=HERE), None, [BASE | {"cursor": HERE}]),
        (NAMED, Scan(consumed=HERE), None, [BASE | {"chains": ["56", "1"], "cursor": HERE}]),
        (EVERY, Scan(consumed=HERE, finished=True, beyond=[BEYOND]), None, [BASE | {"cursor": HERE}]),
        # Where nothing was looked at, it goes on from where this page began.
        (EVERY, Scan(), BEFORE, [BASE | {"cursor": BEFORE}]),
        (EVERY, Scan(), None, [BASE]),
    ],
)
def test_a_listing_goes_on_behind_what_was_looked_at(
    listing: Listing, scan: Scan, after: Position | None, calls: list[dict[str, Any]]
) -> None:
    assert arguments_of(listing, scan, after) == calls


@pytest.mark.parametrize(("listing", "read"), [(EVERY, ["1", "10"]), (NAMED, ["1", "10"])])
def test_chains_that_failed_are_asked_apart_from_the_others(listing: Listing, read: list[str]) -> None:
    failed = {"56": ApiError(code=50000)}
    on, again = arguments_of(listing, Scan(consumed=HERE, failures=dict(failed)), BEFORE)
    assert on == BASE | {"chains": read, "cursor": HERE}
    assert again == BASE | {"chains": ["56"], "cursor": BEFORE}
    assert arguments_of(listing, Scan(finished=True, failures=dict(failed))) == [BASE | {"chains": ["56"]}]


def test_a_cursor_belongs_to_its_question_and_to_no_other() -> None:
    (call,) = EVERY.next_calls(Scan(consumed=HERE), None, SERVED)
    cursor = call.arguments["cursor"]
    assert EVERY.position(cursor, CALL) == HERE
    assert replace(EVERY, repeat={}, tool="other").position(cursor, CALL) == HERE
    others = [
        NAMED,
        replace(EVERY, chains=tuple(SERVED)),
        replace(EVERY, chains=()),
        replace(EVERY, filters=("0xb", "native", "any")),
        replace(EVERY, filters=("0xa", "native", "any", "every chain")),
    ]
    for other in others:
        with pytest.raises(ArgumentProblem) as caught:
            other.position(cursor, CALL)
        assert (caught.value.field, caught.value.value) == ("cursor", cursor)
        assert "this one is damaged, or of another question. Leave it out to start anew" in caught.value.rule
        assert caught.value.corrected == {"address": "0xa", "begin": "7d"}


def test_the_order_in_which_chains_are_named_is_no_matter() -> None:
    (call,) = NAMED.next_calls(Scan(consumed=HERE), None, SERVED)
    assert replace(NAMED, chains=("1", "56")).position(call.arguments["cursor"], {}) == HERE


def test_without_a_cursor_a_listing_begins_at_the_top() -> None:
    assert EVERY.position(None, CALL) is None


def test_a_changed_call_repeats_nothing_that_was_withheld() -> None:
    assert changed_call(CALL, begin="2d", end="1d", cursor=None) == {"address": "0xa", "begin": "2d", "end": "1d"}
    assert changed_call(CALL | {"contract": WITHHELD}, cursor=None) is None
    assert changed_call(CALL | {"chains": ["1", WITHHELD]}, cursor=None) is None
    assert changed_call(CALL | {"begin": WITHHELD}, begin=None, cursor=None) == {"address": "0xa"}
