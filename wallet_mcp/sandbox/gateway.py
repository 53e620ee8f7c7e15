"""The gateway in front of the API: key, clock, signature, replay, permission, compliance and rate, in this order.

The order is ours where the contract is silent; docs/sandbox.md lists the choices.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import heapq
import hmac
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

from wallet_mcp.sandbox import replies
from wallet_mcp.sandbox.keys import WALLET_PERMISSION, KeyRecord
from wallet_mcp.sandbox.replies import Moment, Reply

SECOND_NS: Final = 1_000_000_000
DEFAULT_RECV_WINDOW_MS: Final = 5_000
MAX_RECV_WINDOW_MS: Final = 60_000
MAX_NONCES: Final = 200_000

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_BODYLESS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came off the wire; `path` and `query` are the raw bytes, `headers` have lower-case names."""

    method: str
    path: bytes
    query: bytes
    headers: Mapping[str, str]
    body: bytes

    @property
    def target(self) -> bytes:
        """Path and query exactly as received: what the signature covers (contract §1.3)."""
        return self.path + b"?" + self.query if self.query else self.path


def pre_hash(request: Incoming) -> bytes:
    """The signed bytes: timestamp + METHOD + path with query + body; no body for GET and HEAD (contract §1.3)."""
    timestamp = request.headers.get("x-oc-timestamp", "").encode()
    body = b"" if request.method in _BODYLESS else request.body
    return timestamp + request.method.encode() + request.target + body


def signature_is_valid(record: KeyRecord, signature: str, signed: bytes) -> bool:
    """Whether `signature` (standard base64 with padding) over `signed` was made with the key of `record`."""
    if record.secret is not None:
        digest = hmac.new(record.secret.encode(), signed, hashlib.sha256).digest()
        return hmac.compare_digest(base64.b64encode(digest), signature.encode())
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    public_key = load_pem_public_key((record.public_key_pem or "").encode())
    if not isinstance(public_key, Ed25519PublicKey):
        return False
    try:
        public_key.verify(base64.b64decode(signature, validate=True), signed)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


class NonceStore:
    """Remembers used nonces until they expire; holds at most `limit`, dropping those that expire first."""

    def __init__(self, limit: int = MAX_NONCES) -> None:
        self._limit = limit
        self._marks: set[bytes] = set()
        # (expiry, serial number, mark): among equal expiries the oldest goes first.
        self._queue: list[tuple[int, int, bytes]] = []
        self._serial = count()

    def __len__(self) -> int:
        return len(self._marks)

    def use(self, key_id: str, nonce: str, now_ns: int, lifetime_ns: int) -> bool:
        """Take `nonce` for `lifetime_ns` from `now_ns`; False when it is taken already."""
        while self._queue and self._queue[0][0] <= now_ns:
            self._drop_first()
        # A digest bounds the memory that a caller's very long nonce would take.
        mark = hashlib.blake2b(f"{key_id}\0{nonce}".encode(), digest_size=16).digest()
        if mark in self._marks:
            return False
        if len(self._queue) >= self._limit:
            self._drop_first()
        self._marks.add(mark)
        heapq.heappush(self._queue, (now_ns + lifetime_ns, next(self._serial), mark))
        return True

    def _drop_first(self) -> None:
        self._marks.discard(heapq.heappop(self._queue)[2])


class RateWindow:
    """At most `rate` admitted requests in any sliding second; refused ones do not count. Integer nanoseconds."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._admitted: deque[int] = deque()

    def used(self, now_ns: int) -> int:
        """How many admitted requests stand in the second that ends now."""
        while self._admitted and now_ns - self._admitted[0] >= SECOND_NS:
            self._admitted.popleft()
        return len(self._admitted)

    def admit(self, now_ns: int) -> int:
        """0 when the request is admitted, else the nanoseconds until a place is free."""
        if self.used(now_ns) < self._rate:
            self._admitted.append(now_ns)
            return 0
        return self._admitted[0] + SECOND_NS - now_ns


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gateway decided: `refusal` or None, and the `x-oc-*` limit headers (none for an unknown key)."""

    refusal: Reply | None
    headers: tuple[tuple[str, str], ...] = ()


class Gateway:
    """Checks requests against key records. One instance holds the nonces and the rate windows of all its keys."""

    def __init__(self, keys: Mapping[str, KeyRecord], *, rate: int, limit_header: int | None = None) -> None:
        self._keys = keys
        self._rate = rate
        self._limit = rate if limit_header is None else limit_header
        self._nonces = NonceStore()
        self._windows: dict[str, RateWindow] = {}

    def check(
        self,
        request: Incoming,
        now: Moment,
        loop_ns: int,
        clock_fault: Callable[[], Reply | None] = lambda: None,
    ) -> Verdict:
        """Pass or refuse `request`, received at server time `now` and event-loop time `loop_ns`.

        `clock_fault` may refuse in the place of the clock check, where a refusal takes no place in the window.
        """
        key_id = request.headers.get("x-oc-apikey", "")
        record = self._keys.get(key_id)
        if not key_id:
            return Verdict(replies.error(40101, now, "API Key is required"))
        if record is None or not record.enabled:
            return Verdict(replies.error(40101, now))
        window = self._windows.setdefault(key_id, RateWindow(self._rate))
        refusal = (
            clock_fault()
            or self._check_clock(request, now)
            or self._check_signature(record, request, now, loop_ns)
            or self._check_rights(record, now)
        )
        if refusal is None and (wait_ns := window.admit(loop_ns)):
            refusal = replies.rate_limited(now, str(max(1, -(-wait_ns // SECOND_NS))))
        used = window.used(loop_ns)
        return Verdict(
            refusal,
            (
                ("x-oc-ratelimit-limit", str(self._limit)),
                ("x-oc-ratelimit-remaining", str(max(0, self._limit - used))),
                ("x-oc-used-weight", str(used)),
            ),
        )

    def _check_clock(self, request: Incoming, now: Moment) -> Reply | None:
        window_ms = _recv_window_ms(request.headers.get("x-oc-recv-window", ""))
        if window_ms is None:
            reason = f"must be an integer between 1 and {MAX_RECV_WINDOW_MS}"
            return replies.gateway_error(
                40001,
                f"Parameter [X-OC-RECV-WINDOW] error: {reason}",
                now,
                status=400,
                blocked_by="TimestampFilter",
            )
        sent_ms = _timestamp_ms(request.headers.get("x-oc-timestamp", ""))
        if sent_ms is None or abs(now.ms - sent_ms) > window_ms:
            return replies.error(40103, now)
        return None

    def _check_signature(self, record: KeyRecord, request: Incoming, now: Moment, loop_ns: int) -> Reply | None:
        signature = request.headers.get("x-oc-sign", "")
        if not signature_is_valid(record, signature, pre_hash(request)):
            return replies.error(40102, now)
        # Only a signed request may use up a nonce, else anybody could burn those of a key.
        nonce = request.headers.get("x-oc-nonce", "") or signature
        window_ms = _recv_window_ms(request.headers.get("x-oc-recv-window", "")) or DEFAULT_RECV_WINDOW_MS
        if not self._nonces.use(record.key_id, nonce, loop_ns, 2 * window_ms * 1_000_000):
            return replies.error(40103, now, "Duplicate request detected")
        return None

    @staticmethod
    def _check_rights(record: KeyRecord, now: Moment) -> Reply | None:
        if WALLET_PERMISSION not in record.permissions:
            return replies.error(40104, now)
        if record.compliance_code is not None:
            return replies.error(record.compliance_code, now)
        return None


def _recv_window_ms(text: str) -> int | None:
    """The asked window, the default where the header is absent or empty, None where it is out of range."""
    if not text:
        return DEFAULT_RECV_WINDOW_MS
    if not (text.isascii() and text.isdigit() and len(text) <= 8):
        return None
    return value if 1 <= (value := int(text)) <= MAX_RECV_WINDOW_MS else None


def _timestamp_ms(text: str) -> int | None:
    """Milliseconds since 1970 of `YYYY-MM-DDThh:mm:ss.sssZ`; None for any other form."""
    if not _TIMESTAMP.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
