from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from tests.golden.answers import CALLS
from tests.support.mcp import connect, leaves
from wallet_mcp.cli.call import read_pairs
from wallet_mcp.cli.pages import Facts, Listing, PagePart, Sheet, command_of, page_of
from wallet_mcp.server.tools import TOOLS

pytestmark = pytest.mark.anyio

ANSWERS = [name for name in CALLS if not name.startswith("error-")]
TABLES = {
    "chains": (["chain", "name", "short_name", "honeypot_checked"], "chains"),
    "portfolio-rich": (["chain", "contract", "symbol", "balance", "value_usd"], "holdings"),
    "balances-solana-with-risk": (["contract", "symbol", "balance"], "tokens"),
    "tokens-rich": (["asked", "status"], "tokens"),
    "transaction-swap": (["unit", "symbol", "contract", "from", "to"], "movements"),
}


async def answered(name: str) -> tuple[str, dict[str, Any], str]:
    """The tool, the structure and the text of one of the kept answers."""
    asked = CALLS[name]
    async with connect() as face:
        places = {**face.wallets, **{f"tx {label}": known.hash for label, known in face.world.examples.items()}}
        arguments = {
            key: places.get(value[1:-1], value) if isinstance(value, str) else value
            for key, value in asked.arguments.items()
        }
        result = await face.client.call_tool(asked.tool, arguments)
    part = result.content[0]
    assert part.type == "text"
    assert result.structured_content is not None, part.text
    return asked.tool, result.structured_content, part.text


def words_of(parts: list[PagePart]) -> str:
    """All that stands on a page, line by line."""
    lines: list[str] = []
    for part in parts:
        match part:
            case str():
                lines.append(part)
            case Sheet():
                lines += [" ".join(row.values()) for row in part.rows]
            case Facts():
                lines += [f"{name} {value}" for name, value in part.pairs]
            case Listing():
                lines += [" ".join((*entry.head, *entry.lines)) for entry in part.entries]
    return "\n".join(lines)


@pytest.mark.parametrize("name", ANSWERS)
async def test_whatever_the_text_tells_stands_on_the_page(name: str) -> None:
    tool, structure, text = await answered(name)
    parts = page_of(tool, structure, text, sandbox=True)
    page = words_of(parts)
    told = set(page.replace("(", " ").replace(")", " ").split())
    following = structure.get("next", {}).get("arguments", {})
    for line in text.split("\n"):
        if line in parts or line.startswith("Next: "):
            continue
        # What is drawn instead: each figure, address, hash and time, with nothing around it.
        words = [word.strip(".:;*[]") for word in re.split(r"[\s,()=]+", line)]
        assert [word for word in words if any(map(str.isdigit, word)) and word not in told] == [], line
    for path, value in leaves(structure):
        if path.rpartition(".")[2] in ("symbol", "status", "flags[]", "fix", "detail", "what_to_do"):
            assert str(value) in page, path
    for key, value in following.items():
        given = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        assert f"{key}={','.join(value) if isinstance(value, list) else given}" in page


@pytest.mark.parametrize("name", ANSWERS)
async def test_every_sentence_of_the_text_stands_on_the_page_or_is_drawn(name: str) -> None:
    tool, structure, text = await answered(name)
    parts = page_of(tool, structure, text, sandbox=True)
    lines = text.split("\n")
    closing = lines[next(at for at, line in enumerate(lines) if line.startswith("Source: ")) :]
    kept = [line for line in closing if not line.startswith("Next: ")]
    assert [part for part in parts if part in kept] == kept
    drawn = sum(not isinstance(part, str) for part in parts)
    left = [part for part in parts if isinstance(part, str)]
    assert drawn or len(left) == len(lines)
    # No line of a table is left over beside the table.
    assert not [line for line in left if line.count(",") > 2 and " " not in line]


@pytest.mark.parametrize("name", TABLES)
async def test_the_rows_of_an_answer_are_those_of_its_table(name: str) -> None:
    columns, field = TABLES[name]
    tool, structure, text = await answered(name)
    sheets = [part for part in page_of(tool, structure, text, sandbox=True) if isinstance(part, Sheet)]
    sheet = next(
        sheet for sheet in sheets if len(sheet.rows) == len(structure[field]) and set(columns) <= {*sheet.columns}
    )
    for row, fields in zip(sheet.rows, structure[field], strict=True):
        for column in columns:
            value = fields.get(column)
            if isinstance(value, bool):
                value = "yes" if value else "no"
            assert row.get(column, "") in (value or "", ""), column
        assert row


async def test_a_listing_has_each_transaction_whole() -> None:
    tool, structure, text = await answered("transactions-history")
    parts = page_of(tool, structure, text, sandbox=True)
    entries = [entry for part in parts if isinstance(part, Listing) for entry in part.entries]
    rows = structure["transactions"]
    assert len(entries) == len(rows) == 20
    for entry, row in zip(entries, rows, strict=True):
        assert row["hash"] in entry.lines
        assert entry.head[1:] == (f"chain {row['chain']}", row.get("status", "success"))
        assert len(entry.head[0]) == len("23:59:59")
        for movement in row["movements"]:
            assert any(
                movement.get("amount", movement.get("amount_raw")) in line and movement["symbol"] in line
                for line in entry.lines
            )
        counterparties = [row.get("counterparty"), *(each.get("counterparty") for each in row["movements"])]
        for name in filter(None, counterparties):
            assert structure.get("parties", {}).get(name, name) in "\n".join(entry.lines)
    assert {entry.kind for entry in entries} >= {"in", "out", "failed", "pending"}
    assert [part for part in parts if isinstance(part, str) and "UTC" in part] == ["2026-11-21 UTC:"]


def test_a_transaction_that_is_shown_in_part_says_so() -> None:
    row = {"hash": "0xa", "chain": "1", "time": "2026-11-22T09:55:00Z", "direction": "in", "more_movements": 92}
    structure = {"transactions": [row | {"movements": [{"amount": "5", "symbol": "ETH"}]}], "assets": {}}
    (heading, listing) = page_of("wallet_list_transactions", structure, "", sandbox=False)[-2:]
    assert heading == "2026-11-22 UTC:"
    assert isinstance(listing, Listing)
    assert "92 more movements" in listing.entries[0].lines


async def test_amounts_of_a_listing_end_in_one_column() -> None:
    tool, structure, text = await answered("transactions-rich-week")
    entries = [
        entry
        for part in page_of(tool, structure, text, sandbox=True)
        if isinstance(part, Listing)
        for entry in part.entries
    ]
    assert len(entries) == 5
    amounts = [re.match(r"\w+ +[\d.]+", entry.lines[0]) for entry in entries]
    assert len({amount.end() for amount in amounts if amount is not None}) == 1
    assert None not in amounts


async def test_a_set_up_is_told_fact_by_fact() -> None:
    tool, structure, text = await answered("setup")
    facts, *rest = page_of(tool, structure, text, sandbox=True)
    assert isinstance(facts, Facts)
    assert facts.pairs[:2] == (("ready", "yes"), ("mode", "sandbox"))
    assert ("probe outcome", "ok") in facts.pairs
    assert any(isinstance(part, str) and part.startswith("Source: sandbox (invented test data)") for part in rest)


def test_a_text_that_is_not_known_is_left_as_it_is() -> None:
    lines = ["One of 2.", "chain,contract,symbol", "1,0xab,OTHER", "By chain, roughly.", "Next: nothing."]
    structure = {"tokens": [{"chain": "1", "contract": "0xab", "symbol": "THIS"}], "by_chain": []}
    assert page_of("wallet_new_tool", structure, "\n".join(lines), sandbox=False) == lines


@pytest.mark.parametrize("sandbox", [True, False])
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("wallet_get_portfolio", {"address": "0xab", "chains": ["1", "56"], "offset": 20, "min_value_usd": 0.5}),
        ("wallet_list_balances", {"address": "my wallet", "chain": "CT_501", "include_risk_tokens": True}),
        ("wallet_list_transactions", {"address": "0xab", "cursor": "AZw_-x", "begin": "2026-11-15T10:00:00Z"}),
    ],
)
def test_the_call_that_continues_is_a_command_to_paste(tool: str, arguments: dict[str, Any], sandbox: bool) -> None:
    command = command_of({"tool": tool, "arguments": arguments}, sandbox=sandbox)
    program, call, name, *words = shlex.split(command)
    assert (program, call, name) == ("wallet-mcp", "call", tool)
    assert (words[-1] == "--sandbox") is sandbox
    pairs = words[:-1] if sandbox else words
    properties = next(known for known in TOOLS if known.name == tool).definition.input_schema["properties"]
    read = read_pairs(pairs, properties)
    numbers = {key: str(value) if type(value) in (int, float) else value for key, value in arguments.items()}
    assert read == numbers


async def test_the_command_that_continues_is_understood() -> None:
    tool, structure, text = await answered("portfolio-rich")
    (command,) = [
        part.removeprefix("Next: ")
        for part in page_of(tool, structure, text, sandbox=False)
        if isinstance(part, str) and part.startswith("Next: ")
    ]
    pairs = shlex.split(command)[3:]
    properties = next(known for known in TOOLS if known.name == tool).definition.input_schema["properties"]
    async with connect() as face:
        by_hand = await face.client.call_tool(tool, read_pairs(pairs, properties))
        replayed = await face.client.call_tool(tool, structure["next"]["arguments"])
    assert not by_hand.is_error
    assert by_hand.structured_content is not None
    assert replayed.structured_content is not None
    assert by_hand.structured_content["holdings"] == replayed.structured_content["holdings"] != []
    assert by_hand.structured_content["offset"] == 20


async def test_what_has_columns_is_drawn_and_not_left_a_sentence() -> None:
    parts = page_of(*await answered("transaction-swap"), sandbox=True)
    (facts,) = [part for part in parts if isinstance(part, Facts)]
    assert [name for name, _ in facts.pairs] == ["time", "block", "fee", "fee payer"]
    assert parts[parts.index("Movements:") + 1] in [part for part in parts if isinstance(part, Sheet)]
    parts = page_of(*await answered("portfolio-rich"), sandbox=True)
    by_chain = parts[parts.index("By chain:") + 1]
    assert isinstance(by_chain, Sheet)
    assert by_chain.rows[0] == {"chain": "1", "value_usd": "93692.680794"}
    parts = page_of(*await answered("transactions-history"), sandbox=True)
    assets = parts[parts.index("Assets:") + 1]
    assert isinstance(assets, Sheet)
    assert assets.columns == ("chain", "symbol", "contract")
