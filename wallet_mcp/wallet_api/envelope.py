"""One reading of a response: the list in its `data`, or one `ApiError` (contract §1.5 to §1.7).

Four envelope shapes are known, at HTTP statuses that say little: business errors come with 200, gateway errors
with 401, 403 or 429 and `data: ""`, compliance answers without `data`, framework errors with a string code. So
the code decides, never the status: success is the integer 0 with `data` a list, and nothing else is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from wallet_mcp.wallet_api.errors import ApiError, Code

_LARGEST_CODE = 9_999_999


@dataclass(frozen=True, slots=True)
class Received:
    """A whole answer as it came: status, headers (lower-case names) and the bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A successful answer: its list and the envelope's own `timestamp` (Unix ms, as received)."""

    data: list[object]
    timestamp: object


def read_envelope(answer: Received) -> Envelope:
    """The data of a successful answer.

    Raises `ApiError` for everything else: with the API's code where an envelope carries one, otherwise with a
    transport code and, in `received`, what came instead.
    """
    if 300 <= answer.status < 400:
        raise ApiError(code="redirect", received=_redirect_target(answer))
    try:
        body = parse_json(answer.body)
    except ValueError:
        _refuse_non_json(answer)
    if not isinstance(body, dict):
        kind = _code_of_status(answer.status) or "unexpected_answer"
        raise ApiError(code=kind, received=f"a JSON {_kind(body)} (HTTP {answer.status})")
    code = body.get("code")
    if isinstance(code, int) and not isinstance(code, bool):
        return _by_integer_code(code, body, answer.status)
    if isinstance(code, str):
        _refuse_string_code(code, body, answer.status)
    _refuse_without_code(body, answer)


def message_of(body: Mapping[str, object]) -> str:
    """The envelope's text, wherever this shape keeps it; unclean."""
    for name in ("msg", "errorData", "message", "error"):
        text = body.get(name)
        if isinstance(text, str) and text:
            return text
    return ""


def parse_json(body: bytes) -> object:
    """JSON from bytes; a number with a fraction stays exact as `Decimal`.

    Raises `ValueError` for all that is no JSON: a cut-off text, NaN, nesting beyond reason, not UTF-8.
    """
    try:
        parsed: object = json.loads(body, parse_float=_decimal, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return parsed


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("not a number") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _by_integer_code(code: int, body: Mapping[str, object], status: int) -> Envelope:
    if code != 0:
        if abs(code) > _LARGEST_CODE:
            raise ApiError(code="unexpected_answer", received=f"an envelope with an absurd code (HTTP {status})")
        raise ApiError(code=code, message=message_of(body), timestamp=body.get("timestamp"))
    data = body.get("data")
    if not isinstance(data, list):
        what = "no data" if "data" not in body else f"{_kind(data)} as its data"
        raise ApiError(code="unexpected_answer", received=f"code 0 with {what} (HTTP {status})")
    if status >= 400:
        raise ApiError(code="unexpected_answer", received=f"code 0 with HTTP {status}")
    return Envelope(data, body.get("timestamp"))


def _refuse_string_code(code: str, body: Mapping[str, object], status: int) -> NoReturn:
    number: Code | None = None
    if len(code) <= 7 and code.isascii() and code.isdigit() and int(code) != 0:
        # "000002" of the web framework keeps its zeros: that is how it is documented and searched for.
        number = code if code.startswith("0") else int(code)
    if number is None:
        raise ApiError(
            code=_code_of_status(status) or "unexpected_answer",
            message=message_of(body),
            received=f"an envelope whose code is a string that is no error code (HTTP {status})",
        )
    raise ApiError(code=number, message=message_of(body), timestamp=body.get("timestamp"))


def _refuse_without_code(body: Mapping[str, object], answer: Received) -> NoReturn:
    code = _code_of_status(answer.status)
    if code is not None:
        raise ApiError(code=code, message=message_of(body), received=f"HTTP {answer.status}")
    what = "a JSON object without a code" if "code" not in body else f"{_kind(body['code'])} as its code"
    raise ApiError(code="unexpected_answer", message=message_of(body), received=f"{what} (HTTP {answer.status})")


def _code_of_status(status: int) -> Code | None:
    match status:
        case 404:
            return "not_found"
        case 414:
            return "uri_too_long"
        case 429:
            return 42900
        case _:
            return "bad_gateway" if status >= 500 else None


def _refuse_non_json(answer: Received) -> NoReturn:
    start = answer.body[:200].lstrip().lower()
    if not answer.body.strip():
        what = "an empty body"
    elif start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        what = "an HTML page"
    elif start.startswith((b"{", b"[")):
        what = "JSON that is cut off or malformed"
    else:
        what = "a text that is no JSON"
    received = f"{what} (HTTP {answer.status}, {len(answer.body)} bytes)"
    raise ApiError(code=_code_of_status(answer.status) or "not_json", received=received)


def _redirect_target(answer: Received) -> str:
    # Only scheme and host of the target: a path could hold anything, and the host tells a captive portal.
    scheme, separator, rest = answer.headers.get("location", "").partition("://")
    host = rest.split("/")[0].split("?")[0].split("@")[-1][:80]
    where = f"{scheme}://{host}" if separator and host and scheme in ("http", "https") else "another path"
    return f"HTTP {answer.status} to {where}"


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "an empty string" if value == "" else "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "number"
