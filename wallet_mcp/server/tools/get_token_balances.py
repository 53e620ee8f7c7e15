"""wallet_get_token_balances: what an address holds of named tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import MISSING, Field

from wallet_mcp.server.arguments import MAX_TEXT, NoEcho, Rule, ToolInput, WalletArgument, shown
from wallet_mcp.server.collect import collect_holdings
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.output import WalletOutput
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.resolve import (
    check_family,
    find_chain,
    find_contract,
    find_wallet,
    is_symbol,
    refuse_secret_in_parts,
)
from wallet_mcp.server.rows import (
    COLUMNS,
    TokenRow,
    coin_spellings,
    holding_of,
    listed_twice,
    note_coin_twice,
    note_listed_twice,
    note_shown,
    token_fields,
    with_one_coin,
)
from wallet_mcp.server.text import closing, table
from wallet_mcp.server.tool import Tool
from wallet_mcp.wallet.addresses import Address
from wallet_mcp.wallet.assets import asset_named, asset_on, symbol_of
from wallet_mcp.wallet.chain_text import SYMBOL_LIMIT, clean
from wallet_mcp.wallet.chains import NATIVE, Chain
from wallet_mcp.wallet.holdings import Holding
from wallet_mcp.wallet.known_tokens import is_coin_symbol, known_token, symbols_of_name, tokens_by_symbol
from wallet_mcp.wallet_api.endpoints import MAX_TOKENS, TokenRef
from wallet_mcp.wallet_api.models import WireBalancePage, WireToken

_TOKEN_RULE = "chain:contract, chain:native or chain:SYMBOL, such as bsc:USDT or eth:native"
_CANDIDATES = 5
_ECHOED = 40


class Input(ToolInput):
    """Whose balances of which tokens."""

    address: WalletArgument
    tokens: Annotated[
        list[Annotated[str, Field(max_length=MAX_TEXT)]],
        Field(
            min_length=1,
            max_length=MAX_TOKENS,
            description="Each chain:contract, chain:native or chain:SYMBOL (bsc:USDT)",
        ),
        Rule(f"a list of 1 to {MAX_TOKENS} tokens, each {_TOKEN_RULE}"),
        NoEcho(),
    ]


class AskedRow(TokenRow):
    """A token asked for. `not_reported` means zero, or unknown to the provider: upstream leaves both out."""

    asked: Annotated[str | MISSING, Field(description="absent: asked by contract")] = MISSING
    chain: str
    status: Annotated[
        Literal["held", "zero", "not_reported"],
        Field(description="not_reported: zero, or unknown to the provider"),
    ]


class Output(WalletOutput):
    """A row for each token asked for, in the order asked."""

    tokens: list[AskedRow]
    honeypot_checked: Annotated[dict[str, bool], Field(description="by chain")]


@dataclass(frozen=True, slots=True)
class _Asked:
    """`text`: what was asked for, "" where that was the contract, which the row holds anyway."""

    text: str
    chain: Chain
    contract: str


@dataclass(frozen=True, slots=True)
class _Found:
    """What the answer holds, by chain and contract.

    `answered`: the chains of which all was told, so that a coin that is missing is zero. `dropped`: how many rows
    are of no chain or of no contract that can be told.
    """

    holdings: Mapping[tuple[str, str], Holding]
    answered: frozenset[str]
    dropped: int


async def run(context: ToolContext, arguments: Input) -> Output:
    """A row for each token, held or not. Raises `ApiError`, `ArgumentProblem`."""
    api = context.api
    address = find_wallet(context, arguments.address)
    refuse_secret_in_parts(arguments.tokens, "tokens")
    asked = [await _asked(context, address, text, f"tokens[{index}]") for index, text in enumerate(arguments.tokens)]
    wanted = {(one.chain.id, one.contract): one.chain for one in asked}
    answer = await api.token_balances(
        address.text,
        [TokenRef(chain, "" if contract == NATIVE else contract) for chain, contract in wanted],
        deadline=context.deadline,
    )
    context.provenance.take(answer)
    found = _found(context, answer.data, wanted)
    note_shown(context, list(found.holdings.values()))
    rows = [_row(one, found) for one in asked]
    if any(row.status == "not_reported" and row.flags is not MISSING for row in rows):
        context.note("A not_reported row with flags was listed, but without a readable balance: it need not be zero.")
    left_out = ""
    if found.dropped:
        some = f"{found.dropped} row{'s' * (found.dropped > 1)}"
        left_out = f"{some} of the API's answer could not be told to be of a chain and token asked about"
    return Output(
        address=address.text,
        tokens=rows,
        honeypot_checked={chain.id: chain.honeypot_checked for chain in wanted.values()},
        **context.common(incomplete_because=left_out, address=address.text),
    )


def _found(
    context: ToolContext, entries: Sequence[WireBalancePage], wanted: Mapping[tuple[str, str], Chain]
) -> _Found:
    by_chain: dict[Chain, list[WireToken]] = {}
    dropped = 0
    for row in (row for entry in entries for row in entry.token_assets):
        chain = _chain_of(row, wanted)
        if chain is None:
            dropped += 1
        else:
            by_chain.setdefault(chain, []).append(row)
    holdings: dict[tuple[str, str], Holding] = {}
    for chain, rows in by_chain.items():
        found = [holding_of(row, chain) for row in rows]
        note_coin_twice(context, chain, coin_spellings(rows, found))
        note_listed_twice(context, listed_twice(found))
        dropped += sum(not holding.contract for holding in found)
        # Of a coin that comes twice one counts, the same in every tool.
        for holding in with_one_coin(found):
            if holding.contract:
                holdings.setdefault((chain.id, holding.contract), holding)
    chains = {chain.id for chain in wanted.values()}
    # A chain without an entry was not looked at (contract §3.3), and an empty entry does not tell whose it is.
    answered = chains if len(entries) >= len(chains) else {chain.id for chain in by_chain}
    return _Found(holdings, frozenset() if dropped else frozenset(answered), dropped)


def _chain_of(row: WireToken, wanted: Mapping[tuple[str, str], Chain]) -> Chain | None:
    """The chain of a row: the one it names, else the only one that it can be of; None where that is not certain."""
    chains = {chain.id: chain for chain in wanted.values()}
    named = row.binance_chain_id.strip()
    if named:
        return chains.get(named)
    if len(chains) > 1:
        contract, symbol = row.token_contract_address, row.symbol
        chains = {
            one.id: one for key, one in wanted.items() if key == (one.id, asset_named(one.id, contract, symbol))
        }
    return next(iter(chains.values())) if len(chains) == 1 else None


async def _asked(context: ToolContext, address: Address, text: str, field: str) -> _Asked:
    chain_text, separator, contract_text = text.strip().rpartition(":")
    if not separator or not chain_text.strip() or not contract_text.strip():
        raise ArgumentProblem(field, _TOKEN_RULE, shown(text))
    chain = await find_chain(context, chain_text, field)
    if is_symbol(contract_text):
        check_family(address.family, chain, field)
        contract = await _by_symbol(context, address, chain, contract_text.strip(), field)
        return _Asked(clean(text, 2 * _ECHOED).text, chain, contract)
    contract = asset_on(chain.id, find_contract(contract_text, chain, field))
    check_family(address.family, chain, field)
    text = f"{clean(chain_text, _ECHOED).text}:{NATIVE}" if contract == NATIVE else ""
    return _Asked(text, chain, contract)


async def _by_symbol(context: ToolContext, address: Address, chain: Chain, symbol: str, field: str) -> str:
    """The contract that a symbol means: of the known tokens, else the only one in the wallet that carries it.

    Raises `ArgumentProblem` with the candidates where it means none or several.
    """
    known = [token.contract for token in tokens_by_symbol(chain.id, symbol)]
    if is_coin_symbol(chain, symbol):
        known.append(NATIVE)
    if len(known) == 1:
        return known[0]
    # As a row shows it, for from there it was copied.
    shown_symbol = clean(symbol, SYMBOL_LIMIT).text
    candidates, is_partial = known, False
    if not known:
        collected = await collect_holdings(context, address, [chain])
        carrying = [one for one in collected.holdings if one.symbol.casefold() == shown_symbol.casefold()]
        candidates, is_partial = [one.contract for one in carrying if one.contract], collected.is_partial
        if len(candidates) == 1 and not is_partial:
            context.note(
                f"{shown_symbol} is no well-known token on {chain.name}; {candidates[0]} is the only one in this "
                "wallet that carries the symbol."
            )
            return candidates[0]
    listing = ", ".join(f"{chain.id}:{contract}" for contract in candidates[:_CANDIDATES])
    meant = " or ".join(f"{chain.id}:{name}" for name in symbols_of_name(symbol) if _is_well_known(chain, name))
    instead = f"chain:contract, or {meant} if that was meant" if meant else "chain:contract"
    if is_partial:
        seen = f"; seen so far: {listing}" if listing else ""
        rule = f"{shown_symbol} is not well-known on {chain.name}, and the wallet was read only in part{seen}"
        rule = f"{rule}; give {instead}"
    elif listing:
        rule = f"{shown_symbol} means several tokens there; give one of {listing}"
    else:
        rule = f"{shown_symbol} is neither well-known on {chain.name} nor in this wallet; give {instead}"
    raise ArgumentProblem(field, rule, shown_symbol)


def _is_well_known(chain: Chain, symbol: str) -> bool:
    return bool(tokens_by_symbol(chain.id, symbol)) or is_coin_symbol(chain, symbol)


def _row(asked: _Asked, found: _Found) -> AskedRow:
    holding = found.holdings.get((asked.chain.id, asked.contract))
    if holding is None:
        # Upstream leaves out what it has no balance of; a chain's own coin it knows, so there that means zero.
        is_zero = asked.contract == NATIVE and asked.chain.id in found.answered
        known = known_token(asked.chain.id, asked.contract)
        symbol = symbol_of(known.symbol if known else "", asked.contract, asked.chain)
        status = "zero" if is_zero else "not_reported"
        missing = {"status": status, "chain": asked.chain.id, "contract": asked.contract, "symbol": symbol}
        return AskedRow.model_validate(_asked_field(asked) | missing)
    fields = token_fields(holding, asked.chain)
    amounts = [amount for amount in (holding.balance, holding.raw) if amount is not None]
    # A row without a readable amount tells as little as no row.
    status = "not_reported" if not amounts else "held" if any(amounts) else "zero"
    return AskedRow.model_validate(fields | _asked_field(asked) | {"chain": asked.chain.id, "status": status})


def _asked_field(asked: _Asked) -> dict[str, object]:
    return {"asked": asked.text} if asked.text else {}


def _cells(row: AskedRow) -> dict[str, object]:
    """The row's cells; its contract is one of them where the question did not name it."""
    cells = row.model_dump()
    cells.setdefault("asked", f"{row.chain}:{row.contract}")
    if cells["asked"].endswith(row.contract):
        del cells["contract"]
    return cells


def render(output: Output) -> list[str]:
    """A table of the tokens asked for."""
    lines = [f"Token balances of {output.wallet}."]
    lines += table(("asked", "status", *COLUMNS), [_cells(row) for row in output.tokens])
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
