from __future__ import annotations

import asyncio
import socket
from email.utils import formatdate

import httpx
import pytest

from tests.support.wallet_api import (
    START,
    START_MS,
    Reply,
    Scripted,
    loop_time,
    make_api,
    refusal,
    success,
    wall_clock,
    within,
)
from wallet_mcp.sandbox.app import Fault, Sandbox, SandboxOptions
from wallet_mcp.wallet_api.errors import ApiError, Code

pytestmark = pytest.mark.anyio

NOW_MS = str(START_MS)
HTML = Reply(b"<html>502 Bad Gateway", 502)


async def run(wire: Scripted, deadline_s: float = 600, seed: int = 0) -> ApiError | None:
    """The error of one call, None when it succeeded."""
    try:
        await make_api(wire, seed=seed).probe(deadline=within(deadline_s))
    except ApiError as error:
        return error
    return None


FAILURES: list[tuple[Reply, Code, int]] = [
    # A failure, its code, how often it is sent.
    (Reply(raises=httpx.ReadTimeout("x")), "timeout", 3),
    (Reply(raises=httpx.ReadError("x")), "connection", 4),
    (HTML, "bad_gateway", 4),
    (Reply(b"not JSON"), "not_json", 2),
    (refusal(50000), 50000, 2),
    (refusal(50001), 50001, 4),
    (refusal(40103, "Timestamp expired", status=401, x_oc_server_time=NOW_MS), 40103, 2),
    (refusal(40103, "Timestamp expired", status=401, timestamp=START_MS), 40103, 2),
    (refusal(40103, "Timestamp expired", status=401), 40103, 1),
    (refusal(40103, "Duplicate request detected", status=401, x_oc_server_time=NOW_MS), 40103, 3),
    *((refusal(code), code, 1) for code in (40001, 40101, 40102, 40104, 40301, 40302, 40303, 40304, 40411, 45678)),
    (refusal("000002"), "000002", 1),
    (Reply(b"", 302), "redirect", 1),
    (Reply(b"", 404), "not_found", 1),
    (Reply(b"", 414), "uri_too_long", 1),
    (Reply(b"[]"), "unexpected_answer", 1),
    (Reply(raises=httpx.ConnectError("x")), "connection", 4),
]


LIMITED = [refusal(42900, status=429, retry_after="1"), refusal(42900), Reply(b"slow down", 429)]


@pytest.mark.parametrize("deadline_s", [3, 25, 60])
@pytest.mark.parametrize("reply", LIMITED)
async def test_a_42900_is_sent_again_until_the_next_wait_does_not_fit_the_deadline(
    reply: Reply, deadline_s: float
) -> None:
    wire = Scripted(reply)
    started = loop_time()
    error = await run(wire, deadline_s)
    assert error is not None
    assert (error.code, error.attempts) == (42900, len(wire.requests))
    # Each wait is 1 s and up to 0.25 s of jitter; the one that does not fit is not begun.
    assert deadline_s - 1.25 <= loop_time() - started < deadline_s
    assert len(wire.requests) >= 1 + (deadline_s - 1.25) / 1.25


async def test_a_42900_that_names_no_wait_is_sent_again_at_the_slowest_pace_only() -> None:
    wire = Scripted(refusal(42900, status=429, retry_after="0"))
    error = await run(wire, 25)
    assert error is not None
    assert (error.code, error.attempts) == (42900, len(wire.requests))
    assert 20 <= len(wire.requests) <= 30


@pytest.mark.parametrize(("reply", "code", "sends"), FAILURES)
async def test_how_often_a_lasting_failure_is_sent(reply: Reply, code: Code, sends: int) -> None:
    wire = Scripted(reply)
    started = loop_time()
    error = await run(wire)
    assert error is not None
    assert (error.code, error.attempts, len(wire.requests)) == (code, sends, sends)
    assert error.endpoint == "supported_chains"
    assert error.elapsed_s == pytest.approx(loop_time() - started)


@pytest.mark.parametrize("reply", [*LIMITED, *(reply for reply, _code, sends in FAILURES if sends > 1)])
async def test_a_failure_that_passes_is_not_noticed(reply: Reply) -> None:
    wire = Scripted(reply, success())
    assert await run(wire) is None
    assert len(wire.requests) == 2


@pytest.mark.parametrize(
    ("cause", "code"), [(ConnectionRefusedError(), "refused"), (socket.gaierror(-2, "x"), "dns")]
)
async def test_requests_that_never_arrived_take_no_place(cause: OSError, code: Code) -> None:
    error = httpx.ConnectError("x")
    error.__cause__ = cause
    wire = Scripted(Reply(raises=error))
    api = make_api(wire)
    for _ in range(4):
        with pytest.raises(ApiError) as raised:
            await api.probe(deadline=within(600))
        assert (raised.value.code, raised.value.attempts, raised.value.sent) == (code, 3, False)
    # Twelve sends within backoffs of at most 0.5 + 1 s a call: a window of five a second was never in the way.
    assert len(wire.requests) == 12
    assert api._caller._window.expected_wait() == 0.0


async def test_every_send_is_signed_anew() -> None:
    wire = Scripted(refusal(50001))
    await run(wire)
    for header in ("X-OC-NONCE", "X-OC-TIMESTAMP", "X-OC-SIGN"):
        assert len({request.headers[header] for request in wire.requests}) == 4, header


@pytest.mark.parametrize("seed", range(5))
async def test_backoff_grows_within_its_bounds(seed: int) -> None:
    wire = Scripted(refusal(50001))
    await run(wire, seed=seed)
    waits = [after - before for before, after in zip(wire.times, wire.times[1:], strict=False)]
    assert all(0 <= wait <= bound for wait, bound in zip(waits, (0.5, 1.0, 2.0), strict=True))


async def test_retry_after_of_another_failure_is_respected() -> None:
    wire = Scripted(refusal(50001, status=503, retry_after="3"), success())
    await run(wire)
    assert wire.times[1] - wire.times[0] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry_after": "1"}, 1, 1.25),
        ({"retry_after": "7"}, 7, 7.25),
        ({"retry_after": formatdate(START + 9, usegmt=True), "x_oc_server_time": NOW_MS}, 9, 9.25),
        # The gateway's clock counts, not ours, which is a day late here.
        (
            {"retry_after": formatdate(START + 86405, usegmt=True), "x_oc_server_time": str(START_MS + 86400000)},
            5,
            5.3,
        ),
        ({"retry_after": formatdate(START - 9, usegmt=True), "x_oc_server_time": NOW_MS}, 0, 0.3),
        ({"retry_after": "0"}, 0, 0.3),
        ({"retry_after": "soon"}, 1, 1.25),
        ({"retry_after": "1.5"}, 1, 1.25),
        ({"retry_after": "-1"}, 1, 1.25),
        ({}, 1, 1.25),
    ],
)
@pytest.mark.parametrize("status", [429, 200])
async def test_everybody_waits_as_long_as_a_42900_asks(
    headers: dict[str, str], low: float, high: float, status: int
) -> None:
    wire = Scripted(refusal(42900, status=status, **headers), success())
    api = make_api(wire)
    first = asyncio.create_task(api.probe(deadline=within(60)))
    await asyncio.sleep(0)
    second = asyncio.create_task(_later(api.probe(deadline=within(60)), 0.001))
    await asyncio.gather(first, second)
    assert len(wire.times) == 3
    assert all(low <= at - wire.times[0] <= high + 1.01 for at in wire.times[1:])
    assert low <= wire.times[1] - wire.times[0] <= high


async def _later(call: object, seconds: float) -> object:
    await asyncio.sleep(seconds)
    assert asyncio.iscoroutine(call)
    return await call


@pytest.mark.parametrize("text", ["4000", "999999999", formatdate(START + 10**8, usegmt=True)])
async def test_a_wait_that_does_not_fit_is_not_begun_and_is_told(text: str) -> None:
    wire = Scripted(refusal(42900, status=429, retry_after=text, x_oc_server_time=NOW_MS))
    started = loop_time()
    error = await run(wire, deadline_s=25)
    assert error is not None
    assert (error.code, error.retry_after_s, error.attempts) == (42900, 3600.0, 1)
    assert loop_time() == started
    # The next call learns the same, without a request.
    assert len(wire.requests) == 1


async def test_while_everybody_waits_a_call_that_does_not_fit_is_told_why_and_how_long() -> None:
    wire = Scripted(refusal(42900, status=429, retry_after="60"))
    api = make_api(wire)
    with pytest.raises(ApiError):
        await api.probe(deadline=within(25))
    with pytest.raises(ApiError) as raised:
        await api.supported_chains(deadline=within(25))
    assert (raised.value.code, raised.value.attempts, raised.value.sent) == (42900, 0, False)
    assert raised.value.retry_after_s is not None
    assert 60 <= raised.value.retry_after_s <= 61
    assert len(wire.requests) == 1


@pytest.mark.parametrize("reply", [Reply(delay_s=100), HTML, refusal(50001), refusal(42900)])
@pytest.mark.parametrize("deadline_s", [0.5, 3.0, 12.0, 25.0])
async def test_deadline_holds_whatever_fails(reply: Reply, deadline_s: float) -> None:
    wire = Scripted(reply)
    started = loop_time()
    error = await run(wire, deadline_s)
    assert error is not None
    assert loop_time() - started <= deadline_s + 0.001
    assert error.attempts == len(wire.requests)


async def test_call_behind_hanging_requests_ends_at_its_own_deadline() -> None:
    wire = Scripted(Reply(delay_s=100))
    api = make_api(wire)
    hanging = [asyncio.create_task(api.probe(deadline=within(25))) for _ in range(5)]
    await asyncio.sleep(0.1)
    started = loop_time()
    with pytest.raises(ApiError) as raised:
        await api.probe(deadline=within(3))
    assert (raised.value.code, raised.value.attempts) == ("busy", 0)
    assert loop_time() - started == pytest.approx(3)
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_queue_that_grew_too_long_for_a_retry_leaves_the_first_failure() -> None:
    wire = Scripted(refusal(50001, retry_after="4"), Reply(delay_s=9))
    api = make_api(wire)
    first = asyncio.create_task(api.probe(deadline=within(6)))
    await asyncio.sleep(1.5)
    hanging = [asyncio.create_task(api.probe(deadline=within(25))) for _ in range(5)]
    with pytest.raises(ApiError) as raised:
        await first
    assert (raised.value.code, raised.value.attempts) == (50001, 1)
    assert raised.value.elapsed_s == pytest.approx(6, abs=0.01)
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


async def test_cancelling_a_call_ends_its_waits_and_its_request_at_once() -> None:
    wire = Scripted(Reply(delay_s=100))
    task = asyncio.create_task(make_api(wire).probe(deadline=within(25)))
    await asyncio.sleep(0.5)
    before = loop_time()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (wire.cancelled, loop_time()) == (1, before)


CLOCK_ERRORS = [offset * sign for offset in (40.0, 3600.0, 259200.0) for sign in (1, -1)]


@pytest.mark.parametrize("wrong_by_s", CLOCK_ERRORS)
async def test_wrong_clock_is_healed_before_the_first_answer(wrong_by_s: float) -> None:
    sandbox = Sandbox(SandboxOptions(clock_offset_s=wrong_by_s, delay_ms=80), wall_clock=wall_clock)
    api = make_api(sandbox)
    assert (await api.supported_chains(deadline=within(25))).data
    assert [request.code for request in sandbox.requests] == [40103, 0]
    assert api.clock.offset_s == pytest.approx(wrong_by_s, abs=0.1)
    await api.probe(deadline=within(25))
    assert len(sandbox.requests) == 3


@pytest.mark.parametrize("step_s", CLOCK_ERRORS)
async def test_clock_stepped_while_running_is_healed(step_s: float) -> None:
    sandbox = Sandbox(wall_clock=wall_clock)
    step = 0.0
    api = make_api(sandbox, wall=lambda: wall_clock() + step)
    await api.probe(deadline=within(25))
    step = step_s
    await api.probe(deadline=within(25))
    assert [request.code for request in sandbox.requests] == [0, 40103, 0]
    assert api.clock.offset_s == pytest.approx(-step_s, abs=0.1)


@pytest.mark.parametrize(
    "told",
    [
        refusal(40103, "Timestamp outside recv_window. serverTime=2026-11-22T11:00:00.000000000Z", status=401),
        refusal(40103, "Timestamp expired", status=401, timestamp=START_MS + 3600_000),
        refusal(40103, "Timestamp expired", status=401, x_oc_server_time=str(START_MS + 3600_000)),
        refusal(40103, "Timestamp expired", status=401, date="Sun, 22 Nov 2026 11:00:00 GMT"),
    ],
    ids=["message", "envelope", "header", "date"],
)
async def test_a_40103_corrects_the_clock_from_each_place_that_tells_the_time(told: Reply) -> None:
    wire = Scripted(told, success())
    assert await run(wire) is None
    assert [request.headers["X-OC-TIMESTAMP"][:16] for request in wire.requests] == [
        "2026-11-22T10:00",
        "2026-11-22T11:00",
    ]


async def test_clock_error_that_stays_tells_the_measured_difference() -> None:
    error = await run(
        Scripted(refusal(40103, "Timestamp expired", status=401, x_oc_server_time=str(START_MS + 5000)))
    )
    assert error is not None
    assert error.attempts == 2
    assert error.clock_difference_s == pytest.approx(5)


@pytest.mark.parametrize("times", [1, 2])
async def test_duplicates_get_a_new_nonce_and_do_not_move_the_clock(times: int) -> None:
    sandbox = Sandbox(SandboxOptions(faults=(Fault("duplicate", times=times),)), wall_clock=wall_clock)
    api = make_api(sandbox)
    await api.probe(deadline=within(25))
    offset = api.clock.offset_s
    assert len({request.nonce for request in sandbox.requests}) == times + 1
    assert offset == pytest.approx(0, abs=0.01)


async def test_time_of_a_duplicate_without_the_gateways_header_is_not_learned() -> None:
    wire = Scripted(refusal(40103, "Duplicate request detected", status=401, timestamp=START_MS + 10**7), success())
    api = make_api(wire)
    await api.probe(deadline=within(25))
    assert api.clock.offset_s is None


async def test_date_of_a_proxys_page_does_not_move_the_clock() -> None:
    wire = Scripted(Reply(b"<html>", 502, {"date": "Sun, 22 Nov 2020 11:00:00 GMT"}), success())
    api = make_api(wire)
    await api.probe(deadline=within(25))
    assert api.clock.offset_s is None


async def test_error_carries_the_facts_of_the_exchange() -> None:
    wire = Scripted(
        refusal(
            40102,
            "Invalid signature",
            status=401,
            x_oc_trace_id="trace",
            x_oc_blocked_by="AuthenticationFilter/40102",
            x_oc_server_time=str(START_MS + 7),
            x_wallet_mcp_sandbox="1",
        )
    )
    error = await run(wire)
    assert error is not None
    facts = error.exchange
    assert (facts.http_status, facts.trace_id, facts.blocked_by) == (401, "trace", "AuthenticationFilter/40102")
    assert (facts.request_time, facts.server_time) == ("2026-11-22T10:00:00.000Z", "2026-11-22T10:00:00.007Z")
    assert (facts.sandbox, error.sent, error.message) == (True, True, "Invalid signature")
    assert str(error) == "40102 on supported_chains after 1 attempt(s)"


async def test_outcome_carries_rate_headers_and_server_time() -> None:
    wire = Scripted(success(x_oc_ratelimit_limit="5", x_oc_ratelimit_remaining="4", x_oc_used_weight="x"))
    outcome = await make_api(wire).probe(deadline=within(25))
    rate = outcome.rate
    assert (rate.limit, rate.remaining, rate.used_weight) == (5, 4, None)
    assert outcome.server_time == START
    assert outcome.sandbox_wallets == ""


async def test_server_time_is_our_corrected_time_where_the_answer_has_none() -> None:
    wire = Scripted(Reply(b'{"code":0,"data":[]}'))
    outcome = await make_api(wire).probe(deadline=within(25))
    assert outcome.server_time == pytest.approx(wall_clock())
