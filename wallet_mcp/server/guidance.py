"""An error of a call -> what the model reads, and the same facts for programs.

`explain` is the only place where a failure gets its words; the words stand in `prompts/remediation.toml`. This
module finds out which facts are known, picks the table's most telling case, and fills it in. Values are put in once
and never read as templates; whatever came from upstream or from the caller is cleaned and cut before it gets in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from wallet_mcp.server.problems import (
    ArgumentFault,
    ArgumentProblem,
    SetupProblem,
    argument_fault,
    narrower_call,
    sent_rules,
    unmapped_parameter,
    upstream_argument_fault,
)
from wallet_mcp.server.remediation import Advice, Remedy, remedy_for
from wallet_mcp.wallet.chain_text import MESSAGE_LIMIT, clean
from wallet_mcp.wallet_api.errors import ApiError, Code

META_KEY: Final = "wallet-mcp/error"
"""The key under which `Failure.meta` stands in the `_meta` of a result."""

MAX_RECV_WINDOW_MS: Final = 60_000
"""The largest receive window the gateway takes (contract §1.2)."""

_PARAMETER_CODE: Final = 40001
_MAX_WAIT_S: Final = 86_400
_ID_LIMIT: Final = 64
_CODE_LIMIT: Final = 24
_LARGEST_CODE: Final = 10**9
# Values that depend on the chosen advice.
_FILLED_LAST: Final = frozenset({"again", "support"})
_MAX_PROBLEMS: Final = 6
_MAX_PROXIES: Final = 4
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_SECRET_SETTING: Final[Mapping[str | None, str]] = {
    "HMAC-SHA256": "WALLET_MCP_SECRET_KEY",
    "Ed25519": "WALLET_MCP_PRIVATE_KEY",
    None: "WALLET_MCP_SECRET_KEY or WALLET_MCP_PRIVATE_KEY",
}


@dataclass(frozen=True, slots=True)
class CallContext:
    """The call that failed, and what is known of the set-up that made it.

    `arguments`: as the caller gave them, free of secrets. `rules`: argument -> its rule in words ("a whole number
    from 1 to 100"). `defaults`: argument -> what is sent when it is left out. `upstream_names`: upstream field -> our
    argument, "" for one that the server sets by itself although an argument has its name. `proxy_variables`: names of
    the proxy variables that are set, never their values. `wall_now`, `held_until`: Unix seconds; until `held_until`
    the server itself holds an early repeat of the call. `api_key`: what an upstream message may echo and nobody may
    read.
    """

    tool: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    upstream_names: Mapping[str, str] = field(default_factory=dict)
    algorithm: Literal["HMAC-SHA256", "Ed25519"] | None = None
    base_url: str = ""
    recv_window_ms: int = 5000
    proxy_variables: tuple[str, ...] = ()
    wall_now: float = 0.0
    held_until: float | None = None
    api_key: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call as the model reads it (`text`) and as a program reads it (`meta`).

    `meta` always has `code`, `kind`, `actor` and `retryable` (the same call may succeed later), and where known
    `retry_after_seconds` (whole, at least 1; exactly when retryable), `field`, `attempts`, `trace_id`,
    `request_time`, `server_time`, and `corrected` (`{tool, arguments}` of a call that mends the fault). Nothing in
    it is null.
    """

    text: str
    meta: dict[str, object]


def explain(error: ApiError | ArgumentProblem | SetupProblem | BaseException, call: CallContext) -> Failure:
    """The text and the facts of a failed call, in the shape that the design gives every failure.

    An exception of a kind not named here becomes `internal`, without its text: that may hold anything.
    """
    match error:
        case ApiError():
            return _explain_api_error(error, call)
        case ArgumentProblem():
            story = _Story(remedy_for(_PARAMETER_CODE), call, {"code": _PARAMETER_CODE})
            story.tell_argument(argument_fault(error, call.arguments, call.rules))
        case SetupProblem():
            story = _Story(remedy_for(error.code), call, {"code": error.code})
            story.tell_problems(error.problems)
        case _:
            story = _Story(remedy_for("internal"), call, {"code": "internal"})
    return story.failure()


def _explain_api_error(error: ApiError, call: CallContext) -> Failure:
    if call.api_key is not None and call.api_key.get_secret_value() in error.message:
        error = replace(error, message=error.message.replace(call.api_key.get_secret_value(), "(API key)"))
    remedy = remedy_for(error.code)
    story = _Story(remedy, call, {"code": _shown_code(error.code)})
    if error.endpoint == "supported_chains":
        # Its request takes no parameter (contract §3.1), whatever the call was given.
        story.cases.append("no_arguments")
    elif remedy.advice.kind == "parameter":
        story.tell_refused_parameter(error)
    if call.tool in remedy.cases:
        story.tell_narrower()
    if error.is_duplicate:
        story.cases.append("duplicate")
    story.tell_clock(error.clock_difference_s)
    if call.base_url and not urlsplit(call.base_url).path.rstrip("/").endswith("/build"):
        story.cases.append("no_build")
    return story.failure(error)


class _Story:
    """One failure while its facts are gathered: the cases that apply, values for the templates, facts for `meta`."""

    def __init__(self, remedy: Remedy, call: CallContext, meta: dict[str, object]) -> None:
        self.remedy = remedy
        self.call = call
        self.meta = meta
        self.cases: list[str] = []
        self.message_told = False
        self.values: dict[str, str] = {
            "tool": call.tool,
            "sent_rules": sent_rules(call.arguments, call.rules),
            "secret_setting": _SECRET_SETTING[call.algorithm],
            "algorithm": call.algorithm or "the algorithm",
            "recv_window": _recv_window(call.recv_window_ms),
            "proxies": _proxies(call.proxy_variables),
        }

    def tell_argument(self, fault: ArgumentFault) -> None:
        self.cases += ["corrected", "api_rule" if fault.api_rule else "named"]
        self.values |= {"field": fault.field, "given": fault.given, "rule": fault.rule}
        if fault.correction:
            self.values["correction"] = fault.correction
        self.meta["field"] = fault.field
        self.message_told = fault.told
        self._tell_corrected(fault.corrected)

    def tell_refused_parameter(self, error: ApiError) -> None:
        call = self.call
        names = (call.rules, call.upstream_names)
        fault = upstream_argument_fault(error.message, call.tool, call.arguments, *names, call.defaults)
        if fault is not None:
            self.tell_argument(fault)
        elif parameter := unmapped_parameter(error.message, *names):
            self.cases.append("unmapped")
            self.values["parameter"] = parameter
        elif self.remedy.name == "40411":
            for name in call.arguments.keys() & {"chain", "chains"}:
                self.meta["field"] = name

    def tell_narrower(self) -> None:
        narrower = narrower_call(self.call.tool, self.call.arguments, self.call.wall_now)
        if narrower is None:
            self.cases.append("smallest")
            return
        self.cases.append(self.call.tool)
        self.values["narrower"] = narrower.instruction
        self._tell_corrected(narrower.arguments)

    def _tell_corrected(self, arguments: Mapping[str, object] | None) -> None:
        if arguments is not None:
            self.meta["corrected"] = {"tool": self.call.tool, "arguments": dict(arguments)}

    def tell_problems(self, problems: Sequence[str]) -> None:
        if problems:
            self.cases.append("listed")
            told = [_sentence(text) for text in problems[:_MAX_PROBLEMS]]
            if len(problems) > len(told):
                told.append(f"There are {len(problems) - len(told)} more problems.")
            self.values["problems"] = " ".join(told)

    def tell_clock(self, difference_s: float | None) -> None:
        if difference_s is None or not math.isfinite(difference_s):
            return
        # Within half the window the clocks agree well enough: then the way was too long (contract §1.4).
        agrees = abs(difference_s) * 2000 <= self.call.recv_window_ms
        self.cases.append("latency" if agrees else "measured")
        size = abs(difference_s)
        side = "behind" if difference_s > 0 else "ahead of"
        # A difference that rounds to none matters only where the window is as short.
        amount = f"{size:.0f}" if size >= 100 else f"{size:.1f}" if size >= 0.05 else f"{size:.3f}"
        told = "agrees with" if agrees and size < 0.05 else f"is {amount} s {side}"
        self.values["clock"] = f"the clock of this server's machine {told} the API's"

    def failure(self, error: ApiError | None = None) -> Failure:
        advice = self._advice()
        self.meta |= {"kind": advice.kind, "actor": advice.actor, "retryable": advice.retry == "after"}
        retry = {"no": "no", "corrected": "with corrected arguments"}.get(advice.retry, "")
        if advice.retry == "after":
            wait = self._wait_s(advice, error)
            self.meta["retry_after_seconds"] = wait
            self.values["again"] = self._again(wait)
            retry = f"after {wait} s"
        self.values["support"] = _support(error)
        if error is not None:
            retry += self._tell_exchange(error)
        summary = _sentence(self._filled(advice.summary))
        if error is not None and (received := _received(error.received)):
            summary += f" Received: {_sentence(received)}"
        steps = " ".join(self._filled(step) for step in (advice.next_step, advice.last_step) if step)
        lines = [f"Error {self.meta['code']}: {summary}", f"Next step: {steps}", f"Retry: {retry}"]
        if error is not None:
            lines += self._closing_lines(error)
        return Failure("\n".join(lines), self.meta)

    def _advice(self) -> Advice:
        """The advice of the first case whose every placeholder is known, else the table's own."""
        for case in self.cases:
            advice = self.remedy.cases.get(case)
            if advice is not None and all(
                name in self.values or name in _FILLED_LAST
                for template in (advice.summary, advice.next_step, advice.last_step)
                for name in _PLACEHOLDER.findall(template)
            ):
                return advice
        return self.remedy.advice

    def _filled(self, template: str) -> str:
        return _PLACEHOLDER.sub(lambda match: self.values[match[1]], template)

    def _wait_s(self, advice: Advice, error: ApiError | None) -> int:
        wait = advice.delay_s
        asked = error.retry_after_s if error is not None else None
        if asked is not None and math.isfinite(asked):
            wait = asked
        elif self._held:
            wait = (self.call.held_until or 0.0) - self.call.wall_now
        return max(1, min(math.ceil(wait), _MAX_WAIT_S))

    @property
    def _held(self) -> bool:
        return self.call.held_until is not None and self.call.held_until > self.call.wall_now

    def _again(self, wait_s: int) -> str:
        again = f"call {self.call.tool} again with the same arguments, after {wait_s} s"
        if self._held and self.call.held_until is not None:
            until = datetime.fromtimestamp(math.ceil(self.call.held_until), UTC)
            again += f" or at once: the server itself waits until {until:%H:%M:%SZ}"
        return again

    def _tell_exchange(self, error: ApiError) -> str:
        exchange = error.exchange
        facts = {
            "trace_id": clean(exchange.trace_id, _ID_LIMIT).text,
            "request_time": exchange.request_time,
            "server_time": clean(exchange.server_time, _ID_LIMIT).text,
        }
        self.meta |= {name: value for name, value in facts.items() if value}
        if error.sent or error.attempts > 1:
            self.meta["attempts"] = error.attempts
        return f" ({error.attempts} attempts made in {error.elapsed_s:.1f} s)" if error.attempts > 1 else ""

    def _closing_lines(self, error: ApiError) -> list[str]:
        lines: list[str] = []
        said = clean(error.message, MESSAGE_LIMIT).text
        known = {_folded(message) for message in self.remedy.messages}
        if said and not self.message_told and _folded(error.message) not in known:
            lines.append(f'Upstream said: "{said}"')
        if error.sent:
            trace = self.meta.get("trace_id", "request")
            sandbox = " (sandbox)" if error.exchange.sandbox else ""
            lines.append(f"Trace: {trace} at {error.exchange.request_time}{sandbox}")
        return lines


def _shown_code(code: Code) -> Code:
    """A code as it may be shown: an unknown one came from upstream and may be of any length."""
    if isinstance(code, int) and abs(code) < _LARGEST_CODE:
        return int(code)
    return clean(str(code)[:_ID_LIMIT], _CODE_LIMIT).text or "unknown"


def _received(text: str) -> str:
    """What was received, in our own words and with whatever upstream text they hold cleaned.

    Cleaned part by part, for `clean` would change our commas, too.
    """
    line = " ".join(text[: 4 * MESSAGE_LIMIT].split())
    told = ", ".join(clean(part, MESSAGE_LIMIT).text for part in line.split(", "))
    return told if len(told) <= MESSAGE_LIMIT else f"{told[: MESSAGE_LIMIT - 1].rstrip()}…"


def _sentence(text: str) -> str:
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."


def _folded(message: str) -> str:
    return " ".join(message.split()).rstrip(".").casefold()


def _recv_window(milliseconds: int) -> str:
    if milliseconds >= MAX_RECV_WINDOW_MS:
        return f"already at the maximum of {MAX_RECV_WINDOW_MS}"
    return f"now {milliseconds}, at most {MAX_RECV_WINDOW_MS}"


def _proxies(names: Sequence[str]) -> str:
    known = [name for name in names if _VARIABLE.fullmatch(name)][:_MAX_PROXIES]
    if not known:
        return "no proxy variable is set"
    return f"{' and '.join(known)} {'is' if len(known) == 1 else 'are'} set"


def _support(error: ApiError | None) -> str:
    if error is None or not error.sent:
        return "the time of this call"
    # The day stands on the Trace line already.
    server_time = clean(error.exchange.server_time, _ID_LIMIT).text.rpartition("T")[2]
    return "the Trace line" + (f" and server time {server_time}" if server_time else "")
