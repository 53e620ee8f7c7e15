"""Which of a wallet's holdings a token argument means: by contract exactly, by symbol where the table knows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.output import listed
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.resolve import check_family, find_chain, find_contract
from wallet_mcp.wallet.addresses import Address, AddressRefused, parse_address
from wallet_mcp.wallet.assets import asset_on
from wallet_mcp.wallet.chain_text import SYMBOL_LIMIT, clean
from wallet_mcp.wallet.chains import KNOWN_CHAINS, NATIVE, Chain
from wallet_mcp.wallet.holdings import Holding
from wallet_mcp.wallet.known_tokens import is_coin_symbol, known_token, symbols_of_name, tokens_by_symbol
from wallet_mcp.wallet.portfolio import Portfolio

TOKEN_RULE = "a symbol of a well-known token (USDT), a contract, or chain:contract, chain:native or chain:SYMBOL"
_NAMED = 5


@dataclass(frozen=True, slots=True)
class TokenFilter:
    """A token as asked for. `assets` are the exact (chain, contract) pairs it means; `symbol` is set for a symbol.

    A symbol means the tokens of the table and the chains' own coins. What else carries it is a namesake, or a
    relative where the table knows its contract: a bridged copy. `chain` is the only one it is asked for on.
    """

    text: str
    assets: frozenset[tuple[str, str]]
    symbol: str = ""
    chain: str = ""

    @property
    def shown(self) -> str:
        """The token as the answer names it, with its chain where the question did."""
        return f"{self.chain}:{self.text}" if self.chain else self.text

    @property
    def is_unknown(self) -> bool:
        """Whether it is a symbol that neither the table nor a chain knows: it identifies nothing."""
        return not self.assets

    @property
    def meant(self) -> tuple[str, ...]:
        """The symbols that may have been meant by an unknown one."""
        return symbols_of_name(self.symbol) if self.is_unknown else ()

    def matches(self, holding: Holding) -> bool:
        """Whether a holding is of the token asked for."""
        return (holding.chain, holding.contract) in self.assets

    def carries_symbol(self, holding: Holding) -> bool:
        """Whether a holding only carries the symbol asked for."""
        return bool(self.symbol) and holding.symbol.casefold() == self.symbol.casefold() and not self.matches(holding)


@dataclass(slots=True)
class FilterResult:
    """The holdings of the token, and those that only carry its symbol: well-known ones and nameless ones apart.

    `nameless` ones came without their contract, so that they may be of the token.
    """

    holdings: list[Holding] = field(default_factory=list)
    namesakes: list[Holding] = field(default_factory=list)
    relatives: list[Holding] = field(default_factory=list)
    nameless: list[Holding] = field(default_factory=list)


async def find_token_chain(context: ToolContext, text: str, address: Address) -> Chain | None:
    """The one chain that `chain:token` names, None for a token alone. Raises `ArgumentProblem`."""
    chain_text, separator, _ = text.strip().rpartition(":")
    if not separator:
        return None
    chain = await find_chain(context, chain_text, "token")
    check_family(address.family, chain, "token")
    return chain


async def find_token_filter(context: ToolContext, text: str, chains: Sequence[Chain]) -> TokenFilter:
    """What a token argument means on these chains. Raises `ArgumentProblem`."""
    given = text.strip()
    chain_text, separator, asset_text = given.rpartition(":")
    if separator:
        chain = await find_chain(context, chain_text, "token")
        if chain.id not in {known.id for known in chains}:
            raise ArgumentProblem("token", f"a token on one of the chains asked for; {chain.name} is not among them")
        return replace(_on_chains(asset_text.strip(), [chain]), chain=chain.id)
    return _on_chains(given, chains)


def _on_chains(text: str, chains: Sequence[Chain]) -> TokenFilter:
    if text.lower() == NATIVE:
        return TokenFilter(NATIVE, frozenset((chain.id, NATIVE) for chain in chains))
    symbol = clean(text, SYMBOL_LIMIT).text
    assets = {(token.chain, token.contract) for chain in chains for token in tokens_by_symbol(chain.id, symbol)}
    assets |= {(chain.id, NATIVE) for chain in chains if is_coin_symbol(chain, symbol)}
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
    # An address is of one family, and so are the chains that it is asked on; one of another is refused here.
    contract = find_contract(text, chains[0], "token")
    return TokenFilter(contract, frozenset((chain.id, asset_on(chain.id, contract)) for chain in chains))


def apply_filter(token: TokenFilter, holdings: Sequence[Holding]) -> FilterResult:
    """The holdings of the token asked for, its namesakes and its relatives."""
    result = FilterResult()
    for holding in holdings:
        if token.matches(holding):
            result.holdings.append(holding)
        elif token.carries_symbol(holding) and not holding.contract:
            result.nameless.append(holding)
        elif token.carries_symbol(holding):
            known = known_token(holding.chain, holding.contract) is not None
            (result.relatives if known else result.namesakes).append(holding)
    return result


def note_findings(
    context: ToolContext,
    token: TokenFilter,
    found: FilterResult,
    portfolio: Portfolio,
    read: Sequence[Chain],
    partial: bool,
) -> None:
    """Say what a total of one token does not tell by itself."""
    for chain in read:
        if (chain.id, NATIVE) in token.assets and _is_former(chain, token.symbol):
            context.note(f"{token.text} is the former name of {chain.native_symbol}, the coin of {chain.name}.")
    if token.is_unknown:
        context.note(_unknown(token, found, read, partial))
        return
    if found.relatives:
        context.note(f"Not counted: other well-known tokens of that symbol, {_list_of(found.relatives)}.")
    if found.namesakes:
        context.note(
            f"Not counted, because they only carry the symbol {token.text} under another contract: "
            f"{_list_of(found.namesakes)}."
        )
    if found.nameless:
        context.note(f"{nameless(token, found)}: whether {_they(found)} {token.text} is unknown.")
    if portfolio.risk.count and not portfolio.unpriced.count and all(holding.risk for holding in portfolio.listed):
        context.note(f"All that was found of {token.text} is flagged as risk, so it is in no total.")
    elif not portfolio.listed and not found.nameless:
        where = "the chains that were read" if partial else "these chains"
        context.note(f"The API reports no {token.text} on {where}: that means zero, or unknown to the provider.")


def nameless(token: TokenFilter, found: FilterResult) -> str:
    """How many holdings may be of the token, as a sentence starts; "" where none may, or nothing identifies it."""
    count = len(found.nameless)
    if token.is_unknown or not count:
        return ""
    one = count == 1
    return (
        f"{count} holding{'' if one else 's'} called {token.text} came without {'its' if one else 'their'} contract"
    )


def _they(found: FilterResult) -> str:
    return "it is" if len(found.nameless) == 1 else "they are"


def _unknown(token: TokenFilter, found: FilterResult, read: Sequence[Chain], partial: bool) -> str:
    """What to do about a symbol that no known token of these chains has."""
    by_name = ""
    if token.meant:
        *others, last = token.meant
        meant = f"{', '.join(others)} or {last}" if others else last
        by_name = f"Perhaps {meant} was meant: ask for that, or by contract."
    carrying = [*found.relatives, *found.namesakes, *found.nameless]
    if carrying:
        return (
            f"{token.text} is no well-known token; these holdings carry that symbol: {_list_of(carrying)}. "
            f"{by_name or 'Ask by contract.'}"
        )
    ids = {chain.id for chain in read}
    elsewhere = [
        f"{chain.name} ({chain.id})"
        for chain in KNOWN_CHAINS
        if chain.id not in ids and (tokens_by_symbol(chain.id, token.symbol) or is_coin_symbol(chain, token.symbol))
    ]
    if elsewhere:
        what = f"{token.text} is well-known only on {listed(elsewhere)}"
    else:
        what = f"{token.text} is no well-known token"
    holding = "no holding that was read" if partial else "no holding"
    instead = by_name or "Ask by contract, or by a known symbol such as USDT."
    return f"{what}, and {holding} here carries that symbol: how much of it is held is unknown. {instead}"


def _is_former(chain: Chain, symbol: str) -> bool:
    return is_coin_symbol(chain, symbol) and symbol.casefold() != (chain.native_symbol or "").casefold()


def _list_of(holdings: Sequence[Holding]) -> str:
    """Some contracts by name, the rest as a count."""
    named = ", ".join(_named(holding) for holding in holdings[:_NAMED])
    left = holdings[_NAMED:]
    if left:
        named += f" and {len(left)} more, {sum(bool(holding.risk) for holding in left)} of them flagged as risk"
    return named


def _named(holding: Holding) -> str:
    contract = holding.contract or "(contract missing)"
    return f"{holding.chain}:{contract}{' (flagged as risk)' if holding.risk else ''}"
