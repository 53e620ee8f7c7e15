from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.server.length import fitted, leading
from wallet_mcp.server.output import ToolOutput

HEAD = 20
ROW = 7


def answer_of(rows: int) -> ToolOutput:
    return ToolOutput(source="live", as_of="now", age_seconds=0, complete=True, notes=["r"] * rows)


def structure(rows: int) -> int:
    return len(answer_of(rows).model_dump_json())


@given(st.integers(0, 300), st.integers(0, 3000), st.booleans())
def test_as_many_rows_are_shown_as_fit_and_at_least_one(count: int, longest: int, long_text: bool) -> None:
    made: list[int] = []

    def answer(rows: int) -> ToolOutput:
        made.append(rows)
        return answer_of(rows)

    def render(output: ToolOutput) -> list[str]:
        assert isinstance(output.notes, list)
        return ["x" * (HEAD + ROW * len(output.notes) if long_text else 1)]

    def size(rows: int) -> int:
        return max(HEAD + ROW * rows if long_text else 1, structure(rows))

    shown = fitted(count, answer, render, longest)
    assert isinstance(shown.notes, list)
    best = max((rows for rows in range(count + 1) if size(rows) < longest), default=0)
    assert len(shown.notes) == max(min(1, count), best)
    assert len(made) <= 11


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 30), st.integers(0, 400))
def test_leading_rows_are_few_and_short_enough_yet_one(lengths: list[int], most: int, longest: int) -> None:
    count = leading(lengths, most, longest, lambda length: length)
    assert count == 0 if not lengths else 1 <= count <= min(most, len(lengths))
    assert count <= 1 or sum(lengths[:count]) <= longest
    assert count == min(most, len(lengths)) or sum(lengths[: count + 1]) > longest


@pytest.mark.parametrize("head", [20, 500, 2_500, 2_950])
def test_of_rows_of_one_length_the_fitting_number_is_found_at_once(head: int) -> None:
    made: list[int] = []

    def answer(rows: int) -> ToolOutput:
        made.append(rows)
        return answer_of(rows)

    def render(output: ToolOutput) -> list[str]:
        return ["x" * (head + 40 * made[-1])]

    fitted(200, answer, render, 3_000)
    assert len(made) <= 5, "halving would take eight and more"
