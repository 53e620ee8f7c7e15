from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.wallet_api.envelope import Envelope, Received, message_of, parse_json, read_envelope
from wallet_mcp.wallet_api.errors import ApiError, Code

TS = 1790000000000
GOOD = {"code": 0, "msg": "success", "data": [{"a": "1.50"}], "timestamp": TS, "success": True}
FRAMEWORK = {
    "status": "ERROR",
    "type": "VALID",
    "code": "000002",
    "errorData": "Request method 'GET' not supported",
    "data": None,
    "subData": None,
    "params": None,
}
NOT_FOUND = {"path": "/x", "error": "Not Found", "timestamp": TS, "message": "No message", "status": 404}


def received(body: object, status: int = 200, **headers: str) -> Received:
    return Received(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def without(body: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in body.items() if key != name}


@pytest.mark.parametrize(
    ("body", "status", "data"),
    [
        (GOOD, 200, [{"a": "1.50"}]),
        (GOOD | {"data": []}, 200, []),
        (GOOD | {"data": [1, "x", None]}, 201, [1, "x", None]),
        (without(GOOD, "success"), 200, [{"a": "1.50"}]),
        (without(GOOD, "msg"), 200, [{"a": "1.50"}]),
        (dict(reversed(GOOD.items())), 200, [{"a": "1.50"}]),
        (GOOD | {"success": False}, 200, [{"a": "1.50"}]),
        (b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), 200, [{"a": "1.50"}]),
    ],
)
def test_success_is_code_0_with_a_list(body: object, status: int, data: list[object]) -> None:
    assert read_envelope(received(body, status)) == Envelope(data, TS)


@pytest.mark.parametrize("timestamp", [None, "x", 5])
def test_timestamp_is_passed_on_as_received(timestamp: object) -> None:
    assert read_envelope(received(GOOD | {"timestamp": timestamp})).timestamp == timestamp


def error(code: object, msg: str = "m", **more: object) -> dict[str, object]:
    return {"code": code, "msg": msg, "timestamp": TS, **more}


@pytest.mark.parametrize(
    ("body", "status", "code", "message", "received_text"),
    [
        # The four shapes of contract §1.6.
        (error(50000, "Internal", data=None, success=False), 200, 50000, "Internal", ""),
        (error(40101, "Invalid API Key", data=""), 401, 40101, "Invalid API Key", ""),
        (error(40101, "Invalid API Key", data=None), 401, 40101, "Invalid API Key", ""),
        (error(40304, "Service", success=False), 200, 40304, "Service", ""),
        (error(40304, "Short", success=False, data=None), 200, 40304, "Short", ""),
        (FRAMEWORK, 200, "000002", "Request method 'GET' not supported", ""),
        (NOT_FOUND, 404, "not_found", "No message", "HTTP 404"),
        (b"", 414, "uri_too_long", "", "an empty body (HTTP 414, 0 bytes)"),
        # A code decides, whatever the status.
        (error(50001, "down", data=None), 503, 50001, "down", ""),
        (error(40001, "p", data=None), 400, 40001, "p", ""),
        (error(42900, "Rate", data=""), 429, 42900, "Rate", ""),
        (error(42900, "Rate", data=""), 200, 42900, "Rate", ""),
        (error("50001"), 200, 50001, "m", ""),
        (error(45678), 200, 45678, "m", ""),
        (error(-1), 200, -1, "m", ""),
        (error(40001, data=[{"a": 1}], success=True), 200, 40001, "m", ""),
        # Code 0 that is no success.
        (GOOD | {"data": None}, 200, "unexpected_answer", "", "code 0 with null as its data (HTTP 200)"),
        (GOOD | {"data": ""}, 200, "unexpected_answer", "", "code 0 with an empty string as its data (HTTP 200)"),
        (GOOD | {"data": "x"}, 200, "unexpected_answer", "", "code 0 with string as its data (HTTP 200)"),
        (GOOD | {"data": {}}, 200, "unexpected_answer", "", "code 0 with object as its data (HTTP 200)"),
        (GOOD | {"data": 7}, 200, "unexpected_answer", "", "code 0 with number as its data (HTTP 200)"),
        (without(GOOD, "data"), 200, "unexpected_answer", "", "code 0 with no data (HTTP 200)"),
        (GOOD, 500, "unexpected_answer", "", "code 0 with HTTP 500"),
        (GOOD, 404, "unexpected_answer", "", "code 0 with HTTP 404"),
        # What only looks like code 0.
        (GOOD | {"code": False}, 200, "unexpected_answer", "success", "false as its code (HTTP 200)"),
        (GOOD | {"code": True}, 200, "unexpected_answer", "success", "true as its code (HTTP 200)"),
        (GOOD | {"code": None}, 200, "unexpected_answer", "success", "null as its code (HTTP 200)"),
        (GOOD | {"code": 0.0}, 200, "unexpected_answer", "success", "number as its code (HTTP 200)"),
        (GOOD | {"code": []}, 200, "unexpected_answer", "success", "array as its code (HTTP 200)"),
        (without(GOOD, "code"), 200, "unexpected_answer", "success", "a JSON object without a code (HTTP 200)"),
        *(
            (
                GOOD | {"code": text},
                200,
                "unexpected_answer",
                "success",
                "an envelope whose code is a string that is no error code (HTTP 200)",
            )
            for text in ("0", "000", "", "ok", "-1", "4e4", "٤٠٠٠١", "12345678", "9" * 5000)
        ),
        (GOOD | {"code": 10**7}, 200, "unexpected_answer", "", "an envelope with an absurd code (HTTP 200)"),
        # JSON that is no envelope: the status tells.
        ([], 200, "unexpected_answer", "", "a JSON array (HTTP 200)"),
        ("text", 200, "unexpected_answer", "", "a JSON string (HTTP 200)"),
        (None, 200, "unexpected_answer", "", "a JSON null (HTTP 200)"),
        (7, 200, "unexpected_answer", "", "a JSON number (HTTP 200)"),
        ("Too Many Requests", 429, 42900, "", "a JSON string (HTTP 429)"),
        ([], 502, "bad_gateway", "", "a JSON array (HTTP 502)"),
        ({"message": "slow down"}, 429, 42900, "slow down", "HTTP 429"),
        ({"message": "Internal server error"}, 500, "bad_gateway", "Internal server error", "HTTP 500"),
        (
            {"code": "Throttled", "message": "m"},
            429,
            42900,
            "m",
            "an envelope whose code is a string that is no error code (HTTP 429)",
        ),
        ({}, 200, "unexpected_answer", "", "a JSON object without a code (HTTP 200)"),
        ({}, 403, "unexpected_answer", "", "a JSON object without a code (HTTP 403)"),
        # Not JSON.
        (b"", 200, "not_json", "", "an empty body (HTTP 200, 0 bytes)"),
        (b" \n", 200, "not_json", "", "an empty body (HTTP 200, 2 bytes)"),
        (b"<!DOCTYPE html><p>x", 200, "not_json", "", "an HTML page (HTTP 200, 19 bytes)"),
        (b"\n <HTML>", 403, "not_json", "", "an HTML page (HTTP 403, 8 bytes)"),
        (b"<html>502", 502, "bad_gateway", "", "an HTML page (HTTP 502, 9 bytes)"),
        (b"<html>404", 404, "not_found", "", "an HTML page (HTTP 404, 9 bytes)"),
        (b"Too Many", 429, 42900, "", "a text that is no JSON (HTTP 429, 8 bytes)"),
        (b'{"code":0,"data":[', 200, "not_json", "", "JSON that is cut off or malformed (HTTP 200, 18 bytes)"),
        (b'{"code":0,"data":[NaN]}', 200, "not_json", "", "JSON that is cut off or malformed (HTTP 200, 23 bytes)"),
        (b'{"code":0,"data":[Infinity]}', 200, "not_json", "", None),
        (b'{"code":0,"data":[1e99999999999999999999]}', 200, "not_json", "", None),
        (b'{"code":' + b"9" * 5000 + b"}", 200, "not_json", "", None),
        (b'{"code":0,"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 200, "not_json", "", None),
        (b'{"code":0,"data":["\xff"]}', 200, "not_json", "", None),
        (b"upstream connect error", 200, "not_json", "", "a text that is no JSON (HTTP 200, 22 bytes)"),
    ],
)
def test_everything_else_is_one_typed_error(
    body: object, status: int, code: Code, message: str, received_text: str | None
) -> None:
    with pytest.raises(ApiError) as raised:
        read_envelope(received(body, status))
    assert raised.value.code == code
    assert type(raised.value.code) is type(code)
    assert raised.value.message == message
    if received_text is not None:
        assert raised.value.received == received_text


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://login.example/portal?secret=1", "HTTP 302 to https://login.example"),
        ("http://user:pw@login.example?x", "HTTP 302 to http://login.example"),
        ("/en", "HTTP 302 to another path"),
        ("javascript://x", "HTTP 302 to another path"),
        ("", "HTTP 302 to another path"),
        ("https://" + "a" * 500, "HTTP 302 to https://" + "a" * 80),
    ],
)
def test_redirect_tells_only_where_to(location: str, told: str) -> None:
    with pytest.raises(ApiError) as raised:
        read_envelope(received(GOOD, 302, location=location))
    assert (raised.value.code, raised.value.received) == ("redirect", told)


@pytest.mark.parametrize("body", [error(40103), error("40103")])
def test_an_errors_own_time_is_kept(body: object) -> None:
    with pytest.raises(ApiError) as raised:
        read_envelope(received(body, 401))
    assert raised.value.timestamp == TS


def test_message_is_found_wherever_a_shape_keeps_it() -> None:
    assert message_of({"msg": "", "errorData": 5, "message": "third", "error": "fourth"}) == "third"
    assert message_of({"msg": None}) == ""


def test_numbers_with_a_fraction_stay_exact() -> None:
    assert parse_json(b"[1.10, 0.1234567890123456789012345678901, 12]") == [
        Decimal("1.10"),
        Decimal("0.1234567890123456789012345678901"),
        12,
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
statuses = st.sampled_from([200, 201, 301, 302, 400, 401, 403, 404, 414, 429, 500, 502, 503])


def check_reading(answer: Received) -> None:
    """A success must stand in the body as such; everything else is an `ApiError`."""
    try:
        envelope = read_envelope(answer)
    except ApiError:
        return
    body = parse_json(answer.body)
    assert isinstance(body, dict)
    assert type(body["code"]) is int
    assert body["code"] == 0
    assert envelope.data == body["data"]
    assert answer.status < 300


@given(st.dictionaries(st.sampled_from([*GOOD, "error", "status"]), json_values), statuses)
def test_mutated_envelopes(changes: dict[str, object], status: int) -> None:
    check_reading(received(GOOD | changes, status))


@given(st.sets(st.sampled_from(list(GOOD))), statuses)
def test_envelopes_with_missing_fields(missing: set[str], status: int) -> None:
    check_reading(received({key: value for key, value in GOOD.items() if key not in missing}, status))


@given(st.integers(0, 100), st.binary(max_size=4), st.integers(0, 8), statuses)
def test_damaged_bytes(at: int, noise: bytes, cut: int, status: int) -> None:
    body = json.dumps(GOOD).encode()
    check_reading(Received(status, {}, body[:at] + noise + body[at + cut :]))


@given(st.binary(max_size=200), statuses, st.text(max_size=40))
def test_noise(body: bytes, status: int, location: str) -> None:
    check_reading(Received(status, {"location": location}, body))
