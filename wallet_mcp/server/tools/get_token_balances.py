"""wallet_get_token_balances: what an address holds of named tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from wallet_mcp.server.arguments import MAX_TEXT, NoEcho, Rule, ToolInput, shown
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE, ToolOutput
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.resolve import check_family, find_address, find_chain, find_contract
from wallet_mcp.server.rows import COLUMNS, TokenRow, holding_of, token_fields
from wallet_mcp.server.text import closing, table
from wallet_mcp.server.tool import Tool
from wallet_mcp.wallet.chain_text import clean
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.holdings import NATIVE, Holding
from wallet_mcp.wallet.known_tokens import known_token
from wallet_mcp.wallet_api.endpoints import MAX_TOKENS, TokenRef

_TOKEN_RULE = "chain:contract or chain:native, such as bsc:native or 1:0xdac17f958d2ee523a2206206994597c13d831ec7"


class Input(ToolInput):
    """Whose balances of which tokens."""

    address: Annotated[
        str, Field(max_length=MAX_TEXT, description="Wallet address"), Rule("a wallet address"), NoEcho()
    ]
    tokens: Annotated[
        list[Annotated[str, Field(max_length=MAX_TEXT)]],
        Field(min_length=1, max_length=MAX_TOKENS, description="Each chain:contract or chain:native (bsc:native)"),
        Rule(f"a list of 1 to {MAX_TOKENS} tokens, each {_TOKEN_RULE}"),
        NoEcho(),
    ]


class AskedRow(TokenRow):
    """A token asked for. `not_reported` means zero, or unknown to the provider: upstream leaves both out."""

    asked: str
    status: Annotated[
        Literal["held", "zero", "not_reported"],
        Field(description="not_reported: zero, or unknown to the provider"),
    ]


class Output(ToolOutput):
    """A row for each token asked for, in the order asked."""

    address: str
    tokens: list[AskedRow]
    honeypot_checked: Annotated[dict[str, bool], Field(description="per chain: whether honeypots are looked for")]


@dataclass(frozen=True, slots=True)
class _Asked:
    text: str
    chain: Chain
    contract: str


async def run(context: ToolContext, arguments: Input) -> Output:
    """A row for each token, held or not. Raises `ApiError`, `ArgumentProblem`."""
    api = context.api
    address = find_address(arguments.address)
    asked = [await _asked(context, text, f"tokens[{index}]") for index, text in enumerate(arguments.tokens)]
    for one in asked:
        check_family(address.family, one.chain, "address", value=address.text)
    wanted = {(one.chain.id, one.contract): one.chain for one in asked}
    answer = await api.token_balances(
        address.text,
        [TokenRef(chain, "" if contract == NATIVE else contract) for chain, contract in wanted],
        deadline=context.deadline,
    )
    context.provenance.take(answer)
    found: dict[tuple[str, str], Holding] = {}
    for row in answer.data:
        chain = next((chain for chain in wanted.values() if chain.id == row.binance_chain_id), None)
        if chain is not None:
            holding = holding_of(row, chain)
            found[(chain.id, holding.contract)] = holding
    if found:
        context.note(CHAIN_TEXT_NOTICE)
    return Output(
        address=address.text,
        tokens=[_row(one, found.get((one.chain.id, one.contract))) for one in asked],
        honeypot_checked={chain.id: chain.honeypot_checked for chain in wanted.values()},
        **context.common(address=address.text),
    )


async def _asked(context: ToolContext, text: str, field: str) -> _Asked:
    chain_text, separator, contract_text = text.strip().rpartition(":")
    if not separator or not chain_text.strip() or not contract_text.strip():
        raise ArgumentProblem(field, _TOKEN_RULE, shown(text))
    chain = await find_chain(context, chain_text, field)
    contract = find_contract(contract_text, chain, field)
    return _Asked(text=f"{clean(chain_text, 40).text}:{contract}", chain=chain, contract=contract)


def _row(asked: _Asked, holding: Holding | None) -> AskedRow:
    if holding is None:
        # Upstream leaves out what it has no balance of; a chain's own coin it knows, so there that means zero.
        native = asked.contract == NATIVE
        known = None if native else known_token(asked.chain.id, asked.contract)
        symbol = (asked.chain.native_symbol or "") if native else (known.symbol if known else "")
        return AskedRow(
            asked=asked.text,
            status="zero" if native else "not_reported",
            chain=asked.chain.id,
            contract=asked.contract,
            symbol=symbol,
        )
    fields = token_fields(holding, asked.chain)
    amounts = [amount for amount in (holding.balance, holding.raw) if amount is not None]
    # A row without a readable amount tells as little as no row.
    status = "not_reported" if not amounts else "held" if any(amounts) else "zero"
    return AskedRow.model_validate(fields | {"asked": asked.text, "status": status})


def render(output: Output) -> list[str]:
    """A table of the tokens asked for."""
    lines = [f"Token balances of {output.address}."]
    lines += table(("asked", "status", *COLUMNS[2:]), [row.model_dump() for row in output.tokens])
    if any(row.status == "not_reported" for row in output.tokens):
        lines.append("not_reported: the API listed no balance; it is zero, or the provider does not know the token.")
    unchecked = [chain for chain, checked in output.honeypot_checked.items() if not checked]
    if unchecked:
        lines.append(f"Honeypots are not looked for on: {', '.join(unchecked)}.")
    return [*lines, *closing(output)]


TOOL = Tool(
    name="wallet_get_token_balances",
    title="Get balances of named tokens",
    description=(
        "Get what an address holds of 1 to 20 named tokens or coins, on any mix of chains, in one call. Use it "
        "for questions such as how much USDT; use wallet_list_balances to see everything. Each token asked for "
        "gets a row: held, zero, or not_reported (zero or unknown to the provider). Risk-flagged tokens are shown"
        " and marked. Data at most 15 s old."
    ),
    input_model=Input,
    output_model=Output,
    run=run,
    render=render,
    upstream_names={
        "address": "address",
        "walletAddress": "address",
        "tokenContractAddresses": "tokens",
        "tokenContractAddress": "tokens",
        "binanceChainId": "tokens",
    },
)
