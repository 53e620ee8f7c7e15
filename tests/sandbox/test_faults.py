"""Each fault kind as it reaches a client, and when faults strike."""

from __future__ import annotations

import asyncio
import json
import zlib
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import pytest

from tests.sandbox.caller import CHAINS_PATH, DETAIL, START, TOKEN_BALANCES, Answer, Caller
from wallet_mcp.sandbox import faults
from wallet_mcp.sandbox.faults import FAULT_NAMES, Fault, FaultPlan, parse_fault

CODES = (40001, 40101, 40102, 40103, 40104, 42900, 40301, 40302, 40303, 40304, 50000, 50001, 40411, 45678)


async def struck(kind: str, path: str = CHAINS_PATH, **settings: Any) -> Answer:
    caller = Caller(faults=(Fault(kind, **settings),))
    answer = await caller.get(path)
    assert caller.app.requests[-1].fault == kind
    assert answer.headers["x-wallet-mcp-sandbox"] == "1"
    return answer


@pytest.mark.anyio
@pytest.mark.parametrize("code", CODES)
async def test_code(code: int) -> None:
    answer = await struck(str(code))
    status = {40104: 403, 42900: 429}.get(code, 401 if code in (40101, 40102, 40103) else 200)
    assert (answer.status, answer.envelope["code"]) == (status, code)
    assert answer.headers.get("retry-after") == ("1" if code == 42900 else None)


BODIES: list[tuple[str, int, str | None, bytes]] = [
    ("html502", 502, "text/html", b"<h1>502 Bad Gateway</h1>"),
    ("empty", 200, "application/json;charset=UTF-8", b""),
    ("not_json", 200, "text/plain", b"upstream connect error"),
    ("429_plain", 429, "text/plain", b"Too Many Requests"),
    ("redirect", 302, None, b""),
    ("414", 414, None, b""),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "status", "content_type", "text"), BODIES)
async def test_bodies_without_json(kind: str, status: int, content_type: str | None, text: bytes) -> None:
    answer = await struck(kind)
    assert (answer.status, answer.headers.get("content-type")) == (status, content_type)
    assert text in answer.body
    assert bool(answer.body) is bool(text)
    assert "retry-after" not in answer.headers
    assert answer.headers.get("location") == ("/en" if kind == "redirect" else None)
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("code_false", {"code": False}),
        ("code_string_zero", {"code": "0"}),
        ("data_null", {"data": None}),
        ("data_object", {"data": {}}),
    ],
)
async def test_spoiled_envelopes(kind: str, fields: dict[str, Any]) -> None:
    honest = (await Caller().get(CHAINS_PATH)).envelope
    spoiled = (await struck(kind)).envelope
    assert spoiled == honest | fields
    assert spoiled["code"].__class__ is (honest | fields)["code"].__class__


@pytest.mark.anyio
async def test_wrong_type_and_truncated() -> None:
    honest = await Caller().get(CHAINS_PATH)
    assert (await struck("wrong_type")).envelope == [honest.envelope]
    cut = await struck("truncated")
    assert cut.body == honest.body[: len(honest.body) // 2]
    assert cut.headers["content-length"] == str(len(cut.body))
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut.body)


@pytest.mark.anyio
async def test_frameworks_and_rates() -> None:
    assert (await struck("framework")).envelope["errorData"] == "Request method 'GET' not supported"
    assert (await struck("404")).envelope["status"] == 404
    dated = await struck("429_date")
    assert (dated.status, dated.envelope["code"]) == (429, 42900)
    assert (parsedate_to_datetime(dated.headers["retry-after"]) - START).total_seconds() == 2
    hidden = await struck("42900_in_200")
    assert (hidden.status, hidden.envelope["code"], hidden.envelope["success"]) == (200, 42900, False)
    assert "retry-after" not in hidden.headers
    duplicate = await struck("duplicate")
    assert (duplicate.status, duplicate.envelope["msg"]) == (401, "Duplicate request detected")


@pytest.mark.anyio
async def test_too_large() -> None:
    oversized = await struck("oversized")
    assert len(oversized.body) == faults.OVERSIZED_BYTES > 8 * 1024 * 1024
    assert oversized.data == []
    assert "content-length" not in oversized.headers
    bomb = await struck("gzip_bomb")
    assert bomb.headers["content-encoding"] == "gzip"
    assert len(bomb.body) < 1024 * 1024
    squeezed, size = zlib.decompressobj(31), 0
    data = bomb.body
    while data:
        size += len(squeezed.decompress(data, 1024 * 1024))
        data = squeezed.unconsumed_tail
    assert (size, squeezed.eof) == (faults.GZIP_BOMB_BYTES, True)


@pytest.mark.anyio
@pytest.mark.parametrize(("delay_s", "pause_s"), [(0.0, 1.0), (0.1, 0.1)])
async def test_slow_drip(delay_s: float, pause_s: float) -> None:
    answer = await struck("slow_drip", delay_s=delay_s)
    times = [time for time, _ in answer.pieces]
    assert len(times) == faults.DRIP_PIECES
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([pause_s] * 29)
    assert len(answer.data) == 10


@pytest.mark.anyio
@pytest.mark.parametrize(("delay_s", "wait_s"), [(0.0, 10.0), (3.0, 3.0)])
async def test_slow(delay_s: float, wait_s: float) -> None:
    answer = await struck("slow", delay_s=delay_s)
    assert answer.pieces[0][0] == pytest.approx(1000 + wait_s)
    assert len(answer.data) == 10


@pytest.mark.anyio
async def test_half_body() -> None:
    answer = await struck("half_body")
    assert len(answer.body) == int(answer.headers["content-length"]) // 2
    assert answer.ended


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "status"), [("hang", 0), ("hang_body", 200)])
async def test_hanging_ends_when_the_client_leaves(kind: str, status: int) -> None:
    caller = Caller(faults=(Fault(kind),))
    answer = await caller.call("GET", CHAINS_PATH, leaves_after=30)
    assert (answer.status, answer.body, answer.ended) == (status, b"", False)
    assert asyncio.get_running_loop().time() == pytest.approx(1030)


@pytest.mark.anyio
async def test_every_named_kind_strikes_every_path() -> None:
    """Also one that has no envelope to spoil."""
    for kind in FAULT_NAMES:
        caller = Caller(faults=(Fault(kind),))
        for path in ("/build/nothing", DETAIL):
            await caller.call("GET", path, leaves_after=1)
            assert caller.app.requests[-1].fault == kind


@pytest.mark.anyio
async def test_a_fault_takes_a_place_in_the_window_unless_it_concerns_the_clock() -> None:
    for kind, place in (("50001", 1), ("42900", 1), ("40103", 0), ("duplicate", 0)):
        caller = Caller(rate=1, faults=(Fault(kind, times=1),))
        assert (await caller.get(CHAINS_PATH)).headers["x-oc-used-weight"] == str(place)
        assert (await caller.get(CHAINS_PATH)).envelope["code"] == (42900 if place else 0)


@pytest.mark.anyio
async def test_a_request_that_the_gateway_refuses_meets_no_fault() -> None:
    caller = Caller(faults=(Fault("50001", times=1), Fault("40103", times=1)))
    assert (await caller.get(CHAINS_PATH, key="unknown")).envelope["code"] == 40101
    assert caller.app.requests[-1].fault is None
    codes = [(await caller.get(CHAINS_PATH)).envelope["code"] for _ in range(3)]
    assert codes == [40103, 50001, 0]


@pytest.mark.anyio
async def test_times_path_and_delay() -> None:
    caller = Caller(faults=(Fault("50000", path="supported/chain", times=2, delay_s=4.0),))
    assert (await caller.get(DETAIL)).envelope["code"] == 40001
    answers = [await caller.get(CHAINS_PATH) for _ in range(3)]
    assert [answer.envelope["code"] for answer in answers] == [50000, 50000, 0]
    assert [answer.pieces[0][0] for answer in answers] == [1004, 1008, 1008]


@pytest.mark.anyio
async def test_faults_can_be_replaced_while_running() -> None:
    caller = Caller(faults=(Fault("50000"),))
    assert (await caller.get(CHAINS_PATH)).envelope["code"] == 50000
    caller.app.set_faults([Fault("50001", path=TOKEN_BALANCES)])
    assert (await caller.get(CHAINS_PATH)).envelope["code"] == 0
    caller.app.set_faults([])
    assert (await caller.post({})).envelope["code"] == 40001


def test_probabilities_are_seeded() -> None:
    def draws(seed: int) -> list[bool]:
        plan = FaultPlan([Fault("50001", 0.3)], seed)
        return [plan.draw("/x", clock=False) is not None for _ in range(2_000)]

    assert draws(1) == draws(1) != draws(2)
    assert 500 < sum(draws(1)) < 700


def test_the_first_fault_that_strikes_wins() -> None:
    plan = FaultPlan([Fault("50000", 0.0), Fault("50001", times=1), Fault("html502")])
    drawn = [fault.kind for _ in range(3) if (fault := plan.draw("/x", clock=False))]
    assert drawn == ["50001", "html502", "html502"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("50001:0.3", Fault("50001", 0.3)),
        ("42900", Fault("42900")),
        (" hang : 1 ", Fault("hang")),
        ("429_date:0", Fault("429_date", 0.0)),
        ("slow_drip:.5,delay=0.1", Fault("slow_drip", 0.5, delay_s=0.1)),
        ("50000,times=2, path=supported/chain", Fault("50000", times=2, path="supported/chain")),
    ],
)
def test_parse(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unknown fault kind ''"),
        ("5000", "unknown fault kind '5000'"),
        ("00001", "unknown fault kind '00001'"),
        ("explode:0.5", "unknown fault kind 'explode'.*hang_body"),
        ("50001:often", "probability must be a number, not 'often'"),
        ("50001:", "probability must be a number, not ''"),
        ("50001:1.5", "probability of fault 50001 must be between 0 and 1"),
        ("50001:nan", "probability of fault 50001 must be between 0 and 1"),
        ("50001,times=0", "times of fault 50001 must be at least 1"),
        ("50001,times=x", "times must be a whole number, not 'x'"),
        ("50001,delay=-1", "delay of fault 50001 must be 0 seconds or more"),
        ("50001,delay=inf", "delay of fault 50001 must be 0 seconds or more"),
        ("50001,color=red", "unknown fault setting 'color'"),
    ],
)
def test_parse_errors(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_fault(text)
