"""Which of a wallet's holdings a token argument means: by contract exactly, by symbol where the table knows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.resolve import find_chain, find_contract
from wallet_mcp.wallet.addresses import AddressRefused, parse_address
from wallet_mcp.wallet.chain_text import SYMBOL_LIMIT, clean
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.holdings import NATIVE, Holding, asset_of
from wallet_mcp.wallet.known_tokens import tokens_by_symbol

TOKEN_RULE = "a symbol of a well-known token (USDT), a contract, or chain:contract, chain:native or chain:SYMBOL"


@dataclass(frozen=True, slots=True)
class TokenFilter:
    """A token as asked for. `assets` are the exact (chain, contract) pairs it means; `symbol` is set for a symbol.

    A symbol means the tokens of the table and the chains' own coins; whatever else carries it is `namesakes`.
    """

    text: str
    assets: frozenset[tuple[str, str]]
    symbol: str = ""
    anywhere: str = ""

    def matches(self, holding: Holding) -> bool:
        """Whether a holding is of the token asked for."""
        return (holding.chain, holding.contract) in self.assets or (
            bool(self.anywhere) and holding.contract == self.anywhere
        )

    def is_namesake(self, holding: Holding) -> bool:
        """Whether a holding only carries the symbol asked for, under a contract that the table does not know."""
        return bool(self.symbol) and holding.symbol.casefold() == self.symbol.casefold() and not self.matches(holding)


@dataclass(slots=True)
class FilterResult:
    """The holdings of the token, and those that only carry its symbol."""

    holdings: list[Holding] = field(default_factory=list)
    namesakes: list[Holding] = field(default_factory=list)


async def find_token_filter(context: ToolContext, text: str, chains: Sequence[Chain]) -> TokenFilter:
    """What a token argument means on these chains. Raises `ArgumentProblem`."""
    given = text.strip()
    chain_text, separator, asset_text = given.rpartition(":")
    if separator:
        chain = await find_chain(context, chain_text, "token")
        if chain.id not in {known.id for known in chains}:
            raise ArgumentProblem("token", f"a token on one of the chains asked for; {chain.name} is not among them")
        return _on_chains(asset_text.strip(), [chain])
    return _on_chains(given, chains)


def _on_chains(text: str, chains: Sequence[Chain]) -> TokenFilter:
    if text.lower() == NATIVE:
        return TokenFilter(NATIVE, frozenset((chain.id, NATIVE) for chain in chains))
    symbol = clean(text, SYMBOL_LIMIT).text
    assets = {(token.chain, token.contract) for chain in chains for token in tokens_by_symbol(chain.id, symbol)}
    assets |= {(chain.id, NATIVE) for chain in chains if (chain.native_symbol or "").casefold() == symbol.casefold()}
    if assets:
        return TokenFilter(symbol, frozenset(assets), symbol=symbol)
    try:
        parse_address(text)
    except AddressRefused as refused:
        if refused.secret_like and refused.reason == "malformed":
            raise ArgumentProblem("token", TOKEN_RULE) from None
        if refused.secret_like or text[:2].lower() == "0x":
            # Refused in the words for a contract. The start of one is no symbol: an empty answer would read as a
            # balance of nothing.
            find_contract(text, chains[0], "token")
        if len(text) > SYMBOL_LIMIT or not symbol:
            raise ArgumentProblem("token", TOKEN_RULE, symbol) from None
        # Not in the table: the wallet's own rows may carry it, but then it is only a name.
        return TokenFilter(symbol, frozenset(), symbol=symbol)
    contract = find_contract(text, chains[0], "token") if len(chains) == 1 else asset_of(text)
    return TokenFilter(contract, frozenset(), anywhere=contract)


def apply_filter(token: TokenFilter, holdings: Sequence[Holding]) -> FilterResult:
    """The holdings of the token asked for, and its namesakes."""
    result = FilterResult()
    for holding in holdings:
        if token.matches(holding):
            result.holdings.append(holding)
        elif token.is_namesake(holding):
            result.namesakes.append(holding)
    return result
