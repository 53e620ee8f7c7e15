"""Answers of the API that are odd but readable: nothing is lost, and nothing is proved by what was not asked for."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.mcp import STRANGER, UNKNOWN_HASH, Era, Upstream, connect, custom_settings, refusal

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
