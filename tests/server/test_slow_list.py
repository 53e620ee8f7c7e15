"""The chain list as a means: one that hangs or fails takes its share of the time, and the built-in table serves."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.support.mcp import STRANGER, UNKNOWN_HASH, Era, Upstream, connect, custom_settings, wall_clock
from wallet_mcp.sandbox.app import Fault, Sandbox

pytestmark = pytest.mark.anyio

CALLS: dict[str, dict[str, Any]] = {
    "wallet_get_portfolio": {"address": "rich"},
    "wallet_list_transactions": {"address": "rich", "limit": 5},
}


@pytest.mark.parametrize("fault", ["hang", "hang_body", "50001", "html502", "data_null"])
@pytest.mark.parametrize("tool", CALLS)
async def test_the_built_in_table_serves_within_the_deadline(tool: str, fault: str, era: Era) -> None:
    async with connect(era, faults=[Fault(fault, path="supported/chain")]) as face:
        given = CALLS[tool] | {"address": face.wallets["rich"]}
        answer = await face.answer(tool, given)
        assert "The live chain list could not be had (error " in answer.notes
        assert "could not be read" not in answer.structure.get("incomplete_because", "")


class HangsOnEthereum(httpx.AsyncBaseTransport):
    """The sandbox, but for transactions on Ethereum: what is asked about them is never answered."""

    def __init__(self) -> None:
        self._sandbox = httpx.ASGITransport(app=Sandbox(wall_clock=wall_clock), raise_app_exceptions=False)
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("transaction-detail-by-txhash"):
            self.asked.append(request.url.params["binanceChainId"])
            if self.asked[-1] == "1":
                await asyncio.sleep(3600)
        return await self._sandbox.handle_async_request(request)


async def test_a_chain_that_hangs_leaves_time_for_those_behind_it(era: Era) -> None:
    api = HangsOnEthereum()
    async with connect(era, transport=api) as face:
        found = next(iter(face.world.transactions(face.wallets["history"], "56")))
        answer = await face.answer("wallet_get_transaction", tx_hash=found.hash)
        assert (answer["chain"], answer["searched"]) == ("56", ["56"])
        assert (api.asked[0], api.asked[-1]) == ("1", "56")
        missing = await face.answer("wallet_get_transaction", tx_hash=UNKNOWN_HASH)
        assert missing["found"] is False
        assert "1 (error timeout)" in missing["incomplete_because"]
        assert missing["next"]["arguments"]["chain"] == "1"


async def test_a_smaller_page_than_asked_for_is_not_the_last(era: Era) -> None:
    rows = [
        {"binanceChainId": "1", "tokenContractAddress": f"0x{number:040x}", "symbol": "T", "balance": "1"}
        for number in range(1, 6)
    ]

    def reply(request: Any) -> list[dict[str, Any]]:
        page = int(request.url.params["page"])
        return [{"page": page, "pageSize": "2", "tokenAssets": rows[2 * page - 2 : 2 * page]}]

    api = Upstream(reply)
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer("wallet_get_portfolio", address=STRANGER, chains=["1"])
        assert answer["unpriced"]["count"] == 5
        assert [request.url.params["page"] for request in api.requests] == ["1", "2", "3"]
        page = await face.answer("wallet_list_balances", address=STRANGER, chain="1")
        assert page["complete"] is False
        assert page["next"]["arguments"]["page"] == 2
