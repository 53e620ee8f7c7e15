"""Wallet questions, scored offline: calls, tokens, seconds and every figure against the sandbox's world."""

from __future__ import annotations

import asyncio
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import mcp_types as types
import pytest

from tests.evals.figures import Figures, party
from tests.support.mcp import Face, connect
from tests.support.tokens import tokens
from wallet_mcp.sandbox.app import Fault

MAX_CALLS: Final = 2
MAX_TOKENS: Final = 1_500
MAX_SECONDS: Final = 4.0
DELAY_MS: Final = 150

QUESTIONS: Final[list[dict[str, Any]]] = tomllib.loads(Path(__file__).with_name("questions.toml").read_text("utf-8"))[
    "question"
]
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


def _filled(value: Any, face: Face) -> Any:
    """Arguments with each placeholder replaced by what it stands for in the sandbox's world."""

    def known(match: re.Match[str]) -> str:
        kind, *words = match[1].split()
        if kind == "tx":
            return face.world.examples[words[0]].hash
        return party(*words) if kind == "party" else face.wallets[kind]

    match value:
        case str():
            return _PLACEHOLDER.sub(known, value)
        case list():
            return [_filled(child, face) for child in value]
        case dict():
            return {name: _filled(child, face) for name, child in value.items()}
        case _:
            return value


def _stands(figure: str, text: str) -> bool:
    """Whether a figure stands in a text as it is: no digit, point or letter goes on with it on either side."""
    return re.search(rf"(?<![\w.]){re.escape(figure)}(?!\w|\.\d)", text) is not None


@pytest.mark.anyio
@pytest.mark.parametrize("question", QUESTIONS, ids=[re.sub(r"\W+", "-", each["ask"])[:60] for each in QUESTIONS])
async def test_question(question: dict[str, Any]) -> None:
    faults = [Fault(question["fault"])] if "fault" in question else []
    texts: list[str] = []
    async with connect(faults=faults, delay_ms=DELAY_MS) as face:
        loop = asyncio.get_running_loop()
        started = loop.time()
        for call in question["calls"]:
            result = await face.client.call_tool(call["tool"], _filled(call["arguments"], face))
            assert isinstance(result, types.CallToolResult)
            part = result.content[0]
            assert isinstance(part, types.TextContent)
            assert result.is_error is ("error" in question), part.text
            texts.append(part.text)
        seconds = loop.time() - started
        figures = Figures(face.world)
        wanted = {figure: figures.of(figure) for figure in question.get("figures", ())}
    answer = "\n".join(texts)
    if "error" in question:
        assert answer.startswith(f"Error {question['error']}: ")
        assert "Next step: " in answer
    for figure, values in wanted.items():
        for value in values:
            assert _stands(value, answer), (figure, value, answer)
    for said in question.get("says", ()):
        assert said in answer, answer
    for unsaid in question.get("never", ()):
        assert unsaid not in answer, answer
    cost, over = tokens(answer), question.get("over", {})
    assert len(texts) <= MAX_CALLS
    _meets("tokens", cost, MAX_TOKENS, over)
    _meets("seconds", seconds, MAX_SECONDS, over)


def _meets(name: str, measured: float, target: float, over: dict[str, float]) -> None:
    if name in over:
        assert target < measured <= over[name], f"{name}: {measured:.1f}"
    else:
        assert measured <= target, f"{name}: {measured:.1f}"


def test_every_question_has_something_to_find() -> None:
    assert len(QUESTIONS) >= 25
    assert len({question["ask"] for question in QUESTIONS}) == len(QUESTIONS)
    for question in QUESTIONS:
        assert question.keys() <= {"ask", "calls", "figures", "says", "never", "fault", "error", "over"}
        assert question.get("figures") or question.get("says") or question.get("error"), question["ask"]
        assert question.get("over", {}).keys() <= {"tokens", "seconds"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("12,5,1.5,x", True),
        ("total 1.5.", True),
        ("1.5 USDT", True),
        ("11.5", False),
        ("1.55", False),
        ("1.5.2", False),
        ("x1.5", False),
    ],
)
def test_a_figure_is_found_whole(text: str, found: bool) -> None:
    assert _stands("1.5", text) is found
