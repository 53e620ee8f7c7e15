from __future__ import annotations

from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.wallet.money import (
    MAX_DIGITS,
    BadNumber,
    derive_decimals,
    multiply,
    parse_amount,
    plain,
    scale,
    total,
    usd_value,
)

digits = st.text("0123456789", min_size=1, max_size=50)
numbers = st.builds(lambda sign, whole, part: f"{sign}{whole}.{part}", st.sampled_from(["", "-"]), digits, digits)
amounts = st.decimals(min_value=-(10**40), max_value=10**40, allow_nan=False, allow_infinity=False, places=30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("329.10055205", "329.10055205"),
        ("232.17054012841389660135000000", "232.17054012841389660135"),
        ("698076.000000000000000000", "698076"),
        ("0.000000000050000000", "0.00000000005"),
        ("  1.5\n", "1.5"),
        ("007.50", "7.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+3", "3"),
        ("-3.10", "-3.1"),
        ("-0.00", "0"),
        ("1E-7", "0.0000001"),
        ("1.2e+3", "1200"),
        ("0E+5", "0"),
        (1500000, "1500000"),
        (0, "0"),
        (Decimal("1.10"), "1.1"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_numbers_are_read_and_written_exactly(text: object, expected: str) -> None:
    value = parse_amount(text)
    assert value is not None
    assert plain(value) == expected


@pytest.mark.parametrize("text", [None, "", "   ", "\t\n"])
def test_nothing_is_unknown_and_not_zero(text: object) -> None:
    assert parse_amount(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "1_000",
        "1,000",
        "1 000",
        "1.2.3",
        "--1",
        "0x10",
        "1e",
        "1e1000",
        "1e999",
        "1e-999",
        ".",
        "+",
        "١٢",
        "１",
        "12 USDT",
        "9" * (MAX_DIGITS + 1),
        "0." + "1" * MAX_DIGITS,
        "1" * 100_000,
        10**MAX_DIGITS,
        10**10_000,
        1.5,
        True,
        b"1",
        [],
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1E+200"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_plain_number_is_refused_without_echo(text: object) -> None:
    with pytest.raises(BadNumber) as refused:
        parse_amount(text)
    if isinstance(text, str) and len(text) > 3:
        assert text not in str(refused.value)


@pytest.mark.parametrize("length", [MAX_DIGITS - 1, MAX_DIGITS])
def test_the_longest_numbers_pass(length: int) -> None:
    text = "9" * length
    value = parse_amount(text)
    assert value is not None
    assert plain(value) == text


@given(numbers)
def test_reading_and_writing_lose_nothing(text: str) -> None:
    value = parse_amount(text)
    assert value is not None
    written = plain(value)
    assert Fraction(written) == Fraction(text)
    assert parse_amount(written) == value
    assert "e" not in written.lower()
    assert not written.startswith("-0") or written.startswith("-0.")
    assert "." not in written or not written.endswith(("0", "."))


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        value = parse_amount(text)
    except BadNumber:
        return
    assert value is None or value.is_finite()


@given(amounts, amounts)
def test_products_are_exact(balance: Decimal, price: Decimal) -> None:
    assert Fraction(multiply(balance, price)) == Fraction(balance) * Fraction(price)


@given(st.lists(amounts, max_size=20))
def test_sums_are_exact_in_any_order(values: list[Decimal]) -> None:
    expected = sum((Fraction(value) for value in values), Fraction(0))
    assert Fraction(total(values)) == expected
    assert Fraction(total(reversed(values))) == expected


def test_a_sum_of_nothing_is_zero() -> None:
    assert plain(total([])) == "0"


def test_the_widest_numbers_still_multiply_exactly() -> None:
    widest = Decimal("9" * MAX_DIGITS)
    smallest = Decimal("0." + "0" * (MAX_DIGITS - 2) + "1")
    assert int(multiply(widest, widest)) == int(widest) ** 2
    assert Fraction(total([widest, smallest])) == Fraction(widest) + Fraction(smallest)


def test_nothing_is_rounded_silently() -> None:
    with pytest.raises(Inexact):
        total([Decimal("1e1500"), Decimal("1e-1500")])


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("-Infinity"), Decimal("1e5000")])
def test_what_cannot_be_written_plainly_is_refused(value: Decimal) -> None:
    with pytest.raises(BadNumber):
        plain(value)


@pytest.mark.parametrize(
    ("balance", "raw", "decimals"),
    [
        ("329.10055205", "32910055205", 8),
        ("0.025957237393326391", "25957237393326391", 18),
        ("1.500000", "1500000", 6),
        ("1.5", "1500000", 6),
        ("100", "100", 0),
        ("0.000000000000000001", "1", 18),
        ("0", "0", None),
        ("0.0", "", None),
        ("1.5", "", None),
        ("", "15", None),
        ("1.5", "16", None),
        ("1.23", "1234", None),
        ("1.5", "1500000.5", None),
        ("150", "15", None),
        ("x", "15", None),
        ("1.5", "NaN", None),
        ("-1.5", "15", None),
        ("1", "1" + "0" * 119, 119),
    ],
)
def test_decimals_come_from_both_numbers_or_not_at_all(balance: str, raw: str, decimals: int | None) -> None:
    def number(text: str) -> Decimal | None:
        try:
            return parse_amount(text)
        except BadNumber:
            return None

    assert derive_decimals(number(balance), number(raw)) == decimals


@given(st.integers(1, 10**40), st.integers(0, 36))
def test_decimals_are_found_again(raw: int, decimals: int) -> None:
    assert derive_decimals(scale(raw, decimals), Decimal(raw)) == decimals


@given(st.integers(-(10**60), 10**60), st.integers(0, 255))
def test_scaling_is_exact(raw: int, decimals: int) -> None:
    assert Fraction(scale(raw, decimals)) == Fraction(raw, 10**decimals)
    assert scale(Decimal(raw), decimals) == scale(raw, decimals)


@pytest.mark.parametrize("decimals", [-1, 256])
def test_impossible_decimals_are_refused(decimals: int) -> None:
    with pytest.raises(ValueError, match="decimals"):
        scale(1, decimals)


@pytest.mark.parametrize(
    ("balance", "price", "value"),
    [
        ("1", "1", "1"),
        ("6.420918273645019283", "912.30714158302774619023", "5857.849597"),
        ("1", "0.0000005", "0.000001"),
        ("1", "0.0000000000000000000001", "0.000001"),
        ("1", "0.0000015", "0.000002"),
        ("1", "0.0000025", "0.000002"),
        ("1", "0.0000014", "0.000001"),
        ("0", "5", "0"),
        ("5", "0.000", "0"),
        ("123456789012345678901234567890", "1234567.1234567", "152415692882172331824517233182299307.625363"),
        ("9" * 120, "9" * 120, str(int("9" * 120) ** 2)),
    ],
)
def test_a_value_is_rounded_to_a_millionth_and_never_to_nothing(balance: str, price: str, value: str) -> None:
    assert plain(usd_value(Decimal(balance), Decimal(price))) == value


@given(st.decimals(0, 10**12, places=18), st.decimals(0, 10**6, places=24))
def test_a_value_is_within_a_millionth_of_the_product(balance: Decimal, price: Decimal) -> None:
    value, exact = usd_value(balance, price), Fraction(balance) * Fraction(price)
    assert abs(Fraction(value) - exact) <= Fraction(1, 10**6)
    assert (value == 0) is (exact == 0)
    assert Fraction(value) * 10**6 % 1 == 0
