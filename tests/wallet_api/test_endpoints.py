from __future__ import annotations

import json
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from pydantic import SecretStr

from tests.support.asks import (
    EVERY,
    EVM,
    HASH,
    NATIVE,
    SOLANA,
    USDT,
    Ask,
    balances,
    chains,
    detail,
    history,
    sandbox_with,
    tokens,
)
from tests.support.wallet_api import (
    BASE_URL,
    Reply,
    Scripted,
    make_api,
    make_config,
    refusal,
    success,
    within,
)
from wallet_mcp.sandbox.app import (
    SANDBOX_ED25519_API_KEY,
    SANDBOX_ED25519_PRIVATE_KEY,
    Sandbox,
    SandboxOptions,
)
from wallet_mcp.wallet_api.endpoints import NATIVE_FORM, ApiConfig, NoBalancePage, TokenRef
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.signing import Ed25519Signer

pytestmark = pytest.mark.anyio

DEX = "/build/api/v1/dex"


@pytest.mark.parametrize(
    ("ask", "path", "query"),
    [
        (chains(), "balance/supported/chain", {}),
        (
            balances(page=3, page_size=50),
            "balance/all-token-balances-by-address",
            {"address": EVM, "chains": "1", "excludeRiskToken": "false", "page": "3", "pageSize": "50"},
        ),
        (
            history(),
            "post-transaction/transactions-by-address",
            {"address": EVM, "chains": "1", "limit": "20"},
        ),
        (
            history(SOLANA, ("1", "56"), USDT, 0, 1790000000000, "a+b/c==", 100),
            "post-transaction/transactions-by-address",
            {
                "address": SOLANA,
                "chains": "1,56",
                "tokenContractAddress": USDT,
                "begin": "0",
                "end": "1790000000000",
                "cursor": "a+b/c==",
                "limit": "100",
            },
        ),
        (
            detail(),
            "post-transaction/transaction-detail-by-txhash",
            {"binanceChainId": "1", "txHash": HASH},
        ),
    ],
)
async def test_what_is_asked_with_get(ask: Ask, path: str, query: dict[str, str]) -> None:
    wire = Scripted(success([{"binanceChainId": "1"}] if path.endswith("chain") else []))
    await ask(make_api(wire))
    (request,) = wire.requests
    assert (request.method, request.url.path) == ("GET", f"{DEX}/{path}")
    pairs = parse_qsl(request.url.query.decode(), keep_blank_values=True, strict_parsing=bool(query))
    assert len(pairs) == len(query)
    assert dict(pairs) == query
    assert request.content == b""


async def test_what_is_asked_with_post() -> None:
    wire = Scripted(success([]))
    await tokens(NATIVE, TokenRef("56", USDT))(make_api(wire))
    (request,) = wire.requests
    assert (request.method, request.url.raw_path.decode()) == ("POST", f"{DEX}/balance/token-balances-by-address")
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.content) == {
        "address": EVM,
        "tokenContractAddresses": [
            {"binanceChainId": "1", "tokenContractAddress": ""},
            {"binanceChainId": "56", "tokenContractAddress": USDT},
        ],
        "excludeRiskToken": "1",
    }
    assert b" " not in request.content


@pytest.mark.parametrize("ed25519", [False, True])
@pytest.mark.parametrize("name", list(EVERY))
async def test_sandbox_accepts_every_endpoint_with_both_algorithms(name: str, ed25519: bool) -> None:
    sandbox = sandbox_with()
    config = make_config()
    if ed25519:
        config = ApiConfig(
            SecretStr(SANDBOX_ED25519_API_KEY), Ed25519Signer(SecretStr(SANDBOX_ED25519_PRIVATE_KEY)), BASE_URL
        )
    api = make_api(sandbox, config)
    answer = await EVERY[name](api)
    await api.close()
    assert [request.code for request in sandbox.requests] == [0]
    assert answer.sandbox
    assert f"rich={sandbox.wallets['rich']}" in answer.sandbox_wallets


async def test_risk_tokens_are_included_in_both_balance_endpoints() -> None:
    sandbox = sandbox_with()
    api, rich = make_api(sandbox), sandbox.wallets["rich"]
    held = [holding for chain in ("1", "56") for holding in sandbox.world.holdings(rich, chain) if holding.risk]
    assert held
    for chain in ("1", "56"):
        risky = [holding for holding in sandbox.world.holdings(rich, chain) if holding.risk]
        page = await api.all_token_balances(rich, chain, page=1, page_size=100, deadline=within(25))
        listed = {row.token_contract_address for row in page.data.token_assets if row.is_risk_token}
        assert listed == {holding.contract for holding in risky}
        for holding in risky:
            entries = (await api.token_balances(rich, [TokenRef(chain, holding.contract)], deadline=within(25))).data
            rows = [row for entry in entries for row in entry.token_assets]
            assert [(row.token_contract_address, row.is_risk_token) for row in rows] == [(holding.contract, True)]


async def test_balances_agree_with_the_world_to_the_last_digit() -> None:
    sandbox = sandbox_with()
    rich = sandbox.wallets["rich"]
    page = await make_api(sandbox).all_token_balances(rich, "1", page=1, page_size=100, deadline=within(25))
    rows = [(row.token_contract_address, Decimal(row.balance), row.raw_balance) for row in page.data.token_assets]
    world = sandbox.world.holdings(rich, "1")
    assert rows == [(held.contract, held.balance, "" if held.raw is None else str(held.raw)) for held in world]


async def test_rows_of_several_entries_are_put_together_where_one_chain_was_asked() -> None:
    entry = {"page": 2, "pageSize": 20, "tokenAssets": [{"symbol": "A"}]}
    reply = success([entry, {"tokenAssets": [{"symbol": "B"}]}])
    page = (await balances()(make_api(Scripted(reply)))).data
    entries = (await tokens(NATIVE)(make_api(Scripted(reply)))).data
    assert page.page == "2"
    assert [row.symbol for row in page.token_assets] == ["A", "B"]
    assert not isinstance(page, NoBalancePage)
    assert [[row.symbol for row in entry.token_assets] for entry in entries] == [["A"], ["B"]]


async def test_an_answer_without_an_entry_is_a_page_of_its_own_kind() -> None:
    page = (await balances()(make_api(Scripted(success([]))))).data
    assert (isinstance(page, NoBalancePage), page.token_assets) == (True, ())


@pytest.mark.parametrize("ask", [balances(), tokens(NATIVE)])
@pytest.mark.parametrize(("owner", "fits"), [(EVM.lower(), True), ("", True), ("0x" + "9" * 40, False)])
async def test_balances_of_another_address_are_never_given(ask: Ask, owner: str, fits: bool) -> None:
    api = make_api(Scripted(success([{"tokenAssets": [{"symbol": "A", "address": owner}]}])))
    if fits:
        await ask(api)
        return
    with pytest.raises(ApiError) as raised:
        await ask(api)
    assert (raised.value.code, raised.value.received) == ("unexpected_answer", "balances of another address")


@pytest.mark.parametrize("name", list(EVERY))
async def test_data_that_cannot_be_read_keeps_the_facts_of_the_exchange(name: str) -> None:
    with pytest.raises(ApiError) as raised:
        await EVERY[name](make_api(Scripted(success(["row"], x_oc_trace_id="trace"))))
    assert (raised.value.code, raised.value.exchange.trace_id) == ("unexpected_answer", "trace")


@pytest.mark.parametrize("count", [0, 21])
async def test_token_lists_of_impossible_length_are_not_sent(count: int) -> None:
    wire = Scripted(success([]))
    with pytest.raises(ApiError) as raised:
        await tokens(*(TokenRef("1", f"0x{n}") for n in range(count)))(make_api(wire))
    assert (raised.value.code, wire.requests) == (40001, [])


def native_forms(sandbox: Sandbox) -> list[str]:
    bodies = [json.loads(request.body) for request in sandbox.requests]
    return [body["tokenContractAddresses"][0]["tokenContractAddress"] for body in bodies]


async def test_native_as_blank_is_accepted() -> None:
    sandbox = sandbox_with()
    rich = sandbox.wallets["rich"]
    (entry,) = (await make_api(sandbox).token_balances(rich, [NATIVE], deadline=within(25))).data
    (row,) = entry.token_assets
    coin = next(held for held in sandbox.world.holdings(rich, "1") if held.contract == "")
    assert (row.token_contract_address, Decimal(row.balance)) == (NATIVE_FORM, coin.balance)
    assert native_forms(sandbox) == [""]


async def test_native_form_that_worked_is_remembered() -> None:
    sandbox = sandbox_with(SandboxOptions(rate=1000, native_blank="refuse"))
    api = make_api(sandbox)
    for label in ("rich", "empty"):
        await api.token_balances(sandbox.wallets[label], [NATIVE, TokenRef("1", USDT)], deadline=within(25))
    assert native_forms(sandbox) == ["", NATIVE_FORM, NATIVE_FORM]


async def test_native_form_changes_back_where_the_api_does() -> None:
    wire = Scripted(refusal(40001), success([]), refusal(40001), success([]), success([]))
    api = make_api(wire)
    for page in range(3):
        await api.token_balances(EVM, [TokenRef(str(page), "")], deadline=within(25))
    forms = [json.loads(r.content)["tokenContractAddresses"][0]["tokenContractAddress"] for r in wire.requests]
    assert forms == ["", NATIVE_FORM, NATIVE_FORM, "", ""]


async def test_refused_in_both_spellings_gives_the_first_error() -> None:
    wire = Scripted(refusal(40001, "first"), refusal(40001, "second"))
    api = make_api(wire)
    with pytest.raises(ApiError) as raised:
        await tokens(NATIVE)(api)
    assert (raised.value.message, raised.value.attempts, len(wire.requests)) == ("first", 2, 2)


async def test_another_failure_of_the_second_spelling_tells_all_attempts() -> None:
    wire = Scripted(refusal(40001), refusal(40104, status=403))
    with pytest.raises(ApiError) as raised:
        await tokens(NATIVE)(make_api(wire))
    assert (raised.value.code, raised.value.attempts) == (40104, 2)


@pytest.mark.parametrize(
    ("reply", "asked"), [(refusal(40001), TokenRef("1", USDT)), (refusal(40101, status=401), NATIVE)]
)
async def test_other_refusals_are_not_tried_in_another_spelling(reply: Reply, asked: TokenRef) -> None:
    wire = Scripted(reply)
    with pytest.raises(ApiError):
        await tokens(asked)(make_api(wire))
    assert len(wire.requests) == 1
