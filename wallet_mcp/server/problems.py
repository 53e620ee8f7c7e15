"""What cannot work as it was asked: a bad argument or a server that is not set up, and the call that would work.

`guidance.explain` turns the two exceptions into words. Neither shows its contents in `str()` or `repr()`: an
exception may end in a log, and a log holds no address and no part of a key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wallet_mcp.wallet.addresses import AddressRefused, parse_address
from wallet_mcp.wallet.chain_text import clean
from wallet_mcp.wallet.chains import chains_of_family
from wallet_mcp.wallet.times import BadTime, is_age, iso_ms, months_before, parse_time
from wallet_mcp.wallet_api.errors import SetupCode

_NAME_LIMIT: Final = 40
# The longest value worth showing is a Solana signature of 88 characters.
_VALUE_LIMIT: Final = 90
_RULE_LIMIT: Final = 300
_SHORT_RULE_LIMIT: Final = 64
# An unnamed refusal lists its rules in about 150 tokens; a call as JSON keeps to about the same.
_ALL_RULES_LIMIT: Final = 420
_CALL_LIMIT: Final = 320
_HORIZON_MONTHS: Final = 6
"""How far back upstream's history goes (contract §3.4)."""

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 1440 * _MINUTE_MS

# `Parameter [pageSize] error: ...`, `Parameter [binanceChainId] is required`, `Parameter walletAddress is required`
# (contract §1.8); the bare `Parameter error` names nothing.
_NAMED = re.compile(
    r"\s*Parameter (?P<bracket>\[?)(?P<name>[A-Za-z][\w.\[\]]{0,79}?)\]? (?:error:|error$|is )\s*(?P<reason>.*)",
    re.DOTALL,
)
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,31}(?:\[\d{1,4}\])?")
_SPAN = re.compile(r"(?<![\w.-])(\d{1,9}) ?(?:to|and|-|–|\.\.) ?(\d{1,9})(?![\w.]*\d)")
_REQUIRED = re.compile(r"required\b", re.IGNORECASE)


# Not frozen: `contextlib` and `anyio` assign `__traceback__` on the exceptions that pass through them.
@dataclass(slots=True, eq=False, repr=False)
class ArgumentProblem(Exception):
    """An argument that was refused locally; the model reads it as code 40001.

    `field`: our argument, also as `tokens[2]`. `rule`: what is allowed, in words that can follow "Rule:" (a phrase
    such as "a whole number from 1 to 100", or a sentence). `value`: what was given, cleaned and short, or "" where it
    must not be echoed. `corrected`: the full arguments of a call that keeps every rule, where they can be computed;
    the model reads them, so they must be free of what must not be echoed.
    """

    field: str
    rule: str
    value: str = ""
    corrected: Mapping[str, object] | None = None

    def __str__(self) -> str:
        return f"argument {_field_name(self.field)} was refused"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_field_name(self.field)!r})"


@dataclass(slots=True, eq=False, repr=False)
class SetupProblem(Exception):
    """The server cannot send anything as it is set up.

    `problems`: one sentence each, naming the setting and the rule, never the value.
    """

    code: SetupCode
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.code}: {len(self.problems)} problem(s)"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r})"


@dataclass(frozen=True, slots=True)
class ArgumentFault:
    """A refused argument in words: `given` follows "was refused, ", `rule` follows "Rule: ", without a full stop.

    `corrected`: the full arguments of the call that mends it. `correction`: the same for the text, "" where they
    are not known or too long to be repeated there. `api_rule`: the rule is upstream's own words. `told`: all that
    upstream's message says is said here.
    """

    field: str
    given: str
    rule: str
    corrected: dict[str, object] | None
    correction: str
    api_rule: bool
    told: bool


@dataclass(frozen=True, slots=True)
class Narrower:
    """A smaller question to a busy history: an instruction, and its arguments where they are known."""

    instruction: str
    arguments: dict[str, object] | None


def argument_fault(
    problem: ArgumentProblem, arguments: Mapping[str, object], rules: Mapping[str, str]
) -> ArgumentFault:
    """What to say of an argument refused here. `rules`: those of all arguments of the tool."""
    name = _base(problem.field)
    if rules and name not in rules:
        given = "it is unknown"
    elif problem.value:
        given = f"given {_one_line(problem.value, _VALUE_LIMIT)}"
    elif arguments.get(name) is None:
        given = "it was left out"
    elif not str(arguments[name]).strip():
        given = "it was blank"
    else:
        given = "its value is not repeated here"
    # Never computed here: a call with a second bad argument may hold what must not be echoed.
    corrected = None if problem.corrected is None else dict(problem.corrected)
    return _fault(problem.field, given, problem.rule, arguments, corrected)


def upstream_argument_fault(
    message: str,
    tool: str,
    arguments: Mapping[str, object],
    rules: Mapping[str, str],
    upstream_names: Mapping[str, str],
    defaults: Mapping[str, object],
) -> ArgumentFault | None:
    """What to say of an argument that the API refused by name (contract §1.8).

    `message`: as received. `defaults`: what is sent for arguments left out. None where it names none of ours.
    """
    match = _NAMED.match(message)
    name = None if match is None else _our_name(match["name"], rules, upstream_names)
    if match is None or name is None:
        return None
    given = {key: value for key, value in arguments.items() if value is not None}
    sent = {**defaults, **given}
    value = sent.get(name)
    shown = clean(value if isinstance(value, str) else json.dumps(value, default=str), _VALUE_LIMIT).text or "blank"
    how = (
        f"given {shown}" if name in given else f"its default {shown} was sent" if name in sent else "it was left out"
    )
    rule = rules.get(name, "")
    reason = clean(match["reason"], _VALUE_LIMIT).text
    corrected = _clamped(name, sent, rule, given)
    missing = value is None or shown == "blank"
    api_rule = bool(reason) and corrected is None and not (missing and (rule or _REQUIRED.match(reason)))
    if api_rule:
        # Our own rule was checked before the request: only upstream knows what it wants beyond that.
        rule, corrected = f'the API says "{reason}"', _clamped(name, sent, reason, given)
    told = api_rule or not reason or _REQUIRED.match(reason) is not None
    rule = rule or f"see the description of {tool}"
    return _fault(name, how, rule, given, corrected, api_rule=api_rule, told=told)


def unmapped_parameter(message: str, rules: Mapping[str, str], upstream_names: Mapping[str, str]) -> str:
    """The parameter that the API refused by name and that no argument of ours sets, cleaned, else ""."""
    match = _NAMED.match(message)
    if match is None or _our_name(match["name"], rules, upstream_names) is not None:
        return ""
    # Without brackets any word may stand there: "Parameter format is wrong".
    if match["bracket"] or _REQUIRED.match(match["reason"]):
        return clean(match["name"], _NAME_LIMIT).text
    return ""


def sent_rules(arguments: Mapping[str, object], rules: Mapping[str, str]) -> str:
    """The arguments of a call with their rules, as a sentence, for a refusal that names none of them."""
    parts: list[str] = []
    room = _ALL_RULES_LIMIT
    for name, value in arguments.items():
        if value is None:
            continue
        part = clean(name, _NAME_LIMIT).text
        rule = _one_line(rules.get(name, ""), _SHORT_RULE_LIMIT)
        if rule and len(part) + len(rule) + 4 <= room:
            part += f" ({rule})"
        if len(part) + 2 > room:
            parts.append("and others")
            break
        room -= len(part) + 2
        parts.append(part)
    return f"Sent: {'; '.join(parts)}." if parts else "It was sent without arguments."


def narrower_call(tool: str, arguments: Mapping[str, object], now: float) -> Narrower | None:
    """A call for less of the same history; None where it asks for one chain and one day already.

    Of several chains the first, then the later half of the span (the last week where no begin was given), then of all
    chains of a family the first. `now`: Unix seconds. Every call is strictly smaller than the one before it, so
    following them ends. A cursor belongs to its question: it is dropped, and one on a single chain is not narrowed.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    chains = given.get("chains")
    if isinstance(chains, list) and len(chains) > 1:
        return _narrower(tool, given, {"chains": chains[:1]}, ", then for the other chains")
    begin = _later_begin(given, now) if "cursor" not in given else None
    if begin is not None:
        return _narrower(tool, given, {"begin": begin}, ", then for what came before")
    return _one_chain(tool, given) if chains is None else None


def _one_chain(tool: str, given: Mapping[str, object]) -> Narrower | None:
    try:
        family = parse_address(str(given.get("address", ""))).family
    except AddressRefused:
        # A label: which address it stands for is not known here.
        return Narrower(f"call {tool} again with a single chain in chains, then for the other chains", None)
    first, *others = (chain.id for chain in chains_of_family(family))
    if not others:
        return None
    return _narrower(tool, given, {"chains": [first]}, f", then for each of {', '.join(others)}")


def _narrower(tool: str, given: Mapping[str, object], changes: Mapping[str, object], more: str) -> Narrower:
    fewer = {name: value for name, value in given.items() if name != "cursor"} | dict(changes)
    what = _changes(given, fewer) or "a single chain and a short time window"
    return Narrower(f"call {tool} again with {what}{more}", fewer)


def _later_begin(given: Mapping[str, object], now: float) -> str | None:
    """The begin of the later part of a span, written as the caller's was; None for a day or less."""
    begin, end = given.get("begin"), given.get("end")
    now_ms = int(now * 1000)
    first_ms, last_ms = months_before(now_ms, _HORIZON_MONTHS), now_ms
    try:
        if begin is not None:
            first_ms = max(first_ms, parse_time(str(begin), now, "begin"))
        if end is not None:
            last_ms = min(last_ms, parse_time(str(end), now, "end"))
    except BadTime:
        return None
    span_ms = last_ms - first_ms
    # An age is reckoned from the start of its minute.
    if span_ms <= _DAY_MS + _MINUTE_MS:
        return None
    # The end of a date is a millisecond short of the day.
    days = max((span_ms + 1) // 2 // _DAY_MS, 1)
    if begin is None:
        days = min(days, 7)
    if end is None and (begin is None or is_age(str(begin))):
        return f"{days}d"
    return iso_ms(-((days * _DAY_MS - last_ms) // _MINUTE_MS) * _MINUTE_MS)


def _fault(
    field: str,
    given: str,
    rule: str,
    arguments: Mapping[str, object],
    corrected: dict[str, object] | None,
    *,
    api_rule: bool = False,
    told: bool = True,
) -> ArgumentFault:
    correction = ""
    if corrected is not None:
        correction = _as_json(corrected) or _changes(arguments, corrected)
    return ArgumentFault(
        field=_field_name(field),
        given=given,
        rule=_one_line(rule, _RULE_LIMIT).rstrip("."),
        corrected=corrected,
        correction=correction,
        api_rule=api_rule,
        told=told,
    )


def _our_name(upstream: str, rules: Mapping[str, str], upstream_names: Mapping[str, str]) -> str | None:
    # A path such as `tokenContractAddresses[0].binanceChainId` is looked up whole, then by its last and first name.
    for name in (upstream, upstream.rpartition(".")[2], _base(upstream)):
        if upstream_names.get(name) == "":
            return None
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        for ours in (upstream_names.get(name), name, snake, snake.removeprefix("wallet_")):
            if ours is not None and ours in rules:
                return ours
        if name in upstream_names:
            return upstream_names[name]
    return None


def _field_name(field: str) -> str:
    # An unknown argument's name is the caller's text; our own names keep their brackets.
    return field if _FIELD.fullmatch(field) else clean(field, _NAME_LIMIT).text


def _base(field: str) -> str:
    return re.split(r"[.\[]", field, maxsplit=1)[0]


def _clamped(
    name: str, sent: Mapping[str, object], rule: str, given: Mapping[str, object]
) -> dict[str, object] | None:
    """The call as given with a whole number moved into the span that a rule names ("from 1 to 100")."""
    span = _SPAN.search(rule)
    value = sent.get(name)
    if span is None or isinstance(value, bool) or not isinstance(value, int):
        return None
    low, high = int(span[1]), int(span[2])
    if low > high or low <= value <= high:
        return None
    return dict(given) | {name: low if value < low else high}


def _changes(arguments: Mapping[str, object], corrected: Mapping[str, object]) -> str:
    """What to change of a call, "" where even that is too long to read."""
    changed = {name: value for name, value in corrected.items() if arguments.get(name) != value}
    dropped = [clean(name, _NAME_LIMIT).text for name in arguments if name not in corrected]
    text = _as_json(changed)
    if not text or len(dropped) > 2:
        return ""
    return f"the same arguments but {text}" + (f" and without {' and '.join(dropped)}" if dropped else "")


def _as_json(arguments: Mapping[str, object]) -> str:
    """One line of plain ASCII, or "" where it would be too long to read."""
    text = json.dumps(arguments, default=str)
    return text if 2 < len(text) <= _CALL_LIMIT else ""


def _one_line(text: str, limit: int) -> str:
    """Our own words on one line. Not `clean`: they may hold quotes and examples that it would change."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"
