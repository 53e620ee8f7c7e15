"""Faults to inject: every error code, and the bad bodies, headers and silences that a real network can produce."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Literal, TypeAlias

from wallet_mcp.sandbox import replies
from wallet_mcp.sandbox.replies import Moment, Reply

Manner: TypeAlias = Literal["whole", "unsized", "drip", "half", "hang", "hang_body"]

OVERSIZED_BYTES: Final = 8 * 1024 * 1024 + 64 * 1024
GZIP_BOMB_BYTES: Final = 64 * 1024 * 1024
DRIP_PIECES: Final = 30
DRIP_WAIT_S: Final = 1.0
SLOW_WAIT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a reply is put on the wire.

    `unsized` leaves out the content-length; `drip` sends pieces and waits `pause_s` before each; `half` promises the
    whole length and closes in the middle; `hang` never answers; `hang_body` stops after the headers.
    """

    reply: Reply
    manner: Manner = "whole"
    wait_s: float = 0.0
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that strikes a request which passed the gateway (40103 and `duplicate`: before its place is taken).

    `kind` is a five-digit code or a name of `FAULT_NAMES`; `probability` 0..1 per request; `times` ends it after so
    many strikes; `path` restricts it to paths that end so; `delay_s` is waited before the answer, or, for
    `slow_drip`, before each piece. Raises ValueError for an unknown kind or a number out of range.
    """

    kind: str
    probability: float = 1.0
    times: int | None = None
    path: str | None = None
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        if not (_is_code(self.kind) or self.kind in FAULT_NAMES):
            raise ValueError(
                f"unknown fault kind {self.kind!r}: a five-digit code or one of {', '.join(FAULT_NAMES)}"
            )
        if not 0 <= self.probability <= 1:
            raise ValueError(f"the probability of fault {self.kind} must be between 0 and 1")
        if self.times is not None and self.times < 1:
            raise ValueError(f"the times of fault {self.kind} must be at least 1")
        if not 0 <= self.delay_s < float("inf"):
            raise ValueError(f"the delay of fault {self.kind} must be 0 seconds or more")

    @property
    def concerns_clock(self) -> bool:
        """Whether it strikes in the place of the clock check, before the rate window."""
        return self.kind in ("40103", "duplicate")


def _is_code(kind: str) -> bool:
    return len(kind) == 5 and kind.isascii() and kind.isdigit() and kind[0] != "0"


def parse_fault(text: str) -> Fault:
    """The fault that `KIND[:PROBABILITY][,times=N][,path=SUFFIX][,delay=SECONDS]` names, as in `50001:0.3`.

    Raises ValueError that names the part which is wrong.
    """
    head, *settings = (part.strip() for part in text.split(","))
    kind, colon, probability = head.partition(":")
    fault = Fault(kind.strip(), _number(probability, "probability") if colon else 1.0)
    for setting in settings:
        name, _, value = setting.partition("=")
        if name == "times":
            if not (value.isascii() and value.isdigit()):
                raise ValueError(f"times must be a whole number, not {value!r}")
            fault = replace(fault, times=int(value))
        elif name == "path":
            fault = replace(fault, path=value)
        elif name == "delay":
            fault = replace(fault, delay_s=_number(value, "delay"))
        else:
            raise ValueError(f"unknown fault setting {name!r}: use times=, path= or delay=")
    return fault


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number, not {text!r}") from None


class FaultPlan:
    """Draws faults in their order; the first that strikes wins. The same seed strikes the same requests."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self._left: list[tuple[Fault, int | None]] = [(fault, fault.times) for fault in faults]
        self._random = random.Random(seed)

    def draw(self, path: str, *, clock: bool) -> Fault | None:
        """The fault that strikes a request to `path`; `clock` asks for those of the clock check, else the others."""
        for index, (fault, left) in enumerate(self._left):
            if fault.concerns_clock is not clock or left == 0 or not path.endswith(fault.path or ""):
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            if left is not None:
                self._left[index] = (fault, left - 1)
            return fault
        return None


def strike(fault: Fault, honest: Callable[[], Reply], now: Moment, method: str, path: str) -> Delivery:
    """The delivery that `fault` makes of a request. `honest` computes the true reply, where the fault spoils one."""
    if _is_code(fault.kind):
        return Delivery(replies.error(int(fault.kind), now), wait_s=fault.delay_s)
    if fault.kind in _SPOILED:
        return Delivery(_SPOILED[fault.kind](honest()), wait_s=fault.delay_s)
    if fault.kind in _MANNERS:
        if fault.kind == "slow_drip":
            return Delivery(honest(), "drip", pause_s=fault.delay_s or DRIP_WAIT_S)
        if fault.kind == "slow":
            return Delivery(honest(), wait_s=fault.delay_s or SLOW_WAIT_S)
        return Delivery(honest(), _MANNERS[fault.kind], wait_s=fault.delay_s)
    reply = _made(fault.kind, now, method, path)
    return Delivery(reply, "unsized" if fault.kind == "oversized" else "whole", wait_s=fault.delay_s)


def _padded(size: int) -> tuple[bytes, int, bytes]:
    head, tail = b'{"code":0,"msg":"success","success":true,"timestamp":0,"pad":"', b'","data":[]}'
    return head, size - len(head) - len(tail), tail


@cache
def _oversized() -> bytes:
    """A valid success envelope, only larger than any client should read."""
    head, fill, tail = _padded(OVERSIZED_BYTES)
    return head + b"x" * fill + tail


@cache
def _gzip_bomb() -> bytes:
    """A valid success envelope of 64 MiB in about 300 kB of gzip, made in pieces so that it never stands whole."""
    head, fill, tail = _padded(GZIP_BOMB_BYTES)
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    block = b"x" * (1024 * 1024)
    pieces = [squeeze.compress(head)]
    pieces += [squeeze.compress(block[: min(len(block), fill - start)]) for start in range(0, fill, len(block))]
    return b"".join((*pieces, squeeze.compress(tail), squeeze.flush()))


_MANNERS: Final[Mapping[str, Manner]] = {
    "slow": "whole",
    "slow_drip": "drip",
    "half_body": "half",
    "hang": "hang",
    "hang_body": "hang_body",
}


def _patched(**fields: replies.Json) -> Callable[[Reply], Reply]:
    """A spoiler that overwrites fields of the true envelope."""

    def spoil(reply: Reply) -> Reply:
        envelope = json.loads(reply.body) | fields
        return replace(reply, body=replies.to_json(envelope), code=envelope.get("code"))

    return spoil


_SPOILED: Final[Mapping[str, Callable[[Reply], Reply]]] = {
    "truncated": lambda reply: replace(reply, body=reply.body[: max(1, len(reply.body) // 2)], code=None),
    "wrong_type": lambda reply: replace(reply, body=b"[" + reply.body + b"]", code=None),
    "code_false": _patched(code=False),
    "code_string_zero": _patched(code="0"),
    "data_null": _patched(data=None),
    "data_object": _patched(data={}),
}

_NAMED: Final[Mapping[str, Callable[[Moment, str, str], Reply]]] = {
    "duplicate": lambda now, method, path: replies.error(40103, now, "Duplicate request detected"),
    "html502": lambda now, method, path: Reply(
        502,
        b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>",
        "text/html",
    ),
    "empty": lambda now, method, path: Reply(200),
    "not_json": lambda now, method, path: Reply(
        200, b"upstream connect error or disconnect/reset before headers", "text/plain"
    ),
    "redirect": lambda now, method, path: replies.redirect_to_web(),
    "oversized": lambda now, method, path: Reply(200, _oversized(), code=0),
    "gzip_bomb": lambda now, method, path: Reply(200, _gzip_bomb(), headers=(("content-encoding", "gzip"),), code=0),
    "429_plain": lambda now, method, path: Reply(429, b"Too Many Requests", "text/plain"),
    # A whole second later than asked: the date cannot carry fractions and must not be early.
    "429_date": lambda now, method, path: replies.rate_limited(now, Moment(now.ns + 2_000_000_000).http_date),
    "42900_in_200": lambda now, method, path: replies.business_error(42900, replies.MESSAGES[42900], now),
    "404": lambda now, method, path: replies.unknown_path(path, now),
    "414": lambda now, method, path: replies.url_too_long(),
    "framework": lambda now, method, path: replies.wrong_method(method),
}

FAULT_NAMES: Final = tuple(sorted((*_NAMED, *_SPOILED, *_MANNERS)))
"""The kinds that are not error codes."""


def _made(kind: str, now: Moment, method: str, path: str) -> Reply:
    return _NAMED[kind](now, method, path)


def clock_refusal(fault: Fault, now: Moment) -> Reply:
    """The refusal of a fault that concerns the clock: outside the recv window, or a duplicate."""
    return _made("duplicate", now, "", "") if fault.kind == "duplicate" else replies.error(40103, now)
