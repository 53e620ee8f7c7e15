from __future__ import annotations

from typing import Any

import pytest

from wallet_mcp.server.context import Services, ToolContext
from wallet_mcp.server.guidance import CallContext
from wallet_mcp.server.movements import (
    MovementRow,
    TransactionRow,
    amount_text,
    assets_of,
    movement_text,
    transaction_fields,
    unit_notes,
)
from wallet_mcp.server.output import Provenance
from wallet_mcp.server.units import BASE_UNITS_NOTE, UNDECIDED_NOTE
from wallet_mcp.settings import Settings
from wallet_mcp.wallet.chains import KNOWN_CHAINS, Chain
from wallet_mcp.wallet.history import Movement, Transaction

USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"
A = "0x" + "a" * 40
NEW = Chain("4242", "New", "NEW", "evm", None, None, False)


def context(unit: str = "base") -> ToolContext:
    settings = Settings(tx_amount_unit=unit)  # type: ignore[arg-type]
    return ToolContext(Services(settings, None, lambda: 0.0), 0.0, Provenance(""), CallContext("t"))


def transaction(*movements: Movement, **changes: Any) -> Transaction:
    fields: dict[str, Any] = {
        "chain": "1",
        "hash": "0x1",
        "time_ms": 1_795_341_600_123,
        "status": "success",
        "direction": "out",
        "fee": "0.001",
        "fee_payer": A,
        "flags": ("blacklisted",),
    }
    return Transaction(movements=movements, **(fields | changes))


COIN = Movement("out", "5000000000000000000", "amount", "native", "", A, ())
TOKEN = Movement("in", "1500000", "to.amount", USDT, "USDT", "", ("lookalike",))
NAMELESS = Movement("other", "7", "amount", "", "", A, ())


def fields_of(
    found: Transaction, chain: Chain = KNOWN_CHAINS[0], address: str = A, suspicions: tuple[str, ...] = ()
) -> dict[str, Any]:
    assets = assets_of([found], {found.chain: chain})
    return transaction_fields(context(), found, chain, address, assets, suspicions)


def test_a_transaction_is_told_with_all_that_is_known() -> None:
    assert fields_of(transaction(COIN, TOKEN, NAMELESS), suspicions=("zero_value",)) == {
        "hash": "0x1",
        "chain": "1",
        "status": "success",
        "direction": "out",
        "time": "2026-11-22T10:00:00Z",
        "fee": "0.001 ETH",
        "flags": ["blacklisted", "zero_value"],
        "movements": [
            {"amount": "5", "symbol": "ETH", "counterparty": A},
            {"amount": "1.5", "symbol": "USDT", "direction": "in", "flags": ["lookalike"]},
            {"amount_raw": "7", "unit": "base_units", "symbol": "", "direction": "other", "counterparty": A},
        ],
    }


def test_a_symbol_of_several_contracts_is_told_with_each() -> None:
    fake = Movement("out", "0", "amount", "0x" + "f" * 40, "USDT", A, ())
    rows = fields_of(transaction(TOKEN, fake))["movements"]
    assert [row["contract"] for row in rows] == [USDT, "0x" + "f" * 40]


def test_an_asset_is_a_symbol_that_means_one_contract_on_its_chain() -> None:
    by_id = {chain.id: chain for chain in KNOWN_CHAINS}
    other = Movement("in", "1", "amount", "0x" + "f" * 40, "USDT", A, ())
    found = [transaction(COIN, TOKEN, NAMELESS), transaction(other, chain="56"), transaction(COIN, chain="8453")]
    assert assets_of(found, by_id) == {
        ("1", "ETH"): "native",
        ("1", "USDT"): USDT,
        ("56", "USDT"): "0x" + "f" * 40,
        ("8453", "ETH"): "native",
    }
    assert assets_of([transaction(TOKEN, other, COIN)], by_id) == {("1", "ETH"): "native"}
    assert assets_of([], by_id) == {}


@pytest.mark.parametrize(
    ("payer", "address", "told"),
    [(A, A, True), (A, A.upper().replace("0X", "0x"), True), (A, "0x" + "b" * 40, False), ("", A, False)],
)
def test_a_fee_is_told_to_whoever_paid_it(payer: str, address: str, told: bool) -> None:
    assert ("fee" in fields_of(transaction(COIN, fee_payer=payer), address=address)) is told


def test_what_is_not_known_is_absent() -> None:
    bare = transaction(COIN, time_ms=None, fee="", fee_payer="", flags=())
    assert set(fields_of(bare)) == {"hash", "chain", "status", "direction", "movements"}


def test_a_chain_without_a_known_coin_gives_the_fee_as_a_number() -> None:
    fields = fields_of(transaction(COIN), NEW)
    assert fields["fee"] == "0.001"
    assert fields["movements"][0]["symbol"] == ""
    assert fields["movements"][0]["amount_raw"] == COIN.amount


def movement(**fields: Any) -> MovementRow:
    return MovementRow.model_validate({"direction": "in", "symbol": "USDT", "contract": USDT} | fields)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"amount": "1.5", "unit": "coins"}, f"1.5 USDT ({USDT})"),
        ({"amount": "1.5", "symbol": "ETH", "contract": "native"}, "1.5 ETH"),
        ({"amount": "1.5", "symbol": ""}, f"1.5 token without symbol ({USDT})"),
        ({"amount_raw": "15", "unit": "base_units"}, f"amount_raw 15 USDT ({USDT}), unit base_units"),
        (
            {"amount_raw": "15", "amount_if_base_units": "0.000015", "unit": "undecided"},
            f"amount_raw 15 (amount_if_base_units 0.000015) USDT ({USDT}), unit undecided",
        ),
        ({}, f"amount not given, USDT ({USDT})"),
    ],
)
def test_an_amount_reads_as_what_it_is(fields: dict[str, Any], text: str) -> None:
    assert amount_text(movement(**fields)) == text


def test_a_token_without_a_contract_says_so() -> None:
    row = MovementRow(direction="in", symbol="USDT", amount="1")
    assert amount_text(row) == "1 USDT (contract not given)"


@pytest.mark.parametrize(
    ("direction", "word"), [("in", "from"), ("out", "to"), ("self", "counterparty"), ("other", "counterparty")]
)
def test_a_movement_tells_its_other_side(direction: str, word: str) -> None:
    row = movement(direction=direction, amount="1", counterparty=A, flags=["url", "lookalike"])
    assert movement_text(row, "both") == f"{direction} 1 USDT ({USDT}) {word} {A} [url lookalike]"
    assert movement_text(movement(direction=direction, amount="1"), "both") == f"{direction} 1 USDT ({USDT})"


def test_a_folded_movement_reads_by_its_transaction_and_the_list_of_assets() -> None:
    row = MovementRow(symbol="USDT", amount="1", counterparty=A)
    assert movement_text(row, "in") == f"in 1 USDT from {A}"
    assert movement_text(row, "out") == f"out 1 USDT to {A}"


@pytest.mark.parametrize(
    ("units", "notes"),
    [
        ([], []),
        (["coins"], []),
        (["undecided", "coins"], [UNDECIDED_NOTE]),
        (["base_units"], [BASE_UNITS_NOTE]),
        (["base_units", "undecided", "undecided"], [UNDECIDED_NOTE, BASE_UNITS_NOTE]),
    ],
)
def test_each_unit_that_needs_a_word_gets_it_once(units: list[str], notes: list[str]) -> None:
    rows = [movement(amount="1", unit=unit) for unit in units]
    whole = TransactionRow(hash="h", chain="1", status="success", direction="in", movements=rows)
    assert unit_notes([whole]) == unit_notes(rows) == notes
