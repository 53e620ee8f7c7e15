from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.support.mcp import (
    COMMON,
    STRANGER,
    Era,
    Face,
    Made,
    Success,
    Upstream,
    connect,
    custom_settings,
    refusal,
    usable_settings,
)
from tests.support.truth import EXACT
from wallet_mcp.sandbox.app import Fault
from wallet_mcp.sandbox.world import Holding
from wallet_mcp.sandbox.world_model import plain
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE
from wallet_mcp.server.tools.get_portfolio import TOOL as DEFINITION
from wallet_mcp.wallet.known_tokens import clean_symbol, tokens_by_symbol
from wallet_mcp.wallet.labels import parse_labels

TOOL = "wallet_get_portfolio"
PATH = "all-token-balances-by-address"
FIELDS = {
    "address",
    "label",
    "token",
    "total_value_usd",
    "at_least",
    "by_chain",
    "holdings",
    "holdings_count",
    "offset",
    "below_minimum",
    "unpriced",
    "risk",
    "dominant",
    "scope",
}
EVM = ["1", "56", "137", "8453", "42161", "10", "59144", "143", "9745"]
CHECKED = {"1", "56", "8453", "CT_501"}
USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"
MILLIONTH = Decimal("0.000001")

Held = tuple[str, Holding]

pytestmark = pytest.mark.anyio


def held(face: Face, label: str, chains: Iterable[str] = EVM) -> list[Held]:
    return [(chain, one) for chain in chains for one in face.world.holdings(face.wallets[label], chain)]


def value(holding: Holding) -> Decimal | None:
    """What a holding is worth to a millionth, and never nothing for something."""
    if holding.price is None:
        return None
    exact = EXACT.multiply(holding.balance, holding.price)
    return max(exact.quantize(MILLIONTH, context=EXACT), MILLIONTH) if exact else Decimal(0)


def priced(found: Iterable[Held]) -> list[tuple[Decimal, str, Holding]]:
    """Value, chain and holding of all that counts, dearest first."""
    counted = [(worth, chain, one) for chain, one in found if not one.risk and (worth := value(one)) is not None]
    return sorted(counted, key=lambda each: (-each[0], each[1], each[2].contract or "native"))


def row_of(chain: str, holding: Holding) -> dict[str, Any]:
    symbol = clean_symbol(chain, holding.contract or "native", holding.symbol)
    row: dict[str, Any] = {"chain": chain, "contract": holding.contract or "native", "symbol": symbol.text}
    row["balance"] = plain(holding.balance)
    if (worth := value(holding)) is not None:
        row["value_usd"] = plain(worth)
    if holding.risk:
        row["risk_flagged"] = True
    if symbol.flags:
        row["flags"] = list(symbol.flags)
    return row


def check_scope(answer: Success, nothing_on: list[str]) -> None:
    """Fail unless the chains that were read are those with a value and, in the scope, those without any."""
    told = re.search(r"; nothing priced on chains ([\w, ]+)\.", answer["scope"])
    assert (told[1].split(", ") if told else []) == nothing_on
    assert not set(nothing_on) & {row["chain"] for row in answer["by_chain"]}
    assert ("as far as read" in answer["scope"]) is ("at_least" in answer)
    assert answer["scope"].endswith("Never: staking, DeFi, NFTs, other chains.")


def group(values: Iterable[Decimal | None]) -> dict[str, Any]:
    given = list(values)
    known = [one for one in given if one is not None]
    return {"count": len(given)} | ({"value_usd": plain(sum(known, Decimal(0)))} if known else {})


@pytest.mark.parametrize("risky", [False, True])
@pytest.mark.parametrize("minimum", [0, 1, 250.5])
@pytest.mark.parametrize(("label", "chains"), [("rich", EVM), ("solana", ["CT_501"]), ("history", EVM)])
async def test_each_figure_is_the_worlds(
    face: Face, label: str, chains: list[str], minimum: float, risky: bool
) -> None:
    found = held(face, label, chains)
    counted = priced(found)
    floor = Decimal(str(minimum))
    answer = await face.answer(
        TOOL, address=face.wallets[label], min_value_usd=minimum, include_risk_tokens=risky, limit=200
    )
    flagged = sorted(
        ((chain, one) for chain, one in found if one.risk),
        key=lambda each: (-(value(each[1]) or Decimal(0)), each[0], each[1].contract),
    )
    listed = [row_of(chain, one) for worth, chain, one in counted if worth >= floor]
    assert answer["holdings"] == listed + [row_of(chain, one) for chain, one in flagged if risky]
    assert answer["holdings_count"] == len(answer["holdings"])
    assert answer["total_value_usd"] == plain(sum((worth for worth, _, _ in counted), Decimal(0)))
    sums = {chain: sum((worth for worth, on, _ in counted if on == chain), Decimal(0)) for chain in chains}
    assert answer["by_chain"] == [
        {"chain": chain, "value_usd": plain(total)} | ({} if chain in CHECKED else {"honeypot_checked": False})
        for chain, total in sums.items()
        if total
    ]
    assert answer["below_minimum"] == group(worth for worth, _, _ in counted if worth < floor)
    assert answer["unpriced"] == group(value(one) for _, one in found if one.price is None and not one.risk)
    assert answer["risk"] == group(value(one) for _, one in flagged)
    assert answer["complete"] is True
    assert answer["notes"] == [CHAIN_TEXT_NOTICE]
    check_scope(answer, [chain for chain, total in sums.items() if not total])
    assert not {"at_least", "dominant", "token", "label"} & answer.structure.keys()
    assert answer.structure.keys() <= {*FIELDS, *COMMON}


async def test_what_is_listed_and_what_is_below_the_minimum_add_up_to_the_total(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["rich"], min_value_usd=100, limit=200)
    parts = [Decimal(row["value_usd"]) for row in answer["holdings"]]
    assert sum(parts) + Decimal(answer["below_minimum"]["value_usd"]) == Decimal(answer["total_value_usd"])
    assert sum(Decimal(row["value_usd"]) for row in answer["by_chain"]) == Decimal(answer["total_value_usd"])


async def test_the_pages_of_the_whale_hold_each_holding_once(era: Era) -> None:
    async with connect(era, rate=50) as face:
        counted = priced(held(face, "whale", ["56"]))
        wallet = face.wallets["whale"]
        answer = await face.answer(TOOL, address=wallet, chains=["bsc"], min_value_usd=0, limit=90)
        assert len(face.sent(PATH)) == 22
        pages = [answer]
        while "next" in answer:
            assert answer["complete"] is False
            left = answer["holdings_count"] - answer["offset"] - len(answer["holdings"])
            assert answer["incomplete_because"] == f"{left} more holdings follow"
            answer = await face.replay(answer)
            pages.append(answer)
        rows = [row for page in pages for row in page["holdings"]]
        assert rows == [row_of(chain, one) for _, chain, one in counted]
        assert [page["offset"] for page in pages] == [90 * number for number in range(len(pages))]
        assert {page["total_value_usd"] for page in pages} == {plain(sum((one for one, _, _ in counted), Decimal(0)))}
        assert pages[0]["next"]["arguments"]["chains"] == ["56"]
        assert len(pages) == math.ceil(len(counted) / 90) > 2
        assert not any("at_least" in page for page in pages)
        assert len(face.sent(PATH)) == 22, "one reading of the wallet serves all pages"


async def test_next_repeats_what_was_asked(face: Face) -> None:
    wallet = face.wallets["rich"]
    plainly = await face.answer(TOOL, address=wallet)
    assert plainly["next"]["arguments"] == {"address": wallet, "offset": 20}
    options = {"min_value_usd": 0.5, "include_risk_tokens": True, "limit": 2, "token": " USDT "}
    answer = await face.answer(TOOL, {"address": wallet.lower(), "offset": 1, **options})
    expected = {"address": wallet, "offset": 3} | options | {"token": "USDT"}
    assert answer["next"]["arguments"] == expected


async def test_an_offset_behind_the_last_is_empty_and_whole(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["rich"], offset=1_000)
    assert (answer["holdings"], answer["complete"]) == ([], True)
    assert answer["holdings_count"] > 20
    assert "notes" not in answer


async def test_a_wallet_without_anything_is_worth_nothing(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["empty"])
    assert (answer["total_value_usd"], answer["by_chain"], answer["holdings"]) == ("0", [], [])
    assert answer["below_minimum"] == answer["unpriced"] == answer["risk"] == {"count": 0}
    assert answer["complete"] is True


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
    check_scope(answer, [chain for chain in EVM if chain not in {on for worth, on, _ in expected if worth}])
    assert expected
    namesakes = [one for chain, one in found if one.symbol.upper() == name.upper() and not is_asked(chain, one)]
    assert (f"Not counted, because they only carry the symbol {name}" in answer.notes) is bool(namesakes)
    assert all(f":{one.contract}" in answer.notes for one in namesakes)


async def test_a_token_by_contract_on_one_chain(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["rich"], token=f"eth:0x{USDT[2:].upper()}")
    (row,) = answer["holdings"]
    assert (row["chain"], row["contract"], answer["token"]) == ("1", USDT, USDT)


async def test_a_flagged_token_that_was_asked_for_is_shown_and_in_no_total(face: Face) -> None:
    (fake,) = [one for _, one in held(face, "rich", ["1"]) if one.risk and one.symbol == "USDT"]
    answer = await face.answer(TOOL, address=face.wallets["rich"], token=fake.contract)
    assert answer["holdings"] == [row_of("1", fake)]
    assert (answer["total_value_usd"], answer["risk"]["count"]) == ("0", 1)


async def test_an_unpriced_token_that_was_asked_for_is_shown(face: Face) -> None:
    (dust,) = [one for _, one in held(face, "rich", ["1"]) if one.symbol == "BITTO"]
    answer = await face.answer(TOOL, address=face.wallets["rich"], token=dust.contract)
    assert answer["holdings"] == [row_of("1", dust)]
    assert (answer["holdings_count"], answer["unpriced"]) == (1, {"count": 1})


async def test_a_symbol_that_no_known_token_has_leads_to_the_contracts_that_carry_it(face: Face) -> None:
    (dust,) = [one for _, one in held(face, "rich", ["1"]) if one.symbol == "BITTO"]
    answer = await face.answer(TOOL, address=face.wallets["rich"], token="bitto")
    assert answer["holdings"] == []
    assert (
        f"bitto is no well-known token; these holdings carry that symbol: 1:{dust.contract}. Ask by" in answer.notes
    )


def asset(number: int, chain: str = "1", **changes: Any) -> dict[str, Any]:
    row = {
        "binanceChainId": chain,
        "tokenContractAddress": f"0x{number:040x}",
        "symbol": f"T{number}",
        "balance": "2",
        "rawBalance": "200",
        "tokenPrice": "1",
        "isRiskToken": False,
    }
    return row | changes


def upstream(rows: Mapping[str, list[dict[str, Any]]], size: int = 100, failing: str = "") -> Upstream:
    """An API that serves these rows per chain in its pages; one chain fails."""

    def reply(request: httpx.Request) -> Made:
        query = request.url.params
        if not request.url.path.endswith(PATH) or query["chains"] == failing:
            return refusal(40411)
        start = (int(query["page"]) - 1) * size
        return [{"tokenAssets": rows.get(query["chains"], [])[start : start + size]}]

    return Upstream(reply)


async def test_more_than_half_in_an_unknown_token_is_told_apart(era: Era) -> None:
    api = upstream({"1": [asset(1, balance="1000"), asset(2), asset(0, tokenContractAddress="", balance="30")]})
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1"])
        assert answer["total_value_usd"] == "1032"
        assert answer["dominant"] == {
            "chain": "1",
            "contract": f"0x{1:040x}",
            "symbol": "T1",
            "value_usd": "1000",
            "total_without_it_usd": "32",
        }
        assert answer["holdings"][1]["symbol"] == "T0"
        alone = await face.answer(TOOL, address=STRANGER, chains=["1"], token=f"0x{1:040x}")
        assert "dominant" not in alone


async def test_many_namesakes_are_counted(era: Era) -> None:
    rows = [asset(number, symbol="USDT") for number in range(1, 8)]
    api = upstream({"1": [*rows, asset(9, tokenContractAddress=USDT)]})
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1"], token="USDT")
        assert [row["contract"] for row in answer["holdings"]] == [USDT]
        listed = ", ".join(f"1:0x{number:040x}" for number in range(1, 6))
        assert f"under another contract: {listed} and 2 more." in answer.notes


async def test_a_chain_that_fails_makes_it_a_total_of_at_least_and_is_asked_next(era: Era) -> None:
    api = upstream({"1": [asset(1)], "10": [asset(2, "10", balance="")]}, failing="56")
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1", "bsc", "10"], min_value_usd=0.25)
        assert (answer["total_value_usd"], answer["at_least"], answer["complete"]) == ("2", True, False)
        assert answer["incomplete_because"] == "BNB Chain (56) could not be read (error 40411)"
        assert answer["next"]["arguments"] == {"address": STRANGER, "min_value_usd": 0.25, "chains": ["56"]}
        check_scope(answer, ["10"])
        assert [row["chain"] for row in answer["by_chain"]] == ["1"]
        unread = await face.answer(TOOL, address=STRANGER, chains=["10"], token=f"0x{2:040x}")
        assert "balance" not in unread["holdings"][0]


async def test_when_no_chain_can_be_read_the_call_fails(era: Era) -> None:
    async with connect(era, faults=[Fault("50001")]) as face:
        failed = await face.failure(TOOL, address=face.wallets["rich"], chains=["1", "56"])
        assert failed.meta["code"] == 50001


async def test_a_wallet_of_more_pages_than_may_be_read_says_so(era: Era) -> None:
    rows = [asset(number) for number in range(6_100)]
    async with connect(era, settings=custom_settings(), transport=upstream({"1": rows})) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1"])
        assert answer["at_least"] is True
        assert answer["complete"] is False
        assert "Ethereum (1) has more than the" in answer["incomplete_because"]
        assert "more holdings follow" in answer["incomplete_because"]


async def test_a_page_that_comes_twice_is_told_and_counted_once(era: Era) -> None:
    page = [asset(number) for number in range(100)]
    api = Upstream(lambda request: [{"tokenAssets": page}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1"], limit=200)
        assert answer["incomplete_because"] == "the API repeated a page on Ethereum (1)"
        assert (answer["total_value_usd"], answer["at_least"], answer["holdings_count"]) == ("200", True, 100)


async def test_a_wallet_may_be_named_by_its_label(era: Era) -> None:
    settings = usable_settings(wallets=parse_labels("Treasury=0x4228cfc4DA1cBf51483a344D2d366ff6dd6FCEbe"))
    async with connect(era, settings=settings) as face:
        for given in (" treasury ", face.wallets["rich"], face.wallets["rich"].lower()):
            answer = await face.answer(TOOL, address=given, chains=["10"])
            assert (answer["address"], answer["label"]) == (face.wallets["rich"], "Treasury")
            assert answer.lines[0].startswith(f"Treasury ({face.wallets['rich']}): total value ")
        assert "label" not in await face.answer(TOOL, address=face.wallets["history"], chains=["10"])


@pytest.mark.parametrize(
    ("arguments", "field", "told"),
    [
        ({"chains": ["tron"]}, "chains[0]", "Tron is not served"),
        ({"chains": ["sol"]}, "address", "an EVM address belongs to"),
        ({"chains": ["1"], "token": "bsc:USDT"}, "token", "a token on one of the chains asked for; BNB Chain is not"),
        ({"chains": ["1"], "token": "0x12"}, "token", "0x and 40 hex digits"),
        ({"token": "Ethereum classic, bridged"}, "token", "a symbol of a well-known token"),
        ({"token": "5f" * 32}, "token", "its value is not repeated here"),
        ({"token": ""}, "token", "a symbol of a well-known token"),
        ({"token": "1:"}, "token", "a symbol of a well-known token"),
        ({"min_value_usd": -1}, "min_value_usd", "a number from 0"),
        ({"min_value_usd": "much"}, "min_value_usd", "a number from 0"),
        ({"limit": 201}, "limit", "a whole number from 1 to 200"),
        ({"offset": -1}, "offset", "a whole number from 0"),
    ],
)
async def test_a_bad_question_is_never_sent(face: Face, arguments: dict[str, Any], field: str, told: str) -> None:
    failed = await face.failure(TOOL, {"address": face.wallets["rich"]} | arguments)
    assert failed.meta["field"] == field
    assert told in failed.text
    assert not face.sent(PATH)


def test_its_fields_are_those_of_the_design() -> None:
    schema = DEFINITION.definition.input_schema
    asked = {"address", "chains", "token", "min_value_usd", "include_risk_tokens", "offset", "limit"}
    assert set(schema["properties"]) == asked
    assert schema["required"] == ["address"]
    defaults = {name: field.get("default") for name, field in schema["properties"].items()}
    assert defaults["min_value_usd"] == 1
    assert (defaults["include_risk_tokens"], defaults["offset"], defaults["limit"]) == (False, 0, 20)
    output = DEFINITION.definition.output_schema
    assert output is not None
    assert set(output["properties"]) == {*FIELDS, *COMMON}
