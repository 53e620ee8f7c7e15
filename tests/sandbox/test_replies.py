"""The envelopes: one success shape and four error shapes."""

from __future__ import annotations

import json

import pytest

from wallet_mcp.sandbox import replies
from wallet_mcp.sandbox.replies import Moment, Reply

NOW = Moment(1_795_341_600_123_456_789)

BUSINESS = {"code", "msg", "data", "timestamp", "success"}
GATEWAY = {"code", "msg", "data", "timestamp"}
COMPLIANCE = {"code", "msg", "timestamp", "success"}
DATA = {frozenset(BUSINESS): None, frozenset(GATEWAY): "", frozenset(COMPLIANCE): "absent"}


def test_moment() -> None:
    assert NOW.ms == 1_795_341_600_123
    assert NOW.iso == "2026-11-22T10:00:00.123456789Z"
    assert NOW.http_date == "Sun, 22 Nov 2026 10:00:00 GMT"


def test_success() -> None:
    reply = replies.success([{"symbol": "Т"}], NOW)
    assert (reply.status, reply.code, reply.content_type) == (200, 0, "application/json;charset=UTF-8")
    assert json.loads(reply.body) == {
        "code": 0,
        "msg": "success",
        "data": [{"symbol": "Т"}],
        "timestamp": NOW.ms,
        "success": True,
    }


@pytest.mark.parametrize(
    ("code", "status", "fields", "message"),
    [
        (40001, 200, BUSINESS, "Parameter error"),
        (40101, 401, GATEWAY, "Invalid API Key"),
        (40102, 401, GATEWAY, "Invalid signature"),
        (40103, 401, GATEWAY, "Timestamp outside recv_window. serverTime=2026-11-22T10:00:00.123456789Z"),
        (40104, 403, GATEWAY, "Permission denied"),
        (42900, 429, GATEWAY, "Rate limit exceeded"),
        (40301, 200, COMPLIANCE, "Service not available in your region"),
        (40302, 200, COMPLIANCE, "Proxy or VPN detected. Please use direct connection"),
        (40303, 200, COMPLIANCE, "Unusual IP activity detected. Please contact support"),
        (40304, 200, COMPLIANCE, "Service not available due to compliance restriction"),
        (50000, 200, BUSINESS, "Internal server error, please retry later"),
        (50001, 200, BUSINESS, "Service temporarily unavailable, please retry later"),
        (40411, 200, BUSINESS, "This chain is not supported"),
        (45678, 200, BUSINESS, "Unexpected error 45678"),
    ],
)
def test_error(code: int, status: int, fields: set[str], message: str) -> None:
    reply = replies.error(code, NOW)
    envelope = json.loads(reply.body)
    assert (reply.status, reply.code, set(envelope)) == (status, code, fields)
    assert (envelope["code"], envelope["msg"], envelope["timestamp"]) == (code, message, NOW.ms)
    assert envelope.get("success", False) is False
    assert envelope.get("data", "absent") == DATA[frozenset(fields)]


@pytest.mark.parametrize(
    ("reply", "status", "body"),
    [
        (
            replies.wrong_method("PUT"),
            200,
            {
                "status": "ERROR",
                "type": "VALID",
                "code": "000002",
                "errorData": "Request method 'PUT' not supported",
                "data": None,
                "subData": None,
                "params": None,
            },
        ),
        (
            replies.unknown_path("/build/x", NOW),
            404,
            {
                "path": "/build/x",
                "error": "Not Found",
                "timestamp": NOW.ms,
                "message": "No message available",
                "status": 404,
            },
        ),
    ],
)
def test_framework_errors(reply: Reply, status: int, body: dict[str, object]) -> None:
    assert (reply.status, json.loads(reply.body)) == (status, body)


def test_the_edge() -> None:
    long = replies.url_too_long()
    assert (long.status, long.body, long.content_type) == (414, b"", None)
    away = replies.redirect_to_web()
    assert (away.status, away.body, away.headers) == (302, b"", (("location", "/en"),))
    assert replies.web_page().body.startswith(b"<!doctype html>")
