from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.mcp import STRANGER, UNKNOWN_HASH, Made, Upstream, custom_settings, refusal, wall_clock
from wallet_mcp.server.context import Services, ToolContext
from wallet_mcp.server.guidance import CallContext
from wallet_mcp.server.output import Provenance
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.resolve import (
    check_family,
    find_address,
    find_chain,
    find_chain_in,
    find_chains,
    find_contract,
    find_tx_hash,
    find_wallet,
    is_symbol,
    listed_chains,
    served_chains,
    wallet_chains,
)
from wallet_mcp.wallet.chains import KNOWN_CHAINS, Chain, chains_of_family
from wallet_mcp.wallet.labels import parse_labels
from wallet_mcp.wallet_api.endpoints import ApiConfig, WalletApi
from wallet_mcp.wallet_api.errors import ApiError

ETHEREUM, BNB, SOLANA = KNOWN_CHAINS[0], KNOWN_CHAINS[1], KNOWN_CHAINS[-1]
OTHER = Chain("CT_784", "Sui", "SUI", "other", None, None, False)
KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
LIVE = [
    {"binanceChainId": "1", "name": "Ethereum Mainnet", "shortName": "ETH"},
    {"binanceChainId": " ", "name": "nothing"},
    {"binanceChainId": "4242", "name": "Hermes", "shortName": "HER"},
]


def context_on(answer: Made, labels: str = "") -> tuple[ToolContext, Upstream]:
    """A call on a server whose upstream always answers so."""
    settings = custom_settings(wallets=parse_labels(labels))
    assert settings.credentials is not None
    transport = Upstream(lambda request: answer)
    config = ApiConfig(settings.credentials.api_key, settings.credentials.signer, settings.base_url)
    services = Services(settings, WalletApi(config, transport=transport, wall=wall_clock), wall_clock)
    deadline = asyncio.get_running_loop().time() + 20
    return ToolContext(services, deadline, Provenance(settings.base_url), CallContext("t")), transport


@pytest.mark.anyio
async def test_a_chain_of_the_table_costs_nothing() -> None:
    context, api = context_on(LIVE)
    assert await find_chain(context, "bnb", "chain") == BNB
    assert not api.requests
    assert context.provenance.oldest is None


@pytest.mark.anyio
async def test_a_chain_outside_the_table_is_looked_up_once_and_does_not_age_the_answer() -> None:
    context, api = context_on(LIVE)
    for text in ("Hermes", "her", "4242", "chain id 4242"):
        chain = await find_chain(context, text, "chain")
        assert (chain.id, chain.family, chain.native_symbol) == ("4242", "evm", None)
    assert len(api.requests) == 1
    assert context.provenance.oldest is None
    assert not context.notes


@pytest.mark.anyio
async def test_the_list_as_an_answer_counts_as_one() -> None:
    context, _ = context_on(LIVE)
    assert [(chain.id, chain.name) for chain in await listed_chains(context)] == [
        ("1", "Ethereum Mainnet"),
        ("4242", "Hermes"),
    ]
    assert context.provenance.oldest is not None


@pytest.mark.anyio
async def test_the_table_serves_with_a_note_when_the_list_cannot_be_had() -> None:
    context, _ = context_on(refusal(40411))
    assert await served_chains(context) == KNOWN_CHAINS
    assert await served_chains(context) == KNOWN_CHAINS
    (note,) = context.notes
    assert "error 40411" in note
    # As the answer itself it would claim what nobody knows.
    with pytest.raises(ApiError):
        await listed_chains(context)


@pytest.mark.anyio
async def test_an_error_that_every_call_would_meet_is_not_covered_by_the_table() -> None:
    context, _ = context_on(refusal(40101))
    for ask in (listed_chains, served_chains):
        with pytest.raises(ApiError):
            await ask(context)


@pytest.mark.anyio
async def test_a_chain_that_is_listed_twice_is_served_once_under_its_first_name() -> None:
    row = {"binanceChainId": "56", "name": "BNB Smart Chain", "shortName": "BNB"}
    context, _ = context_on([{"binanceChainId": "56", "name": "BNB Chain", "shortName": "BSC"}, row])
    served = await served_chains(context)
    assert served == (BNB,)
    assert find_chain_in(served, "bsc", "chain") == BNB


WORDS = ["legal", "winner", "thank", "year", "wave", "sausage", "worth", "useful", "oval", "unit", "gate", "yellow"]


@pytest.mark.anyio
async def test_a_seed_phrase_as_a_list_of_chains_is_refused_without_a_word_of_it() -> None:
    context, _ = context_on(LIVE)
    with pytest.raises(ArgumentProblem) as caught:
        await find_chains(context, ["base", *WORDS[1:]], "chains")
    assert (caught.value.field, caught.value.value) == ("chains", "")
    assert "seed phrase" in caught.value.rule
    assert not set(WORDS) & set(caught.value.rule.split())
    # A dozen short names of chains look like one, too.
    names = ["base", "linea", "monad", "plasma", "polygon", "eth", "bsc", "arb"]
    assert len(await find_chains(context, [*names, *names[:4]], "chains")) == 8


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["tron", "", "x" * 50, KEY, "1 56"])
async def test_what_is_not_served_is_refused(text: str) -> None:
    context, _ = context_on(LIVE)
    with pytest.raises(ArgumentProblem) as caught:
        await find_chain(context, text, "chains[3]")
    assert caught.value.field == "chains[3]"
    assert caught.value.rule.endswith("ids: 1, 4242")
    assert KEY[:12] not in caught.value.value


@pytest.mark.anyio
async def test_several_chains_come_each_once_in_their_order() -> None:
    context, _ = context_on(LIVE)
    found = await find_chains(context, ["sol", "BSC", "56", "4242", "Solana"], "chains")
    assert [chain.id for chain in found] == ["CT_501", "56", "4242"]
    with pytest.raises(ArgumentProblem) as caught:
        await find_chains(context, ["sol", "nowhere"], "chains")
    assert (caught.value.field, caught.value.value) == ("chains[1]", "nowhere")


def test_the_nearest_chains_are_named() -> None:
    with pytest.raises(ArgumentProblem) as caught:
        find_chain_in(KNOWN_CHAINS, "ethereumm", "chain")
    assert caught.value.rule.startswith("a served chain by id, name or short name. Nearest: Ethereum (1)")
    with pytest.raises(ArgumentProblem) as caught:
        find_chain_in((), "eth", "chain")
    assert "Nearest" not in caught.value.rule


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("vitalik.eth", "vitalik[.]eth"),
        ("0x12", "0x12"),
        (KEY, ""),
        (f"0x{KEY}", ""),
        ("<b>", "‹b›"),
        ("w " * 30, ""),
    ],
)
def test_a_refused_address_is_shown_only_where_it_cannot_be_a_secret(text: str, value: str) -> None:
    with pytest.raises(ArgumentProblem) as caught:
        find_address(text, "counterparty")
    assert (caught.value.field, caught.value.value) == ("counterparty", value)
    assert text not in caught.value.rule


def test_good_ones_come_out_in_one_spelling() -> None:
    assert find_address(STRANGER.lower()).text == STRANGER
    assert find_tx_hash(UNKNOWN_HASH.upper().replace("0X", "0x")).text == UNKNOWN_HASH


@pytest.mark.parametrize(
    ("text", "chain", "contract"),
    [
        (" Native ", ETHEREUM, "native"),
        ("native", SOLANA, "native"),
        ("0x" + "E" * 40, BNB, "native"),
        (STRANGER, ETHEREUM, STRANGER.lower()),
        ("0x2::sui::SUI", OTHER, "0x2::sui::SUI"),
    ],
)
def test_a_contract_comes_out_in_one_spelling(text: str, chain: Chain, contract: str) -> None:
    assert find_contract(text, chain) == contract


@pytest.mark.parametrize("text", ["USDT", "", KEY, STRANGER[:-1] + "4", "0x" + "1" * 41])
def test_a_bad_contract_is_refused(text: str) -> None:
    with pytest.raises(ArgumentProblem) as caught:
        find_contract(text, ETHEREUM, "tokens[1]")
    assert caught.value.field == "tokens[1]"


def test_a_bad_hash_is_refused() -> None:
    with pytest.raises(ArgumentProblem) as caught:
        find_tx_hash(STRANGER)
    assert (caught.value.field, caught.value.value) == ("tx_hash", STRANGER)


@pytest.mark.parametrize(
    ("family", "chain", "told"),
    [
        ("evm", ETHEREUM, None),
        ("solana", SOLANA, None),
        ("evm", OTHER, None),
        ("solana", OTHER, None),
        ("solana", ETHEREUM, "a Solana hash belongs to chain CT_501; Ethereum (1) takes an EVM hash"),
        (
            "evm",
            SOLANA,
            "an EVM hash belongs to one of the chains 1, 56, 137, 8453, 42161, 10, 59144, 143 and 9745; "
            "Solana (CT_501) takes a Solana hash",
        ),
    ],
)
def test_a_family_belongs_to_its_chains(family: Any, chain: Chain, told: str | None) -> None:
    if told is None:
        check_family(family, chain, "chain")
        return
    with pytest.raises(ArgumentProblem) as caught:
        check_family(family, chain, "chain", "hash")
    assert (caught.value.field, caught.value.rule) == ("chain", told)
    assert caught.value.value == f"{chain.name} ({chain.id})"


WALLETS = f"Treasury={STRANGER},ops=0x{'1' * 40}"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("text", "address", "label"),
    [
        ("treasury", STRANGER, "Treasury"),
        (" TREASURY ", STRANGER, "Treasury"),
        (STRANGER.lower(), STRANGER, "Treasury"),
        ("ops", "0x" + "1" * 40, "ops"),
        ("0x" + "2" * 40, "0x" + "2" * 40, None),
    ],
)
async def test_a_wallet_is_known_by_its_label_and_its_address(text: str, address: str, label: str | None) -> None:
    context, _ = context_on(LIVE, WALLETS)
    assert find_wallet(context, text).text == address
    assert context.label == label
    assert context.common().get("label") == label


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("text", "labels", "told"), [("trasury", WALLETS, True), (KEY, WALLETS, False), ("trasury", "", False)]
)
async def test_a_label_that_is_none_leads_to_those_there_are(text: str, labels: str, told: bool) -> None:
    context, _ = context_on(LIVE, labels)
    with pytest.raises(ArgumentProblem) as caught:
        find_wallet(context, text)
    assert caught.value.field == "address"
    assert ("The labels Treasury and ops stand for addresses, too." in caught.value.rule) is told


@pytest.mark.anyio
async def test_without_chains_all_of_the_addresss_family_are_meant() -> None:
    context, _ = context_on(LIVE)
    wallet = find_address(STRANGER)
    assert [chain.id for chain in await wallet_chains(context, None, wallet)] == ["1", "4242"]
    assert await wallet_chains(context, ["bsc", "56", "eth"], wallet) == (BNB, ETHEREUM)
    for texts, field in ((["eth", "sol"], "chains[1]"), (["sol"], "chains[0]"), (["eth", "1", "sol"], "chains[2]")):
        with pytest.raises(ArgumentProblem) as caught:
            await wallet_chains(context, texts, wallet)
        assert (caught.value.field, caught.value.value) == (field, "Solana (CT_501)")
        assert "an EVM address belongs to one of the chains 1, 56" in caught.value.rule


@pytest.mark.anyio
async def test_a_chain_of_the_table_that_the_live_list_leaves_out_is_told_where_it_would_have_been_asked() -> None:
    context, _ = context_on([{"binanceChainId": chain.id} for chain in KNOWN_CHAINS[1:-2]])
    assert len(await served_chains(context)) == len(KNOWN_CHAINS) - 3
    assert not context.notes, "nothing was asked of an address's chains"
    await wallet_chains(context, None, find_address(STRANGER))
    (note,) = context.notes
    assert note == (
        "The live chain list does not name Ethereum (1) and Plasma (9745): not asked unless named in the call."
    )
    whole, _ = context_on([{"binanceChainId": chain.id} for chain in chains_of_family("evm")])
    await wallet_chains(whole, None, find_address(STRANGER))
    assert not whole.notes, "a chain of another family would not have been asked"


@pytest.mark.anyio
async def test_a_named_chain_that_the_last_live_list_leaves_out_is_asked_and_told() -> None:
    context, api = context_on(LIVE)
    assert await find_chain(context, "bsc", "chain") == BNB
    assert not context.notes, "nothing is known of the live list, and nothing is sent to learn it"
    await served_chains(context)
    assert await find_chain(context, "bsc", "chain") == BNB
    assert await find_chain(context, "eth", "chain") == ETHEREUM
    (note,) = context.notes
    assert note == "The live chain list does not name BNB Chain (56); it was asked as the call names it."
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("USDT", True),
        (" usdc.e ", True),
        ("$WIF", True),
        ("native", False),
        ("0x12", False),
        ("", False),
        ("x" * 25, False),
    ],
)
def test_a_symbol_is_short_and_no_start_of_a_contract(text: str, symbol: bool) -> None:
    assert is_symbol(text) is symbol
