"""`make conformance`: what others say about this server. Counts what passed, was expected to fail, and failed.

The official suite speaks streamable HTTP to a server on loopback; the Inspector starts one over stdio, judges the
schemas and calls each tool, in both eras of the protocol; the bundler checks and packs the bundle.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from scripts.bundle import ROOT, BadBundle, pack, try_out
from scripts.node_tools import NodeTools, NoTools, install_tools
from wallet_mcp.sandbox.world_wallets import WALLETS

Verdict = Literal["passed", "expected", "failed", "skipped"]

SCENARIOS: Final[Mapping[str, Sequence[str]]] = {
    "2026-07-28": (
        "tools-list",
        "prompts-list",
        "resources-list",
        "sep-2164-resource-not-found",
        "dns-rebinding-protection",
        "caching",
        "http-header-validation",
        "input-required-result-unsupported-methods",
        "server-stateless",
    ),
    "2025-11-25": (
        "server-initialize",
        "ping",
        "tools-list",
        "prompts-list",
        "resources-list",
        "dns-rebinding-protection",
    ),
}
"""Revision -> the scenarios that need no tools of the suite's own."""

EXPECTED: Final[Mapping[str, frozenset[str]]] = {
    # Each of these needs a test tool that only a server made for the suite has.
    "server-stateless": frozenset(
        {
            "sep-2575-server-rejects-undeclared-capability",
            "sep-2575-missing-capability-http-400",
            "sep-2575-http-server-no-independent-requests-on-stream",
            "sep-2575-server-no-log-without-loglevel",
        }
    )
}
"""Scenario -> the checks in it that fail, and may; one that passes must be taken off the list."""

ERAS: Final = ("modern", "legacy")
CALLS: Final[Mapping[str, Mapping[str, object]]] = {
    "wallet_list_chains": {},
    "wallet_list_balances": {"address": WALLETS["rich"], "chain": "bsc", "page_size": 5},
    "wallet_get_token_balances": {"address": WALLETS["rich"], "tokens": ["eth:native", "bsc:native"]},
    "wallet_list_transactions": {"address": WALLETS["rich"], "chains": ["eth"], "limit": 3},
    "wallet_get_transaction": {},
    "wallet_get_portfolio": {"address": WALLETS["rich"], "chains": ["bsc"]},
    "wallet_check_setup": {},
}
"""Tool -> arguments of the one call; those of `wallet_get_transaction` come from a listing."""

AT_ONCE: Final = 3
STEP_S: Final = 90.0
TOTAL_S: Final = 600.0
"""Seconds for all checks together; a healthy run takes about 60 on two cores."""
_START_S: Final = 30.0
_URL = re.compile(r"http://\S+")
_FAULT = re.compile(r"\b(ERROR|CRITICAL|Traceback)\b")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check: where it belongs, its name, the verdict, and what was said about a failure."""

    group: str
    name: str
    verdict: Verdict
    said: str = ""


def judged(group: str, checks: Sequence[Mapping[str, Any]], expected: frozenset[str]) -> Iterator[Outcome]:
    """The outcomes of a scenario. Warnings count as failures; a scenario without any check has failed too."""
    verdicts: dict[str, Verdict] = {
        "SUCCESS": "passed",
        "FAILURE": "failed",
        "WARNING": "failed",
        "SKIPPED": "skipped",
    }
    counted = [check for check in checks if check.get("status") in verdicts]
    if not counted:
        yield Outcome(group, "any check", "failed", "the scenario ran no check")
    seen = set[str]()
    for check in counted:
        name = str(check.get("id", ""))
        verdict = verdicts[check["status"]]
        said = first_line(str(check.get("errorMessage") or check.get("description") or ""))
        if name in expected:
            seen.add(name)
            passes = verdict == "passed"
            verdict, said = ("failed", "passes, though it is listed as a failure") if passes else ("expected", said)
        yield Outcome(group, name, verdict, said if verdict in ("failed", "expected") else "")
    for name in sorted(expected - seen):
        yield Outcome(group, name, "failed", "listed as an expected failure, and not among the checks")


def first_line(text: str) -> str:
    """The first line of a text, at most 240 characters of it."""
    return (text.strip().splitlines() or [""])[0][:240]


def run_scenario(tools: NodeTools, url: str, revision: str, scenario: str, results: Path) -> list[Outcome]:
    """Run one scenario of the official suite."""
    group = f"suite {revision} {scenario}"
    folder = results / f"{revision}-{scenario}"
    options = ["--url", url, "--scenario", scenario, "--spec-version", revision, "--output-dir", str(folder)]
    done = tools.run([*tools.suite, "server", *options], STEP_S)
    written = sorted(folder.glob("*/checks.json"))
    if not written:
        return [Outcome(group, "run", "failed", first_line(done.messages or done.output or "no result was written"))]
    checks = json.loads(written[-1].read_text(encoding="utf-8"))
    return list(judged(group, checks, EXPECTED.get(scenario, frozenset())))


@contextlib.contextmanager
def http_server(log: Path, outcomes: list[Outcome]) -> Iterator[str]:
    """The URL of a server on sandbox data. How it ends is an outcome too: status 0 on SIGTERM, and a clean log."""
    command = [sys.executable, "-m", "wallet_mcp", "serve", "--http", "--port", "0", "--sandbox"]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        until = time.monotonic() + _START_S
        while not (found := _URL.search(log.read_text(errors="replace"))):
            if process.poll() is not None or time.monotonic() > until:
                raise NoTools(f"wallet-mcp serve --http did not start: {first_line(log.read_text(errors='replace'))}")
            time.sleep(0.05)
        yield found[0]
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        status = process.returncode
        outcomes.append(
            Outcome(
                "server", "ends with status 0 on SIGTERM", "passed" if status == 0 else "failed", f"status {status}"
            )
        )
        # Warnings are its right: the suite sends it foreign host names.
        bad = [line for line in log.read_text(errors="replace").splitlines() if _FAULT.search(line)]
        outcomes.append(
            Outcome("server", "logs no error", "failed" if bad else "passed", first_line("".join(bad[:1])))
        )
    finally:
        process.kill()
        process.wait()


def inspect(tools: NodeTools, method: Sequence[str], era: str) -> tuple[int | None, dict[str, Any], str]:
    """One request by the Inspector over stdio: exit status, result, and what it said."""
    server = [sys.executable, "-m", "wallet_mcp"]
    options = ["--protocol-era", era, "--format", "json"]
    command = [*tools.inspector, "-e", "WALLET_MCP_SANDBOX=1", *server, "--method", *method, *options]
    done = tools.run(command, STEP_S, ROOT)
    try:
        result = json.loads(done.output)["result"]
    except (ValueError, KeyError, TypeError):
        result = {}
    return done.status, result, first_line(done.messages or done.output)


def list_strictly(tools: NodeTools, era: str) -> tuple[list[str], Outcome]:
    """The names of the tools, and the verdict of the Inspector's strict check on their schemas."""
    status, result, said = inspect(tools, ["tools/list", "--strict"], era)
    names = [str(tool["name"]) for tool in result.get("tools", [])]
    good = status == 0 and bool(names)
    return names, Outcome(f"inspector {era}", "tools/list --strict", "passed" if good else "failed", said)


def call_tool(
    tools: NodeTools, era: str, name: str, arguments: Mapping[str, object]
) -> tuple[dict[str, Any], Outcome]:
    """Call a tool: its structure, and whether text and structure came, both from the sandbox."""
    method = ["tools/call", "--tool-name", name, "--tool-args-json", json.dumps(arguments)]
    status, result, said = inspect(tools, method, era)
    structure: dict[str, Any] = result.get("structuredContent") or {}
    text = "".join(part.get("text", "") for part in result.get("content", []))
    good = status == 0 and "sandbox" in text and "sandbox" in (structure.get("source"), structure.get("mode"))
    return structure, Outcome(f"inspector {era}", name, "passed" if good else "failed", said)


def call_each_tool(tools: NodeTools, pool: ThreadPoolExecutor) -> list[Outcome]:
    """The strict list and one call per tool, in both eras."""
    lists = list(pool.map(lambda era: list_strictly(tools, era), ERAS))
    outcomes = [outcome for _, outcome in lists]
    listed, at = call_tool(tools, ERAS[0], "wallet_list_transactions", CALLS["wallet_list_transactions"])
    newest = (listed.get("transactions") or [{}])[0]
    found = {"tx_hash": newest.get("hash", ""), "chain": newest.get("chain", "")}
    calls: list[tuple[str, str]] = []
    for era, (names, _) in zip(ERAS, lists, strict=True):
        for name in names:
            if name in CALLS:
                calls.append((era, name))
            else:
                outcomes.append(Outcome(f"inspector {era}", name, "failed", "no call is written down for this tool"))
    if not calls:
        outcomes.append(at)

    def one(call: tuple[str, str]) -> Outcome:
        era, name = call
        return call_tool(tools, era, name, found if name == "wallet_get_transaction" else CALLS[name])[1]

    return [*outcomes, *pool.map(one, calls)]


def check_bundle(tools: NodeTools, folder: Path) -> Outcome:
    """Validate and pack the bundle, and try it out."""
    try:
        names = try_out(pack(tools, ROOT, folder / "wallet-mcp.mcpb"))
    except BadBundle as error:
        return Outcome("mcpb", "validate and pack", "failed", first_line(str(error)))
    return Outcome("mcpb", f"validate and pack ({len(names)} files)", "passed")


def report(outcomes: Sequence[Outcome], say: Callable[[str], object]) -> int:
    """Tell the counts per group, each failure, and the sum; the exit status."""
    groups: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.group, Counter())[outcome.verdict] += 1
    for group, counts in groups.items():
        say(f"{group:<58} {', '.join(f'{count} {verdict}' for verdict, count in sorted(counts.items()))}\n")
    total = Counter(outcome.verdict for outcome in outcomes)
    for verdict, word in (("expected", "expected failure"), ("failed", "FAILED")):
        for outcome in outcomes:
            if outcome.verdict == verdict:
                say(f"{word}: {outcome.group}: {outcome.name}: {outcome.said}\n")
    say(
        f"conformance: {total['passed']} passed, {total['expected']} expected failures, {total['failed']} failed, "
        f"{total['skipped']} skipped\n"
    )
    return 0 if total["passed"] and not total["failed"] else 1


def main() -> int:
    """Run all checks; the exit status is 1 where one failed that should not, or where they could not be run."""
    outcomes: list[Outcome] = []
    try:
        tools = replace(install_tools(), until=time.monotonic() + TOTAL_S)
        with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(AT_ONCE) as pool:
            folder = Path(name)
            bundle = pool.submit(check_bundle, tools, folder)
            with http_server(folder / "server.log", outcomes) as url:
                scenarios = [(revision, each) for revision, names in SCENARIOS.items() for each in names]
                for found in pool.map(lambda pair: run_scenario(tools, url, pair[0], pair[1], folder), scenarios):
                    outcomes += found
            outcomes += call_each_tool(tools, pool)
            outcomes.append(bundle.result())
    except NoTools as error:
        sys.stderr.write(f"conformance: {error}\n")
        return 1
    return report(outcomes, sys.stdout.write)


if __name__ == "__main__":
    sys.exit(main())
