"""History and detail: rows, cursors, filters, units, and the transaction that settles."""

from __future__ import annotations

import asyncio
import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.caller import DETAIL, TRANSACTIONS, Caller
from wallet_mcp.sandbox.world_model import NATIVE_PLACEHOLDER
from wallet_mcp.sandbox.world_wallets import WALLETS

pytestmark = pytest.mark.anyio

HISTORY = WALLETS["history"]
USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"


async def listed(caller: Caller, query: str) -> list[dict[str, Any]]:
    """The entries of one history request."""
    data: list[dict[str, Any]] = (await caller.get(TRANSACTIONS, query)).data
    return data


async def walk(caller: Caller, query: str) -> list[dict[str, Any]]:
    """All rows of one chain, page after page."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        (entry,) = await listed(caller, f"{query}&cursor={cursor}")
        rows += entry["transactionList"]
        cursor = entry["cursor"]
        if not cursor:
            return rows


def served(caller: Caller, chain: str) -> list[tuple[str, str, str]]:
    return [
        (tx.hash, movement.itype, str(movement.raw))
        for tx in caller.world.transactions(HISTORY, chain)
        for movement in tx.movements
    ]


@pytest.mark.parametrize("limit", [1, 20, 37, 100])
@pytest.mark.parametrize("chain", ["1", "8453"])
async def test_paging_loses_and_repeats_nothing(chain: str, limit: int) -> None:
    caller = Caller()
    rows = await walk(caller, f"address={HISTORY}&chains={chain}&limit={limit}")
    assert [(row["txHash"], row["itype"], row["amount"]) for row in rows] == served(caller, chain)
    times = [int(row["txTime"]) for row in rows]
    assert times == sorted(times, reverse=True)


async def test_a_transaction_straddles_the_border_of_a_page() -> None:
    caller = Caller()
    query = f"address={HISTORY}&chains=1"
    (first,) = await listed(caller, query)
    (second,) = await listed(caller, f"{query}&cursor={first['cursor']}")
    assert first["transactionList"][-1]["txHash"] == second["transactionList"][0]["txHash"]
    assert len(first["transactionList"]) == 20
    place = json.loads(base64.b64decode(first["cursor"]))
    assert place == {"time": int(first["transactionList"][-1]["txTime"]), "id": 19}


async def test_a_row() -> None:
    caller = Caller()
    chain, tx_hash = caller.world.examples["token_out"]
    tx = caller.world.transaction(chain, tx_hash)
    assert tx is not None
    row = next(r for r in await walk(caller, f"address={HISTORY}&chains={chain}&limit=100") if r["txHash"] == tx_hash)
    (movement,) = tx.movements
    assert row == {
        "binanceChainId": "1",
        "txHash": tx_hash,
        "itype": "2",
        "methodId": "0xa9059cbb",
        "nonce": tx.nonce,
        "txTime": str(tx.time_ms),
        "from": [{"address": HISTORY.lower(), "amount": str(movement.raw)}],
        "to": [{"address": movement.recipient, "amount": str(movement.raw)}],
        "tokenContractAddress": movement.contract,
        "amount": str(movement.raw),
        "symbol": movement.symbol,
        "txFee": f"{tx.fee:f}".rstrip("0"),
        "txStatus": "success",
        "hitBlacklist": False,
    }


async def test_native_rows_have_no_contract() -> None:
    rows = await walk(Caller(), f"address={HISTORY}&chains=1&limit=100")
    assert {row["tokenContractAddress"] for row in rows if row["itype"] != "2"} == {None}
    assert None in {row["methodId"] for row in rows}
    assert {row["hitBlacklist"] for row in rows} == {True, False, None}
    assert {row["txStatus"] for row in rows} == {"success", "fail", "pending"}
    assert {row["txFee"] for row in rows if row["txStatus"] == "pending"} == {""}


async def test_one_entry_per_chain_each_with_its_cursor() -> None:
    caller = Caller()
    entries = await listed(caller, f"address={HISTORY}&chains=8453,43114,1,42161,8453&limit=2")
    lists = [{row["binanceChainId"] for row in entry["transactionList"]} for entry in entries]
    assert lists == [{"8453"}, set(), {"1"}, set()]
    assert [bool(entry["cursor"]) for entry in entries] == [True, False, True, False]
    (alone,) = await listed(caller, f"address={HISTORY}&chains=1&limit=2")
    assert alone == entries[2]


async def test_begin_and_end_are_inclusive() -> None:
    caller = Caller()
    middle = caller.world.transactions(HISTORY, "1")[50]
    query = f"address={HISTORY}&chains=1&begin={middle.time_ms}&end={middle.time_ms}"
    rows = await walk(caller, query)
    assert [row["txHash"] for row in rows] == [middle.hash] * len(middle.movements)
    outside = f"address={HISTORY}&chains=1&begin={middle.time_ms + 1}&end={middle.time_ms + 1}"
    assert await walk(caller, outside) == []


async def test_nothing_older_than_six_months_is_listed() -> None:
    caller = Caller()
    rows = await walk(caller, f"address={HISTORY}&chains=1&limit=100&begin=0")
    assert min(int(row["txTime"]) for row in rows) >= caller.world.horizon_ms
    chain, tx_hash = caller.world.examples["old"]
    assert tx_hash not in {row["txHash"] for row in rows}
    detail = await caller.get(DETAIL, f"binanceChainId={chain}&txHash={tx_hash}")
    assert [entry["txhash"] for entry in detail.data] == [tx_hash]


@pytest.mark.parametrize(
    ("contract", "expected"),
    [
        (USDT, {USDT}),
        (USDT.upper().replace("0X", "0x"), {USDT}),
        (NATIVE_PLACEHOLDER, {None}),
        ("0x" + "1" * 40, set()),
    ],
)
async def test_token_filter(contract: str, expected: set[str | None]) -> None:
    caller = Caller()
    rows = await walk(caller, f"address={HISTORY}&chains=1&limit=100&tokenContractAddress={contract}")
    assert {row["tokenContractAddress"] for row in rows} == expected
    everything = await walk(caller, f"address={HISTORY}&chains=1&limit=100&tokenContractAddress=")
    assert len([row for row in everything if row["tokenContractAddress"] in expected]) == len(rows)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "Parameter [address] error: must not be blank"),
        (f"address={HISTORY}", "Parameter error"),
        (f"address={HISTORY}&binanceChainId=1", "Parameter error"),
        (f"address={HISTORY}&chains=,", "Parameter error"),
        (f"address={HISTORY}&chains=1&limit=0", "Parameter [limit] error: must be between 1 and 100"),
        (f"address={HISTORY}&chains=1&limit=101", "Parameter [limit] error: must be between 1 and 100"),
        (f"address={HISTORY}&chains=1&begin=yesterday", "Parameter [begin] error: must be an integer"),
        (f"address={HISTORY}&chains=1&begin=2&end=1", "Parameter [begin] error: must not be after end"),
        (f"address={HISTORY}&chains=1&cursor=nonsense", "Parameter [cursor] error: invalid cursor"),
        (f"address={HISTORY}&chains=1&cursor=W10%3D", "Parameter [cursor] error: invalid cursor"),
        (
            f"address={HISTORY}&chains=1,56&cursor=eyJ0aW1lIjoxLCJpZCI6MX0%3D",
            "Parameter [cursor] error: needs a single chain",
        ),
        (f"address={HISTORY}&chains=1,CT_501", "Parameter [address] error: invalid address"),
        (
            f"address={HISTORY}&chains={','.join(map(str, range(51)))}",
            "Parameter [chains] error: must not have more than 50 entries",
        ),
    ],
)
async def test_refused_queries(query: str, message: str) -> None:
    envelope = (await Caller().get(TRANSACTIONS, query)).envelope
    assert (envelope["code"], envelope["msg"]) == (40001, message)


@pytest.mark.parametrize("place", [{"time": "1", "id": 1}, {"time": 1, "id": True}, {"time": 1}, [1, 2], 5])
async def test_a_cursor_of_another_kind_is_refused(place: object) -> None:
    cursor = base64.b64encode(json.dumps(place).encode()).decode().replace("+", "%2B")
    envelope = (await Caller().get(TRANSACTIONS, f"address={HISTORY}&chains=1&cursor={cursor}")).envelope
    assert envelope["msg"] == "Parameter [cursor] error: invalid cursor"


async def test_scaled_amounts_are_the_same_amounts() -> None:
    query = f"address={HISTORY}&chains=56&limit=100"
    base, scaled = await walk(Caller(), query), await walk(Caller(amount_unit="scaled"), query)
    decimals = {"BNB": 18, "USDT": 18, "USDC": 18}
    checked = 0
    for raw, row in zip(base, scaled, strict=True):
        if row["symbol"] in decimals:
            checked += 1
            assert Decimal(row["amount"]) * 10 ** decimals[row["symbol"]] == int(raw["amount"])
            assert row["from"][0]["amount"] == row["to"][0]["amount"] == row["amount"]
    assert checked > 100
    assert any("." in row["amount"] for row in scaled)
    assert not any("." in row["amount"] for row in base)


async def test_detail() -> None:
    caller = Caller()
    chain, tx_hash = caller.world.examples["sell"]
    (entry,) = (await caller.get(DETAIL, f"binanceChainId={chain}&txHash={tx_hash}&itype=2")).data
    tx = caller.world.transaction(chain, tx_hash)
    assert tx is not None
    token, coin = tx.movements
    assert "binanceChainId" not in entry
    assert (entry["chainIndex"], entry["txhash"], entry["txStatus"]) == (chain, tx_hash, "success")
    assert (entry["amount"], entry["symbol"]) == (str(token.raw), token.symbol)
    assert entry["height"] == str(tx.height)
    assert (entry["gasLimit"], entry["gasUsed"], entry["gasPrice"]) == tuple(
        str(number) for number in (tx.gas_limit, tx.gas_used, tx.gas_price)
    )
    assert entry["fromDetails"] == [
        {
            "address": HISTORY.lower(),
            "vinIndex": None,
            "preVoutIndex": None,
            "txHash": None,
            "isContract": False,
            "amount": "0",
        }
    ]
    assert entry["toDetails"] == [{"address": tx.target, "voutIndex": None, "isContract": True, "amount": "0"}]
    assert entry["internalTransactionDetails"] == [
        {
            "from": coin.sender,
            "to": HISTORY.lower(),
            "isFromContract": True,
            "isToContract": False,
            "amount": str(coin.raw),
            "txStatus": "success",
        }
    ]
    assert entry["tokenTransferDetails"] == [
        {
            "from": HISTORY.lower(),
            "to": token.recipient,
            "isFromContract": None,
            "isToContract": None,
            "tokenContractAddress": token.contract,
            "symbol": token.symbol,
            "amount": str(token.raw),
        }
    ]
    assert entry["l1OriginHash"] is None


async def test_detail_of_a_native_transfer_a_rollup_and_solana() -> None:
    caller = Caller(amount_unit="scaled")
    chain, tx_hash = caller.world.examples["native_out"]
    (native,) = (await caller.get(DETAIL, f"binanceChainId={chain}&txHash={tx_hash.upper()}")).data
    assert native["methodId"] is None
    assert native["fromDetails"][0]["amount"] == native["toDetails"][0]["amount"] == native["amount"]
    rollup_hash = caller.world.transactions(HISTORY, "8453")[0].hash
    (rollup,) = (await caller.get(DETAIL, f"binanceChainId=8453&txHash={rollup_hash}")).data
    assert len(rollup["l1OriginHash"]) == 66
    chain, tx_hash = caller.world.examples["solana_token_in"]
    (solana,) = (await caller.get(DETAIL, f"binanceChainId={chain}&txHash={tx_hash}")).data
    assert [solana[name] for name in ("gasLimit", "gasUsed", "gasPrice", "methodId", "nonce")] == [None] * 4 + [""]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("txHash=0x1", "Parameter [binanceChainId] error: must not be blank"),
        ("binanceChainId=1", "Parameter [txHash] error: must not be blank"),
        ("", "Parameter [binanceChainId] error: must not be blank"),
    ],
)
async def test_detail_needs_both(query: str, message: str) -> None:
    envelope = (await Caller().get(DETAIL, query)).envelope
    assert (envelope["code"], envelope["msg"]) == (40001, message)


@pytest.mark.parametrize("query", ["binanceChainId=1&txHash=0x1", "binanceChainId=43114&txHash=0x" + "0" * 64])
async def test_an_unknown_transaction_is_an_empty_success(query: str) -> None:
    assert (await Caller().get(DETAIL, query)).data == []


async def test_the_pending_transaction_settles_in_detail_and_history() -> None:
    caller = Caller()
    chain, tx_hash = caller.world.examples["settling"]
    detail = f"binanceChainId={chain}&txHash={tx_hash}"
    query = f"address={HISTORY}&chains={chain}&limit=1"
    await asyncio.sleep(100)
    assert (await caller.get(DETAIL, detail)).data[0]["txStatus"] == "pending"
    await asyncio.sleep(19.9)
    pending = (await caller.get(DETAIL, detail)).data[0]
    assert [pending[name] for name in ("txStatus", "height", "gasUsed", "txFee")] == ["pending", "", None, ""]
    assert (await listed(caller, query))[0]["transactionList"][0]["txStatus"] == "pending"
    await asyncio.sleep(0.1)
    settled = (await caller.get(DETAIL, detail)).data[0]
    assert settled["txStatus"] == "success"
    assert int(settled["height"]) > 0
    assert Decimal(settled["txFee"]) > 0
    (row,) = (await listed(caller, query))[0]["transactionList"]
    assert (row["txHash"], row["txStatus"], row["txFee"]) == (tx_hash, "success", settled["txFee"])
