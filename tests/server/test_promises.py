"""What an error promises is kept: where it says that the server waits, a repeat at once really is held until then."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from mcp import Client

from tests.support.mcp import START, Era, Made, connect, refusal, usable_settings, wall_clock
from wallet_mcp.sandbox.app import Fault, Sandbox, SandboxOptions
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.server.app import build_server

pytestmark = pytest.mark.anyio

RICH = WALLETS["rich"]
CALLS: dict[str, dict[str, Any]] = {
    "wallet_list_chains": {},
    "wallet_list_balances": {"address": RICH, "chain": "bsc"},
    "wallet_get_token_balances": {"address": RICH, "tokens": ["bsc:USDT", "eth:native"]},
    "wallet_list_transactions": {"address": RICH, "chains": ["56"]},
    "wallet_get_transaction": {"tx_hash": "0x" + "cd34" * 16, "chain": "eth"},
    "wallet_get_portfolio": {"address": RICH, "chains": ["56"]},
}
PROMISE = re.compile(r" or at once: the server itself waits until (\d\d:\d\d:\d\d)Z\.")


def promised(text: str) -> datetime | None:
    """The time until which a failure says that the server waits."""
    match = PROMISE.search(text)
    assert (match is not None) == ("the server itself waits" in text), text
    if match is None:
        return None
    today = datetime.fromtimestamp(START, UTC).date()
    return datetime.combine(today, datetime.strptime(match[1], "%H:%M:%S").time(), UTC)


class Broken:
    """Fails every request while it is `on`, and notes when each came."""

    def __init__(self, code: int, retry_after: str) -> None:
        self.on = True
        self.times: list[float] = []
        self._status = 429 if code == 42900 else 200
        self._headers = {"retry-after": retry_after} if retry_after else {}
        self._code = code

    def __call__(self, request: httpx.Request) -> Made | None:
        self.times.append(wall_clock())
        if not self.on:
            return None
        return httpx.Response(self._status, headers=self._headers, content=refusal(self._code))


@pytest.mark.parametrize("deadline_s", [25.0, 9.0])
@pytest.mark.parametrize(("code", "retry_after"), [(50001, ""), (42900, ""), (42900, "5"), (42900, "40")])
@pytest.mark.parametrize("tool", CALLS)
async def test_a_repeat_at_once_waits_until_the_time_that_was_told(
    tool: str, code: int, retry_after: str, deadline_s: float, era: Era
) -> None:
    broken = Broken(code, retry_after)
    async with connect(era, settings=usable_settings(deadline_s=deadline_s), spoil=broken) as face:
        failed = await face.failure(tool, CALLS[tool])
        until = promised(failed.text)
        assert (until is not None) is (failed.meta["retry_after_seconds"] + 2 <= deadline_s), failed.text
        broken.on, broken.times[:] = False, []
        if until is None:
            return
        # Told in whole seconds, rounded up: what it waits for lies within the last of them.
        earliest = (until - timedelta(seconds=1)).timestamp()
        assert wall_clock() < earliest + 1
        result = await face.client.call_tool(tool, CALLS[tool])
        assert not result.is_error
        assert broken.times
        assert min(broken.times) > earliest
        assert wall_clock() > earliest


SEVERAL: dict[str, dict[str, Any]] = {
    "wallet_get_portfolio": {"address": RICH, "chains": ["56", "1", "137"]},
    "wallet_get_transaction": {"tx_hash": "0x" + "cd34" * 16},
}


@pytest.mark.parametrize(("code", "retry_after"), [(50001, ""), (42900, "5"), (42900, "12")])
@pytest.mark.parametrize("tool", SEVERAL)
async def test_what_failed_first_may_have_waited_for_the_rest_of_the_call(
    tool: str, code: int, retry_after: str, era: Era
) -> None:
    broken = Broken(code, retry_after)
    async with connect(era, spoil=broken) as face:
        failed = await face.failure(tool, SEVERAL[tool])
        until = promised(failed.text)
        ended = wall_clock()
        broken.on, broken.times[:] = False, []
        assert not (await face.client.call_tool(tool, SEVERAL[tool])).is_error
        if until is not None:
            # Each chain is held until a time of its own, and that of one of them is told.
            assert ended < until.timestamp() < ended + failed.meta["retry_after_seconds"] + 1
            assert wall_clock() > until.timestamp() - 1


async def test_a_second_repeat_is_promised_the_time_that_is_left(era: Era) -> None:
    async with connect(era, faults=[Fault("50001")]) as face:
        arguments = CALLS["wallet_list_balances"]
        texts = [(await face.failure("wallet_list_balances", arguments)).text]
        for _ in range(3):
            until = promised(texts[-1])
            assert until is not None
            texts.append((await face.failure("wallet_list_balances", arguments)).text)
            assert wall_clock() > until.timestamp() - 1


async def test_a_server_that_ends_with_its_call_promises_nothing() -> None:
    stand_in = Sandbox(SandboxOptions(faults=(Fault("50001"),)), wall_clock=wall_clock)
    transport = httpx.ASGITransport(app=stand_in, raise_app_exceptions=False)
    server = build_server(usable_settings(), transport, wall=wall_clock, promises_to_wait=False)
    async with Client(server) as client:
        result = await client.call_tool("wallet_list_balances", CALLS["wallet_list_balances"])
    text = "\n".join(part.text for part in result.content if part.type == "text")
    assert "call wallet_list_balances again with the same arguments, after 8 s. " in text
    assert "\nRetry: after 8 s (" in text
    assert promised(text) is None
