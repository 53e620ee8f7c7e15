"""Transaction amounts with their unit: decided where answers prove it, otherwise named as undecided.

The proofs are kept per endpoint and field for the life of the server and are applied when an answer is rendered,
so an answer from the cache profits from what was learned since.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from wallet_mcp.settings import AmountUnit
from wallet_mcp.wallet.money import BadNumber, parse_amount, plain, scale
from wallet_mcp.wallet.units import AmountEvidence, AmountSample, TellingUnit, Unit

UNDECIDED_NOTE = (
    "The API does not say whether amount_raw counts whole coins or base units. amount_if_base_units is the amount "
    "if the documentation is right (base units); say that it is unconfirmed."
)
UNREADABLE_NOTE = (
    "The API does not say whether amount_raw counts whole coins or base units: give it as it is and say so."
)
BASE_UNITS_NOTE = "amount_raw counts base units of tokens of unknown decimals."

SUMMED_APART_NOTE = (
    "Undecided amounts of different API fields may be of two units: they are summed apart, and no single row is the "
    "whole."
)


@dataclass(slots=True)
class AmountUnits:
    """What the amounts of each field have proved so far, and the unit they are read in."""

    evidence: dict[str, AmountEvidence] = field(default_factory=dict)

    def learn(self, name: str, samples: Iterable[AmountSample]) -> None:
        """Take in the amounts of a field in a new answer; `name` is endpoint and field."""
        self.evidence[name] = self.evidence.get(name, AmountEvidence()).seeing(samples)

    def is_contradictory(self, name: str) -> bool:
        """Whether a field has proved both units: then its amounts are of one kind as little as of the other."""
        evidence = self.evidence.get(name, AmountEvidence())
        return evidence.scaled and evidence.base

    def notes(self, endpoint: str, setting: AmountUnit) -> list[str]:
        """What the setting should be told: that an endpoint's own answers prove the other unit."""
        found = [evidence for name, evidence in self.evidence.items() if name.startswith(f"{endpoint}.")]
        other = {"scaled": ("base units", "base"), "base": ("whole coins", "scaled")}.get(setting)
        if other is None or not any(getattr(evidence, other[1]) for evidence in found):
            return []
        return [
            f"WALLET_MCP_TX_AMOUNT_UNIT is {setting}, but amounts of this API prove {other[0]}: treat amounts as "
            "unsure, and tell whoever runs this server to set it to auto."
        ]

    def unit(self, name: str, setting: AmountUnit) -> Unit:
        """The unit of a field; the setting WALLET_MCP_TX_AMOUNT_UNIT outweighs all evidence."""
        if setting != "auto":
            return setting
        return self.evidence.get(name, AmountEvidence()).unit


def amount_fields(text: str, unit: Unit, decimals: int | None) -> dict[str, str]:
    """The fields of an amount: `amount` and unit `coins`, or `amount_raw` with what is known of it.

    No fields for an amount that is blank or no plain number.
    """
    try:
        value = parse_amount(text)
    except BadNumber:
        return {}
    if value is None:
        return {}
    if value == 0 or unit == "scaled":
        return told(value, "coins", None)
    # A fraction is none of base units, whatever the setting says.
    is_base = unit == "base" and value == value.to_integral_value()
    if is_base and decimals is not None:
        return told(scale(value, decimals), "coins", None)
    return told(value, "base_units" if is_base else "undecided", decimals)


def told(value: Decimal, unit: TellingUnit, decimals: int | None) -> dict[str, str]:
    """The fields that tell an amount in a unit; an undecided one also as documented, where that can be told."""
    if unit == "coins":
        return {"amount": plain(value), "unit": unit}
    fields = {"amount_raw": plain(value), "unit": unit}
    if unit == "undecided" and decimals is not None and value == value.to_integral_value():
        fields["amount_if_base_units"] = plain(scale(value, decimals))
    return fields


def unit_notes(units: Iterable[tuple[object, bool]]) -> list[str]:
    """The sentences that amounts call for, given of each its unit and whether it is also read as whole coins."""
    shown = set(units)
    notes: list[str] = []
    if ("undecided", True) in shown:
        notes.append(UNDECIDED_NOTE)
    elif ("undecided", False) in shown:
        notes.append(UNREADABLE_NOTE)
    if any(unit == "base_units" for unit, _ in shown):
        notes.append(BASE_UNITS_NOTE)
    return notes
