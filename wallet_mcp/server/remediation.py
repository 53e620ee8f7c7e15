"""The table of remedies: `prompts/remediation.toml`, read, checked and looked up by code.

The check is strict, because a slip in that file would show only when something else has already failed: an unknown
table, field, kind, actor, case or placeholder, a missing code, or a combination that contradicts itself stops the
start.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from string import Formatter
from types import MappingProxyType
from typing import Literal, cast, get_args

from wallet_mcp.server.resources_dir import read_text
from wallet_mcp.wallet_api.errors import FRAMEWORK_CODE, SETUP_CODES, TRANSPORT_CODES, Code

FILE_NAME = "remediation.toml"

Kind = Literal[
    "parameter",
    "authentication",
    "permission",
    "clock",
    "rate_limit",
    "compliance",
    "provider",
    "server",
    "transport",
    "setup",
    "busy",
    "internal",
]
Actor = Literal["model", "operator", "nobody"]
Retry = Literal["no", "after", "corrected"]

API_CODES: frozenset[str] = frozenset(
    str(code) for code in (40001, 40101, 40102, 40103, 40104, 42900, 40301, 40302, 40303, 40304, 40411, 50000, 50001)
)
"""Every code of contract §1.8, with the two that its page leaves out."""

FAMILIES: tuple[str, ...] = ("400xx", "401xx", "403xx", "404xx", "429xx", "5xxxx", "other")
"""Fallbacks for codes nobody has seen; `x` stands for any digit."""

TABLES: frozenset[str] = (
    API_CODES | TRANSPORT_CODES | SETUP_CODES | {FRAMEWORK_CODE, "busy", "internal"} | frozenset(FAMILIES)
)

# A case names what is known beyond the code, and which placeholders that makes available.
CASES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "named": frozenset({"field", "given", "rule"}),
        "corrected": frozenset({"field", "given", "rule", "correction"}),
        "api_rule": frozenset({"field", "given", "rule"}),
        "unmapped": frozenset({"parameter"}),
        "no_arguments": frozenset(),
        "duplicate": frozenset(),
        "measured": frozenset({"clock"}),
        "latency": frozenset({"clock"}),
        "no_build": frozenset(),
        "listed": frozenset({"problems"}),
        "wallet_list_transactions": frozenset({"narrower"}),
        "smallest": frozenset(),
    }
)
PLACEHOLDERS: frozenset[str] = frozenset(
    {"tool", "again", "sent_rules", "secret_setting", "algorithm", "recv_window", "proxies", "support"}
)
"""Placeholders that every table may use; `again` only where `retry` is "after"."""

# How an actor can help decides whether a repeat makes sense; the three never vary independently.
_RETRY_OF_ACTOR: Mapping[str, str] = {"model": "corrected", "nobody": "after", "operator": "no"}
_TEXT_FIELDS = frozenset({"summary", "next_step", "last_step", "advice"})
_CASE_FIELDS = frozenset({"summary", "kind", "actor", "retry", "delay_s", "next_step", "last_step"})
_REQUIRED = frozenset({"summary", "kind", "actor", "retry", "next_step", "advice"})
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "kind": get_args(Kind),
    "actor": get_args(Actor),
    "retry": get_args(Retry),
}


class RemediationError(Exception):
    """The file of remedies is wrong; the text names the table and the fault."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What is said of one error: three templates and how to act on them; `delay_s` is 0 but for "after"."""

    summary: str
    kind: Kind
    actor: Actor
    retry: Retry
    delay_s: float
    next_step: str
    last_step: str


@dataclass(frozen=True, slots=True)
class Remedy:
    """One table: its advice, the advice of its cases, and what documentation and the text's last lines need.

    `general`: the next step in general words. `messages`: upstream messages that say no more than the summary.
    """

    name: str
    advice: Advice
    general: str
    messages: frozenset[str]
    cases: Mapping[str, Advice]


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """One row of the error table in the documentation."""

    code: str
    kind: Kind
    actor: Actor
    summary: str
    next_step: str


def load_remediation(text: str | None = None) -> Mapping[str, Remedy]:
    """Table name -> remedy, in the order of the file.

    `text`: another content than the file's own, for tests. Raises `RemediationError`.
    """
    if text is None:
        try:
            text = read_text(FILE_NAME)
        except FileNotFoundError as error:
            raise RemediationError(str(error)) from None
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RemediationError(f"{FILE_NAME} is not TOML: {error}") from None
    for name in tables:
        if name not in TABLES:
            raise RemediationError(f"[{name}]: no such code")
    missing = sorted(TABLES - tables.keys())
    if missing:
        raise RemediationError(f"[{missing[0]}]: the table is missing")
    return MappingProxyType({name: _remedy(name, table) for name, table in tables.items()})


@cache
def remedies() -> Mapping[str, Remedy]:
    """The packaged table, read once."""
    return load_remediation()


def remedy_for(code: Code) -> Remedy:
    """The remedy of a code, or of its family when the code is unknown; never fails for any code."""
    table = remedies()
    name = str(code)[:24]
    if name in table and name not in FAMILIES:
        return table[name]
    if len(name) == 5 and name.isascii() and name.isdigit():
        for family in FAMILIES:
            if family.endswith("xx") and name.startswith(family.rstrip("x")):
                return table[family]
    return table["other"]


def error_catalog() -> tuple[CatalogRow, ...]:
    """Every table as a row in general words, in the order of the file, for README and documentation."""
    return tuple(
        CatalogRow(
            code=remedy.name,
            kind=remedy.advice.kind,
            actor=remedy.advice.actor,
            summary=remedy.advice.summary,
            next_step=remedy.general,
        )
        for remedy in remedies().values()
    )


def _remedy(name: str, table: object) -> Remedy:
    if not isinstance(table, dict):
        raise RemediationError(f"[{name}]: must be a table")
    fields = {key: value for key, value in table.items() if not isinstance(value, dict)}
    for key in fields.keys() - _CASE_FIELDS - {"advice", "messages"}:
        raise RemediationError(f"[{name}]: unknown field {key}")
    for key in sorted(_REQUIRED - fields.keys()):
        raise RemediationError(f"[{name}]: {key} is missing")
    messages = fields.pop("messages", [])
    if not isinstance(messages, list) or not all(isinstance(item, str) and item for item in messages):
        raise RemediationError(f"[{name}]: messages must be a list of texts")
    advice = _advice(name, fields, PLACEHOLDERS)
    general = cast(str, fields["advice"])
    if "{" in advice.summary + general:
        # The catalogue shows both as they stand.
        raise RemediationError(f"[{name}]: summary and advice take no placeholder")
    cases: dict[str, Advice] = {}
    for case, changes in table.items():
        if not isinstance(changes, dict):
            continue
        where = f"{name}.{case}"
        if case not in CASES:
            raise RemediationError(f"[{where}]: no such case")
        for key in changes.keys() - _CASE_FIELDS:
            raise RemediationError(f"[{where}]: unknown field {key}")
        merged = fields | changes
        if "next_step" in changes:
            # Words about failing again belong to the step that they follow.
            merged["last_step"] = changes.get("last_step", "")
        if "retry" in changes and changes["retry"] != "after":
            merged.pop("delay_s", None)
        cases[case] = _advice(where, merged, PLACEHOLDERS | CASES[case])
    return Remedy(
        name=name,
        advice=advice,
        general=general,
        messages=frozenset(messages),
        cases=MappingProxyType(cases),
    )


def _advice(where: str, fields: Mapping[str, object], placeholders: frozenset[str]) -> Advice:
    for key, choices in _CHOICES.items():
        if fields[key] not in choices:
            raise RemediationError(f"[{where}]: {key} must be one of {', '.join(choices)}")
    retry = fields["retry"]
    if _RETRY_OF_ACTOR[cast(str, fields["actor"])] != retry:
        raise RemediationError(f'[{where}]: actor {fields["actor"]} does not go with retry "{retry}"')
    for key in sorted(_TEXT_FIELDS & fields.keys()):
        value = fields[key]
        blank_allowed = key == "last_step"
        if not isinstance(value, str) or (not value.strip() and not blank_allowed) or "\n" in value:
            raise RemediationError(f"[{where}]: {key} must be one line of text")
        _check_placeholders(where, key, value, placeholders if retry == "after" else placeholders - {"again"})
    delay = fields.get("delay_s", 0)
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= 3600:
        raise RemediationError(f"[{where}]: delay_s must be a number of seconds up to 3600")
    if (retry == "after") != (delay >= 1):
        raise RemediationError(f'[{where}]: delay_s of 1 or more goes with retry "after", and only with it')
    return Advice(
        summary=cast(str, fields["summary"]),
        kind=cast(Kind, fields["kind"]),
        actor=cast(Actor, fields["actor"]),
        retry=cast(Retry, retry),
        delay_s=float(delay),
        next_step=cast(str, fields["next_step"]),
        last_step=cast(str, fields.get("last_step", "")),
    )


def _check_placeholders(where: str, key: str, template: str, allowed: frozenset[str]) -> None:
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        raise RemediationError(f"[{where}]: {key} has an unbalanced brace") from None
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if name not in allowed or spec or conversion:
            raise RemediationError(f"[{where}]: {key} has an unknown placeholder {{{name}}}")
