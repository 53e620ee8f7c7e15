from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import MISSING

from wallet_mcp.server.context import Services, ToolContext
from wallet_mcp.server.guidance import CallContext
from wallet_mcp.server.output import Provenance
from wallet_mcp.server.summary import MAX_TOTALS, coins_of, fee_rows, totals_over, unclear_fees_note
from wallet_mcp.server.text import compact
from wallet_mcp.settings import Settings
from wallet_mcp.wallet.chains import KNOWN_CHAINS, Chain
from wallet_mcp.wallet.history import Movement, Transaction
from wallet_mcp.wallet.units import AmountSample

A = "0x" + "a" * 40
USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"
UNKNOWN = "0x" + "9" * 40
BY_ID = {chain.id: chain for chain in KNOWN_CHAINS}
NEW = Chain("4242", "New", "NEW", "evm", None, None, False)


def context(unit: str = "base") -> ToolContext:
    settings = Settings(tx_amount_unit=unit)  # type: ignore[arg-type]
    return ToolContext(Services(settings, None, lambda: 0.0), 0.0, Provenance(""), CallContext("t"))


def move(direction: str, amount: str, contract: str = USDT, symbol: str = "USDT", field: str = "amount") -> Movement:
    return Movement(direction, amount, field, contract, symbol, (A,), ())  # type: ignore[arg-type]


def transaction(*movements: Movement, **changes: Any) -> Transaction:
    fields: dict[str, Any] = {
        "chain": "1",
        "hash": "0x1",
        "time_ms": 1,
        "status": "success",
        "direction": "out",
        "fee": "0.001",
        "fee_payer": A,
        "flags": (),
    }
    return Transaction(movements=movements, **(fields | changes))


def totals(found: list[Transaction], unit: str = "base") -> list[dict[str, Any]]:
    return [row.model_dump() for row in totals_over(context(unit), found, BY_ID | {"4242": NEW}).rows]


def test_each_asset_has_what_came_in_and_what_went_out() -> None:
    found = [
        transaction(move("out", "1500000"), move("in", "2000000000000000000", "native", "")),
        transaction(move("in", "500000")),
        transaction(move("in", "7", UNKNOWN, "NEW")),
        transaction(move("out", "3", "native", "BNB"), chain="56"),
    ]
    assert totals(found) == [
        {"chain": "1", "contract": USDT, "symbol": "USDT", "in": "0.5", "out": "1.5", "unit": "coins"},
        {"chain": "1", "contract": "native", "symbol": "ETH", "in": "2", "unit": "coins"},
        {"chain": "56", "contract": "native", "symbol": "BNB", "out": "0.000000000000000003", "unit": "coins"},
        # Coins and well-known tokens come before what anybody can have made.
        {"chain": "1", "contract": UNKNOWN, "symbol": "NEW", "in_raw": "7", "unit": "base_units"},
    ]


def test_what_is_flagged_says_so_and_comes_last() -> None:
    fake = replace(move("in", "7", UNKNOWN), flags=("lookalike",))
    listed = replace(move("in", "7", "0x" + "8" * 40, "BAD"), blacklisted=True)
    genuine = replace(move("in", "5000000"), blacklisted=True)
    found = [transaction(fake, listed, move("in", "1", "0x" + "7" * 40, "NEW"), genuine)]
    told = [(row["symbol"], row["contract"][2], row.get("flags")) for row in totals(found)]
    assert told == [
        ("USDT", "d", None),
        ("NEW", "7", None),
        ("USDT", "9", ["lookalike"]),
        ("BAD", "8", ["blacklisted"]),
    ]


@pytest.mark.parametrize(
    ("movement", "status", "count"),
    [
        (move("in", ""), "success", 1),
        (move("out", "n/a"), "success", 1),
        (move("in", "5"), "unknown", 1),
        (move("in", ""), "unknown", 1),
        (move("in", "0"), "success", 0),
        (move("in", "0"), "unknown", 0),
        (move("in", "5"), "success", 0),
        (move("in", ""), "failed", 0),
        (move("in", ""), "pending", 0),
        (move("self", ""), "success", 0),
        (move("in", "", UNKNOWN), "success", 0),
    ],
)
def test_what_cannot_be_summed_is_counted(movement: Movement, status: str, count: int) -> None:
    found = [transaction(movement, status=status), transaction(move("in", "2000000"))]
    told = totals_over(context(), found, BY_ID, lambda _, moved: moved.contract == USDT)
    assert told.unsummed == count
    assert [row.in_ for row in told.rows] == ["2.000005" if (movement.amount, status) == ("5", "success") else "2"]
    assert list(told.notes()) == ["1 movement without a clear amount or status is in no total."] * count
    both = totals_over(context(), found + found[:1], BY_ID, lambda _, moved: moved.contract == USDT)
    assert list(both.notes()) == ["2 movements without a clear amount or status are in no total."] * count


def test_of_many_totals_the_known_are_listed_and_the_others_counted() -> None:
    spam = [transaction(move("in", "9" * 100, f"0x{number:040x}", f"S{number}")) for number in range(1500)]
    told = totals_over(context(), [*spam, transaction(move("in", "1000000"))], BY_ID)
    assert told.rows[0].contract == USDT
    assert 1 < len(told.rows) <= MAX_TOTALS
    assert len(told.rows) + told.left_out == 1501
    assert list(told.notes()) == [
        f"{told.left_out} more totals are left out, flagged and unknown tokens first: ask with contract for one."
    ]
    one = totals_over(context(), spam[: MAX_TOTALS + 1], BY_ID)
    assert len(compact([row.model_dump() for row in told.rows])) < 5_000 > len(one.rows)


@pytest.mark.parametrize(
    ("unit", "amount", "contract", "coins"),
    [
        ("base", "1500000", USDT, "1.5"),
        ("scaled", "1500000", USDT, "1500000"),
        ("auto", "1500000", USDT, "1.5"),
        ("auto", "1.5", USDT, "1.5"),
        ("base", "7", UNKNOWN, "7"),
        ("base", "", USDT, None),
        ("base", "x", USDT, None),
    ],
)
def test_coins_for_comparing_follow_the_unit_or_else_the_documentation(
    unit: str, amount: str, contract: str, coins: str | None
) -> None:
    told = coins_of(context(unit), move("in", amount, contract), BY_ID["1"])
    assert told == (None if coins is None else Decimal(coins))


def test_undecided_amounts_are_summed_as_such_with_what_they_may_be() -> None:
    found = [transaction(move("out", "1500000"), move("in", "2", UNKNOWN, "NEW"), move("out", "500000"))]
    assert totals(found, "auto") == [
        {
            "chain": "1",
            "contract": USDT,
            "symbol": "USDT",
            "out_raw": "2000000",
            "out_if_base_units": "2",
            "unit": "undecided",
        },
        {"chain": "1", "contract": UNKNOWN, "symbol": "NEW", "in_raw": "2", "unit": "undecided"},
    ]


def test_amounts_of_a_field_that_proves_both_units_are_in_no_sum() -> None:
    asked = context("auto")
    asked.services.units.learn(
        "transactions.amount", [AmountSample("0.5", "1"), AmountSample("9" * 30, "1", native=True)]
    )
    told = totals_over(asked, [transaction(move("in", "0.5"), move("in", "0"))], BY_ID)
    assert (told.rows, told.unsummed) == ((), 1)
    share = replace(move("in", "5"), amount_field="to.amount")
    (row,) = totals_over(asked, [transaction(share, move("in", "0.5"))], BY_ID).rows
    assert (row.in_raw, row.in_if_base_units) == ("5", "0.000005")


def test_undecided_amounts_of_two_fields_are_never_added() -> None:
    share = replace(move("in", "2"), amount_field="to.amount")
    rows = totals_over(context("auto"), [transaction(move("in", "1500000"), share, move("out", "1"))], BY_ID).rows
    assert [(row.unit, row.in_raw, row.in_if_base_units, row.out_raw) for row in rows] == [
        ("undecided", "1500000", "1.5", "1"),
        ("undecided", "2", "0.000002", MISSING),
    ]
    (one,) = totals_over(context("base"), [transaction(move("in", "1500000"), share)], BY_ID).rows
    assert one.in_ == "1.500002", "a unit that is known is that of both"


def test_who_may_have_paid_is_told_by_whether_the_wallet_is_a_contract() -> None:
    plain = transaction(move("out", "1"))
    assert "most likely this wallet" in unclear_fees_note([plain])
    assert "seems to be a contract" in unclear_fees_note([plain, replace(plain, sent_inside=True)])


def test_amounts_of_two_units_are_never_added() -> None:
    asked = context("auto")
    asked.services.units.learn("transactions.amount", [AmountSample("0.5", "1")])
    found = [transaction(move("in", "0.5"), move("in", "5", field="to.amount"))]
    assert [row.unit for row in totals_over(asked, found, BY_ID).rows] == ["coins", "undecided"]


@pytest.mark.parametrize("status", ["failed", "pending", "unknown"])
def test_only_what_succeeded_counts(status: str) -> None:
    assert totals([transaction(move("in", "5"), status=status)]) == []


@pytest.mark.parametrize(
    "movement",
    [move("self", "5"), move("other", "5"), move("both", "5"), move("in", "0"), move("in", ""), move("in", "five")],
)
def test_transfers_of_nothing_and_to_oneself_are_in_no_total(movement: Movement) -> None:
    assert totals([transaction(movement)]) == []


def test_a_chain_without_a_known_coin_has_no_symbol_to_give() -> None:
    found = transaction(move("in", "5", "native", ""), chain="4242")
    assert totals([found]) == [
        {"chain": "4242", "contract": "native", "symbol": "", "in_raw": "5", "unit": "base_units"}
    ]
    (fee,) = fee_rows([found], A, {"4242": NEW})
    assert fee.model_dump() == {"chain": "4242", "amount": "0.001", "symbol": ""}


def test_fees_are_those_the_address_paid_by_chain() -> None:
    found = [
        transaction(move("out", "1")),
        transaction(move("out", "1"), status="failed", fee="0.0000000000000000025"),
        transaction(move("in", "1"), fee_payer=UNKNOWN),
        transaction(move("out", "1"), chain="56", fee="3"),
    ]
    assert [row.model_dump() for row in fee_rows(found, A, BY_ID)] == [
        {"chain": "1", "amount": "0.0010000000000000025", "symbol": "ETH"},
        {"chain": "56", "amount": "3", "symbol": "BNB"},
    ]


@pytest.mark.parametrize(("direction", "sides"), [("any", {"in", "out"}), ("in", {"in"}), ("out", {"out"})])
def test_only_wanted_movements_are_summed(direction: str, sides: set[str]) -> None:
    found = [transaction(move("in", "5"), move("out", "3")), transaction(move("out", "3"), move("in", "5"))]
    (row,) = totals_over(context(), found, BY_ID, lambda _, movement: direction in ("any", movement.direction)).rows
    expected = {"in": "0.00001", "out": "0.000006"}
    assert {side: value for side, value in row.model_dump().items() if side in expected} == {
        side: expected[side] for side in sides
    }


@given(st.lists(st.tuples(st.integers(1, 10**40), st.sampled_from(["in", "out"]))))
def test_totals_are_the_exact_sums(moves: list[tuple[int, str]]) -> None:
    rows = totals([transaction(move(direction, str(amount))) for amount, direction in moves])
    for direction in ("in", "out"):
        expected = Fraction(sum(amount for amount, way in moves if way == direction), 10**6)
        assert (Fraction(rows[0].get(direction, "0")) if rows else 0) == expected
