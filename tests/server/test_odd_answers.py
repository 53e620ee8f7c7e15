"""Answers of the API that are odd but readable: nothing is lost, and nothing is proved by what was not asked for."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from tests.support.mcp import STRANGER, UNKNOWN_HASH, Era, Upstream, connect, custom_settings, refusal
from wallet_mcp.wallet.labels import parse_labels

pytestmark = pytest.mark.anyio

USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"
A = "0x" + "1" * 40


async def test_a_row_of_another_chain_proves_no_unit(era: Era) -> None:
    ends = {"from": [{"address": A}], "to": [{"address": STRANGER}], "txTime": "1795000000000", "txStatus": "success"}
    rows = [
        {"binanceChainId": "143", "txHash": "0xb", "itype": "0", "amount": "2000000000", **ends},
        {
            "binanceChainId": "1",
            "txHash": "0xa",
            "itype": "2",
            "amount": "1500",
            "tokenContractAddress": USDT,
            **ends,
        },
    ]
    api = Upstream(lambda request: [{"cursor": "", "transactionList": rows}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer("wallet_list_transactions", address=STRANGER, chains=["1"])
        (movement,) = answer["transactions"][0]["movements"]
        assert (movement["unit"], movement["amount_raw"]) == ("undecided", "1500")


@pytest.mark.parametrize(
    ("chain", "symbol", "amount", "share"), [("137", "MATIC", "5", "5000000000000000000"), ("1", "ETH", "5.5", "")]
)
async def test_the_coin_of_a_swap_is_told_beside_its_tokens(
    era: Era, chain: str, symbol: str, amount: str, share: str
) -> None:
    entry = {
        "chainIndex": chain,
        "txhash": UNKNOWN_HASH,
        "txStatus": "success",
        "symbol": symbol,
        "amount": amount,
        "fromDetails": [{"address": STRANGER}],
        "toDetails": [{"address": A, "amount": share}],
        "tokenTransferDetails": [{"from": A, "to": STRANGER, "tokenContractAddress": USDT, "amount": "7"}],
    }
    api = Upstream(lambda request: [entry])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer("wallet_get_transaction", tx_hash=UNKNOWN_HASH, chain=chain)
        coin, token = answer["movements"]
        assert (coin["contract"], coin["to"], token["contract"]) == ("native", A, USDT)


def tokens(first: int, last: int, symbol: str) -> list[dict[str, Any]]:
    return [
        {"binanceChainId": "1", "tokenContractAddress": f"0x{number:040x}", "symbol": symbol, "balance": "1"}
        for number in range(first, last + 1)
    ]


@pytest.mark.parametrize("cap", [100, 80])
async def test_pages_cut_for_length_leave_nothing_out_and_stay_pages(era: Era, cap: int) -> None:
    rows = tokens(1, 80, "T") + tokens(81, 250, "W" * 60)

    def reply(request: httpx.Request) -> list[dict[str, Any]]:
        page, asked = int(request.url.params["page"]), int(request.url.params["pageSize"])
        size = min(asked, cap)
        return [{"page": page, "pageSize": str(size), "tokenAssets": rows[(page - 1) * size : page * size]}]

    async with connect(era, settings=custom_settings(), transport=Upstream(reply)) as face:
        answer = await face.answer("wallet_list_balances", address=STRANGER, chain="1", page_size=100)
        found = [row["contract"] for row in answer["tokens"]]
        calls = 1
        while "next" in answer.structure:
            answer = await face.replay(answer)
            found += [row["contract"] for row in answer["tokens"]]
            calls += 1
        assert found == [row["tokenContractAddress"] for row in rows]
        assert calls < 15


async def test_what_follows_a_list_is_told_while_a_chain_is_missing(era: Era) -> None:
    priced = [row | {"tokenPrice": "2"} for row in tokens(1, 30, "T")]

    def reply(request: httpx.Request) -> Any:
        if request.url.params["chains"] == "56":
            return refusal(40411)
        return [{"tokenAssets": priced}]

    async with connect(era, settings=custom_settings(), transport=Upstream(reply)) as face:
        answer = await face.answer("wallet_get_portfolio", address=STRANGER, chains=["1", "56"])
        assert answer["next"]["arguments"]["chains"] == ["56"]
        assert "10 more holdings follow (this call with offset 20)" in answer["incomplete_because"]


def transfer(tx: str, at: int, sender: str, receiver: str, amount: str, **changes: Any) -> dict[str, Any]:
    """A history row of USDT; `at` in seconds."""
    return {
        "binanceChainId": "1",
        "txHash": tx,
        "itype": "2",
        "txTime": str(1_795_000_000_000 + at * 1000),
        "from": [{"address": sender}],
        "to": [{"address": receiver}],
        "tokenContractAddress": USDT,
        "amount": amount,
        "symbol": "USDT",
        "txStatus": "success",
    } | changes


REAL, FORGED = "0xabc" + "1" * 34 + "def", "0xabc" + "2" * 34 + "def"


@pytest.mark.parametrize("arguments", [{"limit": 1}, {"limit": 2}, {"limit": 1, "direction": "in"}])
async def test_poison_is_known_by_what_stands_behind_the_page(era: Era, arguments: dict[str, Any]) -> None:
    rows = [
        transfer("0xd", 2, FORGED, STRANGER, "0.00001"),
        transfer("0xc", 1, STRANGER, REAL, "100.5"),
        transfer("0xb", 0, A, STRANGER, "3"),
    ]
    api = Upstream(lambda request: [{"cursor": "", "transactionList": rows}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer("wallet_list_transactions", {"address": STRANGER, "chains": ["1"]} | arguments)
        assert answer["transactions"][0]["flags"] == ["suspected_poisoning"]
        assert all("flags" not in found for found in answer["transactions"][1:])


class Hanging(Upstream):
    """An API that never answers for one of its chains."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if "56" in request.url.params.get("chains", "").split(","):
            await asyncio.sleep(3_600)
        return await super().handle_async_request(request)


async def test_a_request_for_all_chains_that_hangs_leaves_time_for_each(era: Era) -> None:
    rows = [transfer("0xa", 0, A, STRANGER, "1.5")]
    api = Hanging(lambda request: [{"cursor": "", "transactionList": rows}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer("wallet_list_transactions", address=STRANGER, chains=["1", "56"])
        assert [found["hash"] for found in answer["transactions"]] == ["0xa"]
        assert answer["next"]["arguments"]["chains"] == ["56"]


async def test_a_counterparty_of_another_kind_of_address_is_refused_unasked(era: Era) -> None:
    settings = custom_settings(wallets=parse_labels("sol=vines1vzrYbzLMRdu58ou5XTby4qAqVRLmqo36NKPTg"))
    api = Upstream(lambda request: [])
    async with connect(era, settings=settings, transport=api) as face:
        for counterparty in ("vines1vzrYbzLMRdu58ou5XTby4qAqVRLmqo36NKPTg", "sol"):
            failed = await face.failure(
                "wallet_list_transactions", address=STRANGER, chains=["1"], counterparty=counterparty
            )
            assert failed.meta["field"] == "counterparty"
            assert "never deal with each other" in failed.text
        assert api.requests == []


async def test_undecided_shares_of_two_fields_have_no_common_net(era: Era) -> None:
    entry = {
        "chainIndex": "1",
        "txhash": UNKNOWN_HASH,
        "txStatus": "success",
        "symbol": "ETH",
        "fromDetails": [{"address": STRANGER}],
        "toDetails": [{"address": A, "amount": "3"}],
        "internalTransactionDetails": [
            {"from": A, "to": STRANGER, "amount": "1000"},
            {"from": A, "to": STRANGER, "amount": "2000"},
        ],
    }
    async with connect(era, settings=custom_settings(), transport=Upstream(lambda request: [entry])) as face:
        answer = await face.answer("wallet_get_transaction", tx_hash=UNKNOWN_HASH, chain="1")
        own = [row["amount_raw"] for row in answer["net"] if row["party"] == STRANGER]
        assert own == ["-3", "3000"]
        assert "no single row is the whole" in answer.notes


@pytest.mark.parametrize(("amount", "told"), [("-5", None), ("-0.5", None), ("5.5", "5.5")])
async def test_a_negative_amount_is_none(era: Era, amount: str, told: str | None) -> None:
    moved = {"from": A, "to": STRANGER, "tokenContractAddress": USDT, "symbol": "USDT", "amount": amount}
    entry = {"chainIndex": "1", "txhash": UNKNOWN_HASH, "txStatus": "success", "tokenTransferDetails": [moved]}
    entry |= {"txFee": "750000000000000"}
    async with connect(era, settings=custom_settings(), transport=Upstream(lambda request: [entry])) as face:
        answer = await face.answer("wallet_get_transaction", tx_hash=UNKNOWN_HASH, chain="1")
        assert answer["movements"][0].get("amount") == told
        assert ("without a readable amount: 1." in answer.notes) is (told is None)
        assert "fee" not in answer, "nobody pays more coins than there are"


async def test_a_span_of_more_than_can_be_read_tells_a_shorter_one(era: Era) -> None:
    rows = [transfer(f"0x{number}", -number, A, STRANGER, "1.5") for number in range(1, 700)]

    def reply(request: httpx.Request) -> list[dict[str, Any]]:
        query = request.url.params
        start, begin = int(query.get("cursor", "0")), int(query["begin"])
        found = [one for one in rows if int(one["txTime"]) >= begin]
        following = str(start + 10) if start + 10 < len(found) else ""
        return [{"cursor": following, "transactionList": found[start : start + 10]}]

    async with connect(era, settings=custom_settings(), transport=Upstream(reply)) as face:
        question = {"address": STRANGER, "chains": ["1"], "limit": 1, "begin": "60d"}
        answer = await face.answer("wallet_list_transactions", question)
        assert "at least 398 more of this span follow" in answer["incomplete_because"]
        told = re.search(r"For totals ask for a shorter one, such as begin=(\S+)\.", answer.notes)
        assert told is not None and "totals" not in answer
        shorter = await face.answer("wallet_list_transactions", question | {"begin": told[1]})
        assert shorter["totals"][0]["in"] == "598.5"


async def test_a_net_is_exact_however_long_its_amounts_are(era: Era) -> None:
    long = "1" + "0" * 40 + ".000000000000000001"
    moved = [
        {"from": STRANGER, "to": A, "tokenContractAddress": USDT, "symbol": "USDT", "amount": amount}
        for amount in (long, "2.5")
    ]
    entry = {"chainIndex": "1", "txhash": UNKNOWN_HASH, "txStatus": "success", "tokenTransferDetails": moved}
    async with connect(era, settings=custom_settings(), transport=Upstream(lambda request: [entry])) as face:
        answer = await face.answer("wallet_get_transaction", tx_hash=UNKNOWN_HASH, chain="1")
        total = "1" + "0" * 39 + "2.500000000000000001"
        assert [row["amount"] for row in answer["net"]] == [f"-{total}", total]


FORGED_COIN = "0x" + "3" * 40


@pytest.mark.parametrize(
    ("symbol", "shares", "told"),
    [
        # A token that somebody named like the coin is told as what it may be: a token.
        ("ETH", True, [("5000000000", None), ("5000000000", FORGED_COIN)]),
        ("ETH", False, [("5000000000", None), ("5000000000", FORGED_COIN)]),
        ("", True, [("5000000000", FORGED_COIN)]),
        ("", False, [("5000000000", FORGED_COIN)]),
    ],
)
async def test_a_token_named_like_the_coin_is_not_the_coin_and_proves_nothing(
    era: Era, symbol: str, shares: bool, told: list[tuple[str, str | None]]
) -> None:
    entry: dict[str, Any] = {
        "chainIndex": "1",
        "txStatus": "success",
        "symbol": symbol,
        "amount": "5000000000",
        "fromDetails": [{"address": A}],
        "toDetails": [{"address": STRANGER, "amount": "5000000000" if shares else ""}],
    }
    moved = {"from": A, "to": STRANGER, "tokenContractAddress": FORGED_COIN, "symbol": symbol, "amount": "5000000000"}
    real = entry | {"amount": "2", "symbol": "ETH", "toDetails": [{"address": STRANGER, "amount": "2" * shares}]}
    answers = [entry | {"tokenTransferDetails": [moved]}, real]
    async with connect(era, settings=custom_settings(), transport=Upstream(lambda _: [answers.pop(0)])) as face:
        first = await face.answer("wallet_get_transaction", tx_hash=UNKNOWN_HASH, chain="1")
        assert [(one["amount_raw"], one.get("contract")) for one in first["movements"]] == told
        (coin,) = (await face.answer("wallet_get_transaction", tx_hash="0x" + "9" * 64, chain="1"))["movements"]
        assert (coin["contract"], coin["unit"]) == ("native", "undecided")


async def test_a_hash_that_several_chains_could_not_be_asked_for_is_asked_for_on_all(era: Era) -> None:
    def reply(request: httpx.Request) -> Any:
        chain = request.url.params.get("binanceChainId", "")
        return refusal(50001) if chain in failing else []

    failing = {"56", "137"}
    async with connect(era, settings=custom_settings(), transport=Upstream(reply)) as face:
        answer = await face.answer("wallet_get_transaction", tx_hash=UNKNOWN_HASH)
        assert answer["next"]["arguments"] == {"tx_hash": UNKNOWN_HASH}
        failing.discard("56")
    async with connect(era, settings=custom_settings(), transport=Upstream(reply)) as face:
        answer = await face.answer("wallet_get_transaction", tx_hash=UNKNOWN_HASH)
        assert answer["next"]["arguments"] == {"tx_hash": UNKNOWN_HASH, "chain": "137"}


@pytest.mark.parametrize(
    ("arguments", "hashes"),
    [
        ({}, ["0xc"]),
        ({"direction": "out"}, ["0xc"]),
        ({"direction": "in"}, []),
        ({"contract": USDT}, []),
    ],
)
async def test_whom_the_wallet_called_is_a_counterparty_whatever_moved_elsewhere(
    era: Era, arguments: dict[str, str], hashes: list[str]
) -> None:
    call = {"itype": "0", "tokenContractAddress": None, "symbol": "ETH"}
    rows = [
        transfer("0xc", 1, STRANGER, REAL, "0", **call),
        transfer("0xc", 1, STRANGER, A, "100.5"),
        transfer("0xb", 0, A, STRANGER, "3"),
    ]
    api = Upstream(lambda request: [{"cursor": "", "transactionList": rows}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        question = {"address": STRANGER, "chains": ["1"], "counterparty": REAL} | arguments
        answer = await face.answer("wallet_list_transactions", question)
        assert [found["hash"] for found in answer["transactions"]] == hashes


@pytest.mark.parametrize("case", ["a chain fails", "a page fails", "rows come twice"])
async def test_a_span_without_totals_says_why(era: Era, case: str) -> None:
    rows = [transfer(f"0x{number}", -number, A, STRANGER, "1.5") for number in range(6)]

    def reply(request: httpx.Request) -> Any:
        chains, cursor = request.url.params["chains"].split(","), int(request.url.params.get("cursor", "0"))
        if (case == "a chain fails" and "56" in chains) or (case == "a page fails" and cursor > 1):
            return refusal(40411)
        step = 1 if case == "rows come twice" else 2
        following = str(cursor + step) if cursor + 2 < len(rows) else ""
        return [{"cursor": following, "transactionList": rows[cursor : cursor + 2]}]

    chains = ["1", "56"] if case == "a chain fails" else ["1"]
    async with connect(era, settings=custom_settings(), transport=Upstream(reply)) as face:
        answer = await face.answer("wallet_list_transactions", address=STRANGER, chains=chains, begin="30d")
        assert "totals" not in answer
        told = {
            "a chain fails": 'No totals: 56 could not be read. For those of the others give chains=["1"].',
            "a page fails": "No totals: the span was not read to its end. For totals ask for a shorter one, such as",
            "rows come twice": "No totals: rows came twice or could not all be read.",
        }
        assert told[case] in answer.notes


async def test_undecided_sums_of_two_fields_say_that_neither_is_the_whole(era: Era) -> None:
    shares = [{"address": STRANGER, "amount": "5000000"}, {"address": REAL, "amount": "4000000"}]
    rows = [
        transfer("0xb", 1, A, STRANGER, "16000000"),
        transfer("0xa", 0, A, STRANGER, "9000000", to=shares),
    ]
    api = Upstream(lambda request: [{"cursor": "", "transactionList": rows}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer("wallet_list_transactions", address=STRANGER, chains=["1"], begin="30d")
        assert [row["in_raw"] for row in answer["totals"]] == ["16000000", "5000000"]
        assert "no single row is the whole" in answer.notes
