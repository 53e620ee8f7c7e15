"""The cursor of a history listing: a position in time, bound to its question, in 27 characters.

Upstream cursors are opaque, one per chain, and too long to repeat. A position (time and digest of the last
transaction shown) needs no memory on either side, so it survives a restart and serves every replica.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence

Position = tuple[int, bytes]
"""Negated Unix milliseconds and the digest of a transaction; the order of every listing (`Transaction.position`)."""

_VERSION = b"\x01"
_SIZE = 1 + 5 + 6 + 8


class BadCursor(ValueError):
    """A cursor that is damaged, of another version, or of another question."""


def question_digest(parts: Sequence[str]) -> bytes:
    """Five bytes that tell one question from another."""
    return hashlib.sha256("\x00".join(parts).encode()).digest()[:5]


def encode_cursor(position: Position, question: bytes) -> str:
    """The cursor behind a position, in the URL-safe alphabet."""
    negated_ms, digest = position
    raw = _VERSION + question + (-negated_ms).to_bytes(6, "big") + digest
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(text: str, question: bytes) -> Position:
    """The position of a cursor. Raises `BadCursor`."""
    if len(text) > 60:
        raise BadCursor("too long")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadCursor("damaged") from None
    if len(raw) != _SIZE or raw[:1] != _VERSION:
        raise BadCursor("damaged")
    if raw[1:6] != question:
        raise BadCursor("of another question")
    return -int.from_bytes(raw[6:12], "big"), raw[12:]
