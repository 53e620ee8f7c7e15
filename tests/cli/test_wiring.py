from __future__ import annotations

import logging

import anyio
import pytest
from mcp import Client

from wallet_mcp.cli.wiring import sandbox_settings, server_from_environment, set_up_logging
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.settings import load_settings

LIVE = {"WALLET_MCP_API_KEY": "live-canary-key", "WALLET_MCP_SECRET_KEY": "live-canary-secret"}
SET_ASIDE = "Sandbox mode: the live keys that are set are not used."


@pytest.mark.parametrize(
    ("environment", "flag"), [({}, True), ({"WALLET_MCP_SANDBOX": "1"}, False), ({"WALLET_MCP_SANDBOX": "0"}, True)]
)
@pytest.mark.anyio
async def test_the_sandbox_answers_in_the_place_of_the_network(environment: dict[str, str], flag: bool) -> None:
    async with Client(server_from_environment(sandbox=flag, environment=LIVE | environment)) as client:
        assert WALLETS["rich"] in (client.instructions or "")
        answer = await client.call_tool("wallet_check_setup", {})
    assert answer.structured_content is not None
    assert answer.structured_content["ready"] is True
    assert answer.structured_content["mode"] == "sandbox"
    assert answer.structured_content["notes"] == [SET_ASIDE]
    assert "canary" not in str(answer)


@pytest.mark.anyio
async def test_without_the_sandbox_its_wallets_are_not_named() -> None:
    async with Client(server_from_environment(sandbox=False, environment={})) as client:
        assert WALLETS["rich"] not in (client.instructions or "")
        answer = await client.call_tool("wallet_list_chains", {})
    assert answer.is_error


@pytest.mark.parametrize(
    ("environment", "noted"),
    [({}, False), (LIVE, True), ({"WALLET_MCP_API_KEY": "live"}, True), ({"WALLET_MCP_SECRET_KEY": "a b"}, True)],
)
def test_keys_that_are_set_aside_are_mentioned(environment: dict[str, str], noted: bool) -> None:
    settings = sandbox_settings(load_settings(environment))
    assert (SET_ASIDE in settings.notes) is noted
    assert settings.usable
    assert settings.base_url == "https://sandbox.invalid/build"
    assert settings.credentials is not None
    assert settings.credentials.api_key.get_secret_value() == "BX-sandbox-demo"


def test_other_wrong_settings_still_count_in_the_sandbox() -> None:
    settings = sandbox_settings(load_settings({"WALLET_MCP_DEADLINE_S": "never"}))
    assert settings.problems == ("WALLET_MCP_DEADLINE_S must be a number from 1 to 600.",)
    assert not settings.usable


def test_log_lines_go_to_stderr_without_the_text_of_exceptions(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info")
    try:
        raise ValueError("canary 0xabc")
    except ValueError:
        logging.getLogger("wallet_mcp").exception("a call failed", stack_info=True)
    logging.getLogger("mcp.server").error("again", exc_info=(KeyError, KeyError("canary"), None))
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n(ValueError)\n") == 1
    assert written.err.count("\n(KeyError)\n") == 1
    assert "canary" not in written.err
    assert "Traceback" not in written.err


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [
        ("debug", ["debug", "info", "warning", "error"], ["warning", "error"]),
        ("error", ["error"], ["warning", "error"]),
    ],
)
def test_libraries_never_log_below_warning(
    level: str, ours: list[str], theirs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging(level)
    for name in ("debug", "info", "warning", "error"):
        for logger in ("wallet_mcp", "httpx", "mcp"):
            getattr(logging.getLogger(logger), name)("%s-%s", logger, name)
    lines = capsys.readouterr().err.split()
    for logger, names in (("wallet_mcp", ours), ("httpx", theirs), ("mcp", theirs)):
        assert [word for word in lines if word.startswith(f"{logger}-")] == [f"{logger}-{name}" for name in names]


def test_wrong_log_levels_do_not_stop_the_start() -> None:
    anyio.run(_list_tools, {"WALLET_MCP_LOG_LEVEL": "loud"})


async def _list_tools(environment: dict[str, str]) -> None:
    async with Client(server_from_environment(sandbox=True, environment=environment)) as client:
        assert (await client.list_tools()).tools
