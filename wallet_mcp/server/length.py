"""How long an answer may be, and how many rows then fit: chain text is as long as whoever wrote it likes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from wallet_mcp.server.output import ToolOutput
from wallet_mcp.server.text import compact

LONGEST: Final = 10_000
"""Characters that an answer stays under, as text and as compact JSON, where the question names no size."""

LONGEST_ASKED: Final = 25_000
"""The same for an answer to a question that asks for a number of rows."""

O = TypeVar("O", bound=ToolOutput)  # noqa: E741
T = TypeVar("T")


def fitted(count: int, answer: Callable[[int], O], render: Callable[[O], list[str]], longest: int) -> O:
    """The answer with the most of its first `count` rows that stays under `longest` characters, at least one.

    `answer` makes it of so many rows; of more rows it is taken to be longer.
    """

    least, most, guess = 0, count, count
    rows_before, size_before = 0, 0
    while True:
        output = answer(guess)
        size = max(len("\n".join(render(output))), len(compact(output.model_dump(mode="json"))))
        if size < longest or guess <= 1:
            best, least = output, guess
        else:
            most = guess - 1
        if least >= most:
            return best
        # Rows are of much the same length, so the last two answers tell about how many fit, and few are made.
        step = (longest - size) * (guess - rows_before) // ((size - size_before) or 1)
        rows_before, size_before = guess, size
        guess = min(max(guess + step, least + 1), most)


def leading(rows: Sequence[T], most: int, length: int, measure: Callable[[T], int]) -> int:
    """How many rows from the first on are shown: at most so many, of at most this length together, yet always one."""
    taken = 0
    for count, row in enumerate(rows[:most]):
        taken += measure(row)
        if count and taken > length:
            return count
    return min(most, len(rows))
