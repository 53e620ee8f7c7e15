"""What gateway and services answer: one success shape and four error shapes (contract §1.5, §1.6)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Final, TypeAlias

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"

JSON_TYPE: Final = "application/json;charset=UTF-8"

MESSAGES: Final[Mapping[int, str]] = {
    40001: "Parameter error",
    40101: "Invalid API Key",
    40102: "Invalid signature",
    40103: "Timestamp outside recv_window.",
    40104: "Permission denied",
    42900: "Rate limit exceeded",
    40301: "Service not available in your region",
    40302: "Proxy or VPN detected. Please use direct connection",
    40303: "Unusual IP activity detected. Please contact support",
    40304: "Service not available due to compliance restriction",
    50000: "Internal server error, please retry later",
    50001: "Service temporarily unavailable, please retry later",
    40411: "This chain is not supported",
}
"""Code -> message: the live one where it was captured, else the documented one (contract §1.8)."""

GATEWAY_STATUS: Final[Mapping[int, int]] = {40101: 401, 40102: 401, 40103: 401, 40104: 403, 42900: 429}
"""Codes the gateway itself refuses with, and their HTTP status (contract §1.7)."""

COMPLIANCE_CODES: Final = frozenset({40301, 40302, 40303, 40304})

# Three of these were captured (contract §1.9); the others follow their pattern.
_FILTERS: Final[Mapping[int, str]] = {
    40101: "AuthenticationFilter",
    40102: "AuthenticationFilter",
    40103: "TimestampFilter",
    40104: "PermissionFilter",
    42900: "RateLimitFilter",
    **dict.fromkeys(COMPLIANCE_CODES, "ComplianceFilter"),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """The server's clock at one instant, in nanoseconds since 1970."""

    ns: int

    @property
    def ms(self) -> int:
        """Milliseconds since 1970, as the envelope's `timestamp` and `x-oc-server-time` carry them."""
        return self.ns // 1_000_000

    @property
    def iso(self) -> str:
        """ISO 8601 in UTC with nanoseconds, as the 40103 message carries it (contract §1.1)."""
        seconds, rest = divmod(self.ns, 1_000_000_000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"

    @property
    def http_date(self) -> str:
        """The form of the HTTP `Date` header, whole seconds."""
        return formatdate(self.ns // 1_000_000_000, usegmt=True)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer before it is put on the wire. `code` is the envelope's code; None where there is no envelope."""

    status: int
    body: bytes = b""
    content_type: str | None = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = field(default=())
    code: int | str | None = None


def to_json(value: Json) -> bytes:
    """Compact JSON in UTF-8, non-ASCII characters unescaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def success(data: Sequence[Json], now: Moment) -> Reply:
    """HTTP 200 with code 0 (contract §1.5)."""
    envelope: Json = {"code": 0, "msg": "success", "data": data, "timestamp": now.ms, "success": True}
    return Reply(200, to_json(envelope), code=0)


def business_error(code: int, message: str, now: Moment) -> Reply:
    """Shape 1: HTTP 200, `data` null, `success` false."""
    envelope: Json = {"code": code, "msg": message, "data": None, "timestamp": now.ms, "success": False}
    return Reply(200, to_json(envelope), code=code)


def gateway_error(
    code: int,
    message: str,
    now: Moment,
    *,
    status: int,
    blocked_by: str,
    headers: tuple[tuple[str, str], ...] = (),
) -> Reply:
    """Shape 2: a real HTTP status, `data` an empty string, no `success`; `x-oc-blocked-by` names the filter."""
    envelope: Json = {"code": code, "timestamp": now.ms, "msg": message, "data": ""}
    return Reply(
        status,
        to_json(envelope),
        headers=(("x-oc-blocked-by", f"{blocked_by}/{code}"), *headers),
        code=code,
    )


def compliance_error(code: int, now: Moment) -> Reply:
    """Shape 3: HTTP 200 without `data` (captured for 40304; 40301 to 40303 are taken to look alike)."""
    envelope: Json = {"code": code, "msg": MESSAGES[code], "success": False, "timestamp": now.ms}
    return Reply(200, to_json(envelope), headers=(("x-oc-blocked-by", f"{_FILTERS[code]}/{code}"),), code=code)


def wrong_method(method: str) -> Reply:
    """Shape 4: the framework's answer to a method it does not serve, with a string code."""
    envelope: Json = {
        "status": "ERROR",
        "type": "VALID",
        "code": "000002",
        "errorData": f"Request method '{method}' not supported",
        "data": None,
        "subData": None,
        "params": None,
    }
    return Reply(200, to_json(envelope), code="000002")


def unknown_path(path: str, now: Moment) -> Reply:
    """Shape 4: the framework's JSON of HTTP 404."""
    body: Json = {
        "path": path,
        "error": "Not Found",
        "timestamp": now.ms,
        "message": "No message available",
        "status": 404,
    }
    return Reply(404, to_json(body))


def url_too_long() -> Reply:
    """HTTP 414 with an empty body that is not JSON."""
    return Reply(414, content_type=None)


def redirect_to_web() -> Reply:
    """What the edge answers outside `/build`: a redirect to a web page of the same host (contract §1.1)."""
    return Reply(302, content_type=None, headers=(("location", "/en"),))


def web_page() -> Reply:
    """The page that the redirect leads to: HTML with status 200, which no client may take for an answer."""
    return Reply(200, b"<!doctype html><title>Web3 Wallet</title><p>This is a web page.", "text/html;charset=UTF-8")


def rate_limited(now: Moment, retry_after: str | None = "1") -> Reply:
    """42900 with HTTP 429 and `Retry-After` as given, in seconds or as an HTTP date."""
    headers = () if retry_after is None else (("retry-after", retry_after),)
    return gateway_error(42900, MESSAGES[42900], now, status=429, blocked_by=_FILTERS[42900], headers=headers)


def error(code: int, now: Moment, message: str | None = None) -> Reply:
    """The answer that belongs to `code`, in its shape and status; a code nobody has seen is a business error."""
    if code == 42900:
        return rate_limited(now)
    if code in COMPLIANCE_CODES:
        return compliance_error(code, now)
    if message is None:
        message = MESSAGES.get(code, f"Unexpected error {code}")
        if code == 40103:
            message = f"{message} serverTime={now.iso}"
    if code in GATEWAY_STATUS:
        return gateway_error(code, message, now, status=GATEWAY_STATUS[code], blocked_by=_FILTERS[code])
    return business_error(code, message, now)
