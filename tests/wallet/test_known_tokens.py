from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.wallet.addresses import parse_address, to_checksum
from wallet_mcp.wallet.chains import KNOWN_CHAINS, NATIVE
from wallet_mcp.wallet.known_tokens import (
    _BY_NAME,
    KnownToken,
    clean_symbol,
    imitates,
    is_coin_symbol,
    is_well_known,
    known_token,
    symbols_of_name,
    tokens_by_symbol,
)

TABLE: dict[str, list[dict[str, Any]]] = tomllib.loads(
    resources.files("wallet_mcp.wallet").joinpath("known_tokens.toml").read_text(encoding="utf-8")
)
ROWS = [*TABLE["tokens"], *TABLE["variants"]]
CHAINS = {chain.id: chain for chain in KNOWN_CHAINS}
USDT_BSC = "0x55d398326f99059fF775485246999027B3197955"
STRANGER = "0x" + "12" * 20


def row_id(row: dict[str, Any]) -> str:
    return f"{row['chain']}-{row['symbol']}"


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_every_row_is_well_formed(row: dict[str, Any]) -> None:
    assert set(row) - {"also"} == {"chain", "symbol", "decimals", "contract"}
    chain = CHAINS[row["chain"]]
    address = parse_address(row["contract"])
    assert address.family == chain.family
    # An address in one case would pass without a checksum.
    assert row["contract"] == (to_checksum(row["contract"]) if chain.family == "evm" else address.text)
    assert 0 < row["decimals"] <= 18
    assert clean_symbol(row["chain"], row["contract"], row["symbol"]).text == row["symbol"]


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_every_row_is_found_by_its_contract_and_imitates_nothing(row: dict[str, Any]) -> None:
    expected = KnownToken(row["chain"], parse_address(row["contract"]).key, row["symbol"], row["decimals"])
    assert known_token(row["chain"], row["contract"]) == expected
    assert known_token(row["chain"], f" {expected.contract} ") == expected
    assert imitates(row["chain"], row["contract"], row["symbol"]) is None


@pytest.mark.parametrize("row", TABLE["tokens"], ids=row_id)
def test_a_symbol_means_one_token(row: dict[str, Any]) -> None:
    token = known_token(row["chain"], row["contract"])
    for symbol in (row["symbol"], *row.get("also", ())):
        for spelled in (symbol, symbol.lower(), f" {symbol.upper()} "):
            assert tokens_by_symbol(row["chain"], spelled) == (token,)


@pytest.mark.parametrize("row", TABLE["variants"], ids=row_id)
def test_a_symbol_never_means_a_bridged_copy(row: dict[str, Any]) -> None:
    assert known_token(row["chain"], row["contract"]) not in tokens_by_symbol(row["chain"], row["symbol"])


def test_contracts_and_sizes() -> None:
    keys = [(row["chain"], row["contract"].lower()) for row in ROWS]
    assert len(set(keys)) == len(keys)
    assert {chain for chain, _ in keys} == set(CHAINS)
    assert len(keys) >= 60


@pytest.mark.parametrize(
    ("chain", "contract"),
    [
        ("1", USDT_BSC),
        ("56", STRANGER),
        ("56", ""),
        ("999", USDT_BSC),
        ("CT_501", "epjfwdd5aufqssqem2qn1xzybapc8g4wEGG"),
    ],
)
def test_other_contracts_are_not_known(chain: str, contract: str) -> None:
    assert known_token(chain, contract) is None


@pytest.mark.parametrize(
    ("chain", "symbol"), [("56", "BNB"), ("1", "ETH"), ("999", "USDT"), ("56", ""), ("10", "ETH")]
)
def test_a_symbol_outside_the_table_means_nothing(chain: str, symbol: str) -> None:
    assert tokens_by_symbol(chain, symbol) == ()


@pytest.mark.parametrize(
    ("chain", "symbol", "original"),
    [
        ("56", "USDT", "USDT"),
        ("56", "usdt", "USDT"),
        ("56", "USDТ", "USDT"),
        ("56", "UЅDТ", "USDT"),
        ("56", "ＵＳＤＴ", "USDT"),
        ("56", "𝐔𝐒𝐃𝐓", "USDT"),
        ("56", "🅄🅂🄳🅃", "USDT"),
        ("56", "🆄🆂🅳🆃", "USDT"),
        ("56", "ꓴꓢꓓꓔ", "USDT"),
        ("56", "US\u200bDT", "USDT"),
        ("56", "USDT\U000e0041", "USDT"),
        ("56", "USD₮", "USDT"),
        ("56", "U$DT", "USDT"),
        ("56", "$USDT", "USDT"),
        ("56", "U.S.D.T.", "USDT"),
        ("56", "USDT ", "USDT"),
        ("56", "Uṡḍt", "USDT"),
        ("56", "U5DT", "USDT"),
        ("56", "BSC-USD", "USDT"),
        ("1", "UNl", "UNI"),
        ("1", "LlNK", "LINK"),
        ("1", "Ⅼink", "LINK"),
        ("10", "0P", "OP"),
        ("137", "USDCе", "USDC.e"),
        ("1", "ЕТН", "ETH"),
        ("1", "ΞTH", "ETH"),
        ("8453", "ETH", "ETH"),
        ("56", "ВNВ", "BNB"),
        ("CT_501", "SOL", "SOL"),
        ("CT_501", "S0L", "SOL"),
        ("1", "ᴜꜱᴅᴄ", "USDC"),
        ("1", "ᴇᴛʜ", "ETH"),
        ("56", "ʙɴʙ", "BNB"),
        ("1", "USÐT", "USDT"),
        ("1", "USĐT", "USDT"),
        ("1", "USƊT", "USDT"),
        ("1", "USDŦ", "USDT"),
        ("1", "ŁINK", "LINK"),
        ("56", "ƁNB", "BNB"),
        ("1", "ETĦ", "ETH"),
        ("1", "ETⱧ", "ETH"),
        ("56", "BИB", "BNB"),
        ("42161", "ɅRB", "ARB"),
        ("56", "ᗷNᗷ", "BNB"),
        ("56", "ᑌᔕᗪT", "USDT"),
        ("56", "ᑌSDT", "USDT"),
        ("56", "🇺🇸🇩🇹", "USDT"),
    ],
)
def test_imitations_are_seen_through(chain: str, symbol: str, original: str) -> None:
    imitated = imitates(chain, STRANGER, symbol)
    assert imitated is not None
    assert (imitated.chain, imitated.symbol) == (chain, original)


@pytest.mark.parametrize(
    ("chain", "contract", "symbol"),
    [
        ("56", USDT_BSC, "USDT"),
        ("56", USDT_BSC.lower(), "USDC"),
        ("1", STRANGER, "CAKE"),
        ("1", STRANGER, "UNL"),
        ("1", STRANGER, ""),
        ("1", STRANGER, "\u200b"),
        ("1", STRANGER, "$"),
        ("1", STRANGER, "USDTX"),
        ("1", "", "ETH"),
        ("1", NATIVE, "ETH"),
        ("1", "NATIVE", "ETH"),
        ("1", "0x" + "E" * 40, "ETH"),
        ("1", "0x" + "0" * 40, "ETH"),
        ("999", STRANGER, "USDT"),
    ],
)
def test_what_imitates_nothing(chain: str, contract: str, symbol: str) -> None:
    assert imitates(chain, contract, symbol) is None


@pytest.mark.parametrize(
    ("chain", "contract", "symbol", "well_known"),
    [
        ("56", USDT_BSC, "USDT", True),
        ("56", USDT_BSC.lower(), "usdt", True),
        ("56", USDT_BSC, "BSC-USD", True),
        ("56", USDT_BSC, "USDC", False),
        ("56", USDT_BSC, "USDТ", False),
        ("56", USDT_BSC, "USDT - visit us", False),
        ("56", STRANGER, "USDT", False),
        ("1", USDT_BSC, "USDT", False),
        ("10", "0x0555E30da8f98308EdB960aa94C0Db47230d2B9c", "WBTC", True),
        ("8453", NATIVE, "ETH", True),
        ("8453", "", "eth", True),
        ("56", NATIVE, "ETH", False),
        ("999", NATIVE, "ETH", False),
        ("999", NATIVE, "", False),
        ("CT_501", "EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm", "$WIF", True),
    ],
)
def test_a_well_known_symbol_is_that_of_its_contract(
    chain: str, contract: str, symbol: str, well_known: bool
) -> None:
    assert is_well_known(chain, contract, symbol) is well_known


@given(st.text(max_size=30))
def test_any_symbol_can_be_asked(symbol: str) -> None:
    found = imitates("56", STRANGER, symbol)
    assert found is None or found.chain == "56"
    assert imitates("56", USDT_BSC, symbol) is None


@pytest.mark.parametrize(
    ("contract", "symbol", "text", "flags"),
    [
        (USDT_BSC, "USDT", "USDT", ()),
        (STRANGER, "USDT", "USDT", ("lookalike",)),
        (STRANGER, "USDТ", "USDТ", ("mixed_script", "lookalike")),
        (STRANGER, "US\u200bDT", "USDT", ("invisible_chars", "lookalike")),
        (STRANGER, "PLAIN", "PLAIN", ()),
        (STRANGER, None, "", ()),
    ],
)
def test_a_symbol_is_cleaned_and_flagged_at_once(
    contract: str, symbol: object, text: str, flags: tuple[str, ...]
) -> None:
    cleaned = clean_symbol("56", contract, symbol)
    assert (cleaned.text, cleaned.flags) == (text, flags)


@pytest.mark.parametrize(
    ("chain", "symbol", "expected"),
    [
        ("137", "POL", True),
        ("137", " matic ", True),
        ("1", "MATIC", False),
        ("1", "eth", True),
        ("56", "", False),
        ("8453", "POL", False),
    ],
)
def test_a_coin_answers_to_its_symbol_and_to_its_former_one(chain: str, symbol: str, expected: bool) -> None:
    assert is_coin_symbol(CHAINS[chain], symbol) is expected
    assert is_well_known(chain, NATIVE, symbol.strip()) is expected


def test_a_token_with_the_former_symbol_of_the_coin_imitates_it() -> None:
    assert imitates("137", STRANGER, "MATIC") == KnownToken("137", NATIVE, "POL", 18)
    assert imitates("56", STRANGER, "MATIC") is None


@pytest.mark.parametrize(
    ("name", "symbols"),
    [("Tether USD", ("USDT",)), ("usd-coin", ("USDC",)), ("BTC", ("WBTC", "cbBTC", "BTCB")), ("USDT", ()), ("", ())],
)
def test_a_name_leads_to_symbols(name: str, symbols: tuple[str, ...]) -> None:
    assert symbols_of_name(name) == symbols


@pytest.mark.parametrize("name", sorted(_BY_NAME))
def test_each_symbol_that_a_name_leads_to_is_known_and_no_name_is_a_symbol(name: str) -> None:
    def known(symbol: str) -> bool:
        return any(tokens_by_symbol(chain.id, symbol) or is_coin_symbol(chain, symbol) for chain in KNOWN_CHAINS)

    assert all(known(symbol) for symbol in symbols_of_name(name))
    assert not known(name)
