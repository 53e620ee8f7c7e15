"""Reading and checking of query parameters and JSON bodies; the first bad one is reported (contract §1.8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import parse_qsl

from wallet_mcp.sandbox.world_model import SOLANA, is_evm

MALFORMED_BODY: Final = "Invalid request body: malformed JSON or field type mismatch"

_EVM_ADDRESS: Final = re.compile(r"0[xX][0-9a-fA-F]{40}", re.ASCII)
_SOLANA_ADDRESS: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)


class ParameterError(ValueError):
    """A request is answered with 40001; `str()` is the whole message."""

    @classmethod
    def of(cls, name: str, reason: str) -> ParameterError:
        """The documented form of the message."""
        return cls(f"Parameter [{name}] error: {reason}")


def parse_query(query: bytes) -> dict[str, str]:
    """Name -> value, percent-decoded; of a repeated parameter the first counts, unknown ones are kept."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return dict(reversed(pairs))


def required(query: Mapping[str, str], name: str) -> str:
    """The value without surrounding white space; missing and blank are refused."""
    if value := query.get(name, "").strip():
        return value
    raise ParameterError.of(name, "must not be blank")


def integer(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number between `low` and `high`; the default where it is missing or blank."""
    if not (text := query.get(name, "").strip()):
        return default
    if not _INTEGER.fullmatch(text):
        raise ParameterError.of(name, "must be an integer")
    if not low <= (value := int(text)) <= high:
        raise ParameterError.of(name, f"must be between {low} and {high}")
    return value


def boolean(query: Mapping[str, str], name: str, default: bool) -> bool:
    """`true` or `false`, nothing else; the default where it is missing or blank."""
    if not (text := query.get(name, "").strip()):
        return default
    if text not in ("true", "false"):
        raise ParameterError.of(name, "must be true or false")
    return text == "true"


def chain_ids(text: str) -> tuple[str, ...]:
    """The ids of a comma-separated list, each once, in order."""
    return tuple(dict.fromkeys(part for piece in text.split(",") if (part := piece.strip())))


def check_address(address: str, chains: tuple[str, ...]) -> None:
    """Refuse an address that has no known form, or not the form of each of those chains that are known by form."""
    evm, solana = bool(_EVM_ADDRESS.fullmatch(address)), bool(_SOLANA_ADDRESS.fullmatch(address))
    fits = all(evm if is_evm(chain) else solana if chain == SOLANA else True for chain in chains)
    if not (evm or solana) or not fits:
        raise ParameterError.of("address", "invalid address")


def fields_of(value: object) -> Mapping[str, object]:
    """A JSON object's fields; anything else is a type mismatch."""
    if not isinstance(value, dict):
        raise ParameterError(MALFORMED_BODY)
    return cast("dict[str, object]", value)


def text_field(fields: Mapping[str, object], name: str) -> str | None:
    """A string without surrounding white space, None where it is null or missing; other types are a mismatch."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ParameterError(MALFORMED_BODY)
    return value.strip()
