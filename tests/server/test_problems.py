from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.mcp import STRANGER
from wallet_mcp.server.arguments import read_arguments
from wallet_mcp.server.problems import Narrower, narrower_call
from wallet_mcp.server.tools import list_transactions
from wallet_mcp.wallet.chains import KNOWN_CHAINS
from wallet_mcp.wallet.times import iso_ms, months_before, parse_time

NOW = 1_795_341_600.0  # 2026-11-22T10:00:00Z
NOW_MS = int(NOW * 1000)
DAY_MS = 86_400_000
HORIZON_MS = months_before(NOW_MS, 6)
SOLANA = "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU"
TOOL = "wallet_list_transactions"
EVM = [chain.id for chain in KNOWN_CHAINS if chain.family == "evm"]
LONGEST_LADDER = 12


def narrower(arguments: Mapping[str, object], now: float = NOW) -> Narrower | None:
    return narrower_call(TOOL, arguments, now)


@pytest.mark.parametrize(
    ("changes", "instruction", "corrected"),
    [
        (
            {"chains": ["1", "56"], "begin": "7d"},
            'but {"chains": ["1"]}, then for the other chains',
            {"chains": ["1"], "begin": "7d"},
        ),
        (
            {"chains": ["1", "56"], "cursor": "c"},
            'but {"chains": ["1"]} and without cursor, then for the other chains',
            {"chains": ["1"]},
        ),
        ({"chains": ["1"]}, 'but {"begin": "7d"}, then for what came before', {"chains": ["1"], "begin": "7d"}),
        ({"end": None}, 'but {"begin": "7d"}, then for what came before', {"begin": "7d"}),
        ({"begin": "30d"}, 'but {"begin": "15d"}', {"begin": "15d"}),
        ({"begin": " 4D "}, 'but {"begin": "2d"}', {"begin": "2d"}),
        ({"begin": "36h"}, 'but {"begin": "1d"}', {"begin": "1d"}),
        ({"begin": "1w"}, 'but {"begin": "3d"}', {"begin": "3d"}),
        ({"begin": "1500m"}, 'but {"begin": "1d"}', {"begin": "1d"}),
        ({"begin": "9999w"}, 'but {"begin": "92d"}', {"begin": "92d"}),
        ({"begin": "2026-11-12"}, "", {"begin": "2026-11-17T10:00:00Z"}),
        ({"begin": "2026-11-12T10:00:00+02:00"}, "", {"begin": "2026-11-17T10:00:00Z"}),
        ({"begin": "1999-01-01"}, "", {"begin": "2026-08-22T10:00:00Z"}),
        (
            {"begin": "2026-11-01", "end": "2026-11-10"},
            'but {"begin": "2026-11-06T00:00:00Z"}, then for what came before',
            {"begin": "2026-11-06T00:00:00Z", "end": "2026-11-10"},
        ),
        ({"begin": "2026-11-09", "end": "2026-11-10"}, "", {"begin": "2026-11-10T00:00:00Z", "end": "2026-11-10"}),
        ({"begin": "30d", "end": "10d"}, "", {"begin": "2026-11-02T10:00:00Z", "end": "10d"}),
        ({"begin": "2026-11-20", "end": "2030-01-01"}, "", {"begin": "2026-11-21T10:00:00Z", "end": "2030-01-01"}),
        ({"end": "2026-11-10"}, "", {"begin": "2026-11-04T00:00:00Z", "end": "2026-11-10"}),
        (
            {"begin": "1d"},
            'but {"chains": ["1"]}, then for each of 56, 137, 8453, ',
            {"begin": "1d", "chains": ["1"]},
        ),
        ({"cursor": "c"}, 'but {"chains": ["1"]} and without cursor, then for each of 56, ', {"chains": ["1"]}),
    ],
)
def test_a_busy_history_is_asked_for_less(
    changes: dict[str, object], instruction: str, corrected: dict[str, object]
) -> None:
    found = narrower({"address": STRANGER, **changes})
    assert found is not None
    assert found.arguments == {"address": STRANGER, **corrected}
    assert found.instruction.startswith(f"call {TOOL} again with ")
    assert instruction in found.instruction


@pytest.mark.parametrize(
    "arguments",
    [
        {"address": STRANGER, "chains": ["1"], "begin": "1d"},
        {"address": STRANGER, "chains": ["1"], "begin": "24h", "limit": 5},
        {"address": STRANGER, "chains": ["1"], "begin": "2026-11-21", "end": "2026-11-21"},
        {"address": STRANGER, "chains": ["1"], "begin": "2026-11-22"},
        {"address": STRANGER, "chains": ["1"], "cursor": "c"},
        {"address": STRANGER, "chains": ["1"], "begin": "90d", "cursor": "c"},
        {"address": STRANGER, "chains": ["1"], "begin": "no time"},
        {"address": SOLANA, "begin": "1d"},
        {"address": SOLANA, "cursor": "c"},
    ],
)
def test_one_day_of_one_chain_is_not_narrowed(arguments: dict[str, object]) -> None:
    assert narrower(arguments) is None


def test_of_a_label_the_chains_are_not_known() -> None:
    found = narrower({"address": "treasury", "begin": "1d"})
    assert found is not None
    assert found.arguments is None
    assert "with a single chain in chains" in found.instruction


def test_a_call_too_long_to_repeat_is_told_in_words() -> None:
    found = narrower({"address": STRANGER, "chains": ["x" * 400, "y"]})
    assert found is not None
    assert found.arguments == {"address": STRANGER, "chains": ["x" * 400]}
    assert "x" * 9 not in found.instruction


@st.composite
def histories(draw: st.DrawFn) -> dict[str, object]:
    """The arguments of a call that passes every local check."""
    address = draw(st.sampled_from([STRANGER, SOLANA, "treasury"]))
    chains = ["CT_501", "sol"] if address == SOLANA else EVM
    last_ms = NOW_MS - draw(st.one_of(st.just(0), st.integers(0, NOW_MS - HORIZON_MS)))
    first_ms = last_ms - draw(st.integers(0, 3 * (NOW_MS - HORIZON_MS)))
    arguments: dict[str, object] = {
        "address": address,
        "chains": draw(st.none() | st.lists(st.sampled_from(chains), min_size=1, max_size=20)),
        "begin": draw(st.none() | st.sampled_from(_written(first_ms))),
        "end": draw(st.none() | st.sampled_from(_written(last_ms))),
        "cursor": draw(st.none() | st.just("AXlqdWJqAZu0kXcAqrvM3e7_ABE")),
        "limit": draw(st.none() | st.integers(1, 100)),
    }
    return {name: value for name, value in arguments.items() if value is not None}


def _written(ms: int) -> list[str]:
    """A point in time in the forms that a caller may write it in."""
    minutes = (NOW_MS - ms) // 60_000
    ages = [f"{minutes // size}{unit}" for unit, size in (("m", 1), ("h", 60), ("d", 1440), ("w", 10080))]
    return [iso_ms(ms), iso_ms(ms)[:10], *(age for age in ages if len(age) <= 5)]


def span_ms(arguments: Mapping[str, Any]) -> int:
    """The length of what a call asks for, within what upstream keeps."""
    begin, end = arguments.get("begin"), arguments.get("end")
    first = HORIZON_MS if begin is None else max(HORIZON_MS, parse_time(begin, NOW, "begin"))
    last = NOW_MS if end is None else min(NOW_MS, parse_time(end, NOW, "end"))
    assert first <= last
    return last - first


def chain_count(arguments: Mapping[str, Any]) -> int:
    chains = arguments.get("chains")
    return len(chains) if chains is not None else 1 if arguments["address"] == SOLANA else len(EVM)


@given(histories())
def test_the_ladder_goes_down_and_ends(start: dict[str, object]) -> None:
    arguments = start
    try:
        span_ms(arguments)
    except AssertionError:
        return  # a begin behind the end is refused before anything is asked
    for _ in range(LONGEST_LADDER):
        found = narrower(arguments)
        if found is None:
            break
        fewer = {**arguments, "chains": ["1"]} if found.arguments is None else found.arguments
        read_arguments(list_transactions.Input, fewer)
        assert fewer.keys() <= arguments.keys() | {"chains", "begin"}
        before, after = (span_ms(arguments), chain_count(arguments)), (span_ms(fewer), chain_count(fewer))
        assert after[0] <= before[0]
        assert after[1] <= before[1]
        assert after != before
        arguments = fewer
    else:
        raise AssertionError((start, arguments))
    assert chain_count(arguments) == 1
    assert "cursor" in arguments or span_ms(arguments) <= DAY_MS + 60_000


@given(histories(), st.randoms(use_true_random=False))
def test_the_ladder_ends_while_time_goes_on(start: dict[str, object], clock: random.Random) -> None:
    arguments, now = start, NOW
    for _ in range(LONGEST_LADDER):
        found = narrower(arguments, now)
        if found is None:
            return
        arguments = {**arguments, "chains": ["1"]} if found.arguments is None else found.arguments
        now += clock.uniform(0, 60)
    raise AssertionError((start, arguments))
