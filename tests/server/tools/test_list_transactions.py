from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import Any, cast

import httpx
import pytest

from tests.support.mcp import (
    COMMON,
    STRANGER,
    Era,
    Face,
    Upstream,
    connect,
    custom_settings,
    refusal,
    usable_settings,
)
from tests.support.truth import history, pages_of, transaction_row, unfolded
from tests.support.virtual_time import VirtualTimeLoop
from wallet_mcp.sandbox.app import Fault
from wallet_mcp.server.movements import FAILED_NOTE
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE
from wallet_mcp.server.tools.list_transactions import TOOL as DEFINITION
from wallet_mcp.server.units import BASE_UNITS_NOTE, UNDECIDED_NOTE

TOOL = "wallet_list_transactions"
PATH = "transactions-by-address"
FIELDS = {
    "address",
    "label",
    "searched",
    "unless_given",
    "parties",
    "assets",
    "transactions",
    "totals",
    "fees_paid",
    "fees_unclear",
}
EVM = ["1", "56", "137", "8453", "42161", "10", "59144", "143", "9745"]
NOW = "2026-11-22T10:00:00Z"
HORIZON = "2026-05-22T10:00:00Z"
USDC = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"

pytestmark = pytest.mark.anyio


def advance(seconds: float) -> None:
    cast(VirtualTimeLoop, asyncio.get_running_loop()).advance(seconds)


def milliseconds(text: str) -> int:
    """Unix milliseconds of ISO 8601."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def by_place(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in an order of the test's own: those of one second stand in an order that no truth tells."""
    return sorted(rows, key=lambda row: (row["time"], row["chain"], row["hash"]))


@pytest.mark.parametrize("chain", ["1", "56", "8453"])
async def test_each_transaction_is_the_worlds(face: Face, chain: str) -> None:
    address = face.wallets["history"]
    pages = await pages_of(face, {"address": address, "chains": [chain], "limit": 100})
    rows = [row for page in pages for row in unfolded(page)]
    assert rows == [transaction_row(tx, address) for tx in history(face, "history", [chain])]
    assert {row["status"] for row in rows} >= {"success", "failed"}
    assert pages[0].structure.keys() <= {*FIELDS, *COMMON}
    assert CHAIN_TEXT_NOTICE in pages[0]["notes"]
    assert BASE_UNITS_NOTE in pages[0]["notes"]
    for page in pages:
        assert (FAILED_NOTE in page.notes) is any(row.get("status") == "failed" for row in page["transactions"])


async def test_a_solana_history_is_found_without_naming_a_chain(era: Era) -> None:
    async with connect(era, settings=usable_settings(tx_amount_unit="base")) as face:
        address = face.wallets["solana"]
        (page,) = await pages_of(face, {"address": address, "limit": 100})
        assert unfolded(page) == [transaction_row(tx, address) for tx in history(face, "solana", ["CT_501"])]
        assert page["searched"] == {"from": HORIZON, "to": NOW, "chains": ["CT_501"]}


@pytest.mark.parametrize(
    ("chains", "limit"),
    [(None, 60), (["1", "56", "8453"], 47), (["8453", "56"], 19), (["base"], 4)],
    ids=["all by 60", "three by 47", "two by 19", "one by 4"],
)
async def test_next_leads_through_the_whole_history_without_loss_or_repetition(
    era: Era, chains: list[str] | None, limit: int
) -> None:
    async with connect(era, rate=50) as face:
        address = face.wallets["history"]
        pages = await pages_of(face, {"address": address, "limit": limit} | ({"chains": chains} if chains else {}))
        rows = [row for page in pages for row in unfolded(page)]
        asked = {"base": "8453"}
        expected = history(face, "history", [asked.get(chain, chain) for chain in chains or EVM])
        assert by_place(rows) == by_place([transaction_row(tx, address) for tx in expected])
        times = [row["time"] for row in rows]
        assert times == sorted(times, reverse=True)
        assert all(len(page["transactions"]) == limit for page in pages[:-1])
        named = {"address", "limit", "cursor"} | ({"chains"} if chains else set())
        assert all(page["next"]["arguments"].keys() == named for page in pages[:-1])


async def test_the_searched_spans_of_the_pages_cover_the_whole(face: Face) -> None:
    pages = await pages_of(face, {"address": face.wallets["history"], "chains": ["8453"], "limit": 25})
    spans = [page["searched"] for page in pages]
    times = {tx.hash: tx.time_ms for tx in history(face, "history", ["8453"])}
    assert (spans[0]["to"], spans[-1]["from"]) == (NOW, HORIZON)
    assert all(earlier["from"] == later["to"] for earlier, later in pairwise(spans))
    for page in pages[:-1]:
        assert milliseconds(page["searched"]["from"]) == times[page["transactions"][-1]["hash"]]
        assert page["incomplete_because"] == "older transactions follow"
    assert f"nothing before {HORIZON} was searched" in pages[-1].notes
    assert "six months" not in pages[0].notes


async def test_a_cursor_belongs_to_its_question(face: Face) -> None:
    call = {"address": face.wallets["history"], "chains": ["1", "56"], "begin": "60d", "limit": 5}
    following = (await face.answer(TOOL, call))["next"]["arguments"]
    assert len(following["cursor"]) <= 28
    assert following["chains"] == ["1", "56"]
    same = following | {"chains": ["BSC", "eth"], "address": following["address"].lower(), "limit": 9}
    first = unfolded(await face.answer(TOOL, following))
    assert unfolded(await face.answer(TOOL, same))[:5] == first
    changes: list[dict[str, Any]] = [
        {"address": STRANGER},
        {"chains": ["1"]},
        {"chains": ["1", "56", "8453"]},
        {"chains": None},
        {"begin": "2026-09-20"},
        {"begin": None},
        {"end": "2026-11-20"},
        {"contract": "native"},
    ]
    for change in changes:
        failed = await face.failure(TOOL, following | change)
        assert failed.meta["field"] == "cursor"
        assert "of another question" in failed.text
        assert "Leave it out to start anew" in failed.text


@pytest.mark.parametrize("cursor", ["x", "AAAA", "not base64!", "é" * 27, "A" * 28, "A" * 61, ""])
async def test_a_damaged_cursor_is_refused_before_anything_is_sent(face: Face, cursor: str) -> None:
    failed = await face.failure(TOOL, address=face.wallets["history"], chains=["1"], cursor=cursor)
    assert failed.meta["field"] == "cursor"
    assert not face.sent()


async def test_a_cursor_outlives_the_server_and_the_minute(era: Era) -> None:
    async with connect(era) as face:
        first = await face.answer(TOOL, address=face.wallets["history"], chains=["1", "8453"], begin="90d", limit=10)
        advance(300)
        direct = await face.replay(first)
    async with connect(era) as other:
        again = await other.answer(TOOL, first["next"]["arguments"])
        assert again["transactions"] == direct["transactions"]


@pytest.mark.parametrize("contract", ["native", USDC, USDC.upper().replace("0X", "0x"), "0x" + "e" * 40])
async def test_a_contract_narrows_the_list_to_its_token(face: Face, contract: str) -> None:
    address = face.wallets["history"]
    pages = await pages_of(face, {"address": address, "chains": ["1"], "contract": contract, "limit": 30})
    rows = [row for page in pages for row in unfolded(page)]
    wanted = "" if contract.lower() != USDC else USDC
    # A contract call that carries no coins is no transfer of the coin.
    expected = [
        tx
        for tx in history(face, "history", ["1"])
        if any(move.contract == wanted and (wanted or move.raw) for move in tx.movements)
    ]
    assert [row["hash"] for row in rows] == [tx.hash for tx in expected]
    assert all(("tokenContractAddress" in request.query) is bool(wanted) for request in face.sent(PATH))


def failing(chain: str, first: int, last: int, code: int = 50000) -> Callable[[httpx.Request], bytes | None]:
    """Refuses to answer for several chains, and spoils a chain's requests from number `first` to `last`."""
    numbers = count(1)

    def spoil(request: httpx.Request) -> bytes | None:
        chains = request.url.params.get("chains", "")
        if "," in chains:
            return refusal(40001, "chains: only a single chain is supported")
        return refusal(code) if chains == chain and first <= next(numbers) <= last else None

    return spoil


async def test_a_chain_that_fails_is_named_and_next_asks_for_it_alone(era: Era) -> None:
    async with connect(era, spoil=failing("8453", 1, 2)) as face:
        address = face.wallets["history"]
        answer = await face.answer(TOOL, address=address, chains=["1", "8453"], begin="10d", limit=100)
        assert answer["searched"]["chains"] == ["1"]
        assert answer["incomplete_because"] == "Base (8453) could not be read (error 50000)"
        assert answer["next"]["arguments"]["chains"] == ["8453"]
        rest = await face.replay(answer)
        assert rest["complete"] is True
        begin = milliseconds("2026-11-12T10:00:00Z")
        recent = [tx for tx in history(face, "history", ["1", "8453"]) if tx.time_ms >= begin]
        found = unfolded(answer) + unfolded(rest)
        assert by_place(found) == by_place([transaction_row(tx, address) for tx in recent])


@pytest.mark.parametrize("first", [1, 2, 3])
async def test_nothing_is_lost_when_a_chain_fails_for_a_while(era: Era, first: int) -> None:
    async with connect(era, rate=50, spoil=failing("56", 2 * first - 1, 2 * first)) as face:
        address = face.wallets["history"]
        todo = [{"address": address, "chains": ["1", "56"], "limit": 30}]
        found: list[dict[str, Any]] = []
        failures = 0
        while todo:
            answer = await face.answer(TOOL, todo.pop())
            found += unfolded(answer)
            if "next" in answer:
                todo.append(answer["next"]["arguments"])
            if "could not be read" in answer.structure.get("incomplete_because", ""):
                failures += 1
            for note in answer.structure.get("notes", ()):
                told = re.search(r"For what could not be read, also call wallet_list_transactions (\{.*\})$", note)
                if told:
                    todo.append(json.loads(told[1]))
        assert failures == 1
        expected = [transaction_row(tx, address) for tx in history(face, "history", ["1", "56"])]
        assert by_place(found) == by_place(expected)


async def test_the_history_that_always_fails_says_how_to_ask_for_less(face: Face) -> None:
    address = face.wallets["broken_history"]
    failed = await face.failure(TOOL, address=address)
    assert (failed.meta["code"], failed.meta["actor"]) == (50000, "model")
    assert failed.meta["corrected"]["arguments"] == {"address": address, "begin": "7d"}
    again = await face.failure(TOOL, failed.meta["corrected"]["arguments"] | {"chains": ["1", "56"]})
    assert again.meta["corrected"]["arguments"] == {"address": address, "begin": "7d", "chains": ["1"]}
    last = await face.failure(TOOL, again.meta["corrected"]["arguments"])
    assert last.meta["corrected"]["arguments"]["begin"] == "3d"


@pytest.mark.parametrize(
    ("setting", "served"), [("auto", "base"), ("auto", "scaled"), ("base", "base"), ("scaled", "scaled")]
)
async def test_amounts_are_the_same_in_either_unit_once_it_is_known(era: Era, setting: str, served: str) -> None:
    async with connect(era, settings=usable_settings(tx_amount_unit=setting), amount_unit=served) as face:
        address = face.wallets["rich"]
        answer = await face.answer(TOOL, address=address, chains=["1"], limit=100)
        assert unfolded(answer) == [transaction_row(tx, address) for tx in history(face, "rich", ["1"])]
        assert not any("unit" in move for row in answer["transactions"] for move in row["movements"])
        # Well-known symbols of their own contracts are no chain text.
        assert CHAIN_TEXT_NOTICE not in answer.notes


async def test_an_amount_without_proof_is_named_as_undecided(face: Face) -> None:
    address = face.wallets["rich"]
    answer = await face.answer(
        TOOL, address=address, chains=["56"], contract="0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d"
    )
    moves = [move for row in answer["transactions"] for move in row["movements"]]
    assert {move["unit"] for move in moves} == {"undecided"}
    assert all("amount" not in move for move in moves)
    truth = {tx.hash: tx for tx in history(face, "rich", ["56"])}
    expected = [
        str(m.raw) for row in answer["transactions"] for m in truth[row["hash"]].movements if m.symbol == "USDC"
    ]
    assert [move["amount_raw"] for move in moves] == expected
    assert UNDECIDED_NOTE in answer["notes"]


async def test_an_address_outside_the_sandbox_is_told_its_wallets(face: Face) -> None:
    answer = await face.answer(TOOL, address=STRANGER, chains=["1"])
    assert answer["transactions"] == []
    assert "No transaction was found in that span." in answer.lines
    assert f"history {face.wallets['history']}" in answer.notes


@pytest.mark.parametrize(
    ("arguments", "field", "told"),
    [
        ({"chains": ["1", "tron"]}, "chains[1]", "Tron is not served"),
        ({"chains": ["sol"]}, "chains[0]", "EVM"),
        ({"chains": []}, "chains", "a list of chains"),
        ({"chains": "1,56"}, "chains", "a list of chains"),
        ({"contract": "USDC"}, "contract", "0x and 40 hex digits"),
        ({"contract": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"}, "contract", "Solana mint"),
        ({"limit": 101}, "limit", "a whole number from 1 to 100"),
    ],
)
async def test_a_bad_question_is_never_sent(face: Face, arguments: dict[str, Any], field: str, told: str) -> None:
    failed = await face.failure(TOOL, {"address": face.wallets["history"]} | arguments)
    assert failed.meta["field"] == field
    assert told in failed.text
    assert not face.sent(PATH)


async def test_each_chain_is_asked_once_however_often_it_is_named(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["rich"], chains=["10", "optimism", "OP"], limit=1)
    assert answer["searched"]["chains"] == ["10"]
    assert len(face.sent()) == 1


async def test_the_built_in_chains_serve_when_the_live_list_is_out(era: Era) -> None:
    async with connect(era, faults=[Fault("50001", path="supported/chain")]) as face:
        answer = await face.answer(TOOL, address=face.wallets["rich"], limit=1)
        assert answer["searched"]["chains"] == EVM
        assert "built-in list of 10 chains" in answer.notes


async def test_the_age_of_the_chain_list_is_not_the_age_of_the_answer(era: Era) -> None:
    async with connect(era) as face:
        await face.answer("wallet_list_chains")
        advance(3_000)
        answer = await face.answer(TOOL, address=face.wallets["rich"], limit=1)
        assert answer["age_seconds"] < 5
        assert answer["as_of"] >= "2026-11-22T10:50:00Z"


async def test_what_was_searched_ends_with_the_age_of_the_data(era: Era) -> None:
    async with connect(era) as face:
        call = {"address": face.wallets["rich"], "chains": ["1"]}
        await face.answer(TOOL, call)
        advance(200)
        face.sandbox.set_faults([Fault("50001")])
        answer = await face.answer(TOOL, call)
        assert answer["stale"] is True
        assert answer["searched"]["to"] == NOW == answer["as_of"]


async def test_a_family_that_is_not_served_at_all_is_told(era: Era) -> None:
    api = Upstream(lambda request: [{"binanceChainId": "1", "name": "Ethereum", "shortName": "ETH"}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        failed = await face.failure(TOOL, address=face.wallets["solana"])
        assert failed.meta["field"] == "chains"
        assert "serves no chain of this address's family" in failed.text
        assert len(api.requests) == 1


async def test_a_page_that_comes_twice_is_told_and_shown_once(era: Era) -> None:
    row = {"binanceChainId": "1", "txHash": "0x1", "itype": "0", "txTime": "1795000000000", "amount": "1"}
    api = Upstream(lambda request: [{"cursor": "same", "transactionList": [row]}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1"])
        assert answer["incomplete_because"] == "the API gave rows twice on Ethereum (1), counted once"
        assert [found["hash"] for found in answer["transactions"]] == ["0x1"]
        assert "unless_given" not in answer, "one row has nothing to share"
        assert (answer["complete"], "next" in answer) == (False, False)


async def test_a_pending_transaction_has_no_fee_yet(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["history"], chains=["1"], limit=2)
    assert [row["status"] for row in answer["transactions"]] == ["pending", "pending"]
    assert all("fee" not in row for row in answer["transactions"])


def test_its_fields_are_those_of_the_design() -> None:
    schema = DEFINITION.definition.input_schema
    assert {"address", "chains", "contract", "begin", "end", "cursor", "limit"} <= set(schema["properties"])
    assert schema["required"] == ["address"]
    assert schema["properties"]["limit"] == {"default": 20, "maximum": 100, "minimum": 1, "type": "integer"}
    output = DEFINITION.definition.output_schema
    assert output is not None
    assert set(output["properties"]) == {*FIELDS, *COMMON}
    assert set(output["properties"]["searched"]["properties"]) == {"from", "to", "chains"}
