from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.server.context import Services, ToolContext
from wallet_mcp.server.guidance import CallContext
from wallet_mcp.server.movements import (
    MAX_MOVEMENTS,
    AmountPart,
    MovementRow,
    TransactionRow,
    amount_text,
    assets_of,
    cut,
    folds_of,
    symbols_shown,
    transaction_lines,
    transaction_row,
)
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE, Provenance
from wallet_mcp.settings import Settings
from wallet_mcp.wallet.chains import KNOWN_CHAINS, Chain
from wallet_mcp.wallet.history import Movement, Transaction
from wallet_mcp.wallet.labels import NO_LABELS

USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"
OTHER = "0x" + "f" * 40
A, B = "0x" + "a" * 40, "0x" + "b" * 40
BY_ID = {chain.id: chain for chain in KNOWN_CHAINS}
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


COIN = Movement("out", "5000000000000000000", "amount", "native", "", (A,), ())
TOKEN = Movement("in", "1500000", "to.amount", USDT, "USDT", (), ("lookalike",))
NAMELESS = Movement("other", "7", "amount", "", "", (A,), ())


def fields_of(
    found: Transaction,
    chain: Chain = KNOWN_CHAINS[0],
    address: str = A,
    suspicions: tuple[str, ...] = (),
    beside: tuple[Transaction, ...] = (),
) -> dict[str, Any]:
    """The row of a transaction that is answered with others beside it."""
    folds = folds_of([found, *beside], {found.chain: chain}, NO_LABELS)
    return transaction_row(context(), found, chain, address, folds, suspicions).model_dump()


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
            {"amount": "5", "symbol": "ETH", "contract": "native", "counterparty": "p1"},
            {"amount": "1.5", "symbol": "USDT", "contract": USDT, "direction": "in", "flags": ["lookalike"]},
            {"amount_raw": "7", "unit": "base_units", "symbol": "", "direction": "other", "counterparty": "p1"},
        ],
    }


def test_what_rows_share_is_told_once() -> None:
    found = transaction(COIN, replace(COIN, direction="in"))
    assert fields_of(found, beside=(found,)) == {
        "hash": "0x1",
        "chain": "1",
        "direction": "out",
        "time": "10:00:00Z",
        "counterparty": "p1",
        "fee": "0.001 ETH",
        "flags": ["blacklisted"],
        "movements": [{"amount": "5", "symbol": "ETH"}, {"amount": "5", "symbol": "ETH", "direction": "in"}],
    }


@pytest.mark.parametrize(
    ("rows", "usual"),
    [
        ([], None),
        ([("success", 0)], None),
        ([("success", 0), ("failed", 1)], None),
        ([("success", 0), ("success", 1)], {"status": "success"}),
        ([("failed", 0), ("failed", 0)], {"date": "2026-11-22"}),
        ([("success", 0), ("success", 0), ("failed", 1)], {"status": "success", "date": "2026-11-22"}),
        ([("failed", 0), ("failed", 1), ("pending", 1)], {"date": "2026-11-21"}),
        # Of dates that are equally frequent the newest.
        ([("failed", 0), ("failed", 0), ("failed", 1), ("failed", 1)], {"date": "2026-11-22"}),
        ([("pending", None), ("pending", None)], None),
    ],
)
def test_a_status_or_date_is_usual_where_two_rows_share_it(
    rows: list[tuple[str, int | None]], usual: dict[str, str] | None
) -> None:
    now = 1_795_341_600_000
    found = [
        transaction(COIN, status=status, time_ms=None if age is None else now - age * 86_400_000)
        for status, age in rows
    ]
    folds = folds_of(found, BY_ID, NO_LABELS)
    assert (folds.usual.model_dump() if folds.usual else None) == usual
    # A row that says nothing is one that the usual words are true of.
    for each in found:
        row = transaction_row(context(), each, KNOWN_CHAINS[0], A, folds).model_dump()
        assert row.get("status", (usual or {}).get("status")) == each.status
        whole = row.get("time", "none")
        assert (whole[:10] == (usual or {}).get("date")) is False
        assert len(whole) in (4, 9, 20)


def test_a_symbol_of_several_contracts_is_told_with_each() -> None:
    fake = Movement("out", "0", "amount", OTHER, "USDT", (A,), ())
    rows = fields_of(transaction(TOKEN, fake, TOKEN, fake))["movements"]
    assert [row["contract"] for row in rows] == [USDT, OTHER, USDT, OTHER]


def test_an_asset_is_a_symbol_that_occurs_repeatedly_and_means_one_contract_on_its_chain() -> None:
    other = Movement("in", "1", "amount", OTHER, "USDT", (A,), ())
    twice = transaction(COIN, TOKEN, NAMELESS, COIN, TOKEN, NAMELESS)
    found = [twice, transaction(other, chain="56"), transaction(other, chain="56"), transaction(COIN, chain="8453")]
    assert assets_of(found, BY_ID) == {"1": {"ETH": "native", "USDT": USDT}, "56": {"USDT": OTHER}}
    assert assets_of([transaction(TOKEN, TOKEN, other, COIN, COIN)], BY_ID) == {"1": {"ETH": "native"}}
    unknown = replace(TOKEN, contract="")
    assert assets_of([transaction(TOKEN, unknown, TOKEN, unknown)], BY_ID) == {}
    assert assets_of([transaction(unknown, unknown)], BY_ID) == {}
    assert assets_of([], BY_ID) == {}


@pytest.mark.parametrize(
    ("payer", "address", "told"),
    [(A, A, True), (A, A.upper().replace("0X", "0x"), True), (A, B, False), ("", A, False)],
)
def test_a_fee_is_told_to_whoever_paid_it(payer: str, address: str, told: bool) -> None:
    assert ("fee" in fields_of(transaction(COIN, fee_payer=payer), address=address)) is told


def test_what_is_not_known_is_absent() -> None:
    bare = transaction(COIN, time_ms=None, fee="", fee_payer="", flags=())
    assert set(fields_of(bare)) == {"hash", "chain", "status", "direction", "movements"}


def test_a_chain_without_a_known_coin_gives_the_fee_as_a_number() -> None:
    fields = fields_of(transaction(COIN), NEW)
    assert fields["fee"] == "0.001"
    (moved,) = fields["movements"]
    assert (moved["symbol"], moved["contract"], moved["amount_raw"]) == ("", "native", COIN.amount)


@pytest.mark.parametrize(
    ("movement", "told"),
    [
        (COIN, False),
        (replace(COIN, symbol="ETH"), False),
        (replace(COIN, symbol="Claim"), True),
        (TOKEN, False),
        (replace(TOKEN, symbol="usdt"), False),
        (replace(TOKEN, contract=OTHER), True),
        (NAMELESS, False),
        (replace(NAMELESS, symbol="USDT"), True),
    ],
)
def test_a_symbol_is_chain_text_unless_it_is_the_well_known_one_of_its_contract(
    movement: Movement, told: bool
) -> None:
    asked = context()
    asked.note_symbols(symbols_shown([transaction(COIN, movement)]))
    assert asked.notes == [CHAIN_TEXT_NOTICE] * told


def part(**fields: Any) -> AmountPart:
    return AmountPart.model_validate({"symbol": "USDT", "contract": USDT} | fields)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"amount": "1.5", "unit": "coins"}, f"1.5 USDT ({USDT})"),
        ({"amount": "1.5", "symbol": "ETH", "contract": "native"}, "1.5 ETH"),
        ({"amount": "1.5", "symbol": ""}, f"1.5 token without symbol ({USDT})"),
        ({"amount": "1.5", "symbol": "", "contract": "native"}, "1.5 coin of the chain"),
        ({"amount_raw": "15", "unit": "base_units"}, f"amount_raw 15 (unit base_units) USDT ({USDT})"),
        (
            {"amount_raw": "15", "amount_if_base_units": "0.000015", "unit": "undecided"},
            f"amount_raw 15 (unit undecided; amount_if_base_units 0.000015) USDT ({USDT})",
        ),
        ({}, f"amount not given, USDT ({USDT})"),
    ],
)
def test_an_amount_reads_as_what_it_is(fields: dict[str, Any], text: str) -> None:
    assert amount_text(part(**fields)) == text


def test_a_token_without_a_contract_says_so_unless_the_answer_lists_it() -> None:
    row = AmountPart(symbol="USDT", amount="1")
    assert amount_text(row) == "1 USDT (contract not given)"
    assert amount_text(row, folded=True) == "1 USDT"


ASSETS = {"1": {"USDT": USDT, "ETH": "native"}}


def lines_of(*movements: dict[str, Any], **fields: Any) -> list[str]:
    rows = [MovementRow.model_validate({"amount": "1", "symbol": "USDT"} | each) for each in movements]
    head: dict[str, Any] = {"hash": "0x1", "chain": "1", "time": "10:00:00Z", "direction": "in"}
    return transaction_lines(TransactionRow.model_validate(head | {"movements": rows} | fields), ASSETS)


@pytest.mark.parametrize(
    ("direction", "text"),
    [
        ("in", f"1 USDT from {A}"),
        ("out", f"1 USDT to {A}"),
        ("self", f"self 1 USDT counterparty {A}"),
        ("other", f"other 1 USDT counterparty {A}"),
    ],
)
def test_a_movement_tells_its_direction_by_its_other_side_or_by_name(direction: str, text: str) -> None:
    head = "10:00:00 1 0x1"
    assert lines_of({"counterparty": A}, direction=direction) == [f"{head} {text}"]
    assert lines_of({"counterparty": A, "direction": direction}, direction="both") == [f"{head} {text}"]
    assert lines_of({}, direction=direction) == [f"{head} {direction} 1 USDT"]
    assert lines_of({"counterparty": A, "flags": ["url", "lookalike"]}, direction=direction) == [
        f"{head} {text} [url lookalike]"
    ]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"time": "2026-11-21T10:00:00Z"}, "10:00:00 1 0x1 1 USDT from p1"),
        ({"status": "failed"}, "10:00:00 1 0x1 failed 1 USDT from p1"),
        ({"fee": "0.1 ETH", "flags": ["blacklisted"]}, "10:00:00 1 0x1 1 USDT from p1 fee 0.1 ETH flags blacklisted"),
        ({"hash": ""}, "10:00:00 1 hash not given 1 USDT from p1"),
        ({"chain": "56"}, "10:00:00 56 0x1 1 USDT (contract not given) from p1"),
    ],
)
def test_a_transaction_is_one_line(fields: dict[str, Any], line: str) -> None:
    assert lines_of({"counterparty": "p1"}, **fields) == [line]


def test_a_transaction_without_a_time_says_so() -> None:
    row = TransactionRow(hash="0x1", chain="1", direction="in", movements=[MovementRow(symbol="USDT", amount="1")])
    assert transaction_lines(row, ASSETS) == ["no time yet 1 0x1 in 1 USDT"]


def test_many_movements_have_a_line_each() -> None:
    moves = [{"direction": "out", "counterparty": f"p{number}"} for number in range(4)]
    few = "1 USDT to p0, 1 USDT to p1, 1 USDT to p2, 1 USDT to p3"
    assert lines_of(*moves, fee="0.1 ETH") == [f"10:00:00 1 0x1 {few} fee 0.1 ETH"]
    assert lines_of(*moves, moves[0], fee="0.1 ETH") == [
        "10:00:00 1 0x1 fee 0.1 ETH",
        *(f"  1 USDT to p{number}" for number in (0, 1, 2, 3, 0)),
    ]


def test_a_counterparty_of_all_movements_is_named_once() -> None:
    swap = ({"direction": "out"}, {"direction": "in", "symbol": "ETH"})
    assert lines_of(*swap, counterparty="p1", direction="both") == ["10:00:00 1 0x1 with p1: out 1 USDT, in 1 ETH"]
    assert lines_of(*([{}] * 5), counterparty="p1") == ["10:00:00 1 0x1 with p1:", *(["  in 1 USDT"] * 5)]


@given(
    st.lists(
        st.tuples(st.sampled_from(["in", "out", "other"]), st.sampled_from(["native", USDT, OTHER])), max_size=40
    )
)
def test_what_is_cut_keeps_order_ways_and_what_nobody_else_can_make(moves: list[tuple[str, str]]) -> None:
    moved = [
        Movement(way, str(at), "amount", contract, "X", (A,), ())  # type: ignore[arg-type]
        for at, (way, contract) in enumerate(moves)
    ]
    whole = transaction(*moved)
    found = cut(whole, lambda *_: True)
    assert len(found.movements) == min(len(moved), MAX_MOVEMENTS)
    assert found.more == len(moved) - len(found.movements)
    assert [each for each in moved if each in found.movements] == list(found.movements)
    for way in ("in", "out"):
        assert any(each.direction == way for each in found.movements) is any(each.direction == way for each in moved)
    left = [each for each in moved if each not in found.movements]
    assert all(each.direction == "other" or not any(m.direction == "other" for m in found.movements) for each in left)
    row = fields_of(found)
    assert row.get("more_movements", 0) == found.more
