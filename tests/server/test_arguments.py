from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from tests.support.mcp import STRANGER, UNKNOWN_HASH, Face
from wallet_mcp.server.arguments import (
    WHOLE,
    WITHHELD,
    NoEcho,
    Rule,
    ToolInput,
    defaults_of,
    read_arguments,
    rules_of,
    without_secrets,
)
from wallet_mcp.server.problems import ArgumentProblem

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
SEED = "legal winner thank year wave sausage worth useful legal winner thank yellow"


class _Input(ToolInput):
    """All kinds of arguments."""

    address: Annotated[str, Field(max_length=200), Rule("a wallet address"), NoEcho()]
    count: Annotated[int, Field(ge=1, le=100), WHOLE] = 50
    deep: bool = False
    order: Literal["up", "down"] = "up"
    word: Annotated[str, Field(max_length=40)] | SkipJsonSchema[None] = None
    names: (
        Annotated[list[Annotated[str, Field(max_length=9)]], Field(min_length=1, max_length=3)] | SkipJsonSchema[None]
    ) = None


def refused(arguments: dict[str, Any]) -> ArgumentProblem:
    with pytest.raises(ArgumentProblem) as caught:
        read_arguments(_Input, {"address": "x"} | arguments)
    return caught.value


@pytest.mark.parametrize(
    ("given", "field", "meant", "corrected"),
    [
        ({"addres": "x"}, "addres", "address", {"address": "x"}),
        ({"Address": "x", "Count": "500"}, "Address", "address", {"address": "x", "count": 100}),
        ({"address": "x", "pageCount": 7, "deap": True}, "pageCount", "", {"address": "x", "deep": True}),
        ({"address": "x", "adress": "y"}, "adress", "", {"address": "x"}),
        ({"adress": "x", "addres": "y"}, "adress", "address", {"address": "y"}),
        ({"wallet": "x"}, "wallet", "", None),
        ({"addres": KEY}, "addres", "address", None),
    ],
)
def test_a_mistyped_name_is_told_before_what_it_leaves_out(
    given: dict[str, Any], field: str, meant: str, corrected: dict[str, Any] | None
) -> None:
    with pytest.raises(ArgumentProblem) as caught:
        read_arguments(_Input, given)
    assert (caught.value.field, caught.value.corrected) == (field, corrected)
    assert (f"; {meant} may be meant; " in caught.value.rule) is bool(meant)


@pytest.mark.parametrize("value", [50, 50.0, "50", " 50 ", "050"])
def test_a_whole_number_may_be_written_in_three_ways(value: object) -> None:
    assert read_arguments(_Input, {"address": "x", "count": value}).count == 50


@pytest.mark.parametrize(
    "value", [50.5, "50.0", "5e1", "", "fifty", True, [50], {"a": 1}, float("nan"), float("inf"), "٥٠", "-5", "1_0"]
)
def test_nothing_else_is_a_whole_number(value: object) -> None:
    problem = refused({"count": value})
    assert (problem.field, problem.rule) == ("count", "a whole number from 1 to 100")


@pytest.mark.parametrize(
    ("arguments", "corrected"),
    [
        ({"count": 500}, {"count": 100}),
        ({"count": 0}, {"count": 1}),
        ({"count": "500"}, {"count": 100}),
        ({"count": "50.0"}, {"count": 50}),
        ({"count": 1e30}, {"count": 100}),
        ({"count": 2.5}, None),
        ({"count": "many"}, None),
        ({"count": True}, None),
        ({"count": float("inf")}, None),
        ({"deep": "true"}, {"deep": True}),
        ({"deep": 1}, {"deep": True}),
        ({"deep": "False"}, {"deep": False}),
        ({"deep": 0}, {"deep": False}),
        ({"deep": "maybe"}, None),
        ({"deep": 2}, None),
        ({"order": "DOWN "}, {"order": "down"}),
        ({"order": "sideways"}, None),
        ({"order": 1}, None),
        ({"word": 7}, {"word": "7"}),
        ({"word": "w" * 41}, None),
        ({"word": True}, None),
        ({"names": "a, b"}, {"names": ["a", "b"]}),
        ({"names": "['a', \"b\"]"}, {"names": ["a", "b"]}),
        ({"names": "a, bbbbbbbbbb"}, None),
        ({"names": "a, b, c, d"}, None),
        ({"names": ","}, None),
        ({"names": "abc " * 60}, None),
        ({"names": []}, None),
        ({"names": ["a", 1]}, None),
        ({"bogus": 1}, {}),
        ({"bogus": 1, "count": 101}, {"count": 100}),
        ({"bogus": 1, "count": 2.5}, None),
        ({"bogus": KEY}, None),
        ({"count": 500, "word": SEED[:40]}, None),
    ],
)
def test_what_can_only_mean_one_thing_is_corrected(
    arguments: dict[str, Any], corrected: dict[str, Any] | None
) -> None:
    expected = None if corrected is None else {"address": "x"} | corrected
    assert refused(arguments).corrected == expected


@pytest.mark.parametrize(
    ("arguments", "field", "rule", "value"),
    [
        ({"count": 500}, "count", "a whole number from 1 to 100", "500"),
        ({"deep": "maybe"}, "deep", "true or false", "maybe"),
        ({"deep": [True]}, "deep", "true or false", "a list"),
        ({"count": True}, "count", "a whole number from 1 to 100", "true"),
        ({"count": {"a": 1}}, "count", "a whole number from 1 to 100", "an object"),
        ({"order": "<b>"}, "order", "one of up, down", "‹b›"),
        ({"word": 7.5}, "word", "a text", "7.5"),
        ({"names": ["a", "b" * 10]}, "names[1]", "a list of 1 to 3 texts", "b" * 10),
        ({"names": ["a", 7]}, "names[1]", "a list of 1 to 3 texts", "7"),
        ({"names": ["a", KEY]}, "names[1]", "a list of 1 to 3 texts", ""),
        ({"names": []}, "names", "a list of 1 to 3 texts", "0 entries"),
        ({"names": ["a"] * 4}, "names", "a list of 1 to 3 texts", "4 entries"),
        ({"names": {"a": 1}}, "names", "a list of 1 to 3 texts", "an object"),
        ({"address": 7}, "address", "a wallet address", ""),
        ({"address": None}, "address", "a wallet address", ""),
        (
            {"page_sise": 7},
            "page_sise",
            "this tool has no argument of that name; its arguments are address, count",
            "",
        ),
        ({"word": KEY}, "word", "a text", ""),
        ({KEY: 7}, WITHHELD, "this tool has no argument of that name", ""),
        ({"count": int(KEY, 16)}, "count", "a whole number", ""),
    ],
)
def test_the_first_fault_is_named_with_its_rule(arguments: dict[str, Any], field: str, rule: str, value: str) -> None:
    problem = refused(arguments)
    assert (problem.field, problem.value) == (field, value)
    assert problem.rule.startswith(rule)


def test_null_means_absent() -> None:
    read = read_arguments(_Input, {"address": "x", "count": None, "deep": None, "names": None, "word": None})
    assert read == read_arguments(_Input, {"address": "x"})


def test_an_optional_argument_that_is_nobodys_is_no_fault_when_null() -> None:
    assert read_arguments(_Input, {"address": "x", "bogus": None}).address == "x"


def test_the_rules_stand_in_the_order_of_the_schema() -> None:
    assert rules_of(_Input) == {
        "address": "a wallet address",
        "count": "a whole number from 1 to 100",
        "deep": "true or false",
        "order": "one of up, down",
        "word": "a text",
        "names": "a list of 1 to 3 texts",
    }


def test_the_defaults_are_those_that_mean_something() -> None:
    assert defaults_of(_Input) == {"count": 50, "deep": False, "order": "up"}


@pytest.mark.anyio
@pytest.mark.parametrize(("tokens", "count"), [([], "0 entries"), ([f"1:{STRANGER}"] * 21, "21 entries")])
async def test_a_list_of_the_wrong_length_tells_its_length(face: Face, tokens: list[str], count: str) -> None:
    failed = await face.failure("wallet_get_token_balances", address=STRANGER, tokens=tokens)
    assert f"argument tokens was refused, given {count}. Rule: a list of 1 to 20 tokens" in failed.text


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"a": KEY}, {"a": WITHHELD}),
        ({"a": f"1:{KEY}", "b": f"{KEY}:native"}, {"a": WITHHELD, "b": WITHHELD}),
        ({"a": SEED.replace(" ", ":")}, {"a": WITHHELD}),
        ({"a": [SEED, "bsc"]}, {"a": [WITHHELD, "bsc"]}),
        ({"a": SEED.split()}, {"a": WITHHELD}),
        ({"a": list(range(64))}, {"a": WITHHELD}),
        ({"a": {"b": {"c": KEY, "d": 1}}}, {"a": {"b": {"c": WITHHELD, "d": 1}}}),
        ({"a": int(KEY, 16)}, {"a": WITHHELD}),
        ({"tx_hash": f"0x{KEY}", "address": f"0x{KEY}"}, {"tx_hash": f"0x{KEY}", "address": WITHHELD}),
        ({"tx_hash": KEY}, {"tx_hash": WITHHELD}),
        (
            {"address": STRANGER, "chain": "BNB Chain", "n": 5, "f": 1.5, "ok": True, "none": None},
            {"address": STRANGER, "chain": "BNB Chain", "n": 5, "f": 1.5, "ok": True, "none": None},
        ),
        ({"tokens": [f"1:{STRANGER}", "eip155:56:native"]}, {"tokens": [f"1:{STRANGER}", "eip155:56:native"]}),
        ({"begin": "2026-11-22T10:00:00+02:00"}, {"begin": "2026-11-22T10:00:00+02:00"}),
    ],
)
def test_what_may_be_a_secret_is_withheld_wherever_it_stands(
    arguments: dict[str, Any], shown: dict[str, Any]
) -> None:
    assert without_secrets(arguments) == shown


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*_Input.model_fields, "bogus", ""]), JSON, max_size=6))
def test_any_arguments_are_read_or_refused_in_words(arguments: dict[str, Any]) -> None:
    try:
        read = read_arguments(_Input, arguments)
    except ArgumentProblem as problem:
        assert problem.rule
        if problem.corrected is not None:
            # A corrected call that is refused again would send the model in circles.
            read_arguments(_Input, problem.corrected)
    else:
        assert 1 <= read.count <= 100


@given(st.integers(min_value=1, max_value=100))
def test_each_whole_number_reads_the_same_in_all_spellings(number: int) -> None:
    for value in (number, float(number), str(number)):
        assert read_arguments(_Input, {"address": "x", "count": value}).count == number


CALLS: dict[str, dict[str, Any]] = {
    "wallet_list_chains": {"chain": "1"},
    "wallet_list_balances": {"address": STRANGER, "chain": "1"},
    "wallet_get_token_balances": {"address": STRANGER, "tokens": ["1:native"]},
    "wallet_list_transactions": {"address": STRANGER, "chains": ["1"]},
    "wallet_get_transaction": {"tx_hash": UNKNOWN_HASH, "chain": "1"},
    "wallet_check_setup": {},
}


@pytest.mark.anyio
@pytest.mark.parametrize("tool", CALLS)
async def test_each_tool_refuses_what_it_does_not_know_and_tells_the_call_without_it(face: Face, tool: str) -> None:
    failed = await face.failure(tool, CALLS[tool] | {"chainId": "56"})
    assert failed.meta["code"] == 40001
    assert failed.meta["field"] == "chainId"
    assert "its arguments are" in failed.text
    assert failed.meta["corrected"] == {"tool": tool, "arguments": CALLS[tool]}
    assert not face.sent()
    await face.answer(tool, failed.meta["corrected"]["arguments"])


@pytest.mark.anyio
@pytest.mark.parametrize("tool", CALLS)
async def test_each_tool_takes_null_as_absent(face: Face, tool: str) -> None:
    properties = (await face.tools())[tool].input_schema["properties"]
    empty = dict.fromkeys(set(properties) - set(CALLS[tool]))
    answer = await face.answer(tool, CALLS[tool] | empty)
    assert answer.structure == (await face.answer(tool, CALLS[tool])).structure or tool == "wallet_check_setup"


@pytest.mark.anyio
@pytest.mark.parametrize("tool", CALLS)
async def test_each_required_argument_is_asked_for_by_name(face: Face, tool: str) -> None:
    for name in (await face.tools())[tool].input_schema.get("required", []):
        for missing in ({name: None}, {}):
            arguments = {key: value for key, value in CALLS[tool].items() if key != name} | missing
            failed = await face.failure(tool, arguments)
            assert failed.meta["field"] == name
            assert f"argument {name} was refused, it was left out" in failed.text
            assert "corrected" not in failed.meta
    assert not face.sent()


@pytest.mark.anyio
@pytest.mark.parametrize("value", [50.0, "50"])
async def test_the_spellings_of_a_number_are_one_question(face: Face, value: object) -> None:
    for tool, name in (("wallet_list_balances", "page_size"), ("wallet_list_transactions", "limit")):
        plain = await face.answer(tool, CALLS[tool] | {name: 50})
        sent = len(face.sent())
        assert (await face.answer(tool, CALLS[tool] | {name: value})).structure == plain.structure
        assert len(face.sent()) == sent
