from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.wallet.cursor import BadCursor, decode_cursor, encode_cursor
from wallet_mcp.wallet.history import UNTIMED_MS

QUESTION = ["0xabc", "1", "56", "", "None", "None"]
POSITION = (-1_790_000_000_000, b"\x01\x02\x03\x04\x05\x06\x07\x08")
CURSOR = encode_cursor(POSITION, QUESTION)


PARTS = st.lists(st.text(st.characters(exclude_characters="\0"), max_size=5), min_size=1, max_size=4)


@given(st.integers(0, UNTIMED_MS), st.binary(min_size=8, max_size=8), PARTS)
def test_a_position_survives_the_way_through_a_cursor(at: int, digest: bytes, question: list[str]) -> None:
    cursor = encode_cursor((-at, digest), question)
    assert len(cursor) == 27
    assert cursor.isascii()
    assert not set(cursor) & set("+/= \"'")
    assert decode_cursor(cursor, question) == (-at, digest)


@given(PARTS, PARTS)
def test_a_cursor_is_of_its_own_question_only(one: list[str], other: list[str]) -> None:
    cursor = encode_cursor(POSITION, one)
    if one == other:
        assert decode_cursor(cursor, other) == POSITION
    else:
        with pytest.raises(BadCursor, match=r"^damaged, or of another question$"):
            decode_cursor(cursor, other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        CURSOR[:-1],
        CURSOR + "A",
        CURSOR + "AAAA",
        "!" + CURSOR[1:],
        "é" * 27,
        CURSOR.replace("_", "/").replace("-", "+") if set(CURSOR) & set("-_") else "+/" * 13,
        base64.urlsafe_b64encode(b"\x01" + base64.urlsafe_b64decode(CURSOR + "=")[1:]).decode().rstrip("="),
        base64.urlsafe_b64encode(bytes(19)).decode().rstrip("="),
        base64.urlsafe_b64encode(bytes(21)).decode().rstrip("="),
    ],
)
def test_a_damaged_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor, match=r"^damaged"):
        decode_cursor(text, QUESTION)


def test_a_cursor_of_any_length_is_refused_unread() -> None:
    with pytest.raises(BadCursor, match=r"^too long$"):
        decode_cursor("A" * 1_000_000, QUESTION)


@given(st.integers(0, 26), st.characters(codec="ascii"))
def test_a_changed_character_is_found_out(place: int, char: str) -> None:
    changed = CURSOR[:place] + char + CURSOR[place + 1 :]
    if changed == CURSOR:
        return
    with pytest.raises(BadCursor):
        decode_cursor(changed, QUESTION)


@given(st.text(max_size=70))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        decode_cursor(text, QUESTION)
    except BadCursor as bad:
        assert str(bad) in ("damaged", "too long", "damaged, or of another question")
    else:
        raise AssertionError("nobody guesses a cursor")
