"""The spans of wallet_list_transactions: what their ends mean, how far they reach, and on which clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.support.mcp import START, Era, Face, connect, refusal, wall_clock
from tests.support.truth import history, pages_of, transaction_row, unfolded
from wallet_mcp.wallet.times import iso_ms, parse_time
from wallet_mcp.wallet_api.signing import HEADER_TIMESTAMP

TOOL = "wallet_list_transactions"
PATH = "transactions-by-address"
NOW = "2026-11-22T10:00:00Z"
HORIZON = "2026-05-22T10:00:00Z"

pytestmark = pytest.mark.anyio


def milliseconds(text: str) -> int:
    """Unix milliseconds of ISO 8601."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("begin", "end", "span"),
    [
        ("2026-11-14", "2026-11-20", ("2026-11-14T00:00:00Z", "2026-11-20T23:59:59.999Z")),
        ("2026-11-14T06:30:00Z", None, ("2026-11-14T06:30:00Z", NOW)),
        ("2026-11-14T08:30:00+02:00", None, ("2026-11-14T06:30:00Z", NOW)),
        ("2026-11-14 06:30", None, ("2026-11-14T06:30:00Z", NOW)),
        ("7d", None, ("2026-11-15T10:00:00Z", NOW)),
        ("24h", None, ("2026-11-21T10:00:00Z", NOW)),
        ("2w", "7d", ("2026-11-08T10:00:00Z", "2026-11-15T10:00:00Z")),
        (None, "2026-11-01", (HORIZON, "2026-11-01T23:59:59.999Z")),
        ("2026-01-01", "30d", (HORIZON, "2026-10-23T10:00:00Z")),
        ("2026-11-21", "2027-01-01", ("2026-11-21T00:00:00Z", NOW)),
    ],
)
async def test_a_span_is_searched_as_it_was_meant(
    face: Face, begin: str | None, end: str | None, span: tuple[str, str]
) -> None:
    address = face.wallets["history"]
    arguments = {"address": address, "chains": ["1"], "limit": 100, "begin": begin, "end": end}
    # What lies before all history can be found by no call.
    pages = await pages_of(face, arguments, complete=begin != "2026-01-01")
    rows = [row for page in pages for row in unfolded(page)]
    low, high = (milliseconds(text) for text in span)
    whole = [tx for tx in history(face, "history", ["1"]) if low <= tx.time_ms <= high]
    assert rows == [transaction_row(tx, address) for tx in whole]
    assert (pages[-1]["searched"]["from"], pages[0]["searched"]["to"]) == span
    assert rows


async def test_a_span_that_begins_before_all_history_is_never_called_complete(face: Face) -> None:
    wallet = face.wallets["history"]
    too_early = f"the API keeps six months of history, so nothing before {HORIZON} can be found"
    answer = await face.answer(TOOL, address=wallet, chains=["8453"], begin="2026-01-01", limit=100)
    assert (answer["complete"], answer["incomplete_because"], "next" in answer) == (False, too_early, False)
    assert "six months" not in answer.notes
    # Its totals are of what was searched, which says where it begins.
    assert answer["searched"]["from"] == HORIZON
    assert answer["totals"]
    shown = await face.answer(TOOL, address=wallet, chains=["8453"], begin="2026-01-01", limit=3)
    more = len(answer["transactions"]) - 3
    assert shown["incomplete_because"] == f"{more} more of this span follow and {too_early}"
    assert shown["totals"] == answer["totals"]
    nothing = await face.answer(TOOL, address=face.wallets["empty"], chains=["8453"], begin="2026-01-01")
    assert (nothing["complete"], nothing["incomplete_because"]) == (False, too_early)
    since = await face.answer(TOOL, address=wallet, chains=["8453"], begin=HORIZON, limit=100)
    assert (since["complete"], since["transactions"]) == (True, answer["transactions"])
    without = await face.answer(TOOL, address=wallet, chains=["8453"], limit=100)
    assert (without["complete"], without["transactions"]) == (True, answer["transactions"])
    assert f"nothing before {HORIZON} was searched" in without.notes


@pytest.mark.parametrize(
    ("begin", "end", "field", "told"),
    [
        ("last week", None, "begin", "an age (7d, 24h, 30m: minutes)"),
        (None, "yesterday", "end", "ISO 8601 UTC"),
        ("2026-11-31", None, "begin", "ISO 8601"),
        ("2027-01-01", None, "begin", "a time in the past; it is 2026-11-22T10:00:00Z now"),
        ("2026-11-20", "2026-11-19", "begin", "not later than end (2026-11-19T23:59:59.999Z)"),
        ("20261120", None, "begin", "ISO 8601"),
        ("1795341600", None, "begin", "ISO 8601"),
        ("7d\u202e", None, "begin", "ISO 8601"),
    ],
)
async def test_a_bad_time_is_refused_with_the_rule(
    face: Face, begin: str | None, end: str | None, field: str, told: str
) -> None:
    failed = await face.failure(TOOL, address=face.wallets["history"], chains=["1"], begin=begin, end=end)
    assert failed.meta["field"] == field
    assert told in failed.text
    assert not face.sent(PATH)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("9999w", None),
        ("0001-01-01", None),
        ("1960-05-05T10:00:00Z", None),
        (None, "9999-12-31"),
        (None, "9999-12-31T23:59:59-14:00"),
        (None, "9999-12-31T23:59:59+14:00"),
    ],
)
async def test_the_ends_of_time_are_no_error(face: Face, begin: str | None, end: str | None) -> None:
    answer = await face.answer(TOOL, address=face.wallets["history"], chains=["8453"], begin=begin, end=end, limit=1)
    assert answer["searched"]["to"] == NOW
    assert len((await face.replay(answer))["transactions"]) == 1


async def test_a_span_before_all_history_is_refused_and_never_reads_as_empty(face: Face) -> None:
    failed = await face.failure(TOOL, address=face.wallets["history"], chains=["1"], end="1969-01-01")
    assert failed.meta["field"] == "end"
    assert f"later than {HORIZON}: the API keeps six months" in failed.text
    assert not face.sandbox.requests


@pytest.mark.parametrize(
    ("begin", "end", "corrected"),
    [
        ("2026-11-20", "2026-11-19", {"begin": "2026-11-19", "end": "2026-11-20"}),
        ("7d", "30d", {"begin": "30d", "end": "7d"}),
    ],
)
async def test_ends_the_wrong_way_round_are_refused_with_the_call_that_is_right(
    face: Face, begin: str, end: str, corrected: dict[str, str]
) -> None:
    call = {"address": face.wallets["history"], "chains": ["8453"], "limit": 5}
    failed = await face.failure(TOOL, call | {"begin": begin, "end": end, "cursor": None})
    assert failed.meta["field"] == "begin"
    assert failed.meta["corrected"] == {"tool": TOOL, "arguments": call | corrected}
    assert (await face.answer(TOOL, failed.meta["corrected"]["arguments"]))["transactions"]
    # A call that holds what may be a secret is not repeated: the secret is what is refused.
    secret = await face.failure(TOOL, call | {"begin": begin, "end": end, "counterparty": "1" * 64})
    assert secret.meta["field"] == "counterparty"
    assert "1" * 64 not in secret.text


@pytest.mark.parametrize("offset_s", [40, -40, 3600, -3600, 259_200, -259_200])
async def test_a_wrong_clock_does_not_move_the_span(era: Era, offset_s: int) -> None:
    async with connect(era, rate=50, clock_offset_s=offset_s) as face:
        answer = await face.answer(TOOL, address=face.wallets["history"], chains=["1"], begin="48h", limit=1)
        expected = parse_time("48h", START + offset_s, "begin")
        assert answer["searched"]["from"] == iso_ms(expected)


@pytest.mark.parametrize("step_s", [259_200, -259_200])
async def test_a_wrong_clock_does_not_move_the_horizon(era: Era, step_s: float) -> None:
    async with connect(era, rate=50, wall=lambda: wall_clock() + step_s) as face:
        answer = await face.answer(TOOL, address=face.wallets["empty"], chains=["1"])
        assert answer["searched"] == {"from": HORIZON, "to": NOW, "chains": ["1"]}
        assert f"nothing before {HORIZON} was searched" in answer.notes


STEPS = [3.5, -3.5, 3600, -3600, 259_200, -259_200]


@pytest.mark.parametrize("step_s", STEPS)
async def test_a_clock_that_is_stepped_while_running_does_not_move_the_span(era: Era, step_s: float) -> None:
    step = 0.0
    async with connect(era, rate=50, wall=lambda: wall_clock() + step) as face:
        call = {"address": face.wallets["history"], "chains": ["1"], "begin": "24h", "limit": 100}
        before = await face.answer(TOOL, call)
        assert before["searched"]["from"] == "2026-11-21T10:00:00Z"
        await asyncio.sleep(60)
        step = step_s
        answer = await face.answer(TOOL, call)
        assert answer["searched"]["from"] == "2026-11-21T10:01:00Z"
        assert answer["searched"]["to"][:18] == answer["as_of"][:18] == "2026-11-22T10:01:0"
        begin = milliseconds("2026-11-21T10:01:00Z")
        expected = [tx for tx in history(face, "history", ["1"]) if tx.time_ms >= begin]
        assert unfolded(answer) == [transaction_row(tx, face.wallets["history"]) for tx in expected]
        assert expected


@pytest.mark.parametrize("step_s", STEPS)
@pytest.mark.parametrize(
    ("begin", "first"), [("2026-11-22", "2026-11-22T00:00:00Z"), ("2026-11-22T09:59:00Z", "2026-11-22T09:59:00Z")]
)
async def test_a_clock_that_is_stepped_makes_no_future_of_the_past(
    era: Era, begin: str, first: str, step_s: float
) -> None:
    step = 0.0
    async with connect(era, rate=50, wall=lambda: wall_clock() + step) as face:
        call = {"address": face.wallets["history"], "chains": ["1"], "limit": 1}
        await face.answer(TOOL, call)
        step = step_s
        answer = await face.answer(TOOL, call | {"begin": begin})
        assert answer["searched"]["from"] == first


async def test_a_real_future_is_refused_with_the_time_it_is(face: Face) -> None:
    call = {"address": face.wallets["history"], "chains": ["1"]}
    await face.answer(TOOL, call)
    failed = await face.failure(TOOL, call | {"begin": "2026-11-23"})
    assert failed.meta["field"] == "begin"
    assert f"a time in the past; it is {NOW} now" in failed.text


async def test_an_error_that_a_wrong_clock_caused_is_not_told(era: Era) -> None:
    step = 0.0
    begins: list[float] = []

    def spoil(request: httpx.Request) -> bytes | None:
        """What begins in the future is a bad parameter, where the request is signed for the right time."""
        begin = int(request.url.params.get("begin", 0)) / 1000
        signed = datetime.fromisoformat(request.headers[HEADER_TIMESTAMP]).timestamp()
        if begin <= wall_clock() or abs(signed - wall_clock()) > 5:
            return None
        begins.append(begin)
        return refusal(40001, "Parameter [begin] error: must not be in the future")

    async with connect(era, rate=50, wall=lambda: wall_clock() + step, spoil=spoil) as face:
        call = {"address": face.wallets["history"], "chains": ["1"], "limit": 1}
        await face.answer(TOOL, call)
        step = 259_200
        answer = await face.answer(TOOL, call | {"begin": "24h"})
        assert answer["searched"]["from"] == "2026-11-21T10:00:00Z"
        assert begins
