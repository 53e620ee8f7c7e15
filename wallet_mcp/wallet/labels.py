"""Names that people give to their wallets: `treasury=0x...,ops=0x...`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .addresses import Address, AddressRefused, parse_address

MAX_LABELS: Final = 50
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,29}")
_RULE = "write label=address,label=address; a label starts with a letter and has letters, digits, - and _"


class BadLabels(ValueError):
    """A text that names no wallets; the message never holds any of it but well-formed labels."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Wallets by name. Names are compared without regard to case."""

    addresses: Mapping[str, Address]

    def find(self, text: str) -> tuple[str, Address] | None:
        """The label and address that a text names, or None."""
        wanted = text.strip().casefold()
        for label, address in self.addresses.items():
            if label.casefold() == wanted:
                return label, address
        return None

    def label_of(self, address: Address) -> str | None:
        """The label of an address, or None."""
        for label, known in self.addresses.items():
            if known.key == address.key:
                return label
        return None


NO_LABELS: Final = Labels({})


def parse_labels(text: str) -> Labels:
    """The labels of a setting. Raises `BadLabels` with a sentence that names the rule."""
    found: dict[str, Address] = {}
    for position, pair in enumerate((part.strip() for part in text.split(",")), start=1):
        if not pair:
            continue
        label, separator, address = (part.strip() for part in pair.partition("="))
        if not separator or not _LABEL.fullmatch(label):
            raise BadLabels(f"entry {position} is no label=address: {_RULE}")
        if any(label.casefold() == known.casefold() for known in found):
            raise BadLabels(f"the label {label} stands there twice")
        try:
            found[label] = parse_address(address)
        except AddressRefused as refused:
            raise BadLabels(f"the label {label} has no usable address: {refused.message}") from None
    if len(found) > MAX_LABELS:
        raise BadLabels(f"there are more than {MAX_LABELS} labels")
    return Labels(found)
