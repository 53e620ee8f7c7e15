from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.process import PATIENCE_S, command, environment
from wallet_mcp.cli.call import read_pairs
from wallet_mcp.cli.main import main
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.server.tools import TOOLS

RICH = WALLETS["rich"]
PROPERTIES: dict[str, Any] = {
    "address": {"type": "string"},
    "page": {"type": "integer"},
    "chains": {"type": "array"},
    "risk": {"type": "boolean"},
}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `wallet-mcp` in this process without settings of ours: status, stdout, stderr."""
    for name in os.environ:
        if name.startswith("WALLET_MCP_"):
            monkeypatch.delenv(name)

    def run(*words: str) -> tuple[int, str, str]:
        status = main(words)
        written = capsys.readouterr()
        return status, written.out, written.err

    return run


def test_an_answer_goes_to_stdout_with_status_0(run: Run) -> None:
    status, out, err = run("call", "wallet_list_chains", "chain=bsc", "--sandbox")
    assert (status, err) == (0, "")
    assert "56,BNB Chain,BSC,yes\n" in out
    assert "Source: sandbox" in out


def test_json_prints_the_structure_alone(run: Run) -> None:
    status, out, err = run("--sandbox", "call", "wallet_list_chains", "--json", "chain=bsc")
    answer = json.loads(out)
    assert (status, err) == (0, "")
    assert answer["source"] == "sandbox"
    assert [chain["chain"] for chain in answer["chains"]] == ["56"]


@pytest.mark.parametrize(
    ("words", "status", "code", "actor"),
    [
        (["wallet_list_chains"], 1, "no_credentials", "operator"),
        (["wallet_list_chains", "chain=nowhere", "--sandbox"], 2, 40001, "model"),
        (["wallet_list_chains", "chian=bsc", "--sandbox"], 2, 40001, "model"),
        (["wallet_list_balances", f"address={RICH}", "chain=bsc", "page_size=500", "--sandbox"], 2, 40001, "model"),
    ],
)
def test_the_status_says_who_has_to_act(run: Run, words: list[str], status: int, code: object, actor: str) -> None:
    as_text = run("call", *words)
    assert as_text[:2] == (status, "")
    assert as_text[2].startswith(f"Error {code}: ")
    assert "\nNext step: " in as_text[2]
    as_json = run("call", *words, "--json")
    facts = json.loads(as_json[1])
    assert (as_json[0], facts["code"], facts["actor"]) == (status, code, actor)


def test_a_failure_that_only_time_mends_has_status_3(run: Run) -> None:
    pairs = [f"address={WALLETS['unavailable']}", "chain=bsc"]
    status, out, err = run("call", "wallet_list_balances", *pairs, "--sandbox")
    assert (status, out) == (3, "")
    assert "\nRetry: after " in err


def test_an_unknown_tool_is_answered_with_the_names_of_all(run: Run) -> None:
    status, out, err = run("call", "wallet_send_funds", "--sandbox")
    assert (status, out) == (2, "")
    assert err.startswith("There is no tool 'wallet_send_funds'. The tools are: ")
    assert all(tool.name in err for tool in TOOLS)


@pytest.mark.parametrize("word", ["bsc", "=bsc", "0x" + "ab" * 32])
def test_a_word_that_is_no_pair_is_refused_and_at_most_its_name_is_repeated(run: Run, word: str) -> None:
    status, out, err = run("call", "wallet_list_chains", word, "--sandbox")
    shown = word.partition("=")[0][:40]
    assert (status, out) == (2, "")
    assert err == f"Write each argument as key=value, for example chain=bsc; this one is not: {shown!r}\n"


def test_an_argument_given_twice_is_refused(run: Run) -> None:
    status, _, err = run("call", "wallet_list_chains", "chain=bsc", "chain=eth", "--sandbox")
    assert (status, err) == (2, "The argument 'chain' is given twice.\n")


@pytest.mark.parametrize(
    ("pairs", "arguments"),
    [
        ([], {}),
        (["address=0xA=b"], {"address": "0xA=b"}),
        (["address="], {"address": ""}),
        (["page=5", "chains=eth, bsc,"], {"page": "5", "chains": ["eth", "bsc"]}),
        (["chains="], {"chains": []}),
        (["chains=eth"], {"chains": ["eth"]}),
        *((["risk=" + word], {"risk": True}) for word in ("true", "Yes", "1")),
        *((["risk=" + word], {"risk": False}) for word in ("false", "NO", "0")),
        (["risk=perhaps"], {"risk": "perhaps"}),
        (["nothing=a,b"], {"nothing": "a,b"}),
    ],
)
def test_pairs_are_read_by_the_schema_of_the_tool(pairs: list[str], arguments: dict[str, object]) -> None:
    assert read_pairs(pairs, PROPERTIES) == arguments


def test_a_list_and_a_switch_reach_the_tool(run: Run) -> None:
    pairs = [f"address={RICH}", "tokens=eth:native,bsc:native"]
    status, out, _ = run("call", "wallet_get_token_balances", *pairs, "--json", "--sandbox")
    assert status == 0
    assert [row["asked"] for row in json.loads(out)["tokens"]] == ["eth:native", "bsc:native"]
    pairs = [f"address={RICH}", "chain=bsc", "include_risk_tokens=yes"]
    status, out, _ = run("call", "wallet_list_balances", *pairs, "--json", "--sandbox")
    assert status == 0
    assert any(row.get("risk_flagged") for row in json.loads(out)["tokens"])


@pytest.mark.skipif(os.name != "posix", reason="a pipe whose reader has left, as POSIX has it")
def test_a_reader_that_has_left_gets_the_status_of_a_broken_pipe_and_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        run = subprocess.run(
            command("call", "wallet_list_chains", "--sandbox"),
            env=environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_S,
            check=False,
        )
    finally:
        os.close(writing)
    assert (run.returncode, run.stderr) == (141, b"")
