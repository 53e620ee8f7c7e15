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

_VERSION = b"\x02"
_CHECK_SIZE = 5
_TIME_SIZE = 6
_SIZE = 1 + _CHECK_SIZE + _TIME_SIZE + 8
_LONGEST = 60


class BadCursor(ValueError):
    """A cursor that is damaged, or of another question; the two cannot be told apart."""


def encode_cursor(position: Position, question: Sequence[str]) -> str:
    """The cursor behind a position in the listing of a question, in the URL-safe alphabet."""
    negated_ms, digest = position
    place = (-negated_ms).to_bytes(_TIME_SIZE, "big") + digest
    return base64.urlsafe_b64encode(_VERSION + _check(place, question) + place).decode().rstrip("=")


def decode_cursor(text: str, question: Sequence[str]) -> Position:
    """The position of a cursor. Raises `BadCursor`."""
    if len(text) > _LONGEST:
        raise BadCursor("too long")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadCursor("damaged") from None
    version, check, place = raw[:1], raw[1 : 1 + _CHECK_SIZE], raw[1 + _CHECK_SIZE :]
    if len(raw) != _SIZE or version != _VERSION or check != _check(place, question):
        raise BadCursor("damaged, or of another question")
    return -int.from_bytes(place[:_TIME_SIZE], "big"), place[_TIME_SIZE:]


def _check(place: bytes, question: Sequence[str]) -> bytes:
    """Five bytes that only this place in the listing of this question has: a miscopied letter must not skip rows."""
    return hashlib.sha256("\x00".join(question).encode() + b"\x00\x00" + place).digest()[:_CHECK_SIZE]
