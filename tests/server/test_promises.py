"""What an error promises is kept: where it says that the server waits, a repeat at once really is held until then."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from mcp import Client

from tests.support.mcp import START, Era, Failed, Made, connect, refusal, usable_settings, wall_clock
from wallet_mcp.sandbox.app import Fault, Sandbox, SandboxOptions
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.server.app import build_server
from wallet_mcp.wallet_api.cooldown import FIRST_PAUSE_S
from wallet_mcp.wallet_api.retry import RETRIES

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


DOUBLED = (None, 2 * FIRST_PAUSE_S)


def told(failed: Failed) -> tuple[datetime | None, Any]:
    """The promise of a failure and its delay."""
    return promised(failed.text), failed.meta["retry_after_seconds"]


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


async def test_what_a_cool_down_promises_is_kept_and_no_try_is_spent_without_a_request(era: Era) -> None:
    """The third address starts a cool-down; its repeats, and other addresses, meet what each failure has told."""
    broken = Broken(50001, "")
    async with connect(era, spoil=broken) as face:

        async def fail(number: int) -> Failed:
            return await face.failure("wallet_list_balances", {"address": f"0x{number:040x}", "chain": "1"})

        for number in (1, 2):
            assert promised((await fail(number)).text) is not None
        until = promised((await fail(3)).text)
        assert until is not None
        assert until.timestamp() - wall_clock() == pytest.approx(FIRST_PAUSE_S, abs=1)
        broken.times.clear()
        # Its repeat is the probe, fails, and is told the doubled cool-down, which no call can wait for.
        assert told(await fail(3)) == DOUBLED
        assert broken.times
        assert min(broken.times) > until.timestamp() - 1
        broken.times.clear()
        ends = wall_clock() + 2 * FIRST_PAUSE_S
        assert told(await fail(4)) == DOUBLED
        await asyncio.sleep(10)
        # From here it fits: the one that was refused may come at once, and waits.
        assert broken.times == []
        broken.on = False
        for number in (3, 4):
            result = await face.client.call_tool(
                "wallet_list_balances", {"address": f"0x{number:040x}", "chain": "1"}
            )
            assert not result.is_error
        assert min(broken.times) == pytest.approx(ends, abs=0.01)


async def test_of_several_calls_that_wait_for_the_end_of_a_cool_down_one_is_sent(era: Era) -> None:
    broken = Broken(50001, "")
    async with connect(era, spoil=broken) as face:
        calls = [{"address": f"0x{number:040x}", "chain": "1"} for number in range(1, 9)]
        for arguments in calls[:3]:
            await face.failure("wallet_list_balances", arguments)
        broken.times.clear()
        failures = await asyncio.gather(*(face.failure("wallet_list_balances", arguments) for arguments in calls))
        # One probe and its retries; the others were told the end of the doubled cool-down, without a request.
        assert len(broken.times) == 1 + RETRIES[50001]
        assert [told(failed) for failed in failures] == [DOUBLED] * 8


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
