"""A tool's arguments: strict models, forgiving only where clients are known to differ, refused in our own words.

An explicit null counts as absent; `50.0` and `"50"` are the whole number 50. All else is strict, and what is refused
comes with its rule and, where it can be computed, with the corrected call.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import ErrorDetails

from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.schema import JsonSchema, tool_schema
from wallet_mcp.wallet.addresses import AddressRefused, Reason, parse_address, parse_tx_hash
from wallet_mcp.wallet.chain_text import clean

MAX_TEXT = 200
"""Characters of any text argument: the longest, a Solana signature, has 88."""

WITHHELD = "(withheld)"
_ECHOED = 40
_PLAIN_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """Marks a field with its rule in words, where the schema alone does not tell it."""

    text: str


@dataclass(frozen=True, slots=True)
class NoEcho:
    """Marks a field whose refused value is never shown: it may hold a private key."""


def _whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 10:
        return int(value)
    return value


WHOLE = BeforeValidator(_whole)
"""Makes a strict `int` take `50.0` and `"50"`; stands behind the bounds, which the schema would lose otherwise."""


def _number_in_quotes(value: object) -> object:
    return float(value) if isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value.strip()) else value


NUMBER = BeforeValidator(_number_in_quotes)
"""Makes a strict `float` take a number in quotes."""


WalletArgument = Annotated[
    str, Field(max_length=MAX_TEXT, description="Wallet address"), Rule("a wallet address"), NoEcho()
]
"""The wallet that a tool is asked about: an address or a configured label."""

ChainsArgument = Annotated[
    Annotated[list[Annotated[str, Field(max_length=MAX_TEXT)]], Field(min_length=1, max_length=20)]
    | SkipJsonSchema[None],
    Rule('a list of chains (1 to 20) by id or name, such as ["bsc", "1"]'),
    Field(description="Default: every supported chain of the address's family"),
]
"""The chains of a wallet to look at."""


class ToolInput(BaseModel):
    """Base of each tool's arguments: strict, immutable, unknown names refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


I = TypeVar("I", bound=ToolInput)  # noqa: E741


def read_arguments(model: type[I], arguments: Mapping[str, Any] | None) -> I:
    """The arguments as a checked model.

    Raises `ArgumentProblem` naming the first argument that breaks its rule.
    """
    given = {name: value for name, value in (arguments or {}).items() if value is not None}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _problem(model, given, error) from None


def without_secrets(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with each text that may be a private key or a seed phrase withheld, wherever it stands.

    32 bytes of hex and 64 of base58 are a hash only where a hash is asked for.
    """
    return {name: _withheld(name, value) for name, value in arguments.items()}


def _withheld(name: str, value: Any) -> Any:
    match value:
        case list() if _refusal(name, ", ".join(str(item) for item in value)) in ("seed_phrase", "hash_or_key"):
            return WITHHELD  # the words or the bytes of one secret
        case list():
            return [_withheld(name, item) for item in value]
        case dict():
            return without_secrets(value)
        case str() | int() if _may_be_secret(name, str(value)):
            return WITHHELD
        case _:
            return value


def _may_be_secret(name: str, text: str) -> bool:
    """Whether a text, or a part of one such as `chain:contract`, may be a private key or a seed phrase."""
    parts = text.split(":")
    return any(_refusal(name, part) is not None for part in (parts if len(parts) <= 3 else [text]))


def _refusal(name: str, text: str) -> Reason | None:
    """Why a text may be a secret; None where it is none."""
    try:
        parse_tx_hash(text) if name == "tx_hash" else parse_address(text)
    except AddressRefused as refused:
        return refused.reason if refused.secret_like else None
    return None


def rules_of(model: type[ToolInput]) -> dict[str, str]:
    """The rule of each argument in words, in the order of the schema."""
    properties = tool_schema(model, "validation")["properties"]
    return {name: _rule(model.model_fields[name], schema) for name, schema in properties.items()}


def _problem(model: type[ToolInput], given: dict[str, Any], error: ValidationError) -> ArgumentProblem:
    errors = error.errors(include_url=False, include_context=False)
    rules = rules_of(model)
    corrected = _corrected(model, given, errors)
    # A mistyped name is the cause of what seems to be left out, so it is told first.
    first = next((found for found in errors if found["type"] == "extra_forbidden"), errors[0])
    name = str(first["loc"][0])
    known = ", ".join(rules) or "none"
    if first["type"] == "extra_forbidden":
        unknown = WITHHELD if _may_be_secret("", name) else clean(name, _ECHOED).text
        meant = _meant(name, rules, given)
        hint = f"; {meant} may be meant" if meant else ""
        rule = f"this tool has no argument of that name{hint}; its arguments are {known}"
        return ArgumentProblem(unknown, rule, "", corrected)
    indices = [part for part in first["loc"][1:] if isinstance(part, int)]
    place = name + "".join(f"[{index}]" for index in indices)
    secret = any(isinstance(mark, NoEcho) for mark in model.model_fields[name].metadata)
    value = given.get(name)
    for index in indices:
        value = value[index] if isinstance(value, list) else None
    if isinstance(value, list) and first["type"] in ("too_short", "too_long"):
        # Their number is the fault, and tells nothing of what they are.
        return ArgumentProblem(place, rules[name], f"{len(value)} entr{'y' if len(value) == 1 else 'ies'}", corrected)
    told = "" if secret or first["type"] == "missing" else shown(value)
    return ArgumentProblem(place, rules[name], told, corrected)


def _corrected(model: type[ToolInput], given: dict[str, Any], errors: list[ErrorDetails]) -> dict[str, Any] | None:
    """The call with all its faults mended; None where one cannot be, or the call holds what must not be repeated."""
    if without_secrets(given) != given:
        return None
    renamed = {_meant(name, model.model_fields, given) or name: value for name, value in given.items()}
    if renamed != given:
        try:
            model.model_validate(renamed)
        except ValidationError as error:
            return _corrected(model, renamed, error.errors(include_url=False, include_context=False))
        return renamed
    corrected = dict(given)
    properties = tool_schema(model, "validation")["properties"]
    # An optional argument has an error for each of its two types: the first is about the one it should have.
    kinds = {str(found["loc"][0]): found["type"] for found in reversed(errors)}
    if not all(_correct(name, kind, corrected, properties) for name, kind in kinds.items()):
        return None
    try:
        model.model_validate(corrected)
    except ValidationError:
        return None
    return corrected


def _meant(name: str, known: Collection[str], given: Mapping[str, Any]) -> str:
    """The argument that an unknown name is a slip of, "" where there is none or it is given, too."""
    if name in known:
        return ""
    close = difflib.get_close_matches(name.lower(), [ours for ours in known if ours not in given], 1, 0.72)
    return close[0] if close else ""


def _correct(name: str, kind: str, arguments: dict[str, Any], properties: JsonSchema) -> bool:
    """Mend one argument in place where only one reading makes sense; tells whether it is mended."""
    if kind == "extra_forbidden":
        arguments.pop(name, None)
        return True
    schema = properties.get(name, {})
    value = arguments.get(name)
    match schema.get("type"), value:
        case "integer", bool():
            return False
        case "integer", int() | float() | str():
            number = _number(value)
            if number is None:
                return False
            low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
            arguments[name] = int(min(max(number, low), high))
            return True
        case "boolean", "true" | "True" | "1" | 1:
            arguments[name] = True
            return True
        case "boolean", "false" | "False" | "0" | 0:
            arguments[name] = False
            return True
        case "array", str() if value.strip():
            arguments[name] = [part for each in value.strip("[]").split(",") if (part := each.strip(" \"'"))]
            return len(value) <= MAX_TEXT
        case "string", int() if not isinstance(value, bool):
            arguments[name] = str(value)
            return len(str(value)) <= MAX_TEXT and not schema.get("enum")
        case "string", str() if schema.get("enum"):
            word = value.strip().lower()
            arguments[name] = word
            return word in schema["enum"]
    return False


def _number(value: float | str) -> float | None:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    # A fraction has no obvious whole number: 2.5 could mean 2 or 3.
    return number if math.isfinite(number) and number.is_integer() else None


def shown(value: object) -> str:
    """A refused value as it may be repeated: cleaned and short, "" where it may be a secret."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return "" if _may_be_secret("", str(value)) else clean(str(value), _ECHOED).text
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else ""


def defaults_of(model: type[ToolInput]) -> dict[str, object]:
    """What each argument that may be left out stands for then; those that then mean nothing have no entry."""
    defaults = {name: field.get_default() for name, field in model.model_fields.items() if not field.is_required()}
    return {name: value for name, value in defaults.items() if value is not None}


def _rule(field: FieldInfo, schema: JsonSchema) -> str:
    for mark in field.metadata:
        if isinstance(mark, Rule):
            return mark.text
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    match schema.get("type"):
        case "integer":
            return f"a whole number from {schema['minimum']} to {schema['maximum']}"
        case "boolean":
            return "true or false"
        case "array":
            return f"a list of {schema.get('minItems', 0)} to {schema['maxItems']} texts"
        case _:
            return "a text"
