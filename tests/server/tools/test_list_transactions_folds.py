"""What wallet_list_transactions tells once for all rows, and which names and arguments that leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.mcp import STRANGER, Era, Upstream, connect, custom_settings, refusal, usable_settings
from tests.support.truth import history, transaction_row, unfolded
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE
from wallet_mcp.server.units import BASE_UNITS_NOTE
from wallet_mcp.wallet.labels import parse_labels

TOOL = "wallet_list_transactions"
PATH = "transactions-by-address"
FRIEND, OTHER = "0x" + "a" * 40, "0x" + "b" * 40
USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"

pytestmark = pytest.mark.anyio


def sent(number: int, to: str, **changes: Any) -> dict[str, Any]:
    """A transfer of a coin from the stranger, younger the smaller its number."""
    row = {"binanceChainId": "1", "txHash": f"0x{number:064x}", "itype": "0", "amount": "0.5", "txStatus": "success"}
    ends = {"from": [{"address": STRANGER}], "to": [{"address": to}]}
    return row | ends | {"txTime": str(1_795_300_000_000 - number)} | changes


async def listing(era: Era, *rows: dict[str, Any], labels: str = "") -> Any:
    api = Upstream(lambda request: [{"cursor": "", "transactionList": list(rows)}])
    async with connect(era, settings=custom_settings(wallets=parse_labels(labels)), transport=api) as face:
        return await face.answer(TOOL, address=STRANGER, chains=["1"])


async def test_a_counterparty_that_occurs_twice_is_listed_once(era: Era) -> None:
    answer = await listing(era, sent(1, FRIEND), sent(2, OTHER), sent(3, FRIEND))
    assert answer["parties"] == {"p1": FRIEND}
    assert [row["movements"][0]["counterparty"] for row in answer["transactions"]] == ["p1", OTHER, "p1"]
    assert answer.text.count(FRIEND) == answer.text.count(OTHER) == 1
    assert f"Parties: p1={FRIEND}" in answer.lines
    once = await listing(era, sent(1, FRIEND), sent(2, OTHER))
    assert "parties" not in once


async def test_a_labelled_counterparty_is_told_by_its_label(era: Era) -> None:
    answer = await listing(era, sent(1, FRIEND), sent(2, OTHER), labels=f"treasury={FRIEND},me={STRANGER}")
    assert answer["parties"] == {"treasury": FRIEND}
    assert answer["label"] == "me"
    assert [row["movements"][0]["counterparty"] for row in answer["transactions"]] == ["treasury", OTHER]
    assert answer.lines[0].startswith(f"2 transactions of me ({STRANGER})")


async def test_a_label_of_an_answer_narrows_the_list_and_a_number_of_one_does_not(era: Era) -> None:
    async with connect(era) as probe:
        wallet = probe.wallets["history"]
        parties = (await probe.answer(TOOL, address=wallet, chains=["1"]))["parties"]
    settings = usable_settings(wallets=parse_labels(f"dex={parties['p1']}"))
    async with connect(era, settings=settings) as face:
        call = {"address": wallet, "chains": ["1"], "begin": "30d", "limit": 100}
        narrowed = await face.answer(TOOL, call | {"counterparty": "dex"})
        assert narrowed["parties"]["dex"] == parties["p1"]
        assert unfolded(narrowed) == unfolded(await face.answer(TOOL, call | {"counterparty": parties["p1"]}))
        count = len(face.sent(PATH))
        for name in ("p2", " P1 ", "contract:USDC"):
            failed = await face.failure(TOOL, call | {"counterparty": name})
            assert failed.meta["field"] == "counterparty"
            assert "holds within one answer only. Give the address that it stands for there" in failed.text
        secret = await face.failure(TOOL, call | {"counterparty": f"contract:{'5' * 64}"})
        assert "5" * 64 not in secret.text
        assert len(face.sent(PATH)) == count


async def test_the_contract_of_a_token_in_the_list_is_named_by_its_symbol(era: Era) -> None:
    token = {"itype": "2", "tokenContractAddress": USDT, "symbol": "USDT"}
    answer = await listing(era, sent(1, FRIEND, **token), sent(2, OTHER, **token), sent(3, USDT, amount="0"))
    assert answer["assets"] == {"1": {"USDT": USDT}}
    assert answer["transactions"][2]["movements"][0]["counterparty"] == "contract:USDT"
    rows = [line for line in answer.lines if line.startswith("22:26:")]
    assert not any(USDT in line for line in rows)
    assert rows[2].endswith(" 0 ETH to contract:USDT")


async def test_two_tokens_of_one_symbol_stay_apart(era: Era) -> None:
    real = {"itype": "2", "tokenContractAddress": USDT, "symbol": "USDT"}
    fake = real | {"tokenContractAddress": OTHER}
    answer = await listing(era, *(sent(number, FRIEND, **(fake if number % 2 else real)) for number in range(4)))
    contracts = [row["movements"][0]["contract"] for row in answer["transactions"]]
    assert (contracts, answer["assets"]) == ([USDT, OTHER, USDT, OTHER], {})
    assert answer["transactions"][1]["movements"][0]["flags"] == ["lookalike"]
    assert CHAIN_TEXT_NOTICE in answer.notes


async def test_what_totals_alone_show_of_a_token_is_noted_too(era: Era) -> None:
    token = {"itype": "2", "tokenContractAddress": OTHER, "symbol": "Claim", "amount": "7"}
    rows = [sent(1, FRIEND), sent(2, FRIEND, **token)]
    api = Upstream(lambda request: [{"cursor": "", "transactionList": rows}])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1"], begin="2026-11-20", limit=1)
        assert [row["movements"][0]["symbol"] for row in answer["transactions"]] == ["ETH"]
        assert [row["symbol"] for row in answer["totals"]] == ["ETH", "Claim"]
        assert CHAIN_TEXT_NOTICE in answer["notes"]
        base = custom_settings(tx_amount_unit="base")
    async with connect(era, settings=base, transport=api) as face:
        answer = await face.answer(TOOL, address=STRANGER, chains=["1"], begin="2026-11-20", limit=1)
        assert answer["totals"][1]["out_raw"] == "7"
        assert BASE_UNITS_NOTE in answer["notes"]


async def test_a_status_or_date_that_rows_share_is_stated_once(era: Era) -> None:
    day = 86_400_000
    rows = [sent(1, FRIEND), sent(2, FRIEND, txStatus="fail"), sent(day, FRIEND), sent(2 * day, FRIEND)]
    answer = await listing(era, *rows)
    assert answer["unless_given"] == {"status": "success", "date": "2026-11-21"}
    assert [row.get("status") for row in answer["transactions"]] == [None, "failed", None, None]
    assert [row["time"] for row in answer["transactions"]] == [
        "22:26:39Z",
        "22:26:39Z",
        "2026-11-20T22:26:40Z",
        "2026-11-19T22:26:40Z",
    ]
    assert [line for line in answer.lines if line.endswith("UTC:")] == [
        "2026-11-21 UTC:",
        "2026-11-20 UTC:",
        "2026-11-19 UTC:",
    ]


async def test_next_names_no_chains_where_the_question_named_none(era: Era) -> None:
    async with connect(era, rate=50) as face:
        wallet = face.wallets["history"]
        first = await face.answer(TOOL, address=wallet)
        following = first["next"]["arguments"]
        assert following.keys() == {"address", "cursor"}
        second = await face.answer(TOOL, following)
        expected = history(face, "history", [chain.id for chain in face.world.chains])
        told = unfolded(first) + unfolded(second)
        assert {row["hash"] for row in told} == {tx.hash for tx in expected[:40]}
        assert all(row == transaction_row(tx, wallet) for row in told for tx in expected if tx.hash == row["hash"])
        for changed in ({"chains": ["1", "56"]}, {"chains": first["searched"]["chains"]}, {"direction": "in"}):
            failed = await face.failure(TOOL, following | changed)
            assert failed.meta["field"] == "cursor"
            assert "of another question" in failed.text
    async with connect(era) as restarted:
        assert unfolded(await restarted.answer(TOOL, following)) == unfolded(second)


async def test_next_names_chains_where_one_of_them_failed(era: Era) -> None:
    failures = [True, True]

    def spoil(request: Any) -> bytes | None:
        chains = request.url.params.get("chains", "")
        if "," in chains:
            return refusal(40001, "chains: only a single chain is supported")
        return refusal(50000) if chains == "56" and failures and failures.pop() else None

    async with connect(era, rate=50, spoil=spoil) as face:
        answer = await face.answer(TOOL, address=face.wallets["history"], limit=5)
        served = answer["searched"]["chains"]
        assert "BNB Chain (56) could not be read" in answer["incomplete_because"]
        assert "56" not in served
        assert answer["next"]["arguments"]["chains"] == served
        assert '"chains":["56"]' in answer.notes
        assert (await face.replay(answer))["searched"]["chains"] == served
