"""wallet_list_chains: which chains the Wallet API serves."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from wallet_mcp.server.arguments import MAX_TEXT, Rule, ToolInput
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.output import Part, ToolOutput
from wallet_mcp.server.resolve import find_chain_in, listed_chains
from wallet_mcp.server.text import closing, table
from wallet_mcp.server.tool import Tool
from wallet_mcp.wallet.chains import Chain

NAME = "wallet_list_chains"


class Input(ToolInput):
    """Which chain to look up."""

    chain: Annotated[
        Annotated[str, Field(max_length=MAX_TEXT)] | SkipJsonSchema[None],
        Rule("a chain by id, name or short name (56, BNB Chain, bsc)"),
        Field(description="Only this one: id, name or short name"),
    ] = None


class ChainRow(Part):
    """A served chain."""

    chain: str
    name: str
    short_name: str
    honeypot_checked: bool


class Output(ToolOutput):
    """The served chains, in upstream's order."""

    chains: list[ChainRow]


async def run(context: ToolContext, arguments: Input) -> Output:
    """The live list, or its one chain that was asked for. Raises `ApiError`, `ArgumentProblem`."""
    served = await listed_chains(context)
    if arguments.chain is not None:
        served = (find_chain_in(served, arguments.chain, "chain"),)
    context.note_chains(served)
    return Output(chains=[_row(chain) for chain in served], **context.common())


def _row(chain: Chain) -> ChainRow:
    return ChainRow(
        chain=chain.id, name=chain.name, short_name=chain.short_name, honeypot_checked=chain.honeypot_checked
    )


def render(output: Output) -> list[str]:
    """A line per chain."""
    rows = [row.model_dump() for row in output.chains]
    return [
        f"{len(rows)} chain{'' if len(rows) == 1 else 's'} served by the Wallet API.",
        *table(("chain", "name", "short_name", "honeypot_checked"), rows),
        *closing(output),
    ]


TOOL = Tool(
    name=NAME,
    title="List supported chains",
    description=(
        "List the chains that wallet balances and history can be asked for, with the ids the other tools take. "
        "They also take names and short names, so call this only to find out what is supported. honeypot_checked:"
        " whether tokens are examined for honeypots there. Refreshed hourly."
    ),
    input_model=Input,
    output_model=Output,
    run=run,
    render=render,
)
