"""The soak's checks pass what is right and would notice what is not."""

from __future__ import annotations

import base64
import copy
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from benchmarks.soak import secrets_in
from benchmarks.soak_questions import Question, Questions
from tests.support.mcp import connect
from wallet_mcp.sandbox.app import SANDBOX_API_KEY, SANDBOX_SECRET_KEY
from wallet_mcp.sandbox.world import World

pytestmark = pytest.mark.anyio

SUMS: Final = ("in", "out", "in_raw", "out_raw", "in_if_base_units", "out_if_base_units")
COMPARED: Final = {
    "wallet_list_chains": {"chain", "name"},
    "wallet_list_balances": {"balance", "price_usd", "value_usd", "raw_balance", "decimals", "hidden_risk_count"},
    "wallet_get_token_balances": {"balance", "price_usd", "value_usd", "raw_balance", "decimals"},
    "wallet_list_transactions": {"amount", "amount_raw", "amount_if_base_units", "hash", "time", "fee", *SUMS},
    "wallet_get_transaction": {"amount", "amount_raw", "amount_if_base_units", "time"},
    "wallet_get_portfolio": {"balance", "value_usd", "total_value_usd"},
}
FOLDS: Final[Mapping[str | int, int]] = {"by_chain": 2, "assets": 3, "parties": 2, "unless_given": 2}
"""Maps of names to values, and how deep the values stand."""


def tampered(answer: dict[str, Any], names: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Copies of an answer, each with one of the named values changed a little, and each with a row less."""

    def places(part: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
        yield path
        pairs: Any = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, child in pairs:
            yield from places(child, (*path, key))

    for path in places(answer):
        if not path:
            continue
        *way, name = path
        # Groups that are counted alone, and facts of the whole answer.
        if path[0] in ("below_minimum", "unpriced", "risk", "dominant", "searched"):
            continue
        # What is told once for many rows is told by name.
        if name not in names and len(path) != FOLDS.get(path[0]):
            continue
        copied = copy.deepcopy(answer)
        place: Any = copied
        for key in way:
            place = place[key]
        place[name] = changed(place[name])
        yield ".".join(str(key) for key in path), copied
    for name in ("tokens", "transactions", "movements"):
        if answer.get(name):
            yield f"{name} without the last", answer | {name: answer[name][:-1]}


def changed(value: Any) -> Any:
    """The value with another first digit or letter."""
    if isinstance(value, int):
        return value + 1
    return re.sub(r"[\w]", lambda found: "7" if found[0] != "7" else "3", str(value), count=1)


def test_secrets_are_found_wherever_they_stand() -> None:
    signature = base64.b64encode(bytes(range(32))).decode()
    said = f"GET /x {SANDBOX_API_KEY} {SANDBOX_SECRET_KEY} sign={signature!r} hash 0x{'ab' * 32} nothing={signature}="
    assert secrets_in(said) == 3


async def answers() -> list[tuple[Question, dict[str, Any]]]:
    found = []
    async with connect(rate=50) as face:
        questions = Questions(face.world, random.Random(5))
        for _ in range(120):
            question = questions.draw()
            result: Any = await face.client.call_tool(question.tool, question.arguments)
            assert result.is_error is question.refused, question
            if not result.is_error:
                found.append((question, result.structured_content))
    return found


async def test_right_answers_pass_and_tampered_ones_do_not() -> None:
    noticed = set[str]()
    for question, answer in await answers():
        assert question.check(answer) == "", question
        for what, wrong in tampered(answer, COMPARED.get(question.tool, set())):
            assert question.check(wrong) != "", (question.tool, what)
            noticed.add(question.tool)
    assert noticed == COMPARED.keys()


def test_what_cannot_be_answered_is_wrong_when_answered() -> None:
    questions = Questions(World(1_795_341_600_000), random.Random(1))
    refused = [question for question in (questions.draw() for _ in range(300)) if question.refused]
    assert refused
    assert all(question.check({}) for question in refused)
