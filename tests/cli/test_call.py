from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.process import PATIENCE_S, command, environment
from tests.cli.test_tables import Terminal
from wallet_mcp.cli.call import read_pairs, unknown_tool
from wallet_mcp.cli.main import main, parser
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


def test_a_set_up_that_is_not_ready_has_status_1(run: Run) -> None:
    status, out, err = run("call", "wallet_check_setup", "--json")
    assert (status, err) == (1, "")
    assert json.loads(out)["ready"] is False
    assert run("call", "wallet_check_setup")[0] == 1
    assert run("call", "wallet_check_setup", "--sandbox")[0] == 0


def test_no_wait_is_promised_by_a_process_that_ends(run: Run) -> None:
    _, _, err = run("call", "wallet_list_balances", f"address={WALLETS['unavailable']}", "chain=bsc", "--sandbox")
    assert "call wallet_list_balances again with the same arguments, after 8 s. " in err
    assert "or at once" not in err
    assert "waits" not in err


def test_an_unknown_tool_is_answered_with_the_names_of_all(run: Run) -> None:
    status, out, err = run("call", "wallet_send_funds", "--sandbox")
    assert (status, out) == (2, "")
    assert err.startswith("There is no tool 'wallet_send_funds'. The tools are: ")
    assert all(tool.name in err for tool in TOOLS)


NAMES = [tool.name for tool in TOOLS]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("list_balances", "wallet_list_balances"),
        ("wallet-list-balances", "wallet_list_balances"),
        ("Wallet_List_Balance", "wallet_list_balances"),
        ("get_portfolio", "wallet_get_portfolio"),
        ("wallet_portfolio", "wallet_get_portfolio"),
        ("wallet_transactions", "wallet_list_transactions"),
        ("check_setup", "wallet_check_setup"),
    ],
)
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(name: str, meant: str) -> None:
    assert unknown_tool(name, NAMES) == f"There is no tool {name!r}. Did you mean {meant}?"


@pytest.mark.parametrize("name", ["", "xyz", "wallet_", "wallet_send_funds", "0x" + "ab" * 32])
def test_another_name_is_answered_with_all_and_not_repeated_at_length(name: str) -> None:
    assert unknown_tool(name, NAMES) == f"There is no tool {name[:40]!r}. The tools are: {', '.join(NAMES)}."


def test_the_help_lists_every_tool_with_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        parser().parse_args(["call", "--help"])
    told = re.findall(r"^  (wallet_\w+)(.*)$", capsys.readouterr().out, re.MULTILINE)
    expected = {}
    for tool in TOOLS:
        schema = tool.definition.input_schema
        needed = schema.get("required", [])
        expected[tool.name] = {name if name in needed else f"[{name}]" for name in schema["properties"]}
    assert {name: set(words.split()) for name, words in told} == expected


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
    ("words", "told"),
    [
        (["wallet_send_funds"], "There is no tool 'wallet_send_funds'. The tools are: "),
        (["wallet_list_chains", "foo"], "Write each argument as key=value, "),
        (["wallet_list_chains", "chain=bsc", "chain=eth"], "The argument 'chain' is given twice."),
    ],
)
def test_with_json_words_that_make_no_call_are_an_object_on_stdout(run: Run, words: list[str], told: str) -> None:
    status, out, err = run("call", *words, "--sandbox", "--json")
    assert (status, err) == (2, "")
    failure = json.loads(out)
    assert failure.pop("text").startswith(told)
    assert failure == {"kind": "parameter", "actor": "model", "retryable": False}


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
        # As an answer's next call has it.
        (['chains=["56", "bnb, bsc"]'], {"chains": ["56", "bnb, bsc"]}),
        (['chains=["56"]'], {"chains": ["56"]}),
        (["chains=[56,1]"], {"chains": [56, 1]}),
        (["chains=[]"], {"chains": []}),
        (["chains=[eth,bsc"], {"chains": ["[eth", "bsc"]}),
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


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Terminal]:
    """Puts a terminal without colours into the place of a stream of this process."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "dumb")

    def terminal(name: str, columns: int = 120) -> Terminal:
        monkeypatch.setenv("COLUMNS", str(columns))
        stream = Terminal()
        monkeypatch.setattr(sys, name, stream)
        return stream

    return terminal


CALLS = {
    "wallet_list_chains": [],
    "wallet_get_portfolio": [f"address={RICH}", "chains=bsc"],
    "wallet_list_balances": [f"address={WALLETS['empty']}", "chain=bsc"],
    "wallet_get_token_balances": [f"address={RICH}", "tokens=eth:native,bsc:USDT"],
    "wallet_list_transactions": [f"address={WALLETS['empty']}"],
    "wallet_get_transaction": ["tx_hash=0x" + "ab12" * 16, "chain=eth"],
    "wallet_check_setup": [],
}


@pytest.mark.parametrize("tool", CALLS)
def test_on_a_terminal_every_tool_has_a_page_with_the_same_warnings(
    tool: str, run: Run, terminal: Callable[..., Terminal]
) -> None:
    def lines(written: str) -> list[str]:
        return re.sub(r"[\d.]+Z", "Z", written).splitlines()  # two calls, two times

    text = lines(run("call", tool, *CALLS[tool], "--sandbox")[1])
    stream = terminal("stdout", 400)
    assert run("call", tool, *CALLS[tool], "--sandbox") == (0, "", "")
    page = lines(stream.getvalue())
    for line in text:
        if line.startswith(("Complete: ", "Note: ")):
            assert line in page
    assert sum(line.startswith("Source: sandbox (invented test data), as of ") for line in page) == 1


def test_on_a_terminal_balances_are_a_table(run: Run, terminal: Callable[..., Terminal]) -> None:
    stream = terminal("stdout")
    assert run("call", *("wallet_get_portfolio", f"address={RICH}", "limit=2", "--sandbox"))[0] == 0
    page = stream.getvalue()
    assert re.search(r"^1      native +ETH +4\.218375190246813579  +13192\.905642$", page, re.MULTILINE)
    assert f"\nNext: wallet-mcp call wallet_get_portfolio address={RICH} limit=2 offset=2 --sandbox\n" in page
    assert "\x1b" not in page


def test_json_is_the_same_on_a_terminal(run: Run, terminal: Callable[..., Terminal]) -> None:
    stream = terminal("stdout", 40)
    assert run("call", "wallet_list_chains", "--json", "--sandbox")[0] == 0
    assert len(json.loads(stream.getvalue())["chains"]) == 10


def test_a_failure_on_a_terminal_has_the_same_lines(run: Run, terminal: Callable[..., Terminal]) -> None:
    words = ("call", "wallet_list_balances", f"address={RICH}", "chain=nowhere", "--sandbox")
    plain = run(*words)
    stream = terminal("stderr", 1000)
    assert run(*words) == (2, "", "")
    assert stream.getvalue() == plain[2]


def test_progress_is_shown_on_terminals_alone_and_is_gone_at_the_end(
    run: Run, terminal: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("call", "wallet_get_portfolio", f"address={RICH}", "chains=bsc", "limit=1", "--sandbox")
    assert run(*words)[2] == ""
    stderr = terminal("stderr")
    monkeypatch.setenv("TERM", "xterm")
    assert run(*words)[0] == 0
    assert stderr.getvalue() == ""
    terminal("stdout")
    monkeypatch.setenv("TERM", "dumb")
    assert run(*words)[0] == 0
    assert stderr.getvalue() == ""
    monkeypatch.setenv("TERM", "xterm")
    assert run(*words)[0] == 0
    shown = stderr.getvalue()
    assert "reading balances" in shown
    assert "1 page of balances read" in shown
    # The line is erased and the cursor is back.
    assert shown.endswith(("\x1b[2K", "\x1b[?25h"))
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1


@pytest.mark.skipif(os.name != "posix", reason="a terminal as POSIX has it")
def test_a_real_terminal_gets_a_page_and_a_pipe_the_text() -> None:
    control, terminal = os.openpty()
    given = environment() | {"TERM": "dumb", "COLUMNS": "120"}
    words = command("call", "wallet_list_chains", "chain=bsc", "--sandbox")
    with open(control, "rb", buffering=0) as reader:
        run = subprocess.run(words, env=given, stdout=terminal, stderr=terminal, timeout=PATIENCE_S, check=False)
        page = reader.read(65_536).decode()
        os.close(terminal)
    assert run.returncode == 0
    assert re.search(r"^56     BNB Chain  BSC         yes *\r$", page, re.MULTILINE)
    piped = subprocess.run(words, env=given, capture_output=True, timeout=PATIENCE_S, check=False, text=True)
    assert "\n56,BNB Chain,BSC,yes\n" in piped.stdout


# With rich installed, the HTTP libraries would load it for command lines of their own.
LOADED = """
import sys
import wallet_mcp.cli.main, wallet_mcp.cli.call
early = "rich" in sys.modules or "wallet_mcp.cli.tables" in sys.modules
status = wallet_mcp.cli.main.main(["call", "wallet_list_chains", "chain=bsc", "--sandbox"])
print(early, status, sorted({"rich", "wallet_mcp.cli.tables", "wallet_mcp.cli.pages"} & set(sys.modules)))
"""


def test_neither_a_start_nor_a_call_in_a_pipe_loads_what_draws() -> None:
    run = subprocess.run(
        [sys.executable, "-c", LOADED],
        env=environment(),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
        text=True,
    )
    assert run.stdout.splitlines()[-1] == "False 0 []", run.stderr
