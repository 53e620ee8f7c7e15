"""Filters, totals, fees and flags of wallet_list_transactions, and its first request for all chains at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from tests.support.mcp import (
    STRANGER,
    Era,
    Face,
    Made,
    Upstream,
    connect,
    custom_settings,
    refusal,
    usable_settings,
)
from tests.support.truth import amount_fields, history, pages_of, pays_fee, shown_movements, transaction_row, unfolded
from wallet_mcp.sandbox.world import Movement, Transaction
from wallet_mcp.sandbox.world_chains import CHAIN_BY_ID
from wallet_mcp.sandbox.world_model import canonical, plain
from wallet_mcp.server import history_stream
from wallet_mcp.server.movements import FAILED_INTERNAL_NOTE
from wallet_mcp.server.scan import JOINT_PAUSE_S, JOINT_REST_S
from wallet_mcp.wallet.known_tokens import known_token
from wallet_mcp.wallet.labels import parse_labels

TOOL = "wallet_list_transactions"
PATH = "transactions-by-address"
CHAINS = ["1", "56", "8453"]
BEGIN_MS = 1_792_749_600_000
"""2026-10-23T10:00:00Z: thirty days before the test's now."""
A = "0x" + "1" * 40

pytestmark = pytest.mark.anyio


def recent(face: Face, label: str = "history", chains: Iterable[str] = CHAINS) -> list[Transaction]:
    return [tx for tx in history(face, label, chains) if tx.time_ms >= BEGIN_MS]


def ways(tx: Transaction, me: str) -> list[tuple[str, Movement]]:
    """Each shown movement with its direction."""
    sides = [(move, me in move.sender.split(","), me in move.recipient.split(",")) for move in shown_movements(tx)]
    return [
        ("self" if out and into else "out" if out else "in" if into else "other", move) for move, out, into in sides
    ]


def total_rows(found: Iterable[Transaction], me: str, asked: str = "any") -> list[dict[str, Any]]:
    """The totals in base units, as a table of what the world moved, each row by chain and contract."""
    sums: dict[tuple[str, str], dict[str, int]] = {}
    example: dict[tuple[str, str], Movement] = {}
    listed: set[tuple[str, str]] = set()
    for tx in found:
        for way, move in ways(tx, me):
            if tx.status == "success" and way in ("in", "out") and asked in ("any", way) and move.raw:
                key = (tx.chain, move.contract)
                example.setdefault(key, move)
                listed |= {key} if tx.blacklisted and move.contract and not known_token(*key) else set()
                sums.setdefault(key, {"in": 0, "out": 0})[way] += move.raw
    rows = []
    for (chain, contract), both in sums.items():
        move = example[chain, contract]
        row: dict[str, Any] = {"chain": chain}
        for way, raw in both.items():
            fields = amount_fields(Movement("2", "", "", contract, move.symbol, move.decimals, raw), chain)
            row |= {name: fields[name] for name in ("contract", "symbol")}
            if flags := [*fields.get("flags", ()), *(["blacklisted"] if (chain, contract) in listed else [])]:
                row["flags"] = flags
            if raw:
                unit = fields["unit"]
                row |= {"unit": unit, way if unit == "coins" else f"{way}_raw": fields.get("amount") or str(raw)}
        rows.append(row)
    return by_asset(rows)


def by_asset(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["chain"], row["contract"]))


def fee_rows(found: Iterable[Transaction], me: str) -> list[dict[str, str]]:
    fees: dict[str, list[Decimal]] = {}
    for tx in found:
        if tx.fee is not None and pays_fee(tx, me):
            fees.setdefault(tx.chain, []).append(tx.fee)
    return [
        {"chain": chain, "amount": plain(sum(paid, Decimal(0))), "symbol": CHAIN_BY_ID[chain].native_symbol}
        for chain, paid in sorted(fees.items())
    ]


@pytest.mark.parametrize("limit", [5, 100])
@pytest.mark.parametrize(("label", "chains"), [("history", CHAINS), ("rich", ["56"]), ("solana", ["CT_501"])])
async def test_totals_and_fees_are_those_of_the_whole_span(
    era: Era, label: str, chains: list[str], limit: int
) -> None:
    async with connect(era, rate=50, settings=usable_settings(tx_amount_unit="base")) as face:
        wallet = face.wallets[label]
        call = {"address": wallet, "chains": chains, "begin": "30d", "limit": limit}
        answer = await face.answer(TOOL, call)
        found = recent(face, label, chains)
        assert by_asset(answer["totals"]) == total_rows(found, canonical(wallet))
        assert sorted(answer["fees_paid"], key=lambda row: row["chain"]) == fee_rows(found, wallet)
        me = canonical(wallet)
        unclear = [
            tx.fee
            for tx in found
            if tx.fee is not None and not pays_fee(tx, wallet) and {"out", "self"} & {way for way, _ in ways(tx, me)}
        ]
        told = sum((Decimal(row["amount"]) for row in answer.structure.get("fees_unclear", ())), Decimal(0))
        assert told == sum(unclear, Decimal(0))
        assert answer["searched"]["from"] == "2026-10-23T10:00:00Z"
        shown = len(answer["transactions"])
        assert unfolded(answer) == [transaction_row(tx, wallet) for tx in found[:shown]]
        fitted = "" if shown == min(limit, len(found)) else "no more fit into 25,000 characters and "
        if len(found) > shown:
            assert answer["incomplete_because"] == f"{fitted}{len(found) - shown} more of this span follow"
            following = await face.replay(answer)
            assert not {"totals", "fees_paid"} & following.structure.keys(), "a later page is not the span"
        else:
            assert answer["complete"] is True


async def test_a_listing_that_ends_before_the_span_does_gives_no_totals(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["history"], chains=CHAINS, limit=5)
    assert answer["incomplete_because"] == "older transactions follow"
    assert not {"totals", "fees_paid"} & answer.structure.keys()


async def test_a_span_without_anything_has_totals_and_fees_of_nothing(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["empty"], chains=["1"], begin="30d")
    assert (answer["totals"], answer["fees_paid"], answer["assets"]) == ([], [], {})
    assert "Fees paid by this wallet in the searched span: none." in answer.lines


@pytest.mark.parametrize("direction", ["in", "out"])
async def test_a_direction_narrows_list_and_totals_and_gives_no_fees(era: Era, direction: str) -> None:
    async with connect(era, rate=50, settings=usable_settings(tx_amount_unit="base")) as face:
        wallet = face.wallets["history"]
        me = canonical(wallet)
        call = {"address": wallet, "chains": CHAINS, "begin": "30d", "direction": direction, "limit": 100}
        pages = await pages_of(face, call)
        answer = pages[0]
        found = recent(face)
        wanted = [tx for tx in found if {direction, "self"} & {way for way, _ in ways(tx, me)}]
        assert [row for page in pages for row in unfolded(page)] == [transaction_row(tx, wallet) for tx in wanted]
        assert 0 < len(wanted) < len(found)
        assert by_asset(answer["totals"]) == total_rows(wanted, me, direction)
        # Fees belong to transactions, not to what was asked for among their movements.
        assert not {"fees_paid", "fees_unclear"} & answer.structure.keys()


async def test_a_counterparty_narrows_the_list_and_may_be_a_label(era: Era) -> None:
    async with connect(era) as probe:
        me = canonical(probe.wallets["history"])
        multisig = next(tx for tx in recent(probe) if tx.kind == "multisig")
        senders = [each for move in multisig.movements for each in move.sender.split(",") if each != me]
    other = senders[-1]
    settings = usable_settings(tx_amount_unit="base", wallets=parse_labels(f"Partner={other}"))
    async with connect(era, rate=50, settings=settings) as face:
        wallet = face.wallets["history"]
        wanted = [
            tx
            for tx in recent(face)
            if any(other in (move.sender if way == "in" else move.recipient).split(",") for way, move in ways(tx, me))
        ]
        assert multisig.hash in {tx.hash for tx in wanted}
        for given in (other, other.upper().replace("0X", "0x"), " partner "):
            answer = await face.answer(
                TOOL, address=wallet, chains=CHAINS, begin="30d", counterparty=given, limit=100
            )
            assert unfolded(answer) == [transaction_row(tx, wallet) for tx in wanted]
            # What moved with others in the same transactions is in no total.
            for way in ("in", "out"):
                found: dict[tuple[str, str], Decimal] = {}
                for tx in wanted:
                    for side, move in ways(tx, me):
                        party = move.sender if side == "in" else move.recipient
                        if tx.status == "success" and side == way and other in party.split(","):
                            key = (tx.chain, move.symbol)
                            found[key] = found.get(key, Decimal(0)) + Decimal(move.raw).scaleb(-move.decimals)
                told = {(row["chain"], row["symbol"]): Decimal(row[way]) for row in answer["totals"] if way in row}
                assert told == {key: amount for key, amount in found.items() if amount}


async def test_next_keeps_the_filters_and_its_cursor_belongs_to_them(face: Face) -> None:
    wallet, other = face.wallets["history"], face.wallets["rich"]
    call = {"address": wallet, "chains": CHAINS, "direction": "out", "limit": 3}
    answer = await face.answer(TOOL, call)
    following = answer["next"]["arguments"]
    assert following["direction"] == "out"
    for change in ({"direction": "in"}, {"direction": "any"}, {"counterparty": other}):
        failed = await face.failure(TOOL, following | change)
        assert failed.meta["field"] == "cursor"
    pages = [answer, await face.replay(answer)]
    shown = [row["hash"] for page in pages for row in page["transactions"]]
    me = canonical(wallet)
    outgoing = [
        tx.hash for tx in history(face, "history", CHAINS) if {"out", "self"} & {way for way, _ in ways(tx, me)}
    ]
    assert shown == outgoing[:6]
    counterparty = await face.answer(TOOL, address=wallet, chains=["1"], begin="30d", counterparty=A)
    assert counterparty["transactions"] == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"direction": "both"}, "direction"),
        ({"counterparty": "bob"}, "counterparty"),
        ({"counterparty": "0x1"}, "counterparty"),
    ],
)
async def test_a_bad_filter_is_never_sent(face: Face, arguments: dict[str, str], field: str) -> None:
    failed = await face.failure(TOOL, {"address": face.wallets["history"]} | arguments)
    assert failed.meta["field"] == field
    assert not face.sent(PATH)


async def test_each_poisoned_transfer_is_flagged_and_nothing_else(era: Era) -> None:
    async with connect(era, rate=50, settings=usable_settings(tx_amount_unit="base")) as face:
        answer = await face.answer(
            TOOL, address=face.wallets["history"], chains=CHAINS, begin="2026-05-23", limit=100
        )
        kinds = {tx.hash: tx.kind for tx in history(face, "history", CHAINS)}
        flags = {row["hash"]: row.get("flags", []) for row in answer["transactions"]}
        suspected = {one for one, told in flags.items() if "suspected_poisoning" in told}
        assert suspected == {one for one in flags if kinds[one].startswith("poison")}
        assert suspected
        assert {kinds[one] for one, told in flags.items() if "zero_value" in told} == {"poison_out"}


async def test_a_filtered_list_still_knows_what_poisoning_imitates(era: Era) -> None:
    async with connect(era, rate=50, settings=usable_settings(tx_amount_unit="base")) as face:
        wallet = face.wallets["history"]
        forged = next(tx for tx in history(face, "history", ["1"]) if tx.kind == "poison_in")
        answer = await face.answer(
            TOOL, address=wallet, chains=["1"], begin="2026-05-23", counterparty=forged.sender, limit=100
        )
        assert {row["hash"] for row in answer["transactions"]} >= {forged.hash}
        told = {row["hash"]: row.get("flags", []) for row in answer["transactions"]}
        assert "suspected_poisoning" in told[forged.hash]


async def test_the_first_page_of_all_chains_is_one_request(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["history"], limit=10)
    (request,) = face.sent(PATH)
    assert len(answer["searched"]["chains"]) == 9
    assert "chains=1%2C56%2C137" in request.query or "chains=1,56,137" in request.query
    assert "limit=30" in request.query


def told(tx: str, chain: str = "1", at: int = 1_795_000_000_000) -> dict[str, Any]:
    ends = {"from": [{"address": STRANGER}], "to": [{"address": A}]}
    return {"binanceChainId": chain, "txHash": tx, "itype": "0", "txTime": str(at), "amount": "0.5"} | ends


def entry(*rows: dict[str, Any], cursor: str = "") -> dict[str, Any]:
    return {"cursor": cursor, "transactionList": list(rows)}


JOINT: dict[str, tuple[Callable[[], Made], bool]] = {
    "one entry per chain": (lambda: [entry(told("0xb", "56")), entry(told("0xa"))], True),
    "an entry without rows": (lambda: [entry(told("0xb", "56")), entry()], True),
    "refused": (lambda: refusal(40001, "chains: only a single chain is supported"), False),
    "one entry for both": (lambda: [entry(told("0xa"), told("0xb", "56"))], False),
    "only one entry": (lambda: [entry(told("0xa"))], False),
    "two entries of one chain": (lambda: [entry(told("0xa")), entry(told("0xc"))], False),
    "an entry of a third chain": (lambda: [entry(told("0xa")), entry(told("0xc", "137"))], False),
    "a cursor of nobody": (lambda: [entry(told("0xa")), entry(cursor="on")], False),
    "an extra entry": (lambda: [entry(told("0xa")), entry(), entry()], False),
    "nothing": (lambda: [], False),
}


@pytest.mark.parametrize("name", JOINT)
async def test_an_answer_for_several_chains_is_taken_only_where_it_is_clear(era: Era, name: str) -> None:
    made, clear = JOINT[name]

    def reply(request: httpx.Request) -> Made:
        chains = request.url.params["chains"]
        if "," in chains:
            return made()
        return [entry(told("0xa"))] if chains == "1" else [entry(told("0xb", "56"))]

    api = Upstream(reply)
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1", "56"])
        hashes = {row["hash"] for row in answer["transactions"]}
        assert hashes == ({"0xb"} if name == "an entry without rows" else {"0xa", "0xb"})
        assert (answer["complete"], answer["searched"]["chains"]) == (True, ["1", "56"])
        assert [request.url.params["chains"] for request in api.requests] == ["1,56"] + ["1", "56"] * (not clear)
        await face.answer(TOOL, address=STRANGER, chains=["1", "56"], limit=7)
        again = [request.url.params["chains"] for request in api.requests][1 if clear else 3 :]
        assert again == (["1,56"] if clear else ["1", "56"]), "what upstream cannot do is not asked of it each time"
        await asyncio.sleep(JOINT_PAUSE_S)
        api.requests.clear()
        await face.answer(TOOL, address=STRANGER, chains=["1", "56"], limit=8)
        assert api.requests[0].url.params["chains"] == "1,56", "it may have been one bad answer"


@pytest.mark.parametrize("code", [40411, 50000])
async def test_a_failure_that_may_pass_is_no_refusal(era: Era, code: int) -> None:
    failures = [code] * 4
    asked: list[str] = []

    def reply(request: httpx.Request) -> Made:
        asked.append(request.url.params["chains"])
        if "," in asked[-1]:
            return refusal(failures.pop()) if failures else [entry(), entry()]
        return [entry()]

    async with connect(era, settings=custom_settings(), transport=Upstream(reply)) as face:
        first = await face.answer(TOOL, address=STRANGER, chains=["1", "56"])
        assert first["complete"] is True
        assert {"1", "56"} <= set(asked)
        failures.clear()
        asked.clear()
        await face.answer(TOOL, address=STRANGER, chains=["1", "56"], limit=7)
        assert asked == ["1", "56"], "what has just failed is given a rest"
        asked.clear()
        await asyncio.sleep(JOINT_REST_S)
        await face.answer(TOOL, address=STRANGER, chains=["1", "56"], limit=8)
        assert asked == ["1,56"]


async def test_a_span_of_more_pages_than_may_be_read_has_no_totals_and_says_so(era: Era) -> None:
    def reply(request: httpx.Request) -> Made:
        number = int(request.url.params.get("cursor", 0))
        return [entry(told(f"0x{number:x}", at=1_795_000_000_000 - number), cursor=str(number + 1))]

    async with connect(era, settings=custom_settings(), transport=Upstream(reply)) as face:
        with patch.object(history_stream, "MAX_REQUESTS", 5):
            answer = await face.answer(TOOL, address=STRANGER, chains=["1"], begin="60d", limit=2)
        assert "the search reached its limit of time or requests" in answer["incomplete_because"]
        assert not {"totals", "fees_paid"} & answer.structure.keys()
        assert [row["hash"] for row in answer["transactions"]] == ["0x0", "0x1"]
        assert answer["next"]["arguments"]["limit"] == 2


USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"


def transfer(tx: str, contract: str | None, amount: str, **changes: Any) -> dict[str, Any]:
    """A row of something that came in from A."""
    ends = {"from": [{"address": A}], "to": [{"address": STRANGER}], "symbol": "" if contract is None else "USDT"}
    kind = {"itype": "0" if contract is None else "2", "tokenContractAddress": contract, "txStatus": "success"}
    return told(tx) | ends | kind | {"amount": amount} | changes


async def spanned(era: Era, *rows: dict[str, Any], unit: str = "base", **arguments: Any) -> Any:
    """The listing of a span in which an API, whatever it is asked, tells these rows."""
    api = Upstream(lambda request: [entry(*rows)])
    async with connect(era, settings=custom_settings(tx_amount_unit=unit), transport=api) as face:
        return await face.answer(TOOL, {"address": STRANGER, "chains": ["1"], "begin": "30d"} | arguments)


@pytest.mark.parametrize(
    ("asked", "totals"),
    [
        ({"contract": "native"}, [("native", "2")]),
        ({"contract": USDT}, [(USDT, "3")]),
        ({"contract": USDT.upper().replace("0X", "0x")}, [(USDT, "3")]),
        ({}, [("native", "2"), (USDT, "3")]),
        ({"contract": USDT, "direction": "out"}, []),
    ],
)
async def test_totals_of_a_contract_are_of_nothing_else(
    era: Era, asked: dict[str, str], totals: list[tuple[str, str]]
) -> None:
    rows = [transfer("0xa", None, "2000000000000000000"), transfer("0xa", USDT, "3000000")]
    answer = await spanned(era, *rows, **asked)
    assert [(row["contract"], row["in"]) for row in answer["totals"]] == totals
    assert [row["hash"] for row in answer["transactions"]] == (["0xa"] if totals else [])
    assert all(len(row["movements"]) == 2 for row in answer["transactions"])


async def test_what_cannot_be_summed_is_told(era: Era) -> None:
    rows = [
        transfer("0xa", USDT, "3000000"),
        transfer("0xb", USDT, ""),
        transfer("0xc", USDT, "n/a"),
        transfer("0xd", USDT, "5", txStatus="odd"),
        transfer("0xe", USDT, "0"),
    ]
    answer = await spanned(era, *rows)
    assert [row["in"] for row in answer["totals"]] == ["3"]
    assert "3 movements without a clear amount or status are in no total." in answer["notes"]
    flags = {row["hash"]: row.get("flags") for row in answer["transactions"]}
    assert flags == {"0xa": None, "0xb": None, "0xc": None, "0xd": None, "0xe": ["zero_value"]}


@pytest.mark.parametrize("changes", [{"txStatus": "fail"}, {"txStatus": "pending"}, {"txStatus": ""}])
async def test_what_did_not_succeed_proves_no_unit(era: Era, changes: dict[str, str]) -> None:
    rows = [transfer("0xa", USDT, "3000000"), transfer("0xb", None, "9" * 30)]
    proved = await spanned(era, *rows, unit="auto")
    assert proved["totals"][0]["unit"] == "coins"
    answer = await spanned(era, rows[0], rows[1] | changes, unit="auto")
    assert answer["totals"][0]["unit"] == "undecided"
    # An internal transfer inside a transaction that failed moved nothing either.
    inner = transfer("0xb", None, "9" * 30, itype="1")
    inside = await spanned(era, rows[0], inner, transfer("0xb", None, "0") | changes, unit="auto")
    assert inside["totals"][0]["unit"] == "undecided"


async def test_an_internal_transfer_that_failed_does_not_hide_the_rest_from_totals(era: Era) -> None:
    inner = transfer("0xa", None, "7000000000000000000", itype="1", txStatus="fail")
    answer = await spanned(era, transfer("0xa", USDT, "3000000"), inner)
    assert [(row["contract"], row["in"]) for row in answer["totals"]] == [(USDT, "3")]
    (found,) = answer["transactions"]
    assert (found["status"], found["flags"], len(found["movements"])) == ("success", ["failed_internal"], 1)
    assert FAILED_INTERNAL_NOTE in answer["notes"]


async def test_a_false_token_reads_as_such_in_totals(era: Era) -> None:
    fake = transfer("0xa", "0x" + "9" * 40, "3000000", hitBlacklist=True)
    answer = await spanned(era, fake, transfer("0xb", USDT, "1000000"))
    assert [row.get("flags") for row in answer["totals"]] == [None, ["lookalike", "blacklisted"]]
    assert answer.lines[answer.lines.index("chain,contract,symbol,in,in_raw,unit,flags") + 2].endswith(
        "base_units,lookalike blacklisted"
    )


async def test_poison_among_rows_without_a_hash_is_flagged_alone(era: Era) -> None:
    look_alike = A[:6] + "0" * 32 + A[-4:]
    paid = transfer("", USDT, "1000000000", **{"from": [{"address": STRANGER}], "to": [{"address": A}]})
    dust = transfer("", None, "1000", **{"from": [{"address": look_alike}]})
    fake = transfer("", "0x" + "9" * 40, "1000000000", **{"from": [{"address": look_alike}]})
    answer = await spanned(era, paid, dust, fake)
    flags = {
        row["movements"][0].get("contract", row["movements"][0]["symbol"]): row for row in answer["transactions"]
    }
    assert {name: row.get("flags") for name, row in flags.items()} == {
        USDT: None,
        "native": ["suspected_poisoning"],
        "0x" + "9" * 40: ["suspected_poisoning"],
    }


@pytest.mark.parametrize(
    ("arguments", "named", "contract"),
    [
        ({"chains": ["1"], "contract": "USDT"}, [f"{USDT} on 1"], USDT),
        ({"chains": ["1"], "contract": " usdt "}, [f"{USDT} on 1"], USDT),
        ({"chains": ["bsc"], "contract": "BNB"}, ["native on 56"], "native"),
        (
            {"chains": ["1", "56"], "contract": "USDT"},
            [f"{USDT} on 1", "0x55d398326f99059ff775485246999027b3197955 on 56"],
            "",
        ),
        ({"chains": ["1", "56"], "contract": "ETH"}, ["native on 1"], ""),
    ],
)
async def test_a_symbol_is_refused_with_the_contract_that_it_means(
    face: Face, arguments: dict[str, Any], named: list[str], contract: str
) -> None:
    call = {"address": face.wallets["rich"], "begin": "7d", "limit": 2} | arguments
    failed = await face.failure(TOOL, call)
    assert failed.meta["field"] == "contract"
    assert all(each in failed.text for each in named)
    if contract:
        assert failed.meta["corrected"]["arguments"] == call | {"contract": contract}
        await face.answer(TOOL, failed.meta["corrected"]["arguments"])
    else:
        assert "corrected" not in failed.meta
