"""How the outside checks are judged; they themselves run in `make conformance`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts import conformance
from scripts.conformance import CALLS, EXPECTED, SCENARIOS, Outcome, first_line, judged, report
from scripts.node_tools import NodeTools, Run
from wallet_mcp.server.tools import TOOLS


def check(name: str, status: str, **more: str) -> dict[str, Any]:
    return {"id": name, "status": status, "description": f"about {name}", **more}


def verdicts(checks: list[dict[str, Any]], expected: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    return [(outcome.name, outcome.verdict) for outcome in judged("group", checks, expected)]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [("SUCCESS", "passed"), ("FAILURE", "failed"), ("WARNING", "failed"), ("SKIPPED", "skipped")],
)
def test_a_check_is_judged_by_its_status(status: str, verdict: str) -> None:
    assert verdicts([check("a", status)]) == [("a", verdict)]


def test_a_scenario_without_checks_has_failed() -> None:
    assert verdicts([]) == [("any check", "failed")]
    assert verdicts([check("a", "INFO")]) == [("any check", "failed")]


def test_an_expected_failure_must_fail_and_must_be_there() -> None:
    assert verdicts([check("a", "FAILURE")], frozenset({"a"})) == [("a", "expected")]
    assert verdicts([check("a", "SUCCESS")], frozenset({"a"})) == [("a", "failed")]
    assert verdicts([check("b", "SUCCESS")], frozenset({"a"})) == [("b", "passed"), ("a", "failed")]


def test_what_is_said_of_a_failure_is_its_message_or_else_its_description() -> None:
    told = [
        *judged("g", [check("a", "FAILURE", errorMessage="one\ntwo")], frozenset()),
        *judged("g", [check("b", "FAILURE")], frozenset()),
        *judged("g", [check("c", "SUCCESS")], frozenset()),
    ]
    assert [outcome.said for outcome in told] == ["one", "about b", ""]
    assert first_line("x" * 500) == "x" * 240
    assert first_line("\n") == ""


def test_every_tool_is_called_and_every_expectation_has_its_scenario() -> None:
    assert {tool.name for tool in TOOLS} <= CALLS.keys()
    names = {name for scenarios in SCENARIOS.values() for name in scenarios}
    assert EXPECTED.keys() <= names
    assert SCENARIOS.keys() == {"2026-07-28", "2025-11-25"}


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [(["passed", "expected", "skipped"], 0), (["passed", "failed"], 1), (["skipped"], 1), (["expected"], 1), ([], 1)],
)
def test_the_status_is_0_only_where_something_passed_and_nothing_failed(verdicts: list[str], status: int) -> None:
    said: list[str] = []
    outcomes = [Outcome("g", f"n{number}", verdict, "why") for number, verdict in enumerate(verdicts)]  # type: ignore[arg-type]
    assert report(outcomes, said.append) == status
    counts = {word: verdicts.count(word) for word in ("passed", "expected", "failed", "skipped")}
    assert said[-1] == (
        f"conformance: {counts['passed']} passed, {counts['expected']} expected failures, {counts['failed']} failed, "
        f"{counts['skipped']} skipped\n"
    )
    assert ("FAILED: g: n1: why\n" in said) is ("failed" in verdicts)


class Answering(NodeTools):
    """Tools whose every run ends like this."""

    answer: Run
    commands: list[list[str]]

    def run(self, command: Any, patience_s: float, folder: Path | None = None) -> Run:
        self.commands.append(list(command))
        return self.answer


def answering(tmp_path: Path, answer: Run) -> Answering:
    tools = Answering(tmp_path)
    # The class is frozen for its fields, not for what a test adds.
    object.__setattr__(tools, "answer", answer)
    object.__setattr__(tools, "commands", [])
    return tools


GOOD = (
    '{"result": {"content": [{"type": "text", "text": "Source: sandbox"}], '
    '"structuredContent": {"source": "sandbox"}}}'
)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Run(0, GOOD, ""), "passed"),
        (Run(5, GOOD, "isError"), "failed"),
        (Run(None, GOOD, "too slow"), "failed"),
        (Run(0, GOOD.replace('"source": "sandbox"', '"source": "live"'), ""), "failed"),
        (Run(0, GOOD.replace("Source: sandbox", ""), ""), "failed"),
        (Run(0, "{}", ""), "failed"),
        (Run(0, "no JSON", ""), "failed"),
    ],
)
def test_a_call_counts_with_text_and_structure_of_the_sandbox(tmp_path: Path, answer: Run, verdict: str) -> None:
    tools = answering(tmp_path, answer)
    assert conformance.call_tool(tools, "modern", "wallet_list_chains", {})[1].verdict == verdict
    words = " ".join(tools.commands[0])
    assert "--method tools/call --tool-name wallet_list_chains --tool-args-json {} --protocol-era modern" in words


@pytest.mark.parametrize(
    ("answer", "verdict", "names"),
    [
        (Run(0, '{"result": {"tools": [{"name": "a"}]}}', ""), "passed", ["a"]),
        (Run(6, '{"result": {"tools": [{"name": "a"}]}}', "not portable"), "failed", ["a"]),
        (Run(0, '{"result": {"tools": []}}', ""), "failed", []),
    ],
)
def test_the_strict_list_counts_with_tools_in_it(tmp_path: Path, answer: Run, verdict: str, names: list[str]) -> None:
    tools = answering(tmp_path, answer)
    listed, outcome = conformance.list_strictly(tools, "legacy")
    assert (listed, outcome.verdict) == (names, verdict)
    assert "--strict" in tools.commands[0]


def test_a_scenario_that_writes_no_result_has_failed(tmp_path: Path) -> None:
    # The suite ends with status 0 where a scenario does not apply to a revision.
    tools = answering(tmp_path, Run(0, "SKIPPED: not applicable", ""))
    (outcome,) = conformance.run_scenario(tools, "http://127.0.0.1:1/mcp", "2025-11-25", "caching", tmp_path)
    assert (outcome.verdict, outcome.said) == ("failed", "SKIPPED: not applicable")


def test_the_written_result_of_a_scenario_counts(tmp_path: Path) -> None:
    written = tmp_path / "2025-11-25-ping" / "server-ping"
    written.mkdir(parents=True)
    (written / "checks.json").write_text('[{"id": "ping", "status": "SUCCESS"}]')
    tools = answering(tmp_path, Run(1, "", ""))
    (outcome,) = conformance.run_scenario(tools, "http://127.0.0.1:1/mcp", "2025-11-25", "ping", tmp_path)
    assert (outcome.name, outcome.verdict) == ("ping", "passed")


def test_the_server_is_started_and_its_end_is_an_outcome(tmp_path: Path) -> None:
    outcomes: list[Outcome] = []
    with conformance.http_server(tmp_path / "log", outcomes) as url:
        assert url.startswith("http://127.0.0.1:")
        assert url.endswith("/mcp")
    assert [(outcome.name, outcome.verdict) for outcome in outcomes] == [
        ("ends with status 0 on SIGTERM", "passed"),
        ("logs no error", "passed"),
    ]
