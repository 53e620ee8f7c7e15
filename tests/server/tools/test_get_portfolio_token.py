"""wallet_get_portfolio asked for one token."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.support.mcp import STRANGER, Era, Face, connect, custom_settings
from tests.support.portfolio import EVM, PATH, TOOL, USDT, ask, asset, held, priced, row_of, upstream
from wallet_mcp.sandbox.world import Holding
from wallet_mcp.sandbox.world_model import plain
from wallet_mcp.wallet.known_tokens import tokens_by_symbol

BSC_USDT = "0x55d398326f99059ff775485246999027b3197955"
BSC_USDC = "0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d"
BRIDGED_USDC = "0xb04906e95ab5d797ada81508115611fee694c2b3"
MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("token", "name"), [("USDT", "USDT"), (" usdt ", "usdt"), ("ETH", "ETH"), ("native", "native"), ("BNB", "BNB")]
)
async def test_one_token_is_found_wherever_it_is_held(face: Face, token: str, name: str) -> None:
    found = held(face, "rich")
    answer = await face.answer(TOOL, address=face.wallets["rich"], token=token, min_value_usd=10**9, limit=200)
    coins = {"ETH": {"1", "8453", "42161", "10", "59144"}, "BNB": {"56"}, "native": set(EVM)}.get(name, set())

    def is_asked(chain: str, one: Holding) -> bool:
        known = {token.contract for token in tokens_by_symbol(chain, name)}
        return one.contract in known or (not one.contract and chain in coins)

    expected = priced((chain, one) for chain, one in found if is_asked(chain, one))
    assert answer["token"] == name
    assert answer["holdings"] == [row_of(chain, one) for _, chain, one in expected]
    assert answer["total_value_usd"] == plain(sum((worth for worth, _, _ in expected), Decimal(0)))
    assert answer["scope"].startswith(f"Total: only {name}")
    assert answer["nothing_priced_on"] == [chain for chain in EVM if chain not in {on for _, on, _ in expected}]
    assert expected
    namesakes = [one for chain, one in found if one.symbol.upper() == name.upper() and not is_asked(chain, one)]
    assert (f"Not counted, because they only carry the symbol {name}" in answer.notes) is bool(namesakes)
    assert all(f":{one.contract}{' (flagged as risk)' * one.risk}" in answer.notes for one in namesakes)


async def test_a_token_by_contract_on_one_chain(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["rich"], token=f"eth:0x{USDT[2:].upper()}")
    (row,) = answer["holdings"]
    assert (row["chain"], row["contract"], answer["token"]) == ("1", USDT, f"1:{USDT}")
    assert list(answer["by_chain"]) == ["1"]
    assert len(face.sent(PATH)) == len(face.sent()) == 1, "one chain is asked about, one is read"


async def test_a_chain_before_the_token_leaves_the_others_out_even_where_they_fail(era: Era) -> None:
    rows = [asset(5, "56", symbol="USDT"), asset(1, "56", tokenContractAddress=BSC_USDT, symbol="USDT")]
    api = upstream({"56": rows, "1": [asset(1, tokenContractAddress=USDT)]}, failing="1")
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, token="bsc:USDT")
        assert (answer["token"], answer["total_value_usd"], answer["complete"]) == ("56:USDT", "2", True)
        assert not {"next", "at_least"} & answer.structure.keys()
        assert f"under another contract: 56:0x{5:040x}." in answer.notes
        assert answer["scope"].startswith("Total: only 56:USDT, where ")
        both = await face.answer(TOOL, address=STRANGER, token="bsc:USDT", chains=["bsc", "eth"])
        assert both.structure == answer.structure
        assert len(api.requests) == 1


async def test_next_asks_about_the_token_on_the_chain_that_failed_alone(era: Era) -> None:
    rows = [asset(1, "56", tokenContractAddress=BSC_USDT)]
    api = upstream({"56": rows, "10": [asset(2, "10")]}, failing="1")
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, token="USDT", chains=["56", "1"])
        assert answer["next"]["arguments"] == {"address": STRANGER, "token": "USDT", "chains": ["1"]}
        failed = await face.failure(TOOL, answer["next"]["arguments"])
        assert failed.meta["code"] == 40411, "what fails is the chain, not the question"


@pytest.mark.parametrize("token", [MINT, f"{MINT} "])
async def test_a_mint_is_no_token_of_an_evm_wallet_on_however_many_chains(face: Face, token: str) -> None:
    failed = await face.failure(TOOL, address=face.wallets["rich"], token=token)
    assert failed.meta["field"] == "token"
    assert "This is a Solana mint, but the chain is an EVM chain" in failed.text
    assert not face.sent(PATH)


@pytest.mark.parametrize(
    ("token", "told"),
    [
        (
            "tether",
            "tether is no well-known token, and no holding here carries that symbol: how much of it is held is "
            "unknown. Perhaps USDT was meant: ask for that, or by contract.",
        ),
        ("Bitcoin", "Perhaps WBTC, cbBTC or BTCB was meant: ask for that"),
        (
            "NOSUCH",
            "NOSUCH is no well-known token, and no holding here carries that symbol: how much of it is held is "
            "unknown. Ask by contract, or by a known symbol such as USDT.",
        ),
        ("JUP", "JUP is well-known only on Solana (CT_501), and no holding here"),
    ],
)
async def test_a_name_that_identifies_no_token_has_no_total(face: Face, token: str, told: str) -> None:
    answer = await face.answer(TOOL, address=face.wallets["rich"], token=token)
    assert (answer["holdings"], answer["holdings_count"]) == ([], 0)
    assert "total_value_usd" not in answer
    assert answer.lines[0].endswith(": total value unknown.")
    assert told in answer.notes


async def test_the_former_name_of_a_coin_means_the_coin(era: Era) -> None:
    worth = {"balance": "5", "rawBalance": "5" + "0" * 18, "tokenPrice": "0.5"}
    coin = asset(0, "137", tokenContractAddress="", symbol="POL", **worth)
    fake = asset(1, "137", symbol="MATIC", balance="1000000", rawBalance="100000000")
    answer = await ask(era, {"137": [fake, coin]}, token="matic")
    assert [(row["contract"], row["value_usd"]) for row in answer["holdings"]] == [("native", "2.5")]
    assert answer["total_value_usd"] == "2.5"
    assert "matic is the former name of POL, the coin of Polygon." in answer.notes
    assert f"under another contract: 137:0x{1:040x}." in answer.notes
    assert "former" not in (await ask(era, {"137": [coin]}, token="POL")).text


async def test_a_bridged_copy_is_not_counted_and_not_called_an_imitation(era: Era) -> None:
    bridged = asset(0, "56", tokenContractAddress=BRIDGED_USDC, symbol="USDC")
    answer = await ask(era, {"56": [bridged, asset(1, "56", tokenContractAddress=BSC_USDC)]}, token="USDC")
    assert [row["contract"] for row in answer["holdings"]] == [BSC_USDC]
    assert f"Not counted: other well-known tokens of that symbol, 56:{BRIDGED_USDC}." in answer.notes
    assert "only carry" not in answer.notes


async def test_a_flagged_token_that_was_asked_for_is_shown_and_in_no_total(face: Face) -> None:
    (fake,) = [one for _, one in held(face, "rich", ["1"]) if one.risk and one.symbol == "USDT"]
    answer = await face.answer(TOOL, address=face.wallets["rich"], token=fake.contract)
    assert answer["holdings"] == [row_of("1", fake)]
    assert (answer["total_value_usd"], answer["risk"]["count"]) == ("0", 1)
    assert "is flagged as risk, so it is in no total." in answer.notes


async def test_an_unpriced_token_that_was_asked_for_is_shown(face: Face) -> None:
    (dust,) = [one for _, one in held(face, "rich", ["1"]) if one.symbol == "BITTO"]
    answer = await face.answer(TOOL, address=face.wallets["rich"], token=dust.contract)
    assert answer["holdings"] == [row_of("1", dust)]
    assert (answer["holdings_count"], answer["unpriced"]) == (1, {"count": 1})
    assert "total_value_usd" not in answer
    assert "Nothing found has a price: what it is worth is unknown, which is not 0." in answer.notes


async def test_a_symbol_that_no_known_token_has_leads_to_the_contracts_that_carry_it(face: Face) -> None:
    (dust,) = [one for _, one in held(face, "rich", ["1"]) if one.symbol == "BITTO"]
    answer = await face.answer(TOOL, address=face.wallets["rich"], token="bitto")
    assert answer["holdings"] == []
    assert (
        f"bitto is no well-known token; these holdings carry that symbol: 1:{dust.contract}. Ask by" in answer.notes
    )
    assert "total_value_usd" not in answer, "what was not counted has no total of 0"


async def test_many_namesakes_are_counted(era: Era) -> None:
    rows = [asset(number, symbol="USDT", isRiskToken=number == 7) for number in range(1, 8)]
    api = upstream({"1": [*rows, asset(9, tokenContractAddress=USDT)]})
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1"], token="USDT")
        assert [row["contract"] for row in answer["holdings"]] == [USDT]
        listed = ", ".join(f"1:0x{number:040x}" for number in range(1, 6))
        assert f"under another contract: {listed} and 2 more, 1 of them flagged as risk." in answer.notes


async def test_a_priced_and_an_unpriced_holding_of_one_token_are_both_shown(era: Era) -> None:
    rows = {"1": [asset(0, symbol="ETH", tokenContractAddress="")], "10": [asset(0, "10", tokenContractAddress="")]}
    rows["10"][0]["tokenPrice"] = ""
    answer = await ask(era, rows, token="ETH")
    assert [(row["chain"], row.get("value_usd")) for row in answer["holdings"]] == [("1", "2"), ("10", None)]
    assert (answer["total_value_usd"], answer["unpriced"], answer["holdings_count"]) == ("2", {"count": 1}, 2)
    assert "unknown, which is not 0" not in answer.text


async def test_a_row_of_nothing_is_not_listed_either(era: Era) -> None:
    answer = await ask(era, {"1": [asset(1, balance="0", rawBalance="0", tokenPrice="")]}, token=f"0x{1:040x}")
    assert (answer["holdings"], answer["holdings_count"], answer["unpriced"]) == ([], 0, {"count": 0})


@pytest.mark.parametrize(
    ("rows", "token", "total", "told"),
    [
        (
            [asset(5, symbol="USDT", isRiskToken=True)],
            "USDT",
            "0",
            "Not counted, because they only carry the symbol USDT under another contract: "
            f"1:0x{5:040x} (flagged as risk).",
        ),
        ([], "USDT", "0", "The API reports no USDT on these chains: that means zero, or unknown to the provider."),
        ([], "NOSUCH", None, "NOSUCH is no well-known token, and no holding here carries that symbol"),
        ([], f"0x{7:040x}", "0", f"The API reports no 0x{7:040x} on these chains"),
        (
            [asset(5, symbol="ODD", isRiskToken=True), asset(6, symbol="odd")],
            "Odd",
            None,
            f"Odd is no well-known token; these holdings carry that symbol: 1:0x{5:040x} (flagged as risk), "
            f"1:0x{6:040x}. Ask by contract.",
        ),
        (
            [asset(5, symbol="Tether")],
            "tether",
            None,
            f"these holdings carry that symbol: 1:0x{5:040x}. Perhaps USDT was meant: ask for that, or by contract.",
        ),
        (
            [asset(5, isRiskToken=True)],
            f"0x{5:040x}",
            "0",
            f"All that was found of 0x{5:040x} is flagged as risk, so it is in no total.",
        ),
    ],
)
async def test_a_token_without_a_total_is_explained(
    era: Era, rows: list[dict[str, Any]], token: str, total: str | None, told: str
) -> None:
    answer = await ask(era, {"1": rows}, token=token)
    assert answer.structure.get("total_value_usd") == total
    assert told in answer.notes


@pytest.mark.parametrize(("count", "also", "total"), [(1, False, None), (2, False, None), (2, True, "2")])
async def test_what_came_without_its_contract_leaves_the_token_in_doubt(
    era: Era, count: int, also: bool, total: str | None
) -> None:
    rows = [asset(0, tokenContractAddress=None, symbol="USDT")] * count
    rows += [asset(1, tokenContractAddress=USDT, symbol="USDT")] * also
    answer = await ask(era, {"1": rows}, token="USDT")
    came = "1 holding called USDT came without its" if count == 1 else "2 holdings called USDT came without their"
    assert answer["incomplete_because"] == f"{came} contract"
    assert f"{came} contract: whether {'it is' if count == 1 else 'they are'} USDT is unknown." in answer.notes
    assert (answer["complete"], answer.structure.get("total_value_usd")) == (False, total)
    assert answer.structure.get("at_least") is (True if also else None)
    assert not any(told in answer.notes for told in ("reports no", "under another contract"))


@pytest.mark.parametrize(("token", "whole"), [("USDT", False), ("ETH", True)])
async def test_a_token_listed_twice_is_in_doubt_where_it_is_asked_for(era: Era, token: str, whole: bool) -> None:
    rows = [asset(1, tokenContractAddress=USDT, symbol="USDT", **worth(amount)) for amount in (100, 900)]
    answer = await ask(era, {"1": rows}, token=token)
    assert answer["complete"] is whole
    assert ("twice with different balances (100 and 900)" in answer.notes) is not whole


def worth(amount: int) -> dict[str, str]:
    return {"balance": str(amount), "rawBalance": f"{amount}000000"}
