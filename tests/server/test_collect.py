from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from tests.support.mcp import STRANGER, Made, Upstream, custom_settings, refusal, wall_clock
from wallet_mcp.server import collect as collecting
from wallet_mcp.server.collect import PAGE_SIZE, Collected, collect_holdings, page_size_of
from wallet_mcp.server.context import Services, ToolContext
from wallet_mcp.server.guidance import CallContext
from wallet_mcp.server.output import Provenance
from wallet_mcp.server.problems import SetupProblem
from wallet_mcp.wallet.addresses import parse_address
from wallet_mcp.wallet.chains import KNOWN_CHAINS
from wallet_mcp.wallet_api.endpoints import ApiConfig, WalletApi
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireBalancePage

CHAINS = {chain.id: chain for chain in KNOWN_CHAINS}

pytestmark = pytest.mark.anyio


def row(number: int, chain: str = "1", balance: str = "1") -> dict[str, Any]:
    return {"binanceChainId": chain, "tokenContractAddress": f"0x{number:040x}", "symbol": "A", "balance": balance}


class Pages:
    """An upstream with these pages per chain; a page may be a reply of its own."""

    def __init__(self, pages: dict[str, list[Made | list[dict[str, Any]]]]) -> None:
        self.asked: list[tuple[str, int]] = []
        self._pages = pages

    def __call__(self, request: httpx.Request) -> Made:
        query = request.url.params
        chain, page = query["chains"], int(query["page"])
        self.asked.append((chain, page))
        pages = self._pages[chain]
        found = pages[page - 1] if page <= len(pages) else []
        return [{"tokenAssets": found}] if isinstance(found, list) else found


class Progress:
    """What a call reported."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []

    async def __call__(self, done: float, what: str) -> None:
        self.told.append((done, what))


def context_on(pages: Pages, seconds: float = 1_000) -> ToolContext:
    settings = custom_settings()
    assert settings.credentials is not None
    config = ApiConfig(settings.credentials.api_key, settings.credentials.signer, settings.base_url)
    api = WalletApi(config, transport=Upstream(pages), wall=wall_clock)
    deadline = asyncio.get_running_loop().time() + seconds
    return ToolContext(
        Services(settings, api, wall_clock),
        deadline,
        Provenance(settings.base_url),
        CallContext("wallet_get_portfolio"),
    )


async def collect(context: ToolContext, *chains: str) -> Collected:
    return await collect_holdings(context, parse_address(STRANGER), [CHAINS[chain] for chain in chains])


def numbers(collected: Collected, chain: str = "1") -> list[int]:
    return [int(holding.contract, 16) for holding in collected.holdings if holding.chain == chain]


def full(start: int, chain: str = "1") -> list[dict[str, Any]]:
    return [row(number, chain) for number in range(start, start + PAGE_SIZE)]


async def test_every_page_of_every_chain_is_read_in_the_order_asked() -> None:
    pages = Pages({"1": [full(1), full(101), [row(201)]], "56": [[row(7, "56")]], "10": []})
    collected = await collect(context_on(pages), "56", "1", "10")
    assert [holding.chain for holding in collected.holdings[:2]] == ["56", "1"]
    assert numbers(collected) == list(range(1, 202))
    assert (collected.pages, collected.read) == (5, 5)
    assert (collected.failures, collected.capped, collected.repeated) == ({}, [], [])
    assert sorted(pages.asked) == [("1", 1), ("1", 2), ("1", 3), ("10", 1), ("56", 1)]


async def test_a_chain_whose_last_page_is_full_is_asked_once_more() -> None:
    pages = Pages({"1": [full(1)]})
    collected = await collect(context_on(pages), "1")
    assert numbers(collected) == list(range(1, 101))
    assert pages.asked == [("1", 1), ("1", 2)]
    assert not collected.repeated


async def test_a_token_that_shifts_over_a_page_border_counts_where_it_came_first() -> None:
    shifted = [row(100, balance="9"), *full(101)[1:]]
    twice = [row(300, balance="3"), row(300, balance="4")]
    collected = await collect(context_on(Pages({"1": [full(1), shifted, twice]})), "1")
    assert numbers(collected) == [*range(1, 101), *range(102, 201), 300]
    balances = {int(holding.contract, 16): holding.balance for holding in collected.holdings}
    assert (balances[100], balances[300]) == (Decimal(1), Decimal(3))


async def test_a_page_that_comes_twice_ends_its_chain_and_no_other() -> None:
    pages = Pages({"1": [full(1), full(1), full(1)], "56": [[row(1, "56")]]})
    collected = await collect(context_on(pages), "1", "56")
    assert collected.repeated == ["1"]
    assert (len(numbers(collected)), len(numbers(collected, "56"))) == (100, 1)
    assert ("1", 3) not in pages.asked


@pytest.mark.parametrize("fault", ["refused", "of another chain"])
async def test_a_chain_that_fails_later_leaves_nothing_of_itself(fault: str) -> None:
    second: Made = refusal(40411) if fault == "refused" else [row(101, "56")]
    context = context_on(Pages({"1": [full(1), second], "56": [[row(1, "56")]]}))
    collected = await collect(context, "1", "56")
    assert list(collected.failures) == ["1"]
    assert (numbers(collected), numbers(collected, "56")) == ([], [1])


async def test_a_page_that_is_refused_behind_a_full_one_ends_its_chain_with_what_was_read() -> None:
    # Some APIs refuse what others give as an empty page; until now the whole chain was lost.
    pages = Pages({"1": [full(1), refusal(40001)], "56": [refusal(40001)], "10": []})
    collected = await collect(context_on(pages), "1", "56", "10")
    assert (collected.refused, collected.incomplete, list(collected.failures)) == (["1"], ["1"], ["56"])
    assert collected.is_partial
    assert numbers(collected) == list(range(1, 101))


def nameless(symbol: str, **changes: Any) -> dict[str, Any]:
    return row(0) | {"tokenContractAddress": None, "symbol": symbol} | changes


async def test_rows_without_a_contract_are_all_kept_until_a_page_comes_twice() -> None:
    first = [nameless("A"), nameless("A"), nameless("B"), *full(1)[:97]]
    second = [nameless("A"), row(200)]
    collected = await collect(context_on(Pages({"1": [first, second]})), "1")
    assert [holding.symbol for holding in collected.holdings if not holding.contract] == ["A", "A", "B", "A"]
    again = [nameless(f"T{number}") for number in range(100)]
    looping = await collect(context_on(Pages({"1": [again] * 5})), "1")
    assert (looping.repeated, looping.read, len(looping.holdings)) == (["1"], 2, 100)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("symbols", "counted"), [(("SCAM", "ETH"), "ETH"), (("SCAM", ""), ""), (("", "ETH"), "ETH"), (("X", "Y"), None)]
)
async def test_of_rows_that_are_spelled_the_coin_the_one_with_its_symbol_counts(
    symbols: tuple[str, str], counted: str | None, order: int
) -> None:
    rows = [row(0, balance=str(at)) | {"symbol": symbol} for at, symbol in enumerate(symbols, start=1)][::order]
    context = context_on(Pages({"1": [rows]}))
    (coin,) = (await collect(context, "1")).holdings
    assert coin.symbol == (rows[0]["symbol"] if counted is None else counted)
    (note,) = context.notes
    other = next(one["balance"] for one in rows if one["symbol"] != coin.symbol)
    assert f"twice, once with another symbol or none, with different balances ({coin.balance} and {other})" in note


def coin(symbol: str, balance: str, price: str = "1") -> dict[str, Any]:
    return row(0, balance=balance) | {"symbol": symbol, "tokenPrice": price}


async def test_the_coin_is_found_on_whatever_page_it_stands() -> None:
    pages = Pages({"1": [[coin("SCAM", "1"), *full(1)[:99]], [coin("ETH", "50", "3000")]]})
    context = context_on(pages)
    collected = await collect(context, "1")
    (found,) = [holding for holding in collected.holdings if holding.contract == "native"]
    assert (found.symbol, found.value_usd, len(collected.holdings)) == ("ETH", Decimal(150_000), 100)
    assert (collected.repeated, collected.is_partial) == ([], False)
    (note,) = context.notes
    assert "with different balances (50 and 1): the first is counted" in note


async def test_a_coin_that_shifts_over_a_page_border_counts_once_whatever_its_price() -> None:
    first, second = [coin("ETH", "1", "1"), *full(1)[:99]], [coin("ETH", "1", "2"), *full(1)[:99]]
    context = context_on(Pages({"1": [first, second]}))
    collected = await collect(context, "1")
    assert (collected.repeated, len(collected.holdings), context.notes) == (["1"], 100, [])


async def test_a_token_that_one_page_lists_with_different_balances_is_kept_in_mind() -> None:
    same, other = [row(1), row(1)], [row(2, balance="3"), row(2, balance="4"), row(2, balance="4")]
    failing = [row(3, "56", "1"), row(3, "56", "2"), *full(9, "56")[:98]]
    pages = Pages({"1": [[*same, *other]], "56": [failing, refusal(40411)]})
    collected = await collect(context_on(pages), "1", "56")
    assert [[int(one.balance or 0) for one in rows] for rows in collected.doubled] == [[3, 4, 4]]
    assert numbers(collected) == [1, 2]


@pytest.mark.parametrize(
    ("told", "size"),
    [("50", 50), ("100", 100), ("500", 100), ("", 100), ("0", 100), ("x", 100), ("²", 100), ("9" * 5_000, 100)],
    ids=range(8),
)
def test_a_page_is_full_at_the_size_that_the_answer_tells(told: str, size: int) -> None:
    assert page_size_of(WireBalancePage(page_size=told), 100) == size


async def test_when_every_chain_fails_the_first_asked_for_is_told() -> None:
    pages = Pages({"1": [refusal(40411)], "56": [refusal(40002)]})
    with pytest.raises(ApiError) as caught:
        await collect(context_on(pages), "56", "1")
    assert caught.value.code == 40002


@pytest.mark.parametrize(("limit", "chains", "capped"), [(3, ["1"], ["1"]), (4, ["1"], []), (0, ["1"], ["1"])])
async def test_no_more_pages_are_read_than_the_cap(limit: int, chains: Sequence[str], capped: list[str]) -> None:
    pages = Pages({"1": [full(1), full(101), full(201), [row(301)]]})
    with patch.object(collecting, "MAX_PAGES", limit):
        collected = await collect(context_on(pages), *chains)
    assert collected.capped == capped
    assert len(pages.asked) == limit


async def test_no_further_page_is_begun_shortly_before_the_deadline() -> None:
    pages = Pages({"1": [full(1), full(101)]})
    collected = await collect(context_on(pages, seconds=2.5), "1")
    assert (pages.asked, collected.capped) == ([("1", 1)], ["1"])
    assert len(collected.holdings) == 100


async def test_progress_only_grows() -> None:
    context, progress = context_on(Pages({"1": [full(1), full(101)], "56": []})), Progress()
    context.progress = progress
    await collect(context, "1", "56")
    done = [told for told, _ in progress.told]
    assert len(done) == 4
    assert done == sorted(set(done))
    assert context.progress_total == 2
    assert progress.told[-1] == (2, "4 pages of balances read"), "both chains are at their end"


async def test_without_usable_settings_nothing_is_asked() -> None:
    context = context_on(Pages({}))
    context.services.api = None
    with pytest.raises(SetupProblem):
        await collect(context, "1")
