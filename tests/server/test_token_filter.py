from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tests.support.mcp import STRANGER, custom_settings, wall_clock
from wallet_mcp.server.context import Services, ToolContext
from wallet_mcp.server.guidance import CallContext
from wallet_mcp.server.output import Provenance
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.token_filter import (
    TOKEN_RULE,
    TokenFilter,
    apply_filter,
    find_token_chain,
    find_token_filter,
)
from wallet_mcp.wallet.addresses import parse_address
from wallet_mcp.wallet.chains import KNOWN_CHAINS
from wallet_mcp.wallet.holdings import Holding

CHAINS = {chain.id: chain for chain in KNOWN_CHAINS}
USDT, BSC_USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7", "0x55d398326f99059ff775485246999027b3197955"
UNKNOWN = "0x" + "12" * 20
ETHEREUM_MATIC = "0x7d1afa7b718fb893db30a3abc0cfc608aacfebb0"
ETHEREUM_POL = "0x455e53cbb86018ac2b8092fdcd39d8444affc3f6"
POLYGON_COIN = "0x" + "1010".rjust(40, "0")
MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
SOLANA_WALLET = "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"
SIGNATURE = "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW"
SEED = "legal winner thank year wave sausage worth useful legal winner thank yellow"
KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"

pytestmark = pytest.mark.anyio


def context_of() -> ToolContext:
    settings = custom_settings()
    deadline = asyncio.get_running_loop().time() + 20
    provenance, call = Provenance(settings.base_url), CallContext("wallet_get_portfolio")
    return ToolContext(Services(settings, None, wall_clock), deadline, provenance, call)


async def filter_of(text: str, *chains: str) -> TokenFilter:
    return await find_token_filter(context_of(), text, [CHAINS[chain] for chain in chains])


@pytest.mark.parametrize(
    ("text", "chains", "assets", "symbol", "name", "chain"),
    [
        ("USDT", ["1", "56"], {("1", USDT), ("56", BSC_USDT)}, "USDT", "USDT", ""),
        (" usdt ", ["56"], {("56", BSC_USDT)}, "usdt", "usdt", ""),
        ("bsc:USDT", ["1", "56"], {("56", BSC_USDT)}, "USDT", "USDT", "56"),
        ("bsc : USDT", ["1", "56"], {("56", BSC_USDT)}, "USDT", "USDT", "56"),
        ("native", ["1", "CT_501"], {("1", "native"), ("CT_501", "native")}, "", "native", ""),
        ("NATIVE", ["1"], {("1", "native")}, "", "native", ""),
        ("1:native", ["1", "56"], {("1", "native")}, "", "native", "1"),
        ("sol", ["1", "CT_501"], {("CT_501", "native")}, "sol", "sol", ""),
        ("POL", ["1", "56"], {("1", ETHEREUM_POL)}, "POL", "POL", ""),
        ("POL", ["1", "137"], {("1", ETHEREUM_POL), ("137", "native")}, "POL", "POL", ""),
        ("Matic", ["1", "137"], {("1", ETHEREUM_MATIC), ("137", "native")}, "Matic", "Matic", ""),
        ("MATIC", ["56"], set(), "MATIC", "MATIC", ""),
        ("NOSUCH", ["1"], set(), "NOSUCH", "NOSUCH", ""),
    ],
)
async def test_a_symbol_means_the_tokens_of_the_table_and_the_coins(
    text: str, chains: list[str], assets: set[tuple[str, str]], symbol: str, name: str, chain: str
) -> None:
    found = await filter_of(text, *chains)
    assert found == TokenFilter(name, frozenset(assets), symbol=symbol, chain=chain)
    assert found.shown == (f"{chain}:{name}" if chain else name)
    assert found.is_unknown is (not assets)


@pytest.mark.parametrize(
    ("text", "chains", "contract", "assets", "chain"),
    [
        (UNKNOWN.upper().replace("0X", "0x"), ["1"], UNKNOWN, {("1", UNKNOWN)}, ""),
        (UNKNOWN, ["1", "56"], UNKNOWN, {("1", UNKNOWN), ("56", UNKNOWN)}, ""),
        (f"56:{UNKNOWN}", ["1", "56"], UNKNOWN, {("56", UNKNOWN)}, "56"),
        (MINT, ["CT_501"], MINT, {("CT_501", MINT)}, ""),
        (POLYGON_COIN, ["1", "137"], POLYGON_COIN, {("1", POLYGON_COIN), ("137", "native")}, ""),
        ("0x" + "e" * 40, ["1", "137"], "native", {("1", "native"), ("137", "native")}, ""),
    ],
)
async def test_a_contract_means_itself_wherever_it_is(
    text: str, chains: list[str], contract: str, assets: set[tuple[str, str]], chain: str
) -> None:
    assert await filter_of(text, *chains) == TokenFilter(contract, frozenset(assets), chain=chain)


@pytest.mark.parametrize(
    ("text", "chains", "rule"),
    [
        ("bsc:USDT", ["1"], "a token on one of the chains asked for; BNB Chain is not among them"),
        (MINT, ["1"], "Solana mint"),
        (MINT, ["1", "56", "137"], "Solana mint"),
        (UNKNOWN, ["CT_501"], "EVM contract, but the chain is Solana"),
        ("0x12", ["1", "56"], "0x and 40 hex digits"),
        ("0X", ["1"], "0x and 40 hex digits"),
        ("", ["1"], TOKEN_RULE),
        ("1:", ["1"], TOKEN_RULE),
        ("\u200b", ["1"], TOKEN_RULE),
        ("Ethereum classic, bridged", ["1"], TOKEN_RULE),
    ],
)
async def test_what_can_be_no_token_is_refused(text: str, chains: list[str], rule: str) -> None:
    with pytest.raises(ArgumentProblem) as caught:
        await filter_of(text, *chains)
    assert caught.value.field == "token"
    assert rule in caught.value.rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (KEY, "This is a transaction hash or a private key, not a token contract, and was not sent."),
        (f"0x{KEY}", "This is a transaction hash or a private key, not a token contract, and was not sent."),
        (f"1:{KEY}", "This is a transaction hash or a private key, not a token contract, and was not sent."),
        (SIGNATURE, "This is a transaction hash or a private key, not a token contract, and was not sent."),
        (SEED, "This looks like a seed phrase: it was not sent."),
        ("some words about a token that nobody has ever heard of", TOKEN_RULE),
    ],
)
@pytest.mark.parametrize("chains", [["1"], ["1", "56"], ["CT_501", "1"]])
async def test_what_may_be_a_key_is_refused_as_a_contract_and_not_shown(
    text: str, rule: str, chains: list[str]
) -> None:
    with pytest.raises(ArgumentProblem) as caught:
        await filter_of(text, *chains)
    assert rule in caught.value.rule
    assert "wallet address" not in caught.value.rule
    assert text not in caught.value.rule
    assert not caught.value.value


def holding(chain: str, contract: str, symbol: str) -> Holding:
    return Holding(chain, contract, symbol, Decimal(1), None, None, None, None, ())


async def test_whatever_only_carries_the_symbol_is_a_namesake() -> None:
    real, elsewhere = holding("1", USDT, "USDT"), holding("56", BSC_USDT, "USDT")
    fake, other = holding("1", UNKNOWN, "usdt"), holding("1", "native", "ETH")
    everything = [fake, elsewhere, other, real]
    found = apply_filter(await filter_of("USDT", "1", "56"), everything)
    assert (found.holdings, found.namesakes) == ([elsewhere, real], [fake])
    exact = apply_filter(await filter_of(UNKNOWN, "1"), everything)
    assert (exact.holdings, exact.namesakes) == ([fake], [])
    coin = apply_filter(await filter_of("native", "1"), [*everything, holding("1", UNKNOWN, "native")])
    assert (coin.holdings, coin.namesakes) == ([other], [])
    bridged = holding("56", "0xb04906e95ab5d797ada81508115611fee694c2b3", "USDC")
    copies = apply_filter(await filter_of("USDC", "56"), [bridged, holding("56", UNKNOWN, "USDC")])
    assert ([one.contract for one in copies.namesakes], copies.relatives) == ([UNKNOWN], [bridged])
    only = apply_filter(await filter_of("1:USDT", "1"), everything)
    assert (only.holdings, only.namesakes, only.relatives) == ([real], [fake], [elsewhere])
    unknown = apply_filter(await filter_of("NOSUCH", "1"), [*everything, holding("1", "0x9", "nosuch")])
    assert (unknown.holdings, [one.contract for one in unknown.namesakes]) == ([], ["0x9"])
    bare = holding("1", "", "USDT")
    missing = apply_filter(await filter_of("USDT", "1", "56"), [bare, real, holding("1", "", "USDC")])
    assert (missing.holdings, missing.namesakes, missing.nameless) == ([real], [], [bare])


@pytest.mark.parametrize(
    ("text", "meant"),
    [("tether", ("USDT",)), ("Bitcoin", ("WBTC", "cbBTC", "BTCB")), ("USD coin", ("USDC",)), ("USDT", ()), ("x", ())],
)
async def test_the_name_of_a_token_leads_to_its_symbol_and_is_not_taken_for_it(
    text: str, meant: tuple[str, ...]
) -> None:
    found = await filter_of(text, "1", "56")
    assert (found.meant, found.is_unknown) == (meant, text != "USDT")


@pytest.mark.parametrize(
    ("text", "family", "expected"),
    [("bsc:USDT", "evm", "56"), (" 1 : 0x12", "evm", "1"), ("USDT", "evm", None), ("sol:USDC", "solana", "CT_501")],
)
async def test_a_chain_before_the_token_is_the_only_one(text: str, family: str, expected: str | None) -> None:
    address = parse_address(STRANGER if family == "evm" else SOLANA_WALLET)
    chain = await find_token_chain(context_of(), text, address)
    assert (chain.id if chain else None) == expected


async def test_a_chain_of_another_family_than_the_wallet_is_refused() -> None:
    with pytest.raises(ArgumentProblem) as caught:
        await find_token_chain(context_of(), "sol:USDC", parse_address(STRANGER))
    assert caught.value.field == "token"
    assert "takes a Solana address" in caught.value.rule
