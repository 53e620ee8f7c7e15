"""Every fault x every endpoint x how long it lasts x what is cached: outcome, attempts, requests and time, exactly.

The expectations are the policy of docs/reliability.md, written out. Jitter always takes its longest value here, so
every wait is one number; all of it is virtual time.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import httpx
import pytest

from tests.support.asks import USDT, Ask, balances, chains, detail, history, tokens
from tests.support.fault_transport import NEVER_SENT, Failure, FaultTransport, Spoil
from tests.support.wallet_api import START_MS, asgi, loop_time, make_config, wall_clock
from wallet_mcp.sandbox.app import Fault, Sandbox
from wallet_mcp.sandbox.world import World
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.wallet_api.answers import Answer
from wallet_mcp.wallet_api.endpoints import Lifetimes, TokenRef, WalletApi
from wallet_mcp.wallet_api.errors import ApiError, Code

pytestmark = pytest.mark.anyio

Lasting: TypeAlias = Literal["once", "three times", "for ever"]
TIMES: Final[dict[Lasting, int | None]] = {"once": 1, "three times": 3, "for ever": None}

LIFETIME_S: Final = 15.0
MAX_STALE_S: Final = 600.0
CACHED_AGO_S: Final[dict[str, float]] = {"nothing": 0, "outdated": 100, "too old": 601}

WORLD: Final = World(START_MS)
SETTLED: Final = WORLD.transactions(WALLETS["history"], "56")[7]
ASKS: Final[dict[str, Ask]] = {
    "supported_chains": chains(),
    "all_token_balances": balances(WALLETS["rich"], "56"),
    "token_balances": tokens(TokenRef("1", USDT), address=WALLETS["rich"]),
    "transactions": history(WALLETS["history"], ("56",)),
    "transaction_detail": detail(SETTLED.hash, "56"),
}


@pytest.fixture(autouse=True)
def one_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sandbox has the same world: writing it anew takes longer than a test."""
    monkeypatch.setattr("wallet_mcp.sandbox.app.World", lambda _now_ms: WORLD)


class Longest(random.Random):
    """Jitter that is always as long as it can be."""

    def uniform(self, a: float, b: float) -> float:
        return b


@dataclass(frozen=True, slots=True)
class Ends:
    """How a call ends: with an answer or not, after so many attempts and so many seconds."""

    answered: bool
    attempts: int
    after_s: float


def answer(attempts: int, after_s: float) -> Ends:
    return Ends(True, attempts, after_s)


def error(attempts: int, after_s: float) -> Ends:
    return Ends(False, attempts, after_s)


Course: TypeAlias = dict[Lasting, Ends]


def course(once: Ends, three_times: Ends, for_ever: Ends) -> Course:
    return {"once": once, "three times": three_times, "for ever": for_ever}


# The backoffs before attempts 2, 3 and 4 are at most 0.5, 1 and 2 s.
NO_RETRY = course(error(1, 0), error(1, 0), error(1, 0))
ONE_RETRY = course(answer(2, 0.5), error(2, 0.5), error(2, 0.5))
TWO_RETRIES = course(answer(2, 0.5), error(3, 1.5), error(3, 1.5))
THREE_RETRIES = course(answer(2, 0.5), answer(4, 3.5), error(4, 3.5))
# An attempt has 10 s, the call has 25: the third attempt gets the 3.5 s that are left.
SILENCE = course(answer(2, 10.5), error(3, 25), error(3, 25))
# Signed again at once: once with the corrected clock, twice with a new nonce.
CLOCK = course(answer(2, 0), error(2, 0), error(2, 0))
DUPLICATE = course(answer(2, 0), error(3, 0), error(3, 0))


def limited(quiet_s: float) -> Course:
    """A 42900: everybody waits as long as it says, at most 0.25 s longer, while it fits the deadline."""
    step = quiet_s + 0.25
    attempts = int(24.999 / step) + 1
    last = error(attempts, (attempts - 1) * step)
    return course(answer(2, step) if attempts > 1 else last, answer(4, 3 * step) if attempts > 3 else last, last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fault, the code it is known by, and its course.

    `stale`: an older answer serves in its place. `told_s`: the wait that the error names.
    """

    code: Code
    ends: Course
    fault: Failure | Spoil | Fault
    stale: bool = False
    told_s: float | None = None

    @property
    def arrives(self) -> bool:
        """Whether the gateway sees the requests that are struck."""
        return isinstance(self.fault, Fault) or self.fault in ("timeout after headers", "half body", "slow drip")


def refusal(code: int, status: int, **headers: str) -> Spoil:
    body = {"code": code, "msg": "", "data": "", "timestamp": START_MS}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return page(json.dumps(body).encode(), status, **named)


def page(body: bytes, status: int, **headers: str) -> Spoil:
    return lambda _request: httpx.Response(status, headers=headers, content=body)


def refused(code: int, kind: str = "", **more: Any) -> Row:
    """A failure that the same request would meet again: never retried, never papered over."""
    return Row(code=code, ends=NO_RETRY, fault=Fault(kind or str(code)), **more)


def misread(code: Code, kind: str) -> Row:
    """An answer that another attempt would not change."""
    return Row(code=code, ends=NO_RETRY, fault=Fault(kind))


def broken(code: Code, ends: Course, fault: Failure | Spoil | Fault) -> Row:
    """A failure of the way there, of which an older answer makes up."""
    return Row(code=code, ends=ends, fault=fault, stale=True)


def rate(quiet_s: float, fault: Spoil | Fault, told_s: float | None = None) -> Row:
    told = quiet_s if told_s is None else told_s
    return Row(code=42900, ends=limited(quiet_s), fault=fault, stale=True, told_s=told)


def provider_down(fault: Spoil | Fault) -> Row:
    return Row(code=50001, ends=THREE_RETRIES, fault=fault, stale=True, told_s=8)


ROWS: Final[dict[str, Row]] = {
    # The codes of contract 1.8, and what else answers with a code.
    **{str(code): refused(code) for code in (40001, 40101, 40102, 40104, 40301, 40302, 40303, 40304, 40411, 45678)},
    "40001 as HTTP 400": Row(code=40001, ends=NO_RETRY, fault=refusal(40001, 400)),
    "40103": Row(code=40103, ends=CLOCK, fault=Fault("40103")),
    "duplicate": Row(code=40103, ends=DUPLICATE, fault=Fault("duplicate")),
    "000002": misread("000002", "framework"),
    "50000": broken(50000, ONE_RETRY, Fault("50000")),
    "50000 as HTTP 500": broken(50000, ONE_RETRY, refusal(50000, 500)),
    "50001": provider_down(Fault("50001")),
    "50001 as HTTP 503": provider_down(refusal(50001, 503)),
    # Nobody knows whether a code that nobody has seen passes; guidance tells the model to repeat after 5 s.
    "50077, unseen": refused(50077),
    "42900": rate(1, Fault("42900")),
    "42900 for 7 s": rate(7, refusal(42900, 429, retry_after="7")),
    "42900 for 60 s": rate(60, refusal(42900, 429, retry_after="60")),
    "42900 without Retry-After": rate(1, refusal(42900, 429)),
    "42900 inside HTTP 200": rate(1, Fault("42900_in_200")),
    "429 as plain text": rate(1, Fault("429_plain")),
    # The date has whole seconds: 2 s at first, then what is left of the second after the jitter, 1.75 s.
    "42900 until a date": Row(
        code=42900,
        ends=course(answer(2, 2.25), answer(4, 6.25), error(13, 24.25)),
        fault=Fault("429_date"),
        stale=True,
        told_s=1.75,
    ),
    # Below HTTP.
    "timeout before headers": broken("timeout", SILENCE, "timeout before headers"),
    "timeout after headers": broken("timeout", SILENCE, "timeout after headers"),
    "slow drip": broken("timeout", SILENCE, "slow drip"),
    "reset": broken("connection", THREE_RETRIES, "reset"),
    "half body": broken("connection", THREE_RETRIES, "half body"),
    "dns": broken("dns", TWO_RETRIES, "dns"),
    "refused": broken("refused", TWO_RETRIES, "refused"),
    "tls": Row(code="tls", ends=NO_RETRY, fault="tls"),
    # Answers of something in between.
    "HTML 502": broken("bad_gateway", THREE_RETRIES, Fault("html502")),
    "HTML 200": broken("not_json", ONE_RETRY, page(b"<!doctype html><p>Sign in", 200)),
    "text 200": broken("not_json", ONE_RETRY, Fault("not_json")),
    "truncated JSON": broken("not_json", ONE_RETRY, Fault("truncated")),
    "empty body": broken("not_json", ONE_RETRY, Fault("empty")),
    "redirect": misread("redirect", "redirect"),
    "404": misread("not_found", "404"),
    "414": misread("uri_too_long", "414"),
    "oversized": misread("too_large", "oversized"),
    "gzip bomb": misread("too_large", "gzip_bomb"),
    # JSON of another shape: the API changed, and only an update of this server helps.
    **{
        name: misread("unexpected_answer", name)
        for name in ("wrong_type", "code_false", "code_string_zero", "data_null", "data_object")
    },
    "slow answer": Row(code=0, ends=dict.fromkeys(TIMES, answer(1, 4)), fault=Fault("slow", delay_s=4)),
}


class Wire:
    """A client of a sandbox whose every fault can be switched."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(wall_clock=wall_clock)
        self.faults = FaultTransport(asgi(self.sandbox))
        self.step_s = 0.0
        self.drift_s = 0.0
        short = Lifetimes(*[LIFETIME_S] * 6)
        config = make_config(lifetimes=short, max_stale_s=MAX_STALE_S)
        self.api = WalletApi(config, transport=self.faults, wall=self.wall, rng=Longest())

    def wall(self) -> float:
        """Local time; a drifting clock is stepped at every attempt."""
        return wall_clock() + self.step_s + self.drift_s * (self.faults.attempts + 1)

    def strike(self, fault: Failure | Spoil | Fault, times: int | None) -> None:
        self.sandbox.requests.clear()
        if isinstance(fault, Fault):
            self.faults.set_fault(None)
            self.sandbox.set_faults([Fault(fault.kind, times=times, delay_s=fault.delay_s)])
        else:
            self.faults.set_fault(fault, times)

    @property
    def arrived(self) -> int:
        return len(self.sandbox.requests)


_truth: dict[str, object] = {}


async def truth(endpoint: str) -> object:
    """What the endpoint answers when nothing is wrong."""
    if endpoint not in _truth:
        _truth[endpoint] = (await ASKS[endpoint](Wire().api)).data
    assert _truth[endpoint]
    return _truth[endpoint]


async def ask(wire: Wire, endpoint: str) -> Answer[Any] | ApiError:
    try:
        return await ASKS[endpoint](wire.api)
    except ApiError as failure:
        return failure


def cases() -> Iterator[Any]:
    for name, row in ROWS.items():
        for lasting in TIMES:
            # What is cached matters where an old answer may serve; elsewhere one case shows that none does.
            several = ("nothing", "outdated", "too old") if lasting == "for ever" else ("nothing", "outdated")
            for cached in several if row.stale else several[:2] if lasting == "for ever" else several[:1]:
                yield pytest.param(row, lasting, cached, id=f"{name}-{lasting}-{cached}")


@pytest.mark.parametrize("endpoint", ASKS)
@pytest.mark.parametrize(("row", "lasting", "cached"), list(cases()))
async def test_a_fault_ends_as_the_policy_says(endpoint: str, row: Row, lasting: Lasting, cached: str) -> None:
    expected, wire, right = row.ends[lasting], Wire(), await truth(endpoint)
    age_s = CACHED_AGO_S[cached]
    if age_s:
        await ask(wire, endpoint)
        # Down to a whole second, as at the start: a date in Retry-After has no fractions.
        await asyncio.sleep(age_s)
    wire.strike(row.fault, TIMES[lasting])
    started = loop_time()
    outcome = await ask(wire, endpoint)

    assert loop_time() - started == pytest.approx(expected.after_s, abs=0.002)
    assert wire.faults.attempts == expected.attempts
    struck = expected.attempts if TIMES[lasting] is None else min(TIMES[lasting] or 0, expected.attempts)
    assert wire.arrived == expected.attempts - (0 if row.arrives else struck)
    if expected.answered:
        assert isinstance(outcome, Answer), outcome
        assert (outcome.data, outcome.age_s, outcome.stale_because) == (right, 0.0, None)
    elif row.stale and age_s and age_s + expected.after_s <= MAX_STALE_S:
        assert isinstance(outcome, Answer), outcome
        assert outcome.data == right
        assert outcome.age_s == pytest.approx(age_s + expected.after_s, abs=0.002)
        assert outcome.stale_because is not None
        check_error(outcome.stale_because, row, expected, endpoint)
    else:
        assert isinstance(outcome, ApiError), outcome
        check_error(outcome, row, expected, endpoint)


def check_error(failure: ApiError, row: Row, expected: Ends, endpoint: str) -> None:
    assert (failure.code, failure.attempts, failure.endpoint) == (row.code, expected.attempts, endpoint)
    assert failure.elapsed_s == pytest.approx(expected.after_s, abs=0.002)
    assert failure.retry_after_s == (None if row.told_s is None else pytest.approx(row.told_s, abs=0.002))
    assert failure.sent is (row.fault not in NEVER_SENT)


WRONG_BY: Final = [sign * seconds for seconds in (40.0, 3600.0, 259_200.0) for sign in (1, -1)]
ELAPSED_S: Final = 20.0


@pytest.mark.parametrize("endpoint", ASKS)
@pytest.mark.parametrize("wrong_by_s", WRONG_BY)
@pytest.mark.parametrize("steps", [0, 1, 3], ids=["from the start", "stepped once", "stepped three times"])
async def test_a_wrong_clock_is_healed_before_the_first_answer(endpoint: str, wrong_by_s: float, steps: int) -> None:
    wire, right = Wire(), await truth(endpoint)
    if steps:
        await ask(wire, endpoint)
    for _ in range(max(1, steps)):
        await asyncio.sleep(ELAPSED_S)
        wire.step_s += wrong_by_s
        wire.sandbox.requests.clear()
        started = loop_time()
        outcome = await ask(wire, endpoint)
        assert isinstance(outcome, Answer)
        assert (outcome.data, outcome.stale_because, loop_time() - started) == (right, None, 0.0)
        assert [request.code for request in wire.sandbox.requests] == [40103, 0]


@pytest.mark.parametrize("endpoint", ASKS)
@pytest.mark.parametrize("wrong_by_s", WRONG_BY)
@pytest.mark.parametrize("cached", [False, True])
async def test_a_clock_that_never_stands_is_an_error_and_no_reason_for_an_old_answer(
    endpoint: str, wrong_by_s: float, cached: bool
) -> None:
    wire = Wire()
    if cached:
        await ask(wire, endpoint)
        await asyncio.sleep(ELAPSED_S)
    wire.strike("reset", 0)
    wire.drift_s = wrong_by_s
    started = loop_time()
    outcome = await ask(wire, endpoint)
    assert isinstance(outcome, ApiError)
    assert (outcome.code, outcome.attempts, wire.arrived, loop_time() - started) == (40103, 2, 2, 0.0)
    assert outcome.clock_difference_s is not None
    assert abs(outcome.clock_difference_s) > 30
