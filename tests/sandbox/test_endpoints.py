"""Chains and balances: validation, paging, traps."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import ALL_BALANCES, CHAINS_PATH, DETAIL, DEX, TOKEN_BALANCES, TRANSACTIONS, Caller
from wallet_mcp.sandbox.world_model import NATIVE_PLACEHOLDER
from wallet_mcp.sandbox.world_tokens import HOSTILE
from wallet_mcp.sandbox.world_wallets import WALLETS

pytestmark = pytest.mark.anyio

RICH, SOLANA_WALLET = WALLETS["rich"], WALLETS["solana"]
USDT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"


def pair(contract: str, chain: str = "1") -> dict[str, str]:
    return {"binanceChainId": chain, "tokenContractAddress": contract}


def asking(*tokens: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"address": RICH, "tokenContractAddresses": list(tokens), **changes}


async def test_supported_chains() -> None:
    caller = Caller()
    rows = (await caller.get(CHAINS_PATH)).data
    assert [(row["binanceChainId"], row["shortName"]) for row in rows] == [
        ("1", "ETH"),
        ("56", "BSC"),
        ("137", "MATIC"),
        ("8453", "BASE"),
        ("42161", "ARB"),
        ("10", "OP"),
        ("59144", "LINEA"),
        ("143", "MONAD"),
        ("9745", "PLASMA"),
        ("CT_501", "SOL"),
    ]
    assert set(rows[0]) == {"binanceChainId", "name", "shortName", "logoUrl"}


@pytest.mark.parametrize(
    ("query", "names"), [("binanceChainId=56", ["BNB Chain"]), ("binanceChainId=CT_195", []), ("chains=56", 10)]
)
async def test_chain_filter(query: str, names: list[str] | int) -> None:
    rows = (await Caller().get(CHAINS_PATH, query)).data
    assert (len(rows) if isinstance(names, int) else [row["name"] for row in rows]) == names


@pytest.mark.parametrize(
    ("path", "method"),
    [
        (CHAINS_PATH, "POST"),
        (CHAINS_PATH, "DELETE"),
        (ALL_BALANCES, "POST"),
        (TOKEN_BALANCES, "GET"),
        (TRANSACTIONS, "PUT"),
        (DETAIL, "POST"),
    ],
)
async def test_wrong_method(path: str, method: str) -> None:
    answer = await Caller().call(method, path)
    assert (answer.status, answer.envelope["code"]) == (200, "000002")
    assert answer.envelope["errorData"] == f"Request method '{method}' not supported"


@pytest.mark.parametrize("path", ["/build/", f"{DEX}/balance", f"{CHAINS_PATH}/", f"{DEX}/balance/total-value"])
async def test_unknown_path(path: str) -> None:
    answer = await Caller().get(path)
    assert (answer.status, answer.envelope["status"], answer.envelope["path"]) == (404, 404, path)


async def test_an_asset_row() -> None:
    data = (await Caller().get(ALL_BALANCES, f"address={RICH}&chains=56&pageSize=100")).data
    assert [set(entry) for entry in data] == [{"page", "pageSize", "tokenAssets"}]
    rows = {row["symbol"]: row for row in data[0]["tokenAssets"]}
    assert rows["NVDAB"] == {
        "binanceChainId": "56",
        "tokenContractAddress": "0x02fca66c1d1afb4e2a7884261eb00f63598a7436",
        "address": RICH,
        "symbol": "NVDAB",
        "balance": "0.025957237393326391",
        "rawBalance": "25957237393326391",
        "tokenPrice": "232.17054012841389660135000000",
        "isRiskToken": False,
    }
    assert rows["BNB"]["tokenContractAddress"] == ""
    assert all(row["tokenContractAddress"] == row["tokenContractAddress"].lower() for row in rows.values())
    assert rows[HOSTILE["zero_width"].symbol]["tokenPrice"] == ""


async def test_a_balance_without_raw() -> None:
    data = (await Caller().get(ALL_BALANCES, f"address={RICH}&chains=137")).data
    weth = next(row for row in data[0]["tokenAssets"] if row["symbol"] == "WETH")
    assert (weth["balance"], weth["rawBalance"]) == ("0.05", "")


async def test_the_address_is_echoed_as_asked_and_found_in_any_case() -> None:
    lower = RICH.lower()
    rows = (await Caller().get(ALL_BALANCES, f"address={lower}&chains=1")).data[0]["tokenAssets"]
    assert len(rows) == 20
    assert {row["address"] for row in rows} == {lower}


@pytest.mark.parametrize("query", ["", "&chains=", "&chainId=1", "&binanceChainId=1", "&chains=43114", "&chains=bsc"])
async def test_without_a_served_chain_the_list_is_empty(query: str) -> None:
    data = (await Caller().get(ALL_BALANCES, f"address={RICH}{query}&pageSize=100")).data
    assert data == [{"page": 1, "pageSize": 100, "tokenAssets": []}]


@pytest.mark.parametrize(
    ("choice", "count"), [("", 22), ("&excludeRiskToken=false", 22), ("&excludeRiskToken=true", 20)]
)
async def test_risk_tokens_are_included_unless_excluded(choice: str, count: int) -> None:
    data = (await Caller().get(ALL_BALANCES, f"address={RICH}&chains=1&pageSize=100{choice}")).data
    assert len(data[0]["tokenAssets"]) == count


async def test_the_whale_pages_without_loss() -> None:
    caller = Caller()
    seen: list[str] = []
    for page in range(1, 24):
        query = f"address={WALLETS['whale']}&chains=56&page={page}&pageSize=100"
        entry = (await caller.get(ALL_BALANCES, query)).data[0]
        assert (entry["page"], entry["pageSize"]) == (page, 100)
        seen += [row["tokenContractAddress"] for row in entry["tokenAssets"]]
    assert seen == [holding.contract for holding in caller.world.holdings(WALLETS["whale"], "56")]
    assert len(seen) == 2143
    assert entry["tokenAssets"] == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "Parameter [address] error: must not be blank"),
        ("address=%20&chains=1", "Parameter [address] error: must not be blank"),
        (f"address={RICH}&chains=1,56", "Parameter [chains] error: only a single chain is supported"),
        (f"address={RICH}&chains=1%2C56", "Parameter [chains] error: only a single chain is supported"),
        (f"address={RICH}&chains=1&pageSize=101", "Parameter [pageSize] error: must be between 1 and 100"),
        (f"address={RICH}&chains=1&pageSize=0", "Parameter [pageSize] error: must be between 1 and 100"),
        (f"address={RICH}&chains=1&pageSize=ten", "Parameter [pageSize] error: must be an integer"),
        (f"address={RICH}&chains=1&page=0", f"Parameter [page] error: must be between 1 and {10**18}"),
        (f"address={RICH}&chains=1&excludeRiskToken=0", "Parameter [excludeRiskToken] error: must be true or false"),
        ("address=0x12&chains=1", "Parameter [address] error: invalid address"),
        (f"address={RICH}&chains=CT_501", "Parameter [address] error: invalid address"),
        # One field at a time: the address is missing, the page size is wrong.
        ("chains=1&pageSize=500", "Parameter [address] error: must not be blank"),
    ],
)
async def test_refused_queries(query: str, message: str) -> None:
    answer = await Caller().get(ALL_BALANCES, query)
    assert answer.status == 200
    envelope = answer.envelope
    assert (envelope["code"], envelope["msg"], envelope["data"], envelope["success"]) == (40001, message, None, False)


@pytest.mark.parametrize("contract", [USDT, USDT.lower(), "0x" + USDT[2:].upper()])
async def test_token_balances_in_any_spelling(contract: str) -> None:
    data = (await Caller().post(asking(pair(contract)))).data
    assert [set(entry) for entry in data] == [{"tokenAssets"}]
    (row,) = data[0]["tokenAssets"]
    assert (row["tokenContractAddress"], row["balance"], row["rawBalance"]) == (
        USDT.lower(),
        "12500.25",
        "12500250000",
    )


@pytest.mark.parametrize("contract", ["", NATIVE_PLACEHOLDER, NATIVE_PLACEHOLDER.upper().replace("0X", "0x")])
async def test_the_native_coin_comes_back_as_a_placeholder(contract: str) -> None:
    (row,) = (await Caller().post(asking(pair(contract)))).data[0]["tokenAssets"]
    assert (row["symbol"], row["tokenContractAddress"]) == ("ETH", NATIVE_PLACEHOLDER)


async def test_a_blank_contract_can_be_refused() -> None:
    caller = Caller(native_blank="refuse")
    refused = await caller.post(asking(pair(USDT), pair("")))
    message = "Parameter [tokenContractAddresses[1].tokenContractAddress] error: must not be blank"
    assert (refused.envelope["code"], refused.envelope["msg"]) == (40001, message)
    (row,) = (await caller.post(asking(pair(NATIVE_PLACEHOLDER)))).data[0]["tokenAssets"]
    assert row["symbol"] == "ETH"


async def test_one_entry_per_chain_and_zero_balances_left_out() -> None:
    cake = "0x0E09FaBB73Bd3Ade0a17ECC321fD13a19e81cE82"
    unknown = "0x" + "9" * 40
    tokens = (pair(cake, "56"), pair(USDT), pair(unknown), pair("", "56"), pair(cake, "56"), pair(USDT, "43114"))
    data = (await Caller().post(asking(*tokens))).data
    assert [[row["symbol"] for row in entry["tokenAssets"]] for entry in data] == [["Cake", "BNB"], ["USDT"], []]


@pytest.mark.parametrize(
    ("choice", "count"), [({}, 0), ({"excludeRiskToken": "0"}, 0), ({"excludeRiskToken": "1"}, 1)]
)
async def test_here_one_includes_risk_tokens(choice: dict[str, str], count: int) -> None:
    data = (await Caller().post(asking(pair(HOSTILE["fake_usdt"].contract), **choice))).data
    assert len(data[0]["tokenAssets"]) == count


async def test_solana_contracts_are_case_sensitive() -> None:
    caller = Caller()
    usdc = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
    for contract, count in ((usdc, 1), (usdc.lower(), 0), ("", 1)):
        data = (await caller.post(asking(pair(contract, "CT_501"), address=SOLANA_WALLET))).data
        assert len(data[0]["tokenAssets"]) == count


@pytest.mark.parametrize("count", [20, 21])
async def test_at_most_twenty_tokens(count: int) -> None:
    answer = await Caller().post(asking(*[pair(f"0x{number:040x}") for number in range(count)]))
    if count == 20:
        assert answer.data == [{"tokenAssets": []}]
    else:
        message = "Parameter [tokenContractAddresses] error: must not have more than 20 entries"
        assert (answer.envelope["code"], answer.envelope["msg"]) == (40001, message)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe{",
        b"[" * 100_000,
        {"address": RICH, "tokenContractAddresses": f"1:{USDT}"},
        {"address": RICH, "tokenContractAddresses": [USDT]},
        {"address": RICH, "tokenContractAddresses": pair(USDT)},
        {"address": 5, "tokenContractAddresses": [pair(USDT)]},
        {"address": RICH, "tokenContractAddresses": [{"binanceChainId": 1, "tokenContractAddress": USDT}]},
        {"address": RICH, "tokenContractAddresses": [pair(USDT)], "excludeRiskToken": False},
    ],
)
async def test_malformed_bodies(body: object) -> None:
    envelope = (await Caller().post(body)).envelope
    message = "Invalid request body: malformed JSON or field type mismatch"
    assert (envelope["code"], envelope["msg"]) == (40001, message)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_that_is_not_called_json_is_malformed(content_type: str | None) -> None:
    caller = Caller()
    assert (await caller.post(asking(pair(USDT)), content_type=content_type)).envelope["code"] == 40001
    assert (await caller.post(asking(pair(USDT)), content_type="Application/JSON; charset=utf-8")).data


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "address"),
        ({"address": " ", "tokenContractAddresses": []}, "address"),
        ({"address": RICH}, "tokenContractAddresses"),
        ({"address": RICH, "tokenContractAddresses": None}, "tokenContractAddresses"),
        ({"address": RICH, "tokenContractAddresses": []}, "tokenContractAddresses"),
        (asking(pair(USDT), pair(USDT, "")), "tokenContractAddresses[1].binanceChainId"),
        (asking({"binanceChainId": "1"}), "tokenContractAddresses[0].tokenContractAddress"),
        (
            asking({"binanceChainId": "1", "tokenContractAddress": None}),
            "tokenContractAddresses[0].tokenContractAddress",
        ),
        (asking(pair(USDT), excludeRiskToken="2"), "excludeRiskToken"),
        (asking(pair(USDT), address="0x12"), "address"),
        (asking(pair(USDT), pair("", "CT_501")), "address"),
    ],
)
async def test_the_first_bad_field_is_named(body: dict[str, Any], field: str) -> None:
    envelope = (await Caller().post(body)).envelope
    assert envelope["code"] == 40001
    assert envelope["msg"].startswith(f"Parameter [{field}] error: ")


async def test_unknown_fields_are_ignored() -> None:
    assert (await Caller().post(asking(pair(USDT), page=3))).data[0]["tokenAssets"]


async def test_the_unavailable_wallet() -> None:
    caller = Caller()
    address = caller.wallets["unavailable"]
    answers = [
        await caller.get(ALL_BALANCES, f"address={address}&chains=1"),
        await caller.get(TRANSACTIONS, f"address={address}&chains=56"),
        await caller.post(asking(pair(USDT), address=address.lower())),
    ]
    assert [(answer.status, answer.envelope["code"]) for answer in answers] == [(200, 50001)] * 3
    # Validation comes first.
    assert (await caller.get(ALL_BALANCES, f"address={address}&chains=1&page=0")).envelope["code"] == 40001


async def test_the_wallet_with_a_broken_history() -> None:
    caller = Caller()
    address = caller.wallets["broken_history"]
    assert len((await caller.get(ALL_BALANCES, f"address={address}&chains=1")).data[0]["tokenAssets"]) == 2
    assert (await caller.get(TRANSACTIONS, f"address={address}&chains=1")).envelope["code"] == 50000
