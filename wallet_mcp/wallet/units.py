"""In which unit transaction amounts are: the coin's own (`scaled`) or its smallest one (`base`).

The official schema says smallest unit, one working client and the older API behind it say decimals, and nobody
has recorded a raw answer (contract §3.4, §5.7). So each amount field of each endpoint stays undecided until its
own answers prove one reading, and what one field proves says nothing about another:

- a fraction that is not zero proves `scaled`, for nothing is smaller than the smallest unit;
- a native amount above the whole supply of the coin, read as coins, proves `base`;
- a fraction of zeros proves nothing: upstream pads whole numbers (contract §3.5);
- evidence for both means that the field is not uniform, and it stays undecided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from .money import BadNumber, parse_amount

Unit: TypeAlias = Literal["base", "scaled", "undecided"]
Proof: TypeAlias = Literal["base", "scaled"]
TellingUnit: TypeAlias = Literal["coins", "base_units", "undecided"]
"""The unit of an amount as an answer names it: base units are such only where the decimals are not known."""

NATIVE_SUPPLY: Final[Mapping[str, Decimal]] = {
    "1": Decimal("1e9"),
    "56": Decimal("1e9"),
    "137": Decimal("1e11"),
    "8453": Decimal("1e9"),
    "42161": Decimal("1e9"),
    "10": Decimal("1e9"),
    "59144": Decimal("1e9"),
    "143": Decimal("1e12"),
    "9745": Decimal("1e11"),
    "CT_501": Decimal("2e9"),
}
"""More coins than a chain has or will have for decades, by chain id, in coins: at least three times the supply.

Generous on purpose, for a bound that is too low would prove a falsehood. Read as base units they are small
amounts (one thousand-millionth of an ETH, two SOL), so real transfers reach them. Supplies at the end of 2025 in
millions: ETH 121, BNB 138, POL 10,500, MON 100,000, XPL 10,000, SOL 620. The rollups use ETH.
"""


@dataclass(frozen=True, slots=True)
class AmountSample:
    """One amount as upstream sent it. `native` only where the row surely is of the chain's own coin."""

    amount: str
    chain: str
    native: bool = False


@dataclass(frozen=True, slots=True)
class AmountEvidence:
    """What the amounts of one field have proved so far. Immutable: adding gives a new one; order is no matter."""

    scaled: bool = False
    base: bool = False

    @property
    def unit(self) -> Unit:
        """The unit, `undecided` without a proof and with proofs for both."""
        if self.scaled == self.base:
            return "undecided"
        return "scaled" if self.scaled else "base"

    def seeing(
        self, samples: Iterable[AmountSample], native_supply: Mapping[str, Decimal] = NATIVE_SUPPLY
    ) -> AmountEvidence:
        """This evidence together with that of further samples."""
        proofs = {proof_of(sample, native_supply) for sample in samples}
        return AmountEvidence(self.scaled or "scaled" in proofs, self.base or "base" in proofs)


def proof_of(sample: AmountSample, native_supply: Mapping[str, Decimal] = NATIVE_SUPPLY) -> Proof | None:
    """What one amount proves about its field, mostly nothing. An amount that is no number proves nothing."""
    try:
        value = parse_amount(sample.amount)
    except BadNumber:
        return None
    if not value:
        return None
    if _has_fraction(value):
        return "scaled"
    supply = native_supply.get(sample.chain) if sample.native else None
    return "base" if supply is not None and abs(value) > supply else None


def _has_fraction(value: Decimal) -> bool:
    _, digits, exponent = value.as_tuple()
    # parse_amount lets only finite numbers through, whose exponent is an int.
    return isinstance(exponent, int) and exponent < 0 and any(digits[exponent:])
