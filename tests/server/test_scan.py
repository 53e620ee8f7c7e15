from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.mcp import STRANGER, Made, Upstream, custom_settings, refusal, wall_clock
from tests.support.virtual_time import VirtualTimeLoop
from wallet_mcp.server import history_stream
from wallet_mcp.server.context import Services, ToolContext
from wallet_mcp.server.guidance import CallContext
from wallet_mcp.server.history_stream import PARTIAL, Question, next_cursor
from wallet_mcp.server.output import Provenance
from wallet_mcp.server.scan import Scan, scan_history
from wallet_mcp.wallet.chains import KNOWN_CHAINS, Chain
from wallet_mcp.wallet.cursor import Position
from wallet_mcp.wallet.history import UNTIMED_MS, Transaction
from wallet_mcp.wallet_api.endpoints import ApiConfig, WalletApi
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireHistory

CHAINS = {chain.id: chain for chain in KNOWN_CHAINS}
BASE_MS = 1_790_000_000_000


def row(tx: str, at: int | None, chain: str = "1", contract: str | None = None, **changes: Any) -> dict[str, Any]:
    """A history row of one native or token transfer away from the stranger; `at` in ms after an arbitrary start."""
    return {
        "binanceChainId": chain,
        "txHash": tx,
        "itype": "0" if contract is None else "2",
        "txTime": "" if at is None else str(BASE_MS + at),
        "from": [{"address": STRANGER, "amount": "1"}],
        "to": [{"address": "0x" + "1" * 40, "amount": "1"}],
        "tokenContractAddress": contract,
        "amount": "1",
        "txStatus": "success",
    } | changes


@dataclass
class History:
    """An upstream with these rows per chain, in pages of `size`; requests of the given numbers fail.

    `joint`: whether it answers for several chains at once, with an entry for each.
    """

    rows: dict[str, list[dict[str, Any]]]
    size: int = 100
    failing: frozenset[int] = frozenset()
    ignores: frozenset[str] = frozenset()
    joint: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> Made:
        query = dict(request.url.params)
        self.asked.append(query)
        if len(self.asked) in self.failing:
            return refusal(40411)
        chains = query["chains"].split(",")
        if len(chains) > 1 and not self.joint:
            return refusal(40001, "chains: only a single chain is supported")
        return [self._entry(chain, query) for chain in chains]

    def _entry(self, chain: str, query: dict[str, str]) -> dict[str, Any]:
        low, high = int(query.get("begin", 0)), int(query.get("end", 10**15))
        if "span" in self.ignores:
            low, high = 0, 10**15
        found = [r for r in self.rows.get(chain, []) if low <= int(r["txTime"] or 10**14) <= high]
        start = 0 if "cursor" in self.ignores else int(query.get("cursor", 0))
        following = str(start + self.size) if start + self.size < len(found) else ""
        return {"cursor": following, "transactionList": found[start : start + self.size]}


Api = Callable[[httpx.Request], Made]


def run(history: Api, chains: Sequence[str], limit: int, **question: Any) -> Scan:
    """One scan by a fresh server."""
    with closing(Scanner(history)) as scanner:
        return scanner.scan(chains, limit, **question)


class Scanner:
    """A server's scans, one after the other on one virtual loop."""

    def __init__(self, history: Api) -> None:
        self._runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        chosen = custom_settings()
        assert chosen.credentials is not None
        config = ApiConfig(chosen.credentials.api_key, chosen.credentials.signer, chosen.base_url)
        api = WalletApi(config, transport=Upstream(history), wall=lambda: wall_clock())
        self._services = Services(chosen, api, wall_clock)

    def close(self) -> None:
        self._runner.close()

    def scan(
        self,
        chains: Sequence[str],
        limit: int,
        *,
        wanted: Callable[[Transaction], bool] = lambda _: True,
        to_end: bool = False,
        **question: Any,
    ) -> Scan:
        async def scan() -> Scan:
            now = asyncio.get_running_loop().time()
            provenance = Provenance(self._services.settings.base_url)
            context = ToolContext(self._services, now + 1_000, provenance, CallContext("wallet_list_transactions"))
            asked: list[Chain] = [CHAINS[chain] for chain in chains]
            return await scan_history(
                context, asked, Question(STRANGER, **question), limit, wanted=wanted, to_end=to_end
            )

        return self._runner.run(scan())


def hashes(scan: Scan) -> list[str]:
    return [found.hash for found in scan.transactions]


def test_one_page_of_one_chain() -> None:
    history = History({"1": [row("c", 30), row("b", 20), row("a", 10)]})
    scan = run(history, ["1"], 10)
    assert hashes(scan) == ["c", "b", "a"]
    assert scan.finished
    assert (scan.failures, scan.interruptions, scan.repeated, scan.out_of_time) == ({}, {}, [], False)
    assert [found.time_ms for found in scan.transactions] == [BASE_MS + at for at in (30, 20, 10)]


def test_the_page_is_large_enough_for_rows_that_belong_together() -> None:
    history = History({"1": []})
    for limit in (20, 100):
        run(history, ["1"], limit)
    assert [query["limit"] for query in history.asked] == ["50", "100"]


def test_rows_of_one_hash_that_straddle_a_page_stay_one_transaction() -> None:
    history = History({"1": [row("b", 20), *(row("a", 10, amount=str(amount)) for amount in (1, 2, 3))]}, size=2)
    scan = run(history, ["1"], 10)
    assert [(found.hash, len(found.movements)) for found in scan.transactions] == [("b", 1), ("a", 3)]


@pytest.mark.parametrize(("size", "step", "repeated"), [(2, 1, True), (3, 2, True), (3, 1, True), (2, 2, False)])
def test_rows_that_pages_share_are_counted_once_and_told(size: int, step: int, repeated: bool) -> None:
    rows = [row(tx, at) for tx, at in (("d", 40), ("c", 30), ("b", 20), ("a", 10))]

    def reply(request: httpx.Request) -> Made:
        start = int(request.url.params.get("cursor", "0"))
        following = str(start + step) if start + size < len(rows) else ""
        return [{"cursor": following, "transactionList": rows[start : start + size]}]

    scan = run(reply, ["1"], 10, to_end=True)
    assert [(found.hash, len(found.movements)) for found in scan.transactions] == [(tx, 1) for tx in "dcba"]
    assert (scan.repeated, scan.finished) == (["1"] * repeated, True)


def test_a_transaction_of_more_rows_than_can_be_read_hides_nothing_else() -> None:
    spam = [row("s", 20, amount=str(number)) for number in range(60)]
    rows = {"1": [row("c", 30), *spam, row("z", 20), row("a", 10)], "56": [row("b", 15, "56")]}
    history = History(rows, size=4)
    found: list[tuple[str, bool]] = []
    given_up: list[dict[str, int]] = []
    with patch.object(history_stream, "MAX_REQUESTS", 6), closing(Scanner(history)) as scanner:
        after: Position | None = None
        for _ in range(5):
            scan = scanner.scan(["1", "56"], 2, after=after)
            found += [(one.hash, PARTIAL in one.flags) for one in scan.transactions]
            given_up += [scan.given_up] if scan.given_up else []
            assert scan.finished or scan.consumed != after, "each call goes on"
            if scan.finished:
                break
            after = scan.consumed
    assert found == [("c", False), ("s", True), ("b", False), ("a", False)]
    assert given_up == [{"1": BASE_MS + 20}]


def test_what_was_too_much_at_once_is_not_made_into_more() -> None:
    rows = {"1": [row("a", 10)], "56": [row("b", 20, "56")]}
    asked: list[str] = []

    def reply(request: httpx.Request) -> Made:
        asked.append(request.url.params["chains"])
        return refusal(42900) if len(asked) < 3 else History(rows)(request)

    scan = run(reply, ["1", "56"], 5)
    assert (hashes(scan), set(asked)) == (["b", "a"], {"1,56"})


@pytest.mark.parametrize("code", [50000, 40411])
def test_chains_are_asked_one_by_one_where_one_of_them_spoils_the_request_for_all(code: int) -> None:
    rows = {"1": [row("a", 10)], "56": [row("b", 20, "56")]}

    def reply(request: httpx.Request) -> Made:
        asked.append(request.url.params["chains"])
        return refusal(code) if "56" in asked[-1].split(",") else History(rows)(request)

    asked: list[str] = []
    with closing(Scanner(reply)) as scanner:
        scan = scanner.scan(["1", "56"], 5)
        assert (hashes(scan), list(scan.failures)) == (["a"], ["56"])
        assert asked[0] == "1,56"
        asked.clear()
        scanner.scan(["1", "56"], 6)
        assert "1,56" not in asked


def test_chains_are_merged_by_time() -> None:
    history = History({"1": [row("d", 40), row("a", 10)], "56": [row("c", 30, "56"), row("b", 20, "56")]}, size=1)
    scan = run(history, ["1", "56"], 3)
    assert hashes(scan) == ["d", "c", "b"]
    assert not scan.finished
    assert scan.consumed == scan.transactions[-1].position


def test_a_page_that_is_full_to_the_last_transaction_is_known_to_be_the_end() -> None:
    history = History({"1": [row("b", 20), row("a", 10)]})
    scan = run(history, ["1"], 2)
    assert hashes(scan) == ["b", "a"]
    assert scan.finished


@pytest.mark.parametrize("cursor", ["", "7"])
def test_an_empty_page_ends_a_chain_whatever_its_cursor(cursor: str) -> None:
    scan = run(lambda request: [{"cursor": cursor, "transactionList": []}], ["1"], 5)
    assert scan.finished
    assert not scan.repeated
    assert not scan.transactions


def test_an_upstream_that_repeats_itself_is_found_out_and_repeats_nothing_here() -> None:
    rows = [row(name, at) for name, at in (("c", 30), ("b", 20), ("a", 10))]
    scan = run(History({"1": rows}, size=2, ignores=frozenset({"cursor"})), ["1"], 10)
    assert hashes(scan) == ["c", "b"]
    assert scan.repeated == ["1"]


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [(15, 35, ["c", "b"]), (20, 30, ["c", "b"]), (None, 0, []), (11, None, ["d", "c", "b"])],
)
def test_the_span_holds_even_if_upstream_ignores_it(begin: int | None, end: int | None, expected: list[str]) -> None:
    rows = [row(name, at) for name, at in (("d", 40), ("c", 30), ("b", 20), ("a", 10))]
    bounds = {
        "begin_ms": None if begin is None else BASE_MS + begin,
        "end_ms": None if end is None else BASE_MS + end,
    }
    if end == 0:
        bounds["end_ms"] = 0
    assert hashes(run(History({"1": rows}, ignores=frozenset({"span"})), ["1"], 10, **bounds)) == expected


def test_a_contract_holds_even_if_upstream_ignores_it() -> None:
    usdt = "0xdac17f958d2ee523a2206206994597c13d831ec7"
    rows = [
        row("c", 30, contract=usdt.upper().replace("0X", "0x")),
        row("b", 20, contract="0x" + "2" * 40),
        row("a", 10),
    ]
    assert hashes(run(History({"1": rows}), ["1"], 10, contract=usdt)) == ["c"]
    assert hashes(run(History({"1": rows}), ["1"], 10, contract="native")) == ["a"]


def test_rows_of_another_chain_are_left_out() -> None:
    rows = [row("b", 20, "56"), row("a", 10, ""), row("c", 5, "1")]
    assert hashes(run(History({"1": rows}), ["1"], 10)) == ["a", "c"]


def test_rows_without_a_hash_are_not_one_transaction() -> None:
    rows = [row("", 30), row("", 20), row("", 20), row("a", 10)]
    scan = run(History({"1": rows}, size=2), ["1"], 10)
    assert [len(found.movements) for found in scan.transactions] == [1, 1, 1, 1]


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize("limit", [1, 2])
def test_rows_without_a_hash_that_are_alike_are_all_listed(size: int, limit: int) -> None:
    history = History({"1": [row("d", 40), row("", 30), row("", 30), row("", 30), row("a", 10)]}, size=size)
    with closing(Scanner(history)) as scanner:
        found: list[str] = []
        after: Position | None = None
        for _ in range(6):
            scan = scanner.scan(["1"], limit, after=after)
            found += hashes(scan)
            after = scan.consumed or after
        assert found == ["d", "", "", "", "a"]


PRECOMPILE = "0x" + "1010".rjust(40, "0")


@pytest.mark.parametrize("contract", ["native", PRECOMPILE])
def test_the_contract_that_is_the_coin_of_polygon_is_the_coin_and_told_once(contract: str) -> None:
    history = History(
        {
            "137": [row("b", 20, "137"), row("b", 20, "137", PRECOMPILE), row("a", 10, "137", PRECOMPILE)],
            "1": [row("c", 30), row("d", 5, "1", PRECOMPILE)],
        }
    )
    scan = run(history, ["137"], 10, contract=contract)
    moved = [(found.hash, [movement.contract for movement in found.movements]) for found in scan.transactions]
    assert moved == [("b", ["native"]), ("a", ["native"])]
    assert {query.get("tokenContractAddress") for query in history.asked} == {None}
    both = run(history, ["137", "1"], 10, contract=contract)
    assert hashes(both) == (["c", "b", "a"] if contract == "native" else ["b", "a", "d"])


def test_pending_transactions_without_a_time_come_first_and_only_once() -> None:
    rows = [row("p", None), row("q", None), row("b", 20), row("a", 10)]
    with closing(Scanner(History({"1": rows}))) as scanner:
        first = scanner.scan(["1"], 1)
        second = scanner.scan(["1"], 1, after=first.consumed)
        rest = scanner.scan(["1"], 10, after=second.consumed)
    assert set(hashes(first) + hashes(second)) == {"p", "q"}
    assert hashes(rest) == ["b", "a"]
    assert first.consumed is not None
    assert first.consumed[0] == -UNTIMED_MS


def test_when_nothing_can_be_read_the_first_error_is_raised() -> None:
    with pytest.raises(ApiError) as caught:
        run(History({}, failing=frozenset({1, 2, 3})), ["1", "56"], 5)
    assert caught.value.code == 40411


def test_a_chain_that_fails_at_once_leaves_the_others_whole() -> None:
    scan = run(History({"56": [row("a", 10, "56")]}, failing=frozenset({1, 2})), ["1", "56"], 5)
    assert hashes(scan) == ["a"]
    assert list(scan.failures) == ["1"]
    assert scan.finished


@pytest.mark.parametrize(("joint", "number"), [(True, 2), (False, 4)])
def test_a_chain_that_fails_later_ends_the_scan_where_it_was_read_to(joint: bool, number: int) -> None:
    history = History(
        {"1": [row("f", 60), row("d", 40), row("b", 20)], "56": [row("e", 50, "56"), row("a", 10, "56")]},
        size=2,
        failing=frozenset({number}),
        joint=joint,
    )
    scan = run(history, ["1", "56"], 10)
    assert hashes(scan) == ["f", "e"]
    assert list(scan.interruptions) == ["1"]
    assert not scan.finished
    assert scan.consumed == (-(BASE_MS + 40), bytes(8))


def test_a_search_that_ends_early_goes_on_where_it_ended() -> None:
    rows = [row(f"t{at}", at, contract="0x" + "2" * 40) for at in range(400, 0, -1)] + [row("coin", 0)]
    after: Position | None = None
    turns = 0
    with closing(Scanner(History({"1": rows}, size=5))) as scanner:
        for _ in range(5):
            turns += 1
            scan = scanner.scan(["1"], 5, contract="native", after=after)
            if scan.finished:
                break
            assert scan.out_of_time
            assert not scan.transactions
            assert scan.consumed is not None
            assert after is None or scan.consumed > after
            after = scan.consumed
    assert turns == 3
    assert hashes(scan) == ["coin"]


def test_chains_that_were_never_asked_for_want_of_time_are_failures() -> None:
    history = History({"1": [row("a", 10)], "8453": [row("b", 20, "8453")]}, joint=False)
    with patch.object(history_stream, "MAX_REQUESTS", 3):
        scan = run(history, ["1", "56", "8453"], 5)
    assert [error.code for error in scan.failures.values()] == ["timeout"]
    assert len(scan.failures) == 1
    with patch.object(history_stream, "MAX_REQUESTS", 0), pytest.raises(ApiError):
        run(History({"1": [row("a", 10)]}), ["1"], 5)


def test_to_its_end_a_span_is_read_beyond_what_is_shown() -> None:
    rows = [row(name, at) for name, at in (("d", 40), ("c", 30), ("b", 20), ("a", 10))]
    history = History({"1": rows, "56": [row("x", 25, "56")]}, size=2)
    scan = run(history, ["1", "56"], 2, to_end=True, wanted=lambda found: found.hash != "c")
    assert hashes(scan) == ["d", "x"]
    assert [found.hash for found in scan.beyond] == ["b", "a"]
    assert [found.hash for found in scan.seen] == ["d", "c", "x", "b", "a"]
    assert scan.finished
    assert scan.consumed == scan.transactions[-1].position
    assert history.asked[0]["limit"] == "100"


def test_what_is_not_wanted_takes_no_place() -> None:
    rows = [row(name, at) for name, at in (("d", 40), ("c", 30), ("b", 20), ("a", 10))]
    scan = run(History({"1": rows}), ["1"], 1, wanted=lambda found: found.hash == "b")
    assert (hashes(scan), scan.beyond) == (["b"], [])
    assert not scan.finished
    assert scan.consumed == scan.transactions[0].position


def test_one_request_begins_all_chains_and_what_is_refused_is_not_asked_again_at_once() -> None:
    rows = {"1": [row("a", 10)], "56": [row("b", 20, "56")]}
    joint, single = History(rows), History(rows, joint=False)
    for history, asked in ((joint, ["1,56", "1,56"]), (single, ["1,56", "1", "56", "1", "56"])):
        with closing(Scanner(history)) as scanner:
            assert hashes(scanner.scan(["1", "56"], 5)) == ["b", "a"]
            assert hashes(scanner.scan(["1", "56"], 6)) == ["b", "a"]
        assert [query["chains"] for query in history.asked] == asked


def test_the_first_request_for_all_counts_against_the_budget() -> None:
    history = History({"1": [row("b", 20), row("a", 10)], "56": []}, size=1)
    with patch.object(history_stream, "MAX_REQUESTS", 1):
        scan = run(history, ["1", "56"], 5)
    assert len(history.asked) == 1
    assert scan.out_of_time
    assert not scan.failures
    with patch.object(history_stream, "MAX_REQUESTS", 0), pytest.raises(ApiError) as caught:
        run(history, ["1", "56"], 5)
    assert caught.value.code == "timeout"
    assert len(history.asked) == 1


@pytest.mark.parametrize(("cursors", "expected"), [([], ""), (["", "x"], "x"), (["a", "b"], "a"), (["", ""], "")])
def test_the_cursor_is_the_first_that_is_one(cursors: list[str], expected: str) -> None:
    assert next_cursor([WireHistory(cursor=cursor) for cursor in cursors]) == expected


@st.composite
def histories(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Rows of up to three chains, newest first, those of one millisecond in any order."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for chain in draw(st.sampled_from([["1"], ["1", "56"], ["1", "56", "8453"]])):
        times = draw(st.lists(st.integers(0, 12), max_size=12))
        moves = [
            # Two transfers of one transaction that are alike could be one that came twice.
            (-at, draw(st.integers(0, 99)), row(f"{chain} {number}", at, chain, amount=str(amount)))
            for number, at in enumerate(times)
            for amount in range(1, draw(st.integers(2, 4)))
        ]
        rows[chain] = [made for _, _, made in sorted(moves, key=lambda move: move[:2])]
    return rows


@settings(max_examples=25)
@given(
    histories(),
    st.integers(1, 5),
    st.integers(4, 9),
    st.integers(9, 30),
    st.frozensets(st.integers(1, 25), max_size=6),
    st.booleans(),
)
def test_whatever_fails_each_transaction_is_listed_once_and_whole(
    rows: dict[str, list[dict[str, Any]]], limit: int, size: int, requests: int, failing: frozenset[int], joint: bool
) -> None:
    todo: list[tuple[list[str], Position | None]] = [(list(rows), None)]
    found: dict[str, int] = {}
    history = History(rows, size=size, failing=failing, joint=joint)
    with patch.object(history_stream, "MAX_REQUESTS", requests), closing(Scanner(history)) as scanner:
        for _ in range(500):
            if not todo:
                break
            chains, after = todo.pop()
            try:
                scan = scanner.scan(chains, limit, after=after)
            except ApiError:
                todo.append((chains, after))
                continue
            positions = [one.position for one in scan.transactions]
            assert positions == sorted(positions)
            assert len(positions) <= limit
            assert all(after is None or position > after for position in positions)
            for one in scan.transactions:
                assert one.hash not in found
                found[one.hash] = len(one.movements)
            if not scan.finished:
                todo.append(([chain for chain in chains if chain not in scan.failures], scan.consumed or after))
            if scan.failures:
                todo.append((list(scan.failures), after))
    assert not todo
    expected: dict[str, int] = {}
    for made in [made for chain in rows.values() for made in chain]:
        expected[made["txHash"]] = expected.get(made["txHash"], 0) + 1
    assert found == expected


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("beyond", [0, 2])
def test_what_is_not_shown_of_a_scan_follows(finished: bool, beyond: int) -> None:
    scan = run(History({"1": [row(tx, at) for tx, at in zip("fedcba", range(6, 0, -1), strict=True)]}), ["1"], 10)
    found = scan.transactions
    scan = replace(scan, transactions=found[: 6 - beyond], beyond=found[6 - beyond :], finished=finished)
    assert scan.first(6 - beyond) is scan
    less = scan.first(2)
    assert (hashes(less), less.consumed, less.finished) == (["f", "e"], found[1].position, finished)
    # Where the search did not reach its end, what follows is more than what was found.
    assert less.beyond == (found[2:] if finished or beyond else [])
    assert hashes(scan) == ["f", "e", "d", "c", "b", "a"][: 6 - beyond]
