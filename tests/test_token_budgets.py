"""What the server costs its reader, in o200k tokens; structures are counted as compact JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import mcp_types as types
import pytest

from tests.support.mcp import STRANGER, UNKNOWN_HASH, Face, connect
from tests.support.tokens import compact, json_tokens, tokens
from wallet_mcp.server.guidance import CallContext, explain
from wallet_mcp.server.tools import TOOLS
from wallet_mcp.wallet_api.errors import ApiError, Exchange

LONGEST_ANSWER: Final = 10_000
"""Characters of an answer to a question that names no size."""


async def ask(face: Face, tool: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """A success as text and structure."""
    result = await face.client.call_tool(tool, arguments)
    assert isinstance(result, types.CallToolResult)
    part = result.content[0]
    assert isinstance(part, types.TextContent)
    assert not result.is_error, part.text
    assert isinstance(result.structured_content, dict)
    return part.text, result.structured_content


@pytest.mark.anyio
async def test_the_tool_list_is_short() -> None:
    async with connect() as face:
        definitions = (await face.tools()).values()
        assert len(definitions) == len(TOOLS) == 7
        named = sum(
            tokens(tool.name) + tokens(tool.description or "") + json_tokens(tool.input_schema)
            for tool in definitions
        )
        outputs = sum(json_tokens(tool.output_schema) for tool in definitions)
    assert 0 < named <= 2_000
    assert named < named + outputs <= 5_000


ROW_AS_TEXT: Final = 50
ROW_AS_STRUCTURE: Final = 65


def cost_of_rows(text: str, rows: list[dict[str, Any]], head: str) -> tuple[float, float]:
    """What a row costs in the mean of its page, as text and as structure."""
    lines = text.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith(head)) + 1
    as_text = sum(tokens(line) for line in lines[first : first + len(rows)])
    return as_text / len(rows), sum(map(json_tokens, rows)) / len(rows)


@pytest.mark.anyio
@pytest.mark.parametrize("offset", [0, 20, 40])
async def test_a_holding_is_short(offset: int) -> None:
    async with connect() as face:
        text, structure = await ask(face, "wallet_get_portfolio", address=face.wallets["rich"], offset=offset)
    as_text, as_structure = cost_of_rows(text, structure["holdings"], "chain,contract,")
    assert as_text <= ROW_AS_TEXT
    assert as_structure <= ROW_AS_STRUCTURE


@pytest.mark.anyio
@pytest.mark.parametrize(("chain", "least"), [("eth", 20), ("bsc", 12), ("polygon", 7), ("base", 7), ("arb", 8)])
async def test_a_token_row_is_short(chain: str, least: int) -> None:
    async with connect() as face:
        text, structure = await ask(face, "wallet_list_balances", address=face.wallets["rich"], chain=chain)
        assert len(structure["tokens"]) >= least
        as_text, as_structure = cost_of_rows(text, structure["tokens"], "contract,")
        assert as_text <= ROW_AS_TEXT
        assert as_structure <= ROW_AS_STRUCTURE
        # `chain` and `status` come on top; what was asked by its contract is not told twice.
        asked = [f"{chain}:{row['contract']}" for row in structure["tokens"]]
        text, structure = await ask(face, "wallet_get_token_balances", address=face.wallets["rich"], tokens=asked)
        as_text, as_structure = cost_of_rows(text, structure["tokens"], "asked,")
        assert as_text <= ROW_AS_TEXT + 1
        assert as_structure <= ROW_AS_STRUCTURE + 10


@pytest.mark.anyio
async def test_the_default_portfolio_is_short() -> None:
    async with connect() as face:
        text, structure = await ask(face, "wallet_get_portfolio", address=face.wallets["rich"])
        assert len(structure["holdings"]) == 20
        assert tokens(text) <= 1_000
        assert json_tokens(structure) <= 1_300


@pytest.mark.anyio
async def test_a_page_of_one_chain_is_as_short_as_its_exact_figures_allow() -> None:
    # Balance and price to the last digit, for who asks for one chain in full.
    async with connect() as face:
        text, structure = await ask(face, "wallet_list_balances", address=face.wallets["rich"], chain="eth")
        count = len(structure["tokens"])
        assert count == 20
        assert tokens(text) / count <= 55
        assert json_tokens(structure) / count <= 70


@pytest.mark.anyio
@pytest.mark.parametrize("label", ["rich", "history"])
async def test_twenty_transactions_are_short(label: str) -> None:
    # Hashes, addresses and contracts, each once and none ever cut, are 1,300 of this.
    async with connect() as face:
        text, structure = await ask(face, "wallet_list_transactions", address=face.wallets[label])
        assert len(structure["transactions"]) == 20
        assert tokens(text) <= 2_000
        assert json_tokens(structure) <= 2_600


_DEFAULTS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "chains": ("wallet_list_chains", {}),
    "set-up": ("wallet_check_setup", {}),
    "portfolio, rich": ("wallet_get_portfolio", {"address": "rich"}),
    "portfolio, whale": ("wallet_get_portfolio", {"address": "whale"}),
    "portfolio, solana": ("wallet_get_portfolio", {"address": "solana"}),
    "portfolio, empty": ("wallet_get_portfolio", {"address": "empty"}),
    "portfolio, stranger": ("wallet_get_portfolio", {"address": STRANGER}),
    "balances, rich": ("wallet_list_balances", {"address": "rich", "chain": "eth"}),
    "balances, whale": ("wallet_list_balances", {"address": "whale", "chain": "bsc"}),
    "balances, solana": ("wallet_list_balances", {"address": "solana", "chain": "sol"}),
    "transactions, rich": ("wallet_list_transactions", {"address": "rich"}),
    "transactions, history": ("wallet_list_transactions", {"address": "history"}),
    "transactions, solana": ("wallet_list_transactions", {"address": "solana"}),
    "transactions, a week": ("wallet_list_transactions", {"address": "history", "begin": "7d"}),
    "transactions, half a year": ("wallet_list_transactions", {"address": "history", "begin": "180d"}),
    "transaction, unknown": ("wallet_get_transaction", {"tx_hash": UNKNOWN_HASH}),
}


@pytest.mark.anyio
@pytest.mark.parametrize("question", _DEFAULTS)
async def test_a_default_answer_is_under_ten_thousand_characters(question: str) -> None:
    tool, given = _DEFAULTS[question]
    async with connect() as face:
        arguments = {name: face.wallets.get(value, value) for name, value in given.items()}
        text, structure = await ask(face, tool, **arguments)
    assert len(text) < LONGEST_ANSWER
    assert len(compact(structure)) < LONGEST_ANSWER


@pytest.mark.anyio
async def test_the_swap_of_many_parts_is_under_ten_thousand_characters() -> None:
    async with connect() as face:
        for example in face.world.examples.values():
            text, structure = await ask(face, "wallet_get_transaction", tx_hash=example.hash, chain=example.chain)
            assert len(text) < LONGEST_ANSWER
            assert len(compact(structure)) < LONGEST_ANSWER


_EXCHANGE: Final = Exchange(
    http_status=200,
    trace_id="7f3a9c1e5b2d4f60a1b2c3d4e5f60718",
    request_time="2026-11-22T10:00:00.412Z",
    server_time="2026-11-22T10:00:00.512Z",
)


def _call(tool: str) -> CallContext:
    found = next(each for each in TOOLS if each.name == tool)
    return CallContext(
        tool=tool,
        arguments={"address": STRANGER, "chain": "56"},
        rules=found.rules,
        upstream_names=found.upstream_names,
        algorithm="HMAC-SHA256",
        base_url="https://web3.binance.com/build",
    )


@pytest.mark.parametrize("tool", [tool.name for tool in TOOLS])
@pytest.mark.parametrize("code", [40101, 40102, 40104, 40301, 42900, 50000, 50001, 59999])
def test_an_error_is_short(tool: str, code: int) -> None:
    text = explain(ApiError(code=code, exchange=_EXCHANGE, attempts=1), _call(tool)).text
    assert text.startswith(f"Error {code}: ")
    assert tokens(text) <= 180


@pytest.mark.parametrize("tool", [tool.name for tool in TOOLS])
def test_a_parameter_error_that_names_no_field_is_short(tool: str) -> None:
    text = explain(ApiError(code=40001, exchange=_EXCHANGE, attempts=1), _call(tool)).text
    assert text.startswith("Error 40001: ")
    assert tokens(text) <= 260
