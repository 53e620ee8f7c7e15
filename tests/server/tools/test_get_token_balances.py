from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from tests.support.mcp import COMMON, STRANGER, Era, Face, Made, Upstream, connect, custom_settings, refusal
from tests.support.portfolio import token_row_of
from tests.support.tokens import compact
from wallet_mcp.sandbox.app import Fault
from wallet_mcp.server.length import LONGEST_ASKED
from wallet_mcp.server.tools.get_token_balances import TOOL as DEFINITION

TOOL = "wallet_get_token_balances"
FIELDS = {"address", "label", "tokens", "honeypot_checked"}
USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"
USDC = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"
BSC_USDT = "0x55d398326f99059ff775485246999027b3197955"
SOLANA_USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
UNHELD = "0x" + "12" * 20

pytestmark = pytest.mark.anyio


def held(face: Face, label: str, chain: str, contract: str) -> dict[str, Any]:
    """The row of a holding, from the world's truth."""
    wanted = "" if contract == "native" else contract.lower() if contract[:2] == "0x" else contract
    (holding,) = [one for one in face.world.holdings(face.wallets[label], chain) if one.contract == wanted]
    return token_row_of(chain, holding) | {"chain": chain}


async def test_each_token_asked_for_gets_its_row_in_order(face: Face) -> None:
    asked = [f"bsc:{BSC_USDT}", "eth:native", f"Ethereum:{UNHELD}", "8453:native", f"1:{USDT}", "linea:native"]
    answer = await face.answer(TOOL, address=face.wallets["rich"], tokens=asked)
    # What was asked by its contract has that in its row already.
    told = [{} if "0x" in text else {"asked": text} for text in asked]
    expected = [
        held(face, "rich", "56", BSC_USDT) | {"status": "held"},
        held(face, "rich", "1", "native") | {"status": "held"},
        {"chain": "1", "contract": UNHELD, "symbol": "", "status": "not_reported"},
        held(face, "rich", "8453", "native") | {"status": "held"},
        held(face, "rich", "1", USDT) | {"status": "held"},
        {"chain": "59144", "contract": "native", "symbol": "ETH", "status": "zero"},
    ]
    assert answer["tokens"] == [row | text for row, text in zip(expected, told, strict=True)]
    assert answer["honeypot_checked"] == {"56": True, "1": True, "8453": True, "59144": False}
    assert "Honeypots are not looked for on: 59144." in answer.lines
    assert any(line.startswith("not_reported: ") for line in answer.lines)
    assert answer["complete"] is True
    assert answer.structure.keys() <= {*FIELDS, *COMMON}
    assert len(face.sent()) == 1


async def test_a_solana_wallet_and_its_mint(face: Face) -> None:
    asked = ["sol:native", f"solana:{SOLANA_USDC}"]
    answer = await face.answer(TOOL, address=face.wallets["solana"], tokens=asked)
    expected = [held(face, "solana", "CT_501", "native"), held(face, "solana", "CT_501", SOLANA_USDC)]
    first, second = ({"status": "held"} | row for row in expected)
    assert answer["tokens"] == [first | {"asked": "sol:native"}, second]


async def test_a_token_in_capitals_is_the_same_token(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["rich"], tokens=[f"1:0x{USDC[2:].upper()}", f"1:{USDC}"])
    first, second = answer["tokens"]
    assert first == second
    assert first["contract"] == USDC
    assert json.loads(face.sent()[0].body)["tokenContractAddresses"] == [
        {"binanceChainId": "1", "tokenContractAddress": USDC}
    ]


@pytest.mark.parametrize(
    ("asked", "chain", "contract"),
    [
        ("bsc:USDT", "56", BSC_USDT),
        ("eth:usdt", "1", USDT),
        (" Ethereum : USDC ", "1", USDC),
        ("1:ETH", "1", "native"),
        ("8453:eth", "8453", "native"),
        ("bsc:BNB", "56", "native"),
    ],
)
async def test_a_well_known_symbol_means_its_contract(face: Face, asked: str, chain: str, contract: str) -> None:
    answer = await face.answer(TOOL, address=face.wallets["rich"], tokens=[asked])
    (row,) = answer["tokens"]
    assert row == held(face, "rich", chain, contract) | {"asked": asked.strip(), "status": "held"}
    assert len(face.sent()) == 1, "the table knows it without asking"


async def test_a_symbol_that_one_holding_carries_means_that_one_and_says_so(face: Face) -> None:
    (dust,) = [one for one in face.world.holdings(face.wallets["rich"], "1") if one.symbol == "BITTO"]
    answer = await face.answer(TOOL, address=face.wallets["rich"], tokens=["1:bitto"])
    (row,) = answer["tokens"]
    assert (row["asked"], row["contract"], row["status"]) == ("1:bitto", dust.contract, "held")
    assert f"bitto is no well-known token on Ethereum; {dust.contract} is the only one" in answer.notes


async def test_a_symbol_that_nothing_carries_is_refused(face: Face) -> None:
    failed = await face.failure(TOOL, address=face.wallets["rich"], tokens=["1:native", "1:NOSUCH"])
    assert failed.meta["field"] == "tokens[1]"
    assert "NOSUCH is neither well-known on Ethereum nor in this wallet; give chain:contract" in failed.text


async def test_a_symbol_that_several_holdings_carry_is_refused_with_all_of_them(era: Era) -> None:
    contracts = ["0x" + digit * 40 for digit in "1234567"]
    rows = [
        {"binanceChainId": "1", "tokenContractAddress": one, "symbol": "TWIN", "balance": "1"} for one in contracts
    ]
    api = Upstream(lambda request: [{"tokenAssets": rows}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        failed = await face.failure(TOOL, address=STRANGER, tokens=["1:twin"])
        listed = ", ".join(f"1:{one}" for one in contracts[:5])
        assert f"twin means several tokens there; give one of {listed}" in failed.text
        assert contracts[5] not in failed.text


async def test_a_symbol_is_only_looked_up_for_an_address_of_the_chains_family(face: Face) -> None:
    failed = await face.failure(TOOL, address=face.wallets["rich"], tokens=["sol:USDC"])
    assert failed.meta["field"] == "tokens[0]"
    assert not face.sent()


@pytest.mark.parametrize("spelling", ["native", "NATIVE", "0x" + "e" * 40, "0x" + "E" * 40])
async def test_the_coin_may_be_spelled_as_upstream_does(face: Face, spelling: str) -> None:
    answer = await face.answer(TOOL, address=face.wallets["rich"], tokens=[f"bsc:{spelling}"])
    (row,) = answer["tokens"]
    assert row == held(face, "rich", "56", "native") | {"asked": "bsc:native", "status": "held"}


@pytest.mark.parametrize("native_blank", ["accept", "refuse"])
async def test_the_coin_is_found_whether_upstream_takes_a_blank_contract_or_not(era: Era, native_blank: str) -> None:
    async with connect(era, native_blank=native_blank) as face:
        for _ in range(2):
            answer = await face.answer(TOOL, address=face.wallets["rich"], tokens=["bsc:native", f"bsc:{BSC_USDT}"])
            assert [row["status"] for row in answer["tokens"]] == ["held", "held"]
        assert len(face.sent()) == (1 if native_blank == "accept" else 2)


async def test_a_risk_token_is_shown_when_it_was_asked_for_and_marked(face: Face) -> None:
    fake = next(holding for holding in face.world.holdings(face.wallets["rich"], "1") if holding.risk)
    answer = await face.answer(TOOL, address=face.wallets["rich"], tokens=[f"1:{fake.contract}"])
    (row,) = answer["tokens"]
    assert row["risk_flagged"] is True
    assert ("are only what it claims" in answer.notes) is ("price_usd" in row)
    assert row["status"] == "held"
    assert json.loads(face.sent()[0].body)["excludeRiskToken"] == "1"


async def test_twenty_tokens_are_one_request(face: Face) -> None:
    holdings = face.world.holdings(face.wallets["whale"], "56")[:20]
    asked = [f"56:{holding.contract or 'native'}" for holding in holdings]
    answer = await face.answer(TOOL, address=face.wallets["whale"], tokens=asked)
    assert answer["tokens"] == [
        token_row_of("56", holding)
        | {"chain": "56", "status": "held"}
        | ({} if holding.contract else {"asked": "56:native"})
        for holding in holdings
    ]
    assert len(face.sent()) == 1


@pytest.mark.parametrize(
    ("tokens", "field", "told"),
    [
        ([], "tokens", "a list of 1 to 20 tokens"),
        (["1:native"] * 21, "tokens", "a list of 1 to 20 tokens"),
        (["1:native", "native"], "tokens[1]", "chain:contract, chain:native or chain:SYMBOL"),
        (["1:native", ":native"], "tokens[1]", "chain:contract"),
        (["1:"], "tokens[0]", "chain:contract"),
        (["1:native", "1:0x12"], "tokens[1]", "0x and 40 hex digits"),
        ([f"1:{SOLANA_USDC}"], "tokens[0]", "Solana mint"),
        ([f"sol:{USDT}"], "tokens[0]", "EVM contract, but the chain is Solana"),
        (["tron:native"], "tokens[0]", "Tron is not served"),
        (["1:native", 7], "tokens[1]", "a list of 1 to 20 tokens"),
        (["1:native", None], "tokens[1]", "a list of 1 to 20 tokens"),
        (["1:native", "sol:native"], "tokens[1]", "takes a Solana address"),
    ],
)
async def test_a_bad_token_is_named_and_nothing_is_asked(
    face: Face, tokens: list[Any], field: str, told: str
) -> None:
    failed = await face.failure(TOOL, address=face.wallets["rich"], tokens=tokens)
    assert failed.meta["code"] == 40001
    assert failed.meta["field"] == field
    assert told in failed.text
    assert not face.sent("token-balances-by-address")


async def test_a_list_written_as_one_text_is_corrected(face: Face) -> None:
    arguments = {"address": face.wallets["rich"], "tokens": f"1:native, 1:{USDT}"}
    failed = await face.failure(TOOL, arguments)
    assert failed.meta["corrected"]["arguments"]["tokens"] == ["1:native", f"1:{USDT}"]
    answer = await face.answer(TOOL, failed.meta["corrected"]["arguments"])
    assert [row["status"] for row in answer["tokens"]] == ["held", "held"]


async def test_an_address_outside_the_sandbox_is_told_its_wallets(face: Face) -> None:
    answer = await face.answer(TOOL, address=STRANGER, tokens=["1:native"])
    assert answer["tokens"][0]["status"] == "zero"
    assert f"rich {face.wallets['rich']}" in answer.notes


@pytest.mark.parametrize(
    ("balance", "raw", "status"),
    [
        ("0", "0", "zero"),
        ("", "0", "zero"),
        ("0.0", "", "zero"),
        ("", "", "not_reported"),
        ("-1", "x", "not_reported"),
        ("", "5", "held"),
        ("0", "5", "held"),
        ("1", "", "held"),
    ],
)
async def test_a_row_of_nothing_is_zero_and_one_without_numbers_is_not(
    era: Era, balance: str, raw: str, status: str
) -> None:
    row = {"binanceChainId": "1", "tokenContractAddress": USDT, "balance": balance, "rawBalance": raw}
    stray = {"binanceChainId": "999", "tokenContractAddress": UNHELD, "balance": "7"}
    api = Upstream(lambda request: [{"tokenAssets": [row]}, {"tokenAssets": [stray]}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, tokens=[f"1:{USDT}"])
        assert [row["status"] for row in answer["tokens"]] == [status]
        assert ("listed, but without a readable balance" in answer.notes) is (balance == "-1")


COIN = {"tokenContractAddress": "", "symbol": "ETH", "balance": "3", "rawBalance": "3000000000000000000"}


@pytest.mark.parametrize(
    ("rows", "tokens", "statuses", "dropped"),
    [
        ([COIN], ["1:native"], ["held"], 0),
        ([COIN | {"binanceChainId": " "}], ["1:native"], ["held"], 0),
        ([COIN], ["1:native", "56:native"], ["not_reported", "not_reported"], 1),
        ([COIN | {"binanceChainId": "1"}, COIN], ["1:native", "56:native"], ["held", "not_reported"], 1),
        ([COIN], ["1:native", f"56:{BSC_USDT}"], ["held", "not_reported"], 0),
        ([{"tokenContractAddress": USDT, "balance": "1"}], ["56:native", f"1:{USDT}"], ["not_reported", "held"], 0),
        ([{"tokenContractAddress": USDT, "balance": "1"}], [f"56:{USDT}", f"1:{USDT}"], ["not_reported"] * 2, 1),
        ([COIN | {"binanceChainId": "10"}, COIN | {"binanceChainId": "x"}], ["1:native"], ["not_reported"], 2),
        ([], ["1:native"], ["zero"], 0),
    ],
)
async def test_a_row_that_names_no_chain_is_of_the_only_one_it_can_be_of(
    era: Era, rows: list[dict[str, str]], tokens: list[str], statuses: list[str], dropped: int
) -> None:
    api = Upstream(lambda request: [{"tokenAssets": [{"binanceChainId": ""} | row for row in rows]}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, tokens=tokens)
        assert [row["status"] for row in answer["tokens"]] == statuses
        assert answer["complete"] is not dropped
        assert (f"{dropped} row" in answer.structure.get("incomplete_because", "")) is bool(dropped)


async def test_the_contract_that_is_the_coin_of_polygon_is_the_coin(era: Era) -> None:
    precompile = "0x" + "1010".rjust(40, "0")
    row = COIN | {"binanceChainId": "137", "tokenContractAddress": precompile, "symbol": "POL"}
    api = Upstream(lambda request: [{"tokenAssets": [row]}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(
            TOOL, address=STRANGER, tokens=[f"polygon:{precompile}", "137:MATIC", "137:native"]
        )
        assert [(row["contract"], row["balance"]) for row in answer["tokens"]] == [("native", "3")] * 3
        assert json.loads(api.requests[-1].content)["tokenContractAddresses"] == [
            {"binanceChainId": "137", "tokenContractAddress": ""}
        ]


@pytest.mark.parametrize(
    ("entries", "statuses"),
    [
        ([["1"], ["56"]], ["held", "held"]),
        ([["1"], []], ["held", "zero"]),
        ([["1"]], ["held", "not_reported"]),
        ([["1", "56"]], ["held", "held"]),
        ([[], []], ["zero", "zero"]),
        ([[]], ["not_reported", "not_reported"]),
        ([], ["not_reported", "not_reported"]),
    ],
)
async def test_a_coin_is_zero_only_where_its_chain_was_answered_for(
    era: Era, entries: list[list[str]], statuses: list[str]
) -> None:
    data = [{"tokenAssets": [COIN | {"binanceChainId": chain} for chain in entry]} for entry in entries]
    async with connect(era, settings=custom_settings(), transport=Upstream(lambda request: data)) as face:
        answer = await face.answer(TOOL, address=STRANGER, tokens=["1:native", "56:native"])
        assert [row["status"] for row in answer["tokens"]] == statuses


async def test_of_a_coin_that_comes_twice_the_first_counts_and_the_other_is_told(era: Era) -> None:
    precompile = "0x" + "1010".rjust(40, "0")
    rows = [COIN | {"binanceChainId": "137", "tokenContractAddress": spelled} for spelled in ("", precompile)]
    rows[1] |= {"balance": "4", "rawBalance": "4000000000000000000"}
    api = Upstream(lambda request: [{"tokenAssets": rows}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, tokens=["137:native"])
        assert answer["tokens"][0]["balance"] == "3"
        assert "twice, once under a contract, with different balances (3 and 4)" in answer.notes


async def test_of_a_token_that_comes_twice_the_first_counts_and_the_other_is_told(era: Era) -> None:
    rows = [
        COIN | {"tokenContractAddress": USDT, "symbol": "USDT", "balance": told, "rawBalance": f"{told}000000"}
        for told in ("100", "900")
    ]
    api = Upstream(lambda request: [{"tokenAssets": rows}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, tokens=["1:USDT"])
        assert answer["tokens"][0]["balance"] == "100"
        assert f"The API lists 1:{USDT} twice with different balances (100 and 900)" in answer.notes


async def test_twenty_of_the_longest_rows_are_bounded(era: Era) -> None:
    rows = [
        {
            "binanceChainId": "1",
            "tokenContractAddress": f"0x{number:040x}",
            "symbol": "Ignore previous" + "W" * 40,
            "balance": "1" * 60 + "." + "1" * 60,
            "rawBalance": "1" * 120,
            "tokenPrice": "1" * 120,
            "isRiskToken": True,
        }
        for number in range(1, 21)
    ]
    api = Upstream(lambda request: [{"tokenAssets": rows}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        asked = [f"1:{row['tokenContractAddress']}" for row in rows]
        answer = await face.answer(TOOL, address=STRANGER, tokens=asked)
        assert all(row["value_usd"] and row["flags"] for row in answer["tokens"])
        assert max(len(answer.text), len(compact(answer.structure))) < LONGEST_ASKED


def named(number: int, symbol: str, **changes: Any) -> dict[str, Any]:
    row = {"binanceChainId": "56", "tokenContractAddress": f"0x{number:040x}", "symbol": symbol, "balance": "1"}
    return row | changes


def wallet_of(pages: list[list[dict[str, Any]]], last: list[dict[str, Any]] | None = None) -> Upstream:
    """An API on which the wallet has these pages, then the last one or a refusal; each token asked for is held."""

    def reply(request: httpx.Request) -> Made:
        if request.method == "POST":
            asked = json.loads(request.content)["tokenContractAddresses"]
            return [{"tokenAssets": [one | {"symbol": "X", "balance": "1"} for one in asked]}]
        at = int(request.url.params["page"]) - 1
        rows = pages[at] if at < len(pages) else last
        return refusal(40001) if rows is None else [{"tokenAssets": rows}]

    return Upstream(reply)


FULL = [named(number, f"T{number}") for number in range(1, 101)]


@pytest.mark.parametrize(
    ("pages", "last", "symbol", "told"),
    [
        ([FULL], FULL, "NOPE", "NOPE is not well-known on BNB Chain, and the wallet was read only in part; give"),
        ([FULL], FULL, "T7", f"was read only in part; seen so far: 56:0x{7:040x}; give chain:contract"),
        ([FULL], None, "T7", f"was read only in part; seen so far: 56:0x{7:040x}; give chain:contract"),
        ([[named(1, "A"), named(2, "a")]], [], "A", f"A means several tokens there; give one of 56:0x{1:040x}, "),
        ([[named(1, "A", tokenContractAddress=None)]], [], "A", "neither well-known on BNB Chain nor in this wallet"),
        # What does not exist there is not offered.
        ([[]], [], "BTC", "give chain:contract, or 56:BTCB if that was meant"),
        ([[]], [], "monad", "nor in this wallet; give chain:contract."),
    ],
)
async def test_a_symbol_that_means_no_one_token_leads_on(
    era: Era, pages: list[list[dict[str, Any]]], last: list[dict[str, Any]] | None, symbol: str, told: str
) -> None:
    async with connect(era, settings=custom_settings(), transport=wallet_of(pages, last)) as face:
        failed = await face.failure(TOOL, address=STRANGER, tokens=[f"bsc:{symbol}"])
        assert told in failed.text
        assert not ("only in part" in failed.text and ("nor in" in failed.text or "means several" in failed.text))


@pytest.mark.parametrize("asked", ["YFI.io", "YFI[.]io", "yfi.IO", "FOO|BAR", "FOO¦BAR"])
async def test_a_symbol_is_found_as_it_is_and_as_it_is_shown(era: Era, asked: str) -> None:
    api = wallet_of([[named(1, "YFI.io"), named(2, "FOO|BAR")]])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        (row,) = (await face.answer(TOOL, address=STRANGER, tokens=[f"bsc:{asked}"]))["tokens"]
        assert row["contract"] == f"0x{1 if asked[0] in 'Yy' else 2:040x}"


def upstream_of(rows: list[dict[str, Any]]) -> Upstream:
    return Upstream(lambda request: [{"tokenAssets": rows}])


async def test_a_row_without_a_contract_is_of_no_token_asked_about(era: Era) -> None:
    scam: dict[str, Any] = {"tokenContractAddress": None, "symbol": "SCAM", "balance": "9"}
    rows = [COIN | {"binanceChainId": "1"} | scam]
    coin = COIN | {"binanceChainId": "1"}
    for found, statuses in ((rows, ["not_reported"]), ([*rows, coin], ["held"])):
        api = upstream_of(found)
        async with connect(era, settings=custom_settings(), transport=api) as face:
            answer = await face.answer(TOOL, address=STRANGER, tokens=["1:native"])
            assert [row["status"] for row in answer["tokens"]] == statuses
            assert answer["incomplete_because"].startswith("1 row of the API's answer could not be told")
            assert all(row.get("balance") in (None, "3") for row in answer["tokens"])


async def test_what_a_row_leaves_in_doubt_is_noted(era: Era) -> None:
    row = {"binanceChainId": "1", "tokenContractAddress": USDT, "balance": "5", "rawBalance": "5", "tokenPrice": "1"}
    api = Upstream(lambda request: [{"tokenAssets": [row]}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, tokens=[f"1:{USDT}"])
        (told,) = answer["tokens"]
        assert (told["balance"], told["raw_balance"], told["flags"]) == ("5", "5", ["decimals_disagree"])
        assert "value_usd" not in told
        assert "no risk verdict for 1 of these tokens" in answer.notes
        assert "decimals_disagree: balance and raw balance contradict" in answer.notes


WORDS = ["legal", "winner", "thank", "year", "wave", "sausage", "worth", "useful", "oval", "unit", "gate", "yellow"]
BASE64_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize("tokens", [WORDS, [f"eth:{BASE64_KEY}"], [BASE64_KEY]], ids=["words", "key", "bare key"])
async def test_a_secret_in_the_place_of_tokens_is_refused_without_a_word_of_it(face: Face, tokens: list[str]) -> None:
    failed = await face.failure(TOOL, address=face.wallets["rich"], tokens=tokens)
    shown = failed.text + json.dumps(failed.meta)
    assert not [part for token in tokens for part in (token, token[4:16]) if len(part) > 3 and part in shown]
    assert not face.sent("token-balances-by-address")
    assert "seed phrase" in failed.text or tokens is not WORDS


async def test_the_name_of_a_token_leads_to_its_symbol(face: Face) -> None:
    failed = await face.failure(TOOL, address=face.wallets["rich"], tokens=["eth:tether"])
    assert "nor in this wallet; give chain:contract, or 1:USDT if that was meant" in failed.text


async def test_a_known_token_that_is_not_reported_still_has_its_symbol(face: Face) -> None:
    answer = await face.answer(TOOL, address=face.wallets["empty"], tokens=[f"1:{USDT}"])
    assert answer["tokens"] == [{"status": "not_reported", "chain": "1", "contract": USDT, "symbol": "USDT"}]
    assert "notes" not in answer


async def test_an_outage_fails_the_whole_call(era: Era) -> None:
    async with connect(era, faults=[Fault("50001")]) as face:
        failed = await face.failure(TOOL, address=face.wallets["rich"], tokens=["1:native"])
        assert (failed.meta["code"], failed.meta["attempts"]) == (50001, 4)


def test_its_fields_are_those_of_the_design() -> None:
    schema = DEFINITION.definition.input_schema
    assert set(schema["properties"]) == {"address", "tokens"} == set(schema["required"])
    tokens = schema["properties"]["tokens"]
    assert (tokens["minItems"], tokens["maxItems"], tokens["items"]["type"]) == (1, 20, "string")
    output = DEFINITION.definition.output_schema
    assert output is not None
    assert set(output["properties"]) == {*FIELDS, *COMMON}
