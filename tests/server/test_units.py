from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.server.units import (
    BASE_UNITS_NOTE,
    UNDECIDED_NOTE,
    UNREADABLE_NOTE,
    AmountUnits,
    amount_fields,
    unit_notes,
)
from wallet_mcp.settings import AmountUnit
from wallet_mcp.wallet.chains import KNOWN_CHAINS, Chain
from wallet_mcp.wallet.money import plain, scale
from wallet_mcp.wallet.units import AmountSample, Unit

ETHEREUM, SOLANA = KNOWN_CHAINS[0], KNOWN_CHAINS[-1]
NEW = Chain("4242", "New", "NEW", "evm", None, None, False)


@pytest.mark.parametrize(
    ("text", "unit", "decimals", "fields"),
    [
        ("1500000", "base", 6, {"amount": "1.5", "unit": "coins"}),
        ("1500000", "base", None, {"amount_raw": "1500000", "unit": "base_units"}),
        ("1.50", "scaled", None, {"amount": "1.5", "unit": "coins"}),
        ("1500000", "scaled", 6, {"amount": "1500000", "unit": "coins"}),
        ("1500000", "undecided", 6, {"amount_raw": "1500000", "unit": "undecided", "amount_if_base_units": "1.5"}),
        ("1500000", "undecided", None, {"amount_raw": "1500000", "unit": "undecided"}),
        ("1.5", "undecided", 6, {"amount_raw": "1.5", "unit": "undecided"}),
        ("7.000", "undecided", 0, {"amount_raw": "7", "unit": "undecided", "amount_if_base_units": "7"}),
        # Nothing is smaller than the smallest unit, whatever a setting says.
        ("1.5", "base", 6, {"amount_raw": "1.5", "unit": "undecided"}),
        # Nothing is nothing in every unit.
        ("0", "undecided", None, {"amount": "0", "unit": "coins"}),
        ("0.00", "base", 6, {"amount": "0", "unit": "coins"}),
        ("", "base", 6, {}),
        ("many", "scaled", 6, {}),
    ],
)
def test_an_amount_is_named_by_what_is_known_of_it(
    text: str, unit: Unit, decimals: int | None, fields: dict[str, str]
) -> None:
    assert amount_fields(text, unit, decimals) == fields


@given(st.integers(1, 10**60), st.integers(0, 36))
def test_base_units_become_coins_to_the_last_digit(raw: int, decimals: int) -> None:
    expected = plain(scale(raw, decimals))
    assert amount_fields(str(raw), "base", decimals)["amount"] == expected
    assert amount_fields(str(raw), "undecided", decimals)["amount_if_base_units"] == expected
    assert Fraction(expected) * 10**decimals == raw


@pytest.mark.parametrize(
    ("setting", "told"),
    [("auto", []), ("scaled", ["base units"]), ("base", ["whole coins"])],
)
def test_a_setting_that_answers_disprove_is_told(setting: AmountUnit, told: list[str]) -> None:
    units = AmountUnits()
    assert units.notes("transactions", setting) == []
    units.learn("transactions.amount", [AmountSample("0.5", "1", True)])
    units.learn("transactions.to.amount", [AmountSample("9" * 30, "1", True)])
    notes = units.notes("transactions", setting)
    assert len(notes) == len(told)
    assert all(f"is {setting}, but amounts of this API prove {told[0]}" in note for note in notes)
    assert units.notes("detail", setting) == []
    assert not units.is_contradictory("transactions.amount")
    units.learn("transactions.amount", [AmountSample("9" * 30, "1", True)])
    assert units.is_contradictory("transactions.amount")


def test_each_field_learns_for_itself_and_forgets_nothing() -> None:
    units = AmountUnits()
    assert units.unit("a", "auto") == "undecided"
    units.learn("a", [AmountSample("0.5", "1", True)])
    units.learn("b", [AmountSample("5" * 20, "1", True)])
    units.learn("a", [AmountSample("7", "1", True)])
    assert [units.unit(name, "auto") for name in "abc"] == ["scaled", "base", "undecided"]
    units.learn("a", [AmountSample("5" * 20, "1", True)])
    assert units.unit("a", "auto") == "undecided", "evidence for both is no proof"


@pytest.mark.parametrize("setting", ["base", "scaled"])
def test_the_setting_outweighs_all_evidence(setting: Unit) -> None:
    units = AmountUnits()
    for text in ("0.5", "5" * 20):
        units.learn("a", [AmountSample(text, "1", True)])
        assert units.unit("a", "base" if setting == "base" else "scaled") == setting


@pytest.mark.parametrize(
    ("readings", "notes"),
    [
        ([], []),
        ([("coins", False)], []),
        ([("undecided", True), ("coins", False)], [UNDECIDED_NOTE]),
        # A reading in whole coins is spoken of only where there is one.
        ([("undecided", False)], [UNREADABLE_NOTE]),
        ([("undecided", False), ("undecided", True)], [UNDECIDED_NOTE]),
        ([("base_units", False)], [BASE_UNITS_NOTE]),
        ([("base_units", False), ("undecided", True), ("undecided", True)], [UNDECIDED_NOTE, BASE_UNITS_NOTE]),
    ],
)
def test_each_unit_that_needs_a_word_gets_it_once(readings: list[tuple[str, bool]], notes: list[str]) -> None:
    assert unit_notes(readings) == notes
