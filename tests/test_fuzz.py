"""Whatever the API sends: typed results or typed errors, and no amount that is not in the body.

`make test` runs a small part with a fixed seed; `make fuzz` sets FUZZ_EXAMPLES and runs other examples each time.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from decimal import Context, Decimal, InvalidOperation
from itertools import product
from typing import Any, Final

import jsonschema  # type: ignore[import-untyped]
import mcp_types as types
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.support.mcp import Upstream, connect, custom_settings, leaves, read_failure
from tests.support.mutations import ASKS, MOVED, USDC, bodies, texts_of, valid_body
from tests.support.truth import EXACT
from tests.support.virtual_time import VirtualTimeLoop
from tests.support.wallet_api import make_api
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.server.tools import TOOLS
from wallet_mcp.wallet_api.errors import ApiError

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "0"))


def fuzzed(examples: int) -> settings:
    """So many examples, always the same; or as many others as FUZZ_EXAMPLES says."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


def run(coroutine: Any) -> Any:
    """The result of a coroutine on a loop of its own: hypothesis repeats the body of a test, not its fixtures."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coroutine)


async def from_client(endpoint: str, body: bytes) -> object:
    try:
        return (await ASKS[endpoint](make_api(Upstream(lambda _request: body)))).data
    except ApiError as error:
        return error


def texts_in(data: Any) -> Iterator[str]:
    """Every text of wire models."""
    if isinstance(data, BaseModel):
        for _, child in data:
            yield from texts_in(child)
    elif isinstance(data, tuple):
        for child in data:
            yield from texts_in(child)
    elif isinstance(data, str):
        yield data
    else:
        # Flags, and times that the models have read.
        assert data is None or isinstance(data, bool | int)


@pytest.mark.parametrize("endpoint", ASKS)
@given(data=st.data())
@fuzzed(30)
def test_the_client_gives_what_is_in_the_body_or_a_typed_error(endpoint: str, data: st.DataObject) -> None:
    body = data.draw(bodies(endpoint))
    outcome = run(from_client(endpoint, body))
    if isinstance(outcome, ApiError):
        assert outcome.code != "internal"
        assert outcome.endpoint == endpoint or outcome.code == "unexpected_answer"
        return
    present = texts_of(body)
    assert present is not None, "an answer out of what is no JSON"
    assert {text for text in texts_in(outcome) if text} <= present


@pytest.mark.parametrize("endpoint", ASKS)
def test_the_valid_bodies_are_answers(endpoint: str) -> None:
    outcome = run(from_client(endpoint, valid_body(endpoint)))
    assert not isinstance(outcome, ApiError)
    texts = set(texts_in(outcome))
    assert len(texts) > 3
    present = texts_of(valid_body(endpoint))
    assert present is not None
    assert texts - {""} <= present


QUESTIONS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("supported_chains", "wallet_list_chains", {}),
    ("supported_chains", "wallet_check_setup", {}),
    ("all_token_balances", "wallet_list_balances", {"address": WALLETS["rich"], "chain": "1", "page_size": 3}),
    ("all_token_balances", "wallet_get_portfolio", {"address": WALLETS["rich"], "chains": ["1"], "min_value_usd": 0}),
    (
        "token_balances",
        "wallet_get_token_balances",
        {"address": WALLETS["rich"], "tokens": ["1:native", f"1:{USDC}"]},
    ),
    ("transactions", "wallet_list_transactions", {"address": WALLETS["history"], "chains": ["1"], "limit": 4}),
    ("transaction_detail", "wallet_get_transaction", {"tx_hash": MOVED.hash, "chain": "1"}),
)
ASKED: Final = [question for question in QUESTIONS if question[1] in {tool.name for tool in TOOLS}]
AMOUNTS: Final = frozenset(
    {"balance", "raw_balance", "price_usd", "amount", "amount_raw", "amount_if_base_units", "fee"}
)
MILLIONTH: Final = Decimal("0.000001")
WIDE: Final = Context(prec=1000)
PRODUCTS: Final = frozenset({"value_usd"})
_VALIDATORS: Final = {tool.name: jsonschema.Draft202012Validator(tool.definition.output_schema) for tool in TOOLS}


async def from_tool(tool: str, arguments: dict[str, Any], body: bytes) -> types.CallToolResult:
    async with connect(settings=custom_settings(), transport=Upstream(lambda _request: body)) as face:
        result = await face.client.call_tool(tool, arguments)
    assert isinstance(result, types.CallToolResult)
    return result


def digits(text: str) -> str:
    """The digits of a number without sign, point and padding: those stay the same in any unit."""
    return re.sub(r"[^0-9]", "", text).strip("0")


def numbers_of(body: bytes) -> list[Decimal]:
    """Every text of a body that is a number of reasonable size, and every such number."""
    found: list[Decimal] = []
    for text in texts_of(body) or ():
        if len(text) < 300:
            try:
                number = Decimal(text.strip())
            except InvalidOperation:
                continue
            if number.is_finite() and abs(number.adjusted()) < 300:
                found.append(number)
    return found


def check_amounts(structure: dict[str, Any], body: bytes) -> None:
    """Fail where an answer has an amount that is neither in the body nor the value of one of its rows."""
    numbers = numbers_of(body)
    present = {digits(f"{number:f}") for number in numbers} | {""}
    values: set[str] = set()
    for path, said in leaves(structure):
        name = re.sub(r"\[\d*\]", "", path).rpartition(".")[2]
        if name in AMOUNTS:
            assert digits(str(said).partition(" ")[0]) in present, (path, said)
        elif name in PRODUCTS and path.startswith(("tokens", "holdings")):
            values.add(digits(str(said)))
    if values - {""}:
        exact = [EXACT.multiply(one, other) for one, other in product(numbers, repeat=2)]
        # To a millionth, and nothing to zero.
        rounded = [value.quantize(MILLIONTH, context=WIDE) for value in exact if abs(value.adjusted()) < 300]
        assert values - {""} <= {digits(f"{value:f}") for value in (*rounded, MILLIONTH)}


@pytest.mark.parametrize(("endpoint", "tool", "arguments"), ASKED, ids=[tool for _, tool, _ in ASKED])
@given(data=st.data())
@fuzzed(12)
def test_a_tool_answers_what_is_in_the_body_or_says_what_is_wrong(
    endpoint: str, tool: str, arguments: dict[str, Any], data: st.DataObject
) -> None:
    check_result(tool, run(from_tool(tool, arguments, body := data.draw(bodies(endpoint)))), body)


@pytest.mark.parametrize(("endpoint", "tool", "arguments"), ASKED, ids=[tool for _, tool, _ in ASKED])
def test_the_valid_bodies_are_answers_of_the_tools(endpoint: str, tool: str, arguments: dict[str, Any]) -> None:
    body = valid_body(endpoint)
    result = run(from_tool(tool, arguments, body))
    assert not result.is_error
    check_result(tool, result, body)
    amounts = [path for path, _ in leaves(result.structured_content) if path.rpartition(".")[2] in AMOUNTS]
    assert bool(amounts) is (endpoint != "supported_chains")


def check_result(tool: str, result: types.CallToolResult, body: bytes) -> None:
    # What goes over the wire must be text that every client can read.
    result.model_dump_json().encode()
    if result.is_error:
        assert read_failure(result).meta["code"] != "internal"
        return
    structure = result.structured_content
    assert structure is not None
    _VALIDATORS[tool].validate(structure)
    check_amounts(structure, body)


def test_an_invented_amount_would_be_noticed() -> None:
    body = b'{"data":[{"balance":"1.50","tokenPrice":"2"}]}'
    check_amounts({"tokens": [{"balance": "1.5", "value_usd": "3", "raw_balance": "150000"}]}, body)
    for row in ({"balance": "1.51"}, {"value_usd": "3.1"}, {"amount": "0.0000016"}):
        with pytest.raises(AssertionError):
            check_amounts({"tokens": [row]}, body)
