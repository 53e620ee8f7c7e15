from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
import pytest

from tests.cli.process import PATIENCE_S, command, environment
from wallet_mcp.cli import demo as demo_module
from wallet_mcp.cli.demo import demo
from wallet_mcp.server.tools import TOOLS

CALL = re.compile(r"^Tool call  (wallet_\w+) (\{.*\})$", re.MULTILINE)


def test_it_asks_each_tool_and_mends_one_refused_call() -> None:
    run = subprocess.run(
        command("demo"),
        # It runs on made-up data whatever is set up for real.
        env=environment(API_KEY="canary-live-key", SECRET_KEY="canary-live-secret", DEADLINE_S="wrong"),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=2 * PATIENCE_S,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    calls = CALL.findall(run.stdout)
    assert {tool for tool, _ in calls} == {tool.name for tool in TOOLS}
    assert run.stdout.count("\nQuestion   ") == len(calls) - 1
    assert run.stdout.count("\nError\n") == 1
    refused, mended = run.stdout.split("\nError\n")
    assert '"page_size": 500}' in refused.splitlines()[-1]
    assert "  | Error 40001: argument page_size was refused" in mended
    assert "  | Next step: call wallet_list_balances again with {" in mended
    assert '"page_size": 100}\nAnswer\n  | Balances of ' in mended
    assert mended.endswith("\nThat was sandbox data. The README shows how to ask about real wallets.\n")
    assert "canary" not in run.stdout


@dataclass
class Scripted:
    """Stands in the place of a client: gives these answers, and notes the calls."""

    answers: list[types.CallToolResult]
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def call_tool(self, tool: str, arguments: dict[str, Any]) -> types.CallToolResult:
        self.calls.append((tool, arguments))
        return self.answers[len(self.calls) - 1]


def says(text: str, *, is_error: bool) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=is_error)


REFUSED = says(
    'Error 40001: no.\nNext step: call wallet_list_chains again with {"chain": "56"}\nRetry: no', is_error=True
)


@pytest.mark.parametrize(
    ("answers", "mended", "calls"),
    [
        ([REFUSED, says("yes", is_error=False)], True, 2),
        ([REFUSED, REFUSED], False, 2),
        ([says("Error 50001: no.\nNext step: wait.", is_error=True)], False, 1),
        ([says('call wallet_list_chains again with {"chain": "56"}', is_error=False)], False, 1),
    ],
)
@pytest.mark.anyio
async def test_only_a_remedy_that_helps_counts(answers: list[types.CallToolResult], mended: bool, calls: int) -> None:
    client = Scripted(answers)
    assert await demo_module._mend(client, {"chain": "nowhere"}) is mended
    assert client.calls[1:] == [("wallet_list_chains", {"chain": "56"})][: calls - 1]


def test_a_tool_that_fails_unexpectedly_ends_the_demo_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ask() -> int:
        # The task group of a real client wraps what is raised within it.
        async with anyio.create_task_group():
            await demo_module._ask(Scripted([REFUSED]), "Why?", "wallet_list_chains", {})
        return 0

    monkeypatch.setattr(demo_module, "_demo", ask)
    assert demo() == 1
    written = capsys.readouterr().out
    assert "  | Error 40001: no." in written
    assert written.endswith("\nThe demo failed.\n")


def test_another_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> int:
        raise LookupError("x")

    monkeypatch.setattr(demo_module, "_demo", broken)
    with pytest.raises(LookupError):
        demo()
