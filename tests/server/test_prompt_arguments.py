from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import MCPError

from tests.server.test_secrets import PASTED, assert_silent, parts_of
from tests.support.mcp import STRANGER, UNKNOWN_HASH, Era, connect, usable_settings
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.prompt_arguments import CHECKED, PERIOD_RULE, check_arguments
from wallet_mcp.wallet.labels import NO_LABELS, parse_labels

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()
LABELS = parse_labels(f"ops={STRANGER},sol_1={WALLETS['solana']}")
TYPO = STRANGER.replace("d8dA", "d8DA")
MINT = "So11111111111111111111111111111111111111112"
CONTRACT = "0x55d398326f99059ff775485246999027b3197955"


def check(**given: str) -> None:
    check_arguments(given, labels=LABELS, now=NOW)


@pytest.mark.parametrize(
    "arguments",
    [
        {"address": STRANGER},
        {"address": STRANGER.lower()},
        {"address": f" {WALLETS['solana']} "},
        {"address": "OPS"},
        {"address": "sol_1", "chain": "solana"},
        {"address": "ops", "chains": "eth, BNB Chain, Polygon, Base, Arbitrum One, Optimism, Linea"},
        {"address": "ops", "chain": "43114"},
        {"address": "sol_1", "chain": "CT_784"},
        {"tx_hash": UNKNOWN_HASH},
        {"tx_hash": UNKNOWN_HASH, "chain": "0x38"},
        {"address": "ops", "token": "USDT"},
        {"address": "ops", "token": "native"},
        {"address": "ops", "token": "bsc:USDT"},
        {"address": "ops", "token": f"eip155:56:{CONTRACT}"},
        {"address": "ops", "token": f"43114:{CONTRACT}"},
        {"address": "ops", "token": CONTRACT},
        {"address": "sol_1", "token": MINT},
        {"address": "sol_1", "token": f"sol:{MINT}"},
        {"address": "ops", "period": "24h"},
        {"address": "ops", "period": "90min"},
        {"address": "ops", "period": "26w"},
        {"address": "ops", "period": "180d"},
        {"address": "ops", "period": "2026-11-01"},
        {"address": "ops", "period": "2026-11-22T09:00:00Z"},
    ],
)
def test_what_a_tool_can_use_passes(arguments: dict[str, str]) -> None:
    check(**arguments)


@pytest.mark.parametrize(
    ("arguments", "field", "rule"),
    [
        ({"address": TYPO}, "address", "EIP-55"),
        ({"address": "vitalik.eth"}, "address", "names are not looked up"),
        ({"address": UNKNOWN_HASH}, "address", "a transaction hash or a private key, not a wallet address"),
        ({"address": "treasury"}, "address", "The labels ops and sol_1 stand for addresses, too."),
        ({"tx_hash": STRANGER}, "tx_hash", "This is an address, not a transaction hash"),
        ({"tx_hash": "0xabc"}, "tx_hash", "0x and 64 hex digits"),
        ({"chain": "foochain"}, "chain", "a served chain by id, name or short name"),
        ({"chain": "tron"}, "chain", "Tron is not served"),
        ({"chain": "eth, bsc"}, "chain", "a served chain"),
        ({"chains": "eth,,bsc"}, "chains", "a served chain"),
        ({"chains": "eth, foochain"}, "chains", "a served chain"),
        ({"chain": "0"}, "chain", "a served chain"),
        ({"chain": "CT_"}, "chain", "a served chain"),
        ({"token": "foochain:USDT"}, "token", "a served chain"),
        ({"token": "bsc:0x55d3"}, "token", "a symbol of a well-known token"),
        ({"token": UNKNOWN_HASH}, "token", "a transaction hash or a private key, not a token contract"),
        ({"token": TYPO}, "token", "of this contract do not match its EIP-55 checksum"),
        ({"token": f"43114:{TYPO}"}, "token", "of this contract do not match its EIP-55 checksum"),
        ({"token": f"sol:{CONTRACT}"}, "token", "the chain is Solana"),
        ({"token": "0x55d3"}, "token", "a symbol of a well-known token"),
        ({"token": "bsc:"}, "token", "a symbol of a well-known token"),
        ({"token": "a token with a name of many words"}, "token", "a symbol of a well-known token"),
        ({"address": "ops", "chain": "solana"}, "chain", "Solana"),
        ({"address": "sol_1", "chains": "sol, bsc"}, "chains", "BNB Chain (56)"),
        ({"address": "sol_1", "token": "bsc:USDT"}, "token", "BNB Chain (56)"),
        ({"tx_hash": UNKNOWN_HASH, "chain": "sol"}, "chain", "Solana"),
    ],
)
def test_what_means_nothing_is_refused_with_its_rule(arguments: dict[str, str], field: str, rule: str) -> None:
    with pytest.raises(ArgumentProblem) as caught:
        check(**arguments)
    assert (caught.value.field, rule in caught.value.rule) == (field, True), caught.value.rule


@pytest.mark.parametrize(
    "period", ["last week", "7", "-7d", "0d", "2026-11-23", "400d", "53w", "2026-02-30", "7 days", "7m", "90 m", "6M"]
)
def test_a_period_lies_in_the_last_six_months(period: str) -> None:
    with pytest.raises(ArgumentProblem) as caught:
        check(period=period)
    assert (caught.value.field, caught.value.rule) == ("period", PERIOD_RULE)


def test_without_labels_none_are_named() -> None:
    with pytest.raises(ArgumentProblem) as caught:
        check_arguments({"address": "ops"}, labels=NO_LABELS, now=NOW)
    assert "labels" not in caught.value.rule


@given(st.sampled_from(sorted(CHECKED)), st.text(max_size=200))
def test_any_text_passes_or_is_refused(name: str, text: str) -> None:
    try:
        check(**{name: text})
    except ArgumentProblem as problem:
        assert problem.field == name
        assert problem.rule


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("prompt", "others"),
    [
        ("portfolio_review", {"address": "ops"}),
        ("explain_transaction", {"tx_hash": UNKNOWN_HASH}),
        ("recent_activity", {"address": "ops"}),
        ("check_token_holding", {"address": "ops", "token": "USDT"}),
    ],
)
async def test_a_secret_in_a_prompt_is_refused_and_never_repeated(
    prompt: str, others: dict[str, str], era: Era
) -> None:
    async with connect(era, settings=usable_settings(wallets=LABELS)) as face:
        await face.client.get_prompt(prompt, others)
        (spec,) = (each for each in (await face.client.list_prompts()).prompts if each.name == prompt)
        for argument in spec.arguments or []:
            for secret in PASTED.values():
                for text in (str(secret), f"1:{secret}", f"eth, {secret}"):
                    with pytest.raises(MCPError) as caught:
                        await face.client.get_prompt(prompt, others | {argument.name: text})
                    assert caught.value.error.code == -32602
                    assert f"argument {argument.name} " in caught.value.error.message
                    assert_silent(argument.name, str(caught.value.error), parts_of(secret))
