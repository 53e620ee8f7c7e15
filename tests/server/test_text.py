from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.server.output import NextCall, ToolOutput
from wallet_mcp.server.text import cell, closing, compact, table
from wallet_mcp.wallet.chain_text import clean


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        ("0.10", "0.10"),
        (["url", "lookalike"], "url lookalike"),
        (("a", True), "a yes"),
        ([], ""),
        ("a,b\nc", "a b c"),
    ],
)
def test_a_cell_is_one_word_of_its_row(value: object, text: str) -> None:
    assert cell(value) == text


def test_a_column_that_no_row_has_is_left_out() -> None:
    rows: list[dict[str, Any]] = [{"a": 1, "c": None}, {"a": 2, "c": "x", "d": 3}]
    assert table(("a", "b", "c"), rows) == ["a,c", "1,", "2,x"]


def test_a_table_without_rows_is_its_empty_head() -> None:
    assert table(("a", "b"), []) == [""]


@given(st.lists(st.fixed_dictionaries({"symbol": st.text(max_size=40), "n": st.integers()}), min_size=1, max_size=5))
def test_no_symbol_breaks_out_of_its_cell(rows: list[dict[str, Any]]) -> None:
    cleaned = [row | {"symbol": clean(row["symbol"], 24).text} for row in rows]
    lines = table(("symbol", "n"), cleaned)
    assert len("\n".join(lines).splitlines()) == len(rows) + 1
    read = list(csv.reader(io.StringIO("\n".join(lines)), quoting=csv.QUOTE_NONE))
    assert read[1:] == [[row["symbol"], str(row["n"])] for row in cleaned]


COMMON: dict[str, Any] = {"source": "live", "as_of": "2026-11-22T10:00:00Z", "age_seconds": 7, "complete": True}


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ["Source: live, as of 2026-11-22T10:00:00Z, 7 s old.", "Complete: yes."]),
        (
            {"source": "sandbox", "stale": True},
            ["Source: sandbox (invented test data), as of 2026-11-22T10:00:00Z, 7 s old, stale.", "Complete: yes."],
        ),
        (
            {"complete": False, "incomplete_because": "older transactions follow", "notes": ["One.", "Two."]},
            [
                "Source: live, as of 2026-11-22T10:00:00Z, 7 s old.",
                "Complete: no, older transactions follow.",
                "Note: One.",
                "Note: Two.",
            ],
        ),
        (
            {
                "complete": False,
                "incomplete_because": "it ended.",
                "next": NextCall(tool="t", arguments={"a": ["x", 1]}),
            },
            [
                "Source: live, as of 2026-11-22T10:00:00Z, 7 s old.",
                "Complete: no, it ended.",
                'Next: t {"a":["x",1]}',
            ],
        ),
        ({"complete": False}, ["Source: live, as of 2026-11-22T10:00:00Z, 7 s old.", "Complete: no."]),
    ],
)
def test_the_last_lines_tell_the_common_fields(changes: dict[str, Any], lines: list[str]) -> None:
    assert closing(ToolOutput(**(COMMON | changes))) == lines


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers() | st.lists(st.text(max_size=3))))
def test_a_call_reads_back_as_it_was(arguments: dict[str, Any]) -> None:
    assert json.loads(compact(arguments)) == arguments
    assert "\n" not in compact(arguments)
