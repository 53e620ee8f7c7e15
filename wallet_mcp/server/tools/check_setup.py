"""wallet_check_setup: whether this server can reach the API, and if not, what its operator has to do."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Final, Literal

from pydantic import MISSING, Field

from wallet_mcp.server.arguments import ToolInput
from wallet_mcp.server.context import KeptProbe, ProbeResult, Services, ToolContext, setup_problem
from wallet_mcp.server.guidance import Failure, explain
from wallet_mcp.server.output import Part, Source, ToolOutput, source_of
from wallet_mcp.server.setup.checks import Check, Status
from wallet_mcp.server.text import closing
from wallet_mcp.server.tool import Tool
from wallet_mcp.settings import Settings
from wallet_mcp.wallet_api.endpoints import WalletApi
from wallet_mcp.wallet_api.errors import ApiError

NAME = "wallet_check_setup"
PROBE_KEPT_S = 600.0
"""Seconds for which the outcome of a probe serves repeated calls: a model in a loop must not use up the rate."""

FAILURE_KEPT_S = 60.0
"""The same for a failure, unless the API asks for more: somebody may be mending it meanwhile."""

_PASS_ON: Final = (
    "tell the user each failed check and its fix. Whoever runs this server must make the fixes and restart it."
)
_OR_SANDBOX: Final = " WALLET_MCP_SANDBOX=1 runs it on made-up data instead."
# What the other fields tell of a passed check is not repeated.
_TOLD_WHEN_OK: Final = ("clock", "connection", "signed probe")


class Input(ToolInput):
    """Nothing."""


class Probe(Part):
    """One signed request and its outcome."""

    outcome: Literal["ok", "failed", "not_sent"]
    error: str | MISSING = MISSING
    what_to_do: str | MISSING = MISSING
    http_status: int | MISSING = MISSING
    trace_id: str | MISSING = MISSING


class Rate(Part):
    """The rate headers of the probe's answer, as sent."""

    limit: int | MISSING = MISSING
    remaining: int | MISSING = MISSING
    used_weight: int | MISSING = MISSING


class CheckRow(Part):
    """One of the doctor's checks; `fix` is for whoever runs the server."""

    name: str
    status: Status
    detail: str | MISSING = MISSING
    fix: str | MISSING = MISSING


class Output(ToolOutput):
    """The state of the set-up; no secret and no part of one."""

    ready: bool
    mode: Annotated[Source, Field(description="what the settings choose")]
    base_url: str
    api_key_present: bool
    algorithm: Literal["HMAC-SHA256", "Ed25519", "none"]
    recv_window_ms: int
    clock_offset_ms: Annotated[int | MISSING, Field(description="API time less local time")] = MISSING
    probe: Probe
    rate: Rate | MISSING = MISSING
    checks: list[CheckRow]


async def run(context: ToolContext, arguments: Input) -> Output:
    """What the settings say and what one signed request met. Raises nothing of its own."""
    # Not at the start, which most servers live through without this question.
    from wallet_mcp.server.setup.from_inside import checks_of_a_probe, checks_without_a_request

    settings = context.settings
    fields: dict[str, object] = {
        "mode": source_of(settings.base_url, sandbox=settings.sandbox),
        "base_url": "embedded sandbox" if settings.sandbox else settings.base_url,
        "api_key_present": settings.api_key_present,
        "algorithm": settings.credentials.algorithm if settings.credentials else "none",
        "recv_window_ms": settings.recv_window_ms,
    }
    for note in settings.notes:
        context.note(note)
    if not settings.usable or settings.credentials is None:
        checks = checks_without_a_request(settings, os.environ, context.services.wall())
        failure = explain(setup_problem(settings), context.call)
        step = _next_step(failure, checks)
        fields["probe"] = Probe(outcome="not_sent", error=str(failure.meta["code"]), what_to_do=step)
        return _output(context, settings, False, fields, checks)
    kept = await _probe(context)
    result = kept.result
    clock = context.api.clock
    now = context.services.wall()
    checks = checks_of_a_probe(settings, settings.credentials, os.environ, result, now=now, clock=clock)
    if clock.offset_s is not None:
        fields["clock_offset_ms"] = round(clock.offset_s * 1000)
    if isinstance(result, ApiError):
        failure = explain(result, context.call)
        wait_s = kept.until - asyncio.get_running_loop().time()
        if failure.meta["retryable"] and wait_s > 0:
            # An earlier repeat would only get this outcome again.
            failure = explain(replace(result, retry_after_s=wait_s), context.call)
        probe: dict[str, object] = {"outcome": "failed", "error": str(failure.meta["code"])}
        probe["what_to_do"] = _next_step(failure, checks)
        exchange = result.exchange
        context.provenance.sandbox = exchange.sandbox
        if exchange.http_status is not None:
            probe["http_status"] = exchange.http_status
        if "trace_id" in failure.meta:
            probe["trace_id"] = failure.meta["trace_id"]
        fields["probe"] = Probe.model_validate(probe)
        return _output(context, settings, False, fields, checks)
    context.provenance.oldest = result.server_time
    context.provenance.sandbox = result.exchange.sandbox
    numbers = asdict(result.rate)
    fields["rate"] = Rate.model_validate({name: value for name, value in numbers.items() if value is not None})
    fields["probe"] = Probe(outcome="ok")
    return _output(context, settings, True, fields, checks)


async def _probe(context: ToolContext) -> KeptProbe:
    """The outcome of one signed request, an error included; a kept one while it lasts, or the one under way."""
    services, now = context.services, asyncio.get_running_loop().time()
    kept = services.probe
    if kept is not None and now < kept.until:
        context.provenance.age_s = now - kept.at
        failed = " and failed" if isinstance(kept.result, ApiError) else ""
        left = math.ceil(kept.until - now)
        context.note(
            f"The probe was made {int(now - kept.at)} s ago{failed}; a new one is made in {left} s at the earliest."
        )
        return kept
    api = context.api
    return await services.probing.run("probe", lambda: _send(api, services, context.deadline), context.deadline)


async def _send(api: WalletApi, services: Services, deadline: float) -> KeptProbe:
    """Make a probe and keep its outcome, unless nothing left this machine for want of a place in the rate window."""
    result: ProbeResult
    lifetime_s = PROBE_KEPT_S
    try:
        result = await api.probe(deadline=deadline, once=True)
    except ApiError as error:
        result = error
        lifetime_s = max(FAILURE_KEPT_S, error.retry_after_s or 0.0)
    now = asyncio.get_running_loop().time()
    if isinstance(result, ApiError) and result.attempts == 0:
        return KeptProbe(now, now, result)
    services.probe = KeptProbe(now, now + lifetime_s, result)
    return services.probe


def _output(
    context: ToolContext, settings: Settings, ready: bool, fields: dict[str, object], checks: Iterable[Check]
) -> Output:
    common = context.common()
    if settings.sandbox:
        # Chosen, even where no answer came to say so.
        common["source"] = "sandbox"
    return Output.model_validate({"ready": ready, **fields, "checks": list(_rows(checks)), **common})


def _rows(checks: Iterable[Check]) -> Iterator[CheckRow]:
    said = ""
    for check in checks:
        # One reason often skips several checks in a row.
        yield _row(replace(check, said="") if check.said == said else check)
        said = check.said


def _row(check: Check) -> CheckRow:
    if not check.said or (check.status == "ok" and check.part not in _TOLD_WHEN_OK):
        return CheckRow(name=check.part, status=check.status)
    if not check.culprits:
        return CheckRow(name=check.part, status=check.status, detail=check.said)
    fix = check.fix
    if check.part == "signed probe" and len(check.culprits) > 1:
        fix += " `wallet-mcp doctor --deep` on that machine narrows it down."
    if check.culprits == ("tls_untrusted",):
        fix += " `wallet-mcp doctor` on that machine tells the reason."
    return CheckRow(name=check.part, status="failed", detail=check.said, fix=fix)


def _next_step(failure: Failure, checks: Sequence[Check]) -> str:
    """What the model does: pass the fixes on where they say it all, else the step of the error itself."""
    meta = failure.meta
    culprits = {culprit for check in checks for culprit in check.culprits}
    told = meta["actor"] == "operator" and meta["kind"] != "compliance" and culprits - {"api_changed"}
    if told:
        return _PASS_ON + (_OR_SANDBOX if meta["code"] == "no_credentials" else "")
    line = next((line for line in failure.text.splitlines() if line.startswith("Next step: ")), "")
    # An error ends with a line of that name; here the probe tells the id.
    return line.removeprefix("Next step: ").replace("the Trace line", "the trace id")


def render(output: Output) -> list[str]:
    """The state in a few lines, then a line for each check."""
    key = "API key present" if output.api_key_present else "no API key"
    lines = [
        f"Ready: {'yes' if output.ready else 'no'}. Mode {output.mode}, {output.base_url}, {key}, algorithm "
        f"{output.algorithm}, recv window {output.recv_window_ms} ms."
    ]
    if output.clock_offset_ms is not MISSING:
        lines.append(f"Clock: the API's time less this machine's is {output.clock_offset_ms} ms.")
    probe = output.probe
    words = [f"Probe: {probe.outcome.replace('_', ' ')}"]
    for name in ("error", "http_status", "trace_id"):
        value = getattr(probe, name)
        if value is not MISSING:
            words.append(f"{name.replace('_', ' ')} {value}")
    lines.append(f"{', '.join(words)}.")
    if probe.what_to_do is not MISSING:
        lines.append(f"What to do: {probe.what_to_do}")
    if output.rate is not MISSING:
        rate = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in output.rate.model_dump().items())
        lines.append(f"Rate headers: {rate or 'none sent'}.")
    return [*lines, "Checks:", *(_line(row) for row in output.checks), *closing(output)]


def _line(row: CheckRow) -> str:
    detail = "" if row.detail is MISSING else f": {row.detail}"
    fix = "" if row.fix is MISSING else f" Fix: {row.fix}"
    return f"{row.status}: {row.name}{detail}{fix}"


TOOL = Tool(
    name=NAME,
    title="Check the server's set-up",
    description=(
        "Check whether this server can ask the Wallet API: settings and form of the secrets, clock, connection, one "
        "signed request, rate headers, and a fix for each failure. Call it when another tool reports an "
        "authentication, clock or set-up error, or when the user asks why nothing works. It shows no secret."
    ),
    input_model=Input,
    output_model=Output,
    run=run,
    render=render,
)
