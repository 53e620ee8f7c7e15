from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client, MCPError

from tests.support.mcp import (
    PROTOCOLS,
    STRANGER,
    Era,
    Face,
    Upstream,
    connect,
    custom_settings,
    read_failure,
    usable_settings,
    wall_clock,
)
from wallet_mcp import __version__
from wallet_mcp.sandbox.app import Fault, Sandbox
from wallet_mcp.server import prompts
from wallet_mcp.server.app import build_server
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.guidance import CallContext, explain
from wallet_mcp.server.problems import ArgumentProblem, SetupProblem
from wallet_mcp.server.remediation import remedies
from wallet_mcp.server.tools import TOOLS, list_chains
from wallet_mcp.settings import Settings
from wallet_mcp.wallet.labels import parse_labels
from wallet_mcp.wallet_api.errors import ApiError

pytestmark = pytest.mark.anyio

BALANCES = {"address": STRANGER, "chain": "1"}


async def test_each_era_speaks_its_protocol(face: Face, era: Era) -> None:
    assert face.client.protocol_version == PROTOCOLS[era]
    assert face.client.server_info is not None
    assert (face.client.server_info.name, face.client.server_info.version) == ("wallet-mcp", __version__)
    assert "Which tool:" in (face.client.instructions or "")
    assert face.wallets["rich"] in (face.client.instructions or "")


@pytest.mark.parametrize("name", ["wallet_send_money", "", "WALLET_LIST_CHAINS", "x" * 500, "<b>\u202e"])
async def test_an_unknown_tool_is_a_protocol_error(face: Face, name: str) -> None:
    with pytest.raises(MCPError) as caught:
        await face.client.call_tool(name, {})
    assert caught.value.error.code == -32602
    assert caught.value.error.message.startswith("Unknown tool: ")
    assert len(caught.value.error.message) < 100
    assert not set(caught.value.error.message) & set("<>\u202e")


async def test_prompts_are_served_beside_the_tools(face: Face) -> None:
    listed = await face.client.list_prompts()
    assert len(listed.prompts) >= 4
    with pytest.raises(MCPError) as caught:
        await face.client.get_prompt("no such prompt")
    assert caught.value.error.code == -32602


async def test_lists_may_be_kept_for_five_minutes() -> None:
    async with connect("auto") as face:
        for result in (await face.client.list_tools(), await face.client.list_prompts()):
            assert (result.ttl_ms, result.cache_scope) == (300_000, "public")


async def test_without_credentials_each_call_says_what_to_fix_and_sends_nothing(era: Era) -> None:
    missing = ("WALLET_MCP_API_KEY is not set.", "Neither WALLET_MCP_SECRET_KEY nor WALLET_MCP_PRIVATE_KEY is set.")
    arguments: dict[str, dict[str, Any]] = {
        "wallet_list_chains": {},
        "wallet_list_balances": BALANCES,
        "wallet_get_token_balances": {"address": STRANGER, "tokens": ["1:native"]},
        "wallet_list_transactions": {"address": STRANGER},
        "wallet_get_transaction": {"tx_hash": "0x" + "1" * 64, "chain": "tron"},
    }
    async with connect(era, settings=Settings(missing=missing)) as face:
        assert len(await face.tools()) == len(TOOLS)
        for tool, given in arguments.items():
            failed = await face.failure(tool, given)
            assert (failed.meta["code"], failed.meta["actor"], failed.meta["kind"]) == (
                "no_credentials",
                "operator",
                "setup",
            )
            assert all(sentence in failed.parts["step"] for sentence in missing)
            assert "WALLET_MCP_SANDBOX=1" in failed.parts["step"]
        assert (await face.answer("wallet_check_setup"))["ready"] is False
        assert not face.sent()


async def test_a_set_up_that_is_wrong_in_two_ways_tells_both(era: Era) -> None:
    settings = Settings(bad_credentials=("A is wrong.",), problems=("B is wrong.",))
    async with connect(era, settings=settings) as face:
        failed = await face.failure("wallet_list_chains")
        assert failed.meta["code"] == "bad_credentials"
        assert "A is wrong. B is wrong." in failed.parts["step"]
    async with connect(era, settings=replace(usable_settings(), problems=("B is wrong.",))) as face:
        failed = await face.failure("wallet_list_chains")
        assert failed.meta["code"] == "bad_settings"
        assert not face.sent()


async def test_all_connections_share_one_cache_and_one_client(era: Era) -> None:
    sandbox = Sandbox(wall_clock=wall_clock)
    server = build_server(usable_settings(), httpx.ASGITransport(app=sandbox), wall=wall_clock)
    async with Client(server, mode=era) as first, Client(server, mode=era) as second:
        for client in (first, second):
            assert not (await client.call_tool("wallet_list_balances", BALANCES)).is_error
        assert len(sandbox.requests) == 1
    async with Client(server, mode=era) as third:
        await third.call_tool("wallet_list_balances", BALANCES | {"page": 2})
        assert len(sandbox.requests) == 2, "the last connection's end did not end the server"


async def test_equal_questions_at_once_are_one_request(face: Face) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(face.client.call_tool, "wallet_list_balances", BALANCES)
    assert len(face.sent()) == 1


async def test_a_client_that_gives_up_leaves_the_answer_to_the_others(face: Face) -> None:
    face.sandbox.set_faults([Fault("slow", times=1)])
    answers: list[Any] = []

    async def patient() -> None:
        await asyncio.sleep(0.5)
        answers.append(await face.client.call_tool("wallet_list_balances", BALANCES))

    async with anyio.create_task_group() as group:
        group.start_soon(patient)
        with anyio.move_on_after(1):
            await face.client.call_tool("wallet_list_balances", BALANCES)
    assert [answer.is_error for answer in answers] == [False]


@pytest.mark.parametrize("deadline", [1.0, 4.0])
async def test_no_call_outlives_its_deadline(era: Era, deadline: float) -> None:
    async with connect(era, settings=usable_settings(deadline_s=deadline), faults=[Fault("hang")]) as face:
        started = asyncio.get_running_loop().time()
        failed = await face.failure("wallet_list_transactions", {"address": STRANGER})
        assert failed.meta["code"] == "timeout"
        assert asyncio.get_running_loop().time() - started <= deadline + 0.5


async def test_a_tool_that_hangs_is_cut_off_in_words(era: Era, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(context: object) -> None:
        await asyncio.sleep(1_000)

    monkeypatch.setattr(list_chains, "listed_chains", hangs)
    async with connect(era, settings=usable_settings(deadline_s=3.0)) as face:
        failed = await face.failure("wallet_list_chains")
        assert failed.meta["code"] == "timeout"
        assert "the call's own deadline passed" in failed.text
        assert "trace" not in failed.parts


@pytest.mark.parametrize("groups", [0, 1, 2])
async def test_a_fault_of_ours_is_an_error_in_words_and_a_place_in_the_log(
    groups: int, era: Era, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(context: object = None, inside: int = groups) -> None:
        if inside == 0:
            raise KeyError("some private thing")
        async with anyio.create_task_group() as group:
            group.start_soon(fails, None, inside - 1)

    monkeypatch.setattr(list_chains, "listed_chains", fails)
    async with connect(era) as face:
        failed = await face.failure("wallet_list_chains")
    assert (failed.meta["code"], failed.meta["actor"]) == ("internal", "operator")
    assert "private" not in failed.text
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "internal error KeyError at " in line
    assert "fails:" in line
    assert "private" not in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        ApiError(code=40104, message="Permission denied"),
        ArgumentProblem("chain", "a chain of this API"),
        SetupProblem("bad_settings", ("A is wrong.",)),
        TimeoutError(),
    ],
)
async def test_a_failure_from_a_task_group_reads_as_it_does_alone(
    error: Exception, era: Era, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    raised = iter([error, ExceptionGroup("a part failed", [error, KeyError("cut off with it")])])

    async def fails(context: object) -> None:
        raise next(raised)

    caplog.set_level(logging.INFO, logger="wallet_mcp")
    monkeypatch.setattr(list_chains, "listed_chains", fails)
    async with connect(era) as face:
        alone, grouped = [await face.failure("wallet_list_chains") for _ in range(2)]
    assert (alone.text, alone.meta) == (grouped.text, grouped.meta)
    assert alone.meta["code"] != "internal"
    lines = [record.getMessage().rpartition(" in ")[0] for record in caplog.records if record.name == "wallet_mcp"]
    assert len(lines) == 2
    assert lines[0] == lines[1]


def test_files_that_are_checked_at_the_start_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    remedies.cache_clear()
    prompts._prompts.cache_clear()
    build_server(Settings())
    monkeypatch.setattr("tomllib.loads", lambda text: pytest.fail("a file is read again"))
    assert prompts.list_prompts()
    assert explain(ApiError(code=40104), CallContext("wallet_list_chains")).meta["code"] == 40104


async def test_each_call_is_logged_by_name_outcome_and_time(era: Era, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="wallet_mcp")
    async with connect(era) as face:
        await face.answer("wallet_list_balances", BALANCES)
        face.sandbox.set_faults([Fault("40104")])
        await face.failure("wallet_list_balances", BALANCES | {"page": 2})
        await face.failure("wallet_list_balances", BALANCES | {"page": 0})
    lines = [record.getMessage().rpartition(" in ")[0] for record in caplog.records if record.name == "wallet_mcp"]
    assert lines == [
        "wallet_list_balances: ok",
        "wallet_list_balances: 40104",
        "wallet_list_balances: ArgumentProblem",
    ]


async def test_proxy_variables_are_named_never_shown(era: Era, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    # A host that a proxy can lead to: the embedded sandbox is reached without any.
    settings = custom_settings(base_url="https://proxied.invalid/build")
    async with connect(era, faults=[Fault("40302")], settings=settings) as face:
        assert "no proxy variable is set" in (await face.failure("wallet_list_chains")).text
        monkeypatch.setenv("HTTPS_PROXY", "http://user:word@proxy.example:8080")
        monkeypatch.setenv("ALL_PROXY", " ")
        failed = await face.failure("wallet_list_chains")
        assert "HTTPS_PROXY is set" in failed.text
        assert "proxy.example" not in failed.text


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8750/build", "http://localhost:8750/build"])
async def test_a_proxy_variable_does_not_count_where_no_proxy_is_used(
    base_url: str, era: Era, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:8080")
    async with connect(era, faults=[Fault("40302")], settings=custom_settings(base_url=base_url)) as face:
        assert "no proxy variable is set" in (await face.failure("wallet_list_chains")).text


async def test_a_base_url_without_build_is_the_first_suspect(era: Era) -> None:
    settings = custom_settings(base_url="https://proxy.example/api")
    refusing = httpx.Response(404, json={"error": "Not Found", "status": 404})
    async with connect(era, settings=settings, transport=Upstream(lambda request: refusing)) as face:
        failed = await face.failure("wallet_list_balances", BALANCES)
        assert "must make WALLET_MCP_BASE_URL end in /build" in failed.parts["step"]


async def test_an_answer_and_a_failure_can_stand_side_by_side(face: Face) -> None:
    """One tool's failure leaves nothing behind that a next call could trip over."""
    bad = await face.client.call_tool("wallet_list_balances", {"address": STRANGER, "chain": "tron"})
    assert read_failure(bad).meta["field"] == "chain"
    assert (await face.answer("wallet_list_balances", BALANCES))["tokens"] == []


async def test_a_client_that_asks_is_told_the_progress(era: Era) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async with connect(era, rate=50) as face:
        arguments = {"address": face.wallets["whale"], "chains": ["56"], "limit": 1}
        result = await face.client.call_tool("wallet_get_portfolio", arguments, progress_callback=note)
        assert not result.is_error
        await asyncio.sleep(1)
        done = [done for done, _, _ in told]
        assert len(done) == 22
        assert done == sorted(set(done))
        assert {total for _, total, _ in told} == {1}
        assert told[-1] == (1, 1, "22 pages of balances read")


async def test_a_total_is_told_from_when_it_is_known(era: Era, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert message == "x"
        told.append((progress, total))

    async def reports(context: ToolContext) -> None:
        await context.report(1, "x")
        await context.report(2, "x", total=5)
        await context.report(3, "x")
        await context.report(4, "x", total=6)
        raise ArgumentProblem("chain", "x")

    monkeypatch.setattr(list_chains, "listed_chains", reports)
    async with connect(era) as face:
        await face.client.call_tool("wallet_list_chains", {}, progress_callback=note)
        await asyncio.sleep(1)
    assert told == [(1, None), (2, 5), (3, 5), (4, 6)]


async def test_labels_stand_in_the_instructions_and_in_answers(era: Era) -> None:
    settings = usable_settings(wallets=parse_labels(f"Friend={STRANGER}"))
    async with connect(era, settings=settings) as face:
        assert f"Friend ({STRANGER})" in (face.client.instructions or "")
        for name, rest in (
            ("wallet_list_balances", {"chain": "1"}),
            ("wallet_get_token_balances", {"tokens": ["1:native"]}),
            ("wallet_list_transactions", {"chains": ["1"]}),
            ("wallet_get_portfolio", {"chains": ["1"]}),
        ):
            answer = await face.answer(name, {"address": "friend"} | rest)
            assert (answer["label"], answer["address"]) == ("Friend", STRANGER)
            assert f"Friend ({STRANGER})" in answer.lines[0]


async def test_a_repeat_that_is_held_names_the_time_until_which_the_server_waits(era: Era) -> None:
    async with connect(era, faults=[Fault("50001")]) as face:
        texts = [(await face.failure("wallet_list_balances", BALANCES)).text for _ in range(4)]
        held = [text for text in texts if "or at once: the server itself waits until 10:0" in text]
        assert held, texts[-1]
