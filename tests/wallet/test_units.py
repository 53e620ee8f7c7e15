from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.wallet.chains import KNOWN_CHAINS
from wallet_mcp.wallet.units import (
    NATIVE_SUPPLY,
    AmountEvidence,
    AmountSample,
    Proof,
    proof_of,
)

SCALED = AmountSample("0.25", "56")
BASE = AmountSample("1000000000000000000", "1", native=True)
SILENT = AmountSample("1500000", "1")


@pytest.mark.parametrize(
    ("sample", "proof"),
    [
        (SCALED, "scaled"),
        (AmountSample("0.25", "1", native=True), "scaled"),
        (AmountSample("1.5E-3", "56"), "scaled"),
        (AmountSample("-0.5", "56"), "scaled"),
        (AmountSample("12.50", "no such chain"), "scaled"),
        (BASE, "base"),
        (AmountSample("1000000000000000000.000000", "1", native=True), "base"),
        (AmountSample("2000000001", "CT_501", native=True), "base"),
        (AmountSample("2000000000", "CT_501", native=True), None),
        (AmountSample("1000000000000000000", "1"), None),
        (AmountSample("1000000000000000000", "999", native=True), None),
        (AmountSample("1500000.000000", "1"), None),
        (AmountSample("1", "1", native=True), None),
        (AmountSample("0", "1", native=True), None),
        (AmountSample("0.00", "1", native=True), None),
        (AmountSample("1e2", "1"), None),
        (AmountSample("", "1"), None),
        (AmountSample("NaN", "1"), None),
        (AmountSample("many", "1", native=True), None),
        (SILENT, None),
    ],
)
def test_what_one_amount_proves(sample: AmountSample, proof: Proof | None) -> None:
    assert proof_of(sample) == proof


@pytest.mark.parametrize(
    ("samples", "unit"),
    [
        ([], "undecided"),
        ([SILENT], "undecided"),
        ([SILENT, SCALED, SILENT], "scaled"),
        ([BASE, SILENT], "base"),
        ([SCALED, BASE], "undecided"),
        ([BASE, SCALED, BASE], "undecided"),
    ],
)
def test_what_a_field_proves(samples: list[AmountSample], unit: str) -> None:
    assert AmountEvidence().seeing(samples).unit == unit
    assert AmountEvidence().seeing(reversed(samples)).unit == unit


@given(st.lists(st.sampled_from([SCALED, BASE, SILENT])), st.lists(st.sampled_from([SCALED, BASE, SILENT])))
def test_evidence_adds_up_over_answers(first: list[AmountSample], second: list[AmountSample]) -> None:
    assert AmountEvidence().seeing(first).seeing(second) == AmountEvidence().seeing([*first, *second])
    assert AmountEvidence().seeing(first).seeing(second).unit == AmountEvidence().seeing([*second, *first]).unit


@given(st.integers(0, 10**30), st.integers(0, 18))
def test_zeros_after_the_point_change_nothing(whole: int, zeros: int) -> None:
    padded = AmountSample(f"{whole}.{'0' * zeros}", "1", native=True)
    assert proof_of(padded) == proof_of(AmountSample(str(whole), "1", native=True))


@given(st.decimals(min_value=0, max_value=Decimal("121e6"), places=18))
def test_no_amount_of_coins_that_exist_is_taken_for_base_units(amount: Decimal) -> None:
    assert proof_of(AmountSample(format(amount, "f"), "1", native=True)) != "base"


def test_a_supply_given_by_the_caller_counts() -> None:
    sample = AmountSample("101", "7", native=True)
    assert AmountEvidence().seeing([sample], {"7": Decimal(100)}).unit == "base"
    assert AmountEvidence().seeing([sample], {"7": Decimal(101)}).unit == "undecided"


def test_every_known_chain_has_a_bound_and_a_coin_of_base_units_passes_it() -> None:
    assert set(NATIVE_SUPPLY) == {chain.id for chain in KNOWN_CHAINS}
    for chain in KNOWN_CHAINS:
        assert chain.native_decimals is not None
        assert NATIVE_SUPPLY[chain.id] < 10 * 10**chain.native_decimals
