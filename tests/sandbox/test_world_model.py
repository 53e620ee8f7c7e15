"""Exact numbers and made-up names."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.test_world_tokens import base58_bytes
from wallet_mcp.sandbox import world_model


@given(st.integers(-(10**90), 10**90), st.integers(0, 40))
def test_scaled_and_plain_are_exact(raw: int, decimals: int) -> None:
    text = world_model.plain(world_model.scaled(raw, decimals))
    assert Fraction(text) == Fraction(raw, 10**decimals)
    assert "E" not in text
    assert not ("." in text and text.endswith("0"))


@given(st.binary())
def test_base58_round_trip(data: bytes) -> None:
    assert base58_bytes(world_model.base58(data)) == data


@given(st.text(), st.integers(0, 10**6), st.integers(0, 10**9))
def test_made_numbers_stay_in_range(text: str, low: int, more: int) -> None:
    assert low <= world_model.made_number(text, low, low + more) <= low + more
    assert world_model.made_number(text, low, low + more) == world_model.made_number(text, low, low + more)


def test_made_names_have_the_form_of_their_chain() -> None:
    assert len(world_model.made_hash("1", "x")) == 66
    assert world_model.made_hash("1", "x") != world_model.made_hash("56", "x")
    assert len(base58_bytes(world_model.made_hash("CT_501", "x"))) == 64
    assert len(base58_bytes(world_model.made_address("CT_501", "x"))) == 32


def test_plain_keeps_whole_numbers() -> None:
    assert world_model.plain(Decimal("1200")) == "1200"
    assert world_model.plain(Decimal("0.00")) == "0"
