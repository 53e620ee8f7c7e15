from __future__ import annotations

import math
from collections.abc import Iterable
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
    Upstream,
    connect,
    custom_settings,
    refusal,
    usable_settings,
)
from tests.support.portfolio import EVM, PATH, TOOL, USDT, ask, asset, held, priced, row_of, upstream, value
from tests.support.tokens import compact
from tests.support.truth import is_foreign
from wallet_mcp.sandbox.app import Fault
from wallet_mcp.sandbox.world_model import plain
from wallet_mcp.server.length import LONGEST, LONGEST_ASKED
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE
from wallet_mcp.server.tools.get_portfolio import TOOL as DEFINITION
from wallet_mcp.wallet.labels import parse_labels

FIELDS = {
    "address",
    "label",
    "token",
    "total_value_usd",
    "at_least",
    "by_chain",
    "nothing_priced_on",
    "honeypots_unchecked",
    "holdings",
    "holdings_count",
    "offset",
    "below_minimum",
    "unpriced",
    "risk",
    "dominant",
    "scope",
}
CHECKED = {"1", "56", "8453", "CT_501"}

pytestmark = pytest.mark.anyio


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
    parts = {chain: [worth for worth, on, _ in counted if on == chain] for chain in chains}
    assert answer["by_chain"] == {chain: plain(sum(part, Decimal(0))) for chain, part in parts.items() if part}
    assert answer.structure.get("nothing_priced_on", []) == [chain for chain, part in parts.items() if not part]
    unchecked = [chain for chain in chains if chain not in CHECKED and any(on == chain for on, _ in found)]
    assert answer.structure.get("honeypots_unchecked", []) == unchecked
    below = group(worth for worth, _, _ in counted if worth < floor)
    assert answer.structure.get("below_minimum", {"count": 0}) == below
    assert answer["unpriced"] == group(value(one) for _, one in found if one.price is None and not one.risk)
    assert answer["risk"] == group(value(one) for _, one in flagged)
    assert answer["complete"] is True
    foreign = any(is_foreign(row["chain"], row["contract"], row["symbol"]) for row in answer["holdings"])
    assert answer.structure.get("notes", []) == [CHAIN_TEXT_NOTICE] * foreign
    assert not {"at_least", "dominant", "token", "label", "offset"} & answer.structure.keys()
    assert answer.structure.keys() <= {*FIELDS, *COMMON}


async def test_what_is_listed_and_what_is_below_the_minimum_add_up_to_the_total(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["rich"], min_value_usd=100, limit=200)
    parts = [Decimal(row["value_usd"]) for row in answer["holdings"]]
    assert sum(parts) + Decimal(answer["below_minimum"]["value_usd"]) == Decimal(answer["total_value_usd"])
    assert sum(map(Decimal, answer["by_chain"].values())) == Decimal(answer["total_value_usd"])


async def test_the_pages_of_the_whale_hold_each_holding_once(era: Era) -> None:
    async with connect(era, rate=50) as face:
        counted = priced(held(face, "whale", ["56"]))
        wallet = face.wallets["whale"]
        answer = await face.answer(TOOL, address=wallet, chains=["bsc"], min_value_usd=0, limit=90)
        assert len(face.sent(PATH)) == 22
        pages = [answer]
        while "next" in answer:
            assert answer["complete"] is False
            left = answer["holdings_count"] - answer.structure.get("offset", 0) - len(answer["holdings"])
            assert answer["incomplete_because"] == f"{left} more holdings follow"
            answer = await face.replay(answer)
            pages.append(answer)
        rows = [row for page in pages for row in page["holdings"]]
        assert rows == [row_of(chain, one) for _, chain, one in counted]
        assert [page.structure.get("offset") for page in pages] == [
            90 * number or None for number in range(len(pages))
        ]
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
    assert (answer["total_value_usd"], answer["by_chain"], answer["holdings"]) == ("0", {}, [])
    assert answer["unpriced"] == answer["risk"] == {"count": 0}
    assert answer["nothing_priced_on"] == EVM
    assert answer["complete"] is True
    assert not {"below_minimum", "honeypots_unchecked", "notes"} & answer.structure.keys()


async def test_more_than_half_in_an_unknown_token_is_told_apart(era: Era) -> None:
    coin = asset(0, tokenContractAddress="", balance="30", rawBalance="")
    api = upstream({"1": [asset(1, balance="1000", rawBalance=""), asset(2), coin]})
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


async def test_an_unknown_token_that_the_minimum_hides_is_told_apart_all_the_same(era: Era) -> None:
    rows = [asset(1, balance="500000", rawBalance=""), asset(2, balance="100", rawBalance="")]
    answer = await ask(era, {"1": rows}, min_value_usd=1_000_000)
    assert (answer["holdings"], answer["below_minimum"]) == ([], {"count": 2, "value_usd": "500100"})
    assert (answer["dominant"]["value_usd"], answer["dominant"]["total_without_it_usd"]) == ("500000", "100")


@pytest.mark.parametrize("order", [1, -1])
async def test_a_coin_that_is_listed_twice_is_counted_once(era: Era, order: int) -> None:
    worth = {"symbol": "POL", "balance": "5", "rawBalance": "5000000000000000000", "tokenPrice": "0.5"}
    rows = [asset(0, "137", tokenContractAddress=spelled, **worth) for spelled in ("", "0x" + "1010".rjust(40, "0"))]
    answer = await ask(era, {"137": rows[::order]})
    assert (answer["total_value_usd"], answer["holdings_count"]) == ("2.5", 1)
    assert answer["holdings"][0]["contract"] == "native"
    assert "lists the coin of Polygon twice, once under a contract: it is one balance, counted once." in answer.notes
    assert "notes" not in await ask(era, {"137": rows[1:]})
    rows[1] |= {"balance": "6", "rawBalance": "6000000000000000000"}
    told = await ask(era, {"137": rows[::order]})
    assert (told["total_value_usd"], told["holdings_count"]) == ("2.5" if order == 1 else "3", 1)
    assert f"different balances ({'5 and 6' if order == 1 else '6 and 5'}): the first is counted" in told.notes


async def test_a_balance_of_zero_beside_base_units_is_listed_without_a_worth(era: Era) -> None:
    odd = asset(1, balance="0", rawBalance="7")
    answer = await ask(era, {"1": [odd, asset(2)]})
    assert (answer["unpriced"], answer["total_value_usd"]) == ({"count": 1}, "2")
    assert "Of the unpriced 1 have a price, but no certain amount" in answer.notes
    (row,) = (await ask(era, {"1": [odd]}, token=f"0x{1:040x}"))["holdings"]
    assert (row["balance"], row["flags"], "value_usd" in row) == ("0", ["amounts_disagree"], False)


LONG_ROW = {"symbol": "W" * 40 + " claim.example now", "balance": "1" * 60 + "." + "1" * 60, "tokenPrice": "1" * 120}


@pytest.mark.parametrize(("arguments", "longest"), [({}, LONGEST), ({"limit": 200}, LONGEST_ASKED)])
async def test_a_page_of_the_longest_rows_is_cut_and_goes_on(
    era: Era, arguments: dict[str, int], longest: int
) -> None:
    rows = [asset(number, rawBalance="", **LONG_ROW) for number in range(1, 231)]
    async with connect(era, settings=custom_settings(), transport=upstream({"1": rows})) as face:
        answer = await face.answer(TOOL, {"address": STRANGER, "chains": ["1"]} | arguments)
        contracts: list[str] = []
        pages = 0
        while True:
            pages += 1
            shown = len(answer["holdings"])
            asked = min(arguments.get("limit", 20), 230 - len(contracts))
            assert longest * 0.9 < max(len(answer.text), len(compact(answer.structure))) < longest or shown == asked
            if shown < asked:
                reason = f"only {shown} of the {asked} holdings asked for fit into one answer"
                assert reason in answer["incomplete_because"]
                assert answer["complete"] is False
            contracts += [row["contract"] for row in answer["holdings"]]
            if "next" not in answer:
                break
            assert answer["next"]["arguments"]["offset"] == len(contracts)
            answer = await face.replay(answer)
        assert sorted(contracts) == [f"0x{number:040x}" for number in range(1, 231)]
        assert answer["complete"] is True
        assert pages > 230 // arguments.get("limit", 20) + 1


async def test_the_largest_page_of_the_whale_fits(era: Era) -> None:
    async with connect(era, rate=50) as face:
        wallet = face.wallets["whale"]
        answer = await face.answer(TOOL, address=wallet, limit=200, min_value_usd=0, include_risk_tokens=True)
        assert 150 < len(answer["holdings"]) < 200
        assert max(len(answer.text), len(compact(answer.structure))) < LONGEST_ASKED
        assert answer["next"]["arguments"]["offset"] == len(answer["holdings"])


async def test_only_what_has_a_price_has_a_total(era: Era) -> None:
    nothing = asset(3, balance="0", rawBalance="0", tokenPrice="")
    unpriced = [asset(1, tokenPrice=""), asset(2, isRiskToken=True), nothing]
    answer = await ask(era, {"1": unpriced, "10": [asset(4, "10", tokenPrice="")]})
    assert not {"total_value_usd", "dominant", "at_least"} & answer.structure.keys()
    assert answer.lines[0] == f"{STRANGER}: total value unknown."
    assert (answer["unpriced"], answer["risk"]) == ({"count": 2}, {"count": 1, "value_usd": "2"})
    assert (answer["nothing_priced_on"], answer["honeypots_unchecked"]) == (["1", "10"], ["10"])
    assert "By chain: nothing priced on 1, 10 (honeypots unchecked)." in answer.lines
    assert "what it is worth is unknown, which is not 0" in answer.notes
    one = await ask(era, {"1": unpriced, "10": [asset(4, "10")]}, token=f"0x{1:040x}")
    assert "total_value_usd" not in one
    assert [row["contract"] for row in one["holdings"]] == [f"0x{1:040x}"]


async def test_what_has_a_price_of_zero_is_worth_nothing_and_says_so(era: Era) -> None:
    answer = await ask(era, {"1": [asset(1, tokenPrice="0")]}, min_value_usd=0)
    assert (answer["total_value_usd"], answer["by_chain"], "notes" in answer) == ("0", {"1": "0"}, True)
    assert not {"nothing_priced_on", "below_minimum"} & answer.structure.keys()
    assert "price" not in answer.notes and "worth" not in answer.notes


async def test_what_the_prices_of_flagged_tokens_claim_is_called_a_claim(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["rich"], limit=1)
    claim = answer["risk"]["value_usd"]
    assert f"5 risk (their own prices claim {claim} USD)" in answer.text
    assert "The value of risk is what their own prices claim." in answer["scope"]


async def test_a_chain_that_the_live_list_leaves_out_is_not_asked_by_default_and_told(era: Era) -> None:
    def reply(request: httpx.Request) -> Made:
        if request.url.path.endswith("supported/chain"):
            return [{"binanceChainId": "1"}, {"binanceChainId": "56"}]
        return [{"tokenAssets": [asset(1, request.url.params["chains"])]}]

    async with connect(era, settings=custom_settings(), transport=(api := Upstream(reply))) as face:
        answer = await face.answer(TOOL, address=STRANGER)
        assert answer["by_chain"] == {"1": "2", "56": "2"}
        assert "The live chain list does not name Polygon (137), Base (8453), " in answer.notes
        assert "Solana" not in answer.notes
        named = await face.answer(TOOL, address=STRANGER, chains=["polygon"])
        assert named["by_chain"] == {"137": "2"}
    assert sum(request.url.path.endswith(PATH) for request in api.requests) == 3


async def test_a_chain_that_fails_makes_it_a_total_of_at_least_and_is_asked_next(era: Era) -> None:
    api = upstream({"1": [asset(1)], "10": [asset(2, "10", balance="")]}, failing="56")
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1", "bsc", "10"], min_value_usd=0.25)
        assert (answer["total_value_usd"], answer["at_least"], answer["complete"]) == ("2", True, False)
        assert answer["incomplete_because"] == "BNB Chain (56) could not be read (error 40411)"
        assert answer["next"]["arguments"] == {"address": STRANGER, "min_value_usd": 0.25, "chains": ["56"]}
        assert (answer["by_chain"], answer["nothing_priced_on"]) == ({"1": "2"}, ["10"])
        assert "as far as read" in answer["scope"]
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
        assert "more of Ethereum (1) was not read (60 pages were, at most 60 a call)" in answer["incomplete_because"]
        assert "more holdings follow" in answer["incomplete_because"]


async def test_a_page_that_comes_twice_is_told_and_counted_once(era: Era) -> None:
    page = [asset(number) for number in range(100)]
    api = Upstream(lambda request: [{"tokenAssets": page}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1"], limit=200)
        assert answer["incomplete_because"] == "the API repeated a page on Ethereum (1)"
        assert (answer["total_value_usd"], answer["at_least"], answer["holdings_count"]) == ("200", True, 100)


async def test_a_page_that_is_refused_behind_a_full_one_leaves_a_total_of_at_least(era: Era) -> None:
    page = [asset(number) for number in range(1, 101)]
    api = Upstream(lambda request: [{"tokenAssets": page}] if request.url.params["page"] == "1" else refusal(40001))
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1"], limit=100)
        assert (answer["total_value_usd"], answer["at_least"], answer["holdings_count"]) == ("200", True, 100)
        told = "the API refused a further page of Ethereum (1), so more may be held there"
        assert answer["incomplete_because"] == told


@pytest.mark.parametrize(("offset", "symbol", "flags"), [(0, "T1", ""), (1, "USDT", "lookalike"), (1, "T1", "")])
async def test_the_dominant_token_is_warned_of_on_every_page(era: Era, offset: int, symbol: str, flags: str) -> None:
    rows = [asset(1, symbol=symbol, tokenPrice="1000"), asset(2, tokenContractAddress=USDT, symbol="USDT")]
    answer = await ask(era, {"1": rows}, offset=offset)
    assert answer["dominant"]["symbol"] == symbol
    assert CHAIN_TEXT_NOTICE in answer.notes
    assert ("The token of more than half is flagged lookalike." in answer.notes) is bool(flags)


async def test_a_chain_that_is_listed_twice_is_counted_once(era: Era) -> None:
    listed = [{"binanceChainId": "56", "name": name, "shortName": name} for name in ("BSC", "BNB Smart Chain")]

    def reply(request: httpx.Request) -> Made:
        return [{"tokenAssets": [asset(1, "56")]}] if request.url.path.endswith(PATH) else listed

    async with connect(era, settings=custom_settings(), transport=Upstream(reply)) as face:
        answer = await face.answer(TOOL, address=STRANGER)
        assert (answer["total_value_usd"], answer["by_chain"], answer["holdings_count"]) == ("2", {"56": "2"}, 1)


async def test_amounts_of_the_wrong_decimals_are_worth_nothing_that_is_known(era: Era) -> None:
    wrong = asset(1, tokenContractAddress=USDT, balance="12500250000", rawBalance="12500250000")
    answer = await ask(era, {"1": [wrong, asset(2)]})
    assert (answer["total_value_usd"], answer["unpriced"]) == ("2", {"count": 1})
    assert "Of the unpriced 1 have a price, but no certain amount" in answer.notes
    asked = await ask(era, {"1": [wrong]}, token="USDT")
    (row,) = asked["holdings"]
    assert (row["balance"], row["flags"], "value_usd" in row) == ("12500250000", ["decimals_disagree"], False)
    assert "Tell neither as a fact." in asked.notes


async def test_a_token_that_is_listed_twice_with_different_balances_makes_a_total_of_at_least(era: Era) -> None:
    rows = [asset(number, balance=balance, rawBalance="") for number in range(1, 6) for balance in ("100", "900")]
    answer = await ask(era, {"1": rows, "56": [asset(9, "56"), asset(9, "56")]}, chains=["1", "56"])
    assert (answer["total_value_usd"], answer["at_least"], answer["complete"]) == ("502", True, False)
    assert answer["incomplete_because"] == "the API lists tokens of Ethereum (1) twice with different balances"
    told = [note for note in answer["notes"] if "twice with different balances" in note]
    assert told[0] == (
        f"The API lists 1:0x{1:040x} twice with different balances (100 and 900): the first is counted, one may be "
        "missing."
    )
    assert len(told) == 3


async def test_two_coins_that_are_named_alike_are_told(era: Era) -> None:
    rows = [
        asset(0, tokenContractAddress=spelled, symbol="ETH", balance=balance, rawBalance="")
        for spelled, balance in (("", "1"), ("", "2"), ("0x" + "e" * 40, "2"))
    ]
    answer = await ask(era, {"1": rows}, chains=["1"])
    assert answer["total_value_usd"] == "1"
    assert (
        "The API lists the coin of Ethereum twice, with different balances (1 and 2): the first is counted, one is "
        "wrong." in answer.notes
    )


async def test_chains_without_an_entry_are_taken_as_empty_and_told(era: Era) -> None:
    def reply(request: httpx.Request) -> Made:
        return [{"tokenAssets": [asset(1)]}] if request.url.params["chains"] == "1" else []

    async with connect(era, settings=custom_settings(), transport=Upstream(reply)) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1", "8453", "59144"])
        assert (answer["total_value_usd"], answer["complete"]) == ("2", True)
        assert "The API gave no entry for Base (8453) and Linea (59144): taken as nothing held there." in answer.notes


async def test_a_row_without_a_contract_does_not_take_the_place_of_the_coin(era: Era) -> None:
    scam = asset(1, tokenContractAddress=None, symbol="SCAM", balance="1000000", rawBalance="")
    coin = asset(2, tokenContractAddress="", symbol="ETH")
    answer = await ask(era, {"1": [scam, coin, scam]})
    rows = [(row["contract"], row["value_usd"], row.get("flags")) for row in answer["holdings"]]
    assert rows == [("", "1000000", ["contract_missing"])] * 2 + [("native", "2", None)]
    assert CHAIN_TEXT_NOTICE in answer.notes
    alone = await ask(era, {"1": [scam, coin]})
    assert (alone["dominant"]["contract"], alone["dominant"]["total_without_it_usd"]) == ("", "2")
    assert "SCAM (1:contract missing)" in alone.text


@pytest.mark.parametrize(
    ("verdicts", "unchecked"), [([None, None, True], 2), ([False, True, False], 0), ([False, None, None], 2)]
)
async def test_a_missing_verdict_on_risk_is_told(era: Era, verdicts: list[bool | None], unchecked: int) -> None:
    rows = [asset(number, isRiskToken=verdict) for number, verdict in enumerate(verdicts, start=1)]
    rows += [
        asset(8, tokenContractAddress="", isRiskToken=None),
        asset(9, balance="0", rawBalance="0", isRiskToken=None),
    ]
    answer = await ask(era, {"1": rows}, limit=1)
    note = f"The API gave no risk verdict for {unchecked} of these tokens: unflagged there means not checked."
    assert (note in answer.notes) is bool(unchecked)
    assert ("no risk verdict" in answer.notes) is bool(unchecked)


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
        ({"chains": ["sol"]}, "chains[0]", "an EVM address belongs to"),
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
