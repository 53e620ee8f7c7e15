"""Exact amounts: `Decimal` from string to string, never through float; only a value in USD is rounded.

Upstream sends every amount and price as a string, prices with 23 and more decimals, some values padded with
zeros (contract §1.12, §3.5). Sums and products are computed in a context wide enough for any number that
`parse_amount` lets in; a result that would still need rounding raises instead of being rounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import Final

MAX_DIGITS: Final = 120
"""Digits a number may have when written out without an exponent."""
MAX_DECIMALS: Final = 255
"""What an ERC-20 contract can answer for its decimals: one byte."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_EXACT = Context(prec=2000, Emax=9999, Emin=-9999, traps=[Inexact, InvalidOperation, Overflow])
_ROUNDED = Context(prec=2000, Emax=9999, Emin=-9999, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
_MILLIONTH = Decimal("0.000001")


class BadNumber(ValueError):
    """What was given is no plain finite number. The message never repeats it: it may be hostile text."""


def parse_amount(text: object) -> Decimal | None:
    """The number an upstream string holds; None where upstream holds none (`None`, `""`, blanks).

    Takes plain decimals with any padding, a sign, a short exponent (`1E-7`, as Java prints small numbers),
    surrounding white space, ints and finite `Decimal`s. Raises `BadNumber` for all else: words, NaN and
    Infinity, underscores, separators or spaces inside, floats and booleans, and numbers that need more than
    `MAX_DIGITS` digits when written out.
    """
    if text is None:
        return None
    if isinstance(text, str):
        stripped = text.strip()
        return _parsed(stripped) if stripped else None
    if isinstance(text, int) and not isinstance(text, bool):
        # Writing out a huge int is slow, and refused by Python from 4300 digits on.
        if text.bit_length() > 4 * MAX_DIGITS:
            raise BadNumber(f"a number of more than {MAX_DIGITS} digits")
        value = Decimal(text)
    elif isinstance(text, Decimal):
        value = text
    else:
        raise BadNumber("neither a string nor a whole number")
    return _bounded(value)


def _parsed(stripped: str) -> Decimal:
    if len(stripped) > 2 * MAX_DIGITS or not _NUMBER.fullmatch(stripped):
        raise BadNumber("not a plain decimal number")
    return _bounded(Decimal(stripped))


def _bounded(value: Decimal) -> Decimal:
    if _written_digits(value) > MAX_DIGITS:
        raise BadNumber(f"a number of more than {MAX_DIGITS} digits")
    return value


def plain(value: Decimal) -> str:
    """The number as a person writes it: no exponent, no padding zeros, `0` for zero of any kind.

    Exact: `parse_amount(plain(x)) == x`. Raises `BadNumber` for NaN, infinities and numbers of more than 2000
    digits.
    """
    if not value:
        return "0"
    if _written_digits(value) > _EXACT.prec:
        raise BadNumber("a number too long to write out")
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def multiply(balance: Decimal, price: Decimal) -> Decimal:
    """The exact product. Raises `decimal.Inexact` rather than round (from 2000 digits on)."""
    return _EXACT.multiply(balance, price)


def usd_value(balance: Decimal, price: Decimal) -> Decimal:
    """What a balance is worth in USD, to a millionth of a dollar: the one rule for every value in an answer.

    The product has 40 digits and more, of which nobody needs the most; rounded before it is added, a sum is to the
    last digit the sum of what is listed. What is worth anything is given as a millionth at least: 0 means 0.
    """
    exact = multiply(balance, price)
    return max(exact.quantize(_MILLIONTH, context=_ROUNDED), _MILLIONTH) if exact else Decimal(0)


def total(values: Iterable[Decimal]) -> Decimal:
    """The exact sum, 0 for no values, whatever their order. Raises `decimal.Inexact` rather than round."""
    result = Decimal(0)
    for value in values:
        result = _EXACT.add(result, value)
    return result


def derive_decimals(balance: Decimal | None, raw: Decimal | None) -> int | None:
    """The decimals of a token: how many places `raw` has to be shifted to read exactly as `balance`.

    None where that cannot be told: either is unknown or zero, `raw` is no whole number, or the two disagree in any
    digit, as a truncated balance does.
    """
    if not balance or not raw or _has_fraction(raw):
        return None
    places = raw.adjusted() - balance.adjusted()
    if not 0 <= places <= MAX_DECIMALS or scale(raw, places) != balance:
        return None
    return places


def scale(raw: Decimal | int, decimals: int) -> Decimal:
    """An amount in base units, read with so many decimals: `scale(1500000, 6) == Decimal("1.5")`. Exact.

    Raises ValueError for decimals outside 0 to `MAX_DECIMALS`.
    """
    if not 0 <= decimals <= MAX_DECIMALS:
        raise ValueError(f"decimals must be 0 to {MAX_DECIMALS}")
    return _EXACT.scaleb(Decimal(raw), -decimals)


def _written_digits(value: Decimal) -> int:
    """How many digits the number takes without an exponent, before and after the point."""
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise BadNumber("not a finite number")
    if exponent >= 0:
        return len(digits) + exponent
    return max(len(digits), 1 - exponent)


def _has_fraction(value: Decimal) -> bool:
    return value != _EXACT.to_integral_value(value)
