"""The token row of every balance answer, and its line in a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import MISSING, Field

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.output import Part, listed
from wallet_mcp.wallet.assets import asset_of, coin_rank, symbol_of
from wallet_mcp.wallet.chains import NATIVE, Chain
from wallet_mcp.wallet.holdings import AMOUNTS_DISAGREE, DECIMALS_DISAGREE, Holding, read_holding
from wallet_mcp.wallet.money import plain
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireToken

VALUE_USD = "to a millionth; absent: unpriced"
"""What the schemas say of a value; it is rounded by `money.usd_value`."""

_NAMED = 3
"""Tokens that are named where several are in doubt."""

Spelling = tuple[str, str, str]
"""How a coin is named: as what contract, by which other symbol, with which other balance."""

COLUMNS = (
    "contract",
    "symbol",
    "balance",
    "raw_balance",
    "decimals",
    "price_usd",
    "value_usd",
    "risk_flagged",
    "flags",
)


class TokenRow(Part):
    """A token of a wallet. Amounts and price are exact, in whole coins; `raw_balance` is in base units."""

    contract: Annotated[str, Field(description="native for the chain's coin")]
    symbol: str
    balance: str | MISSING = MISSING
    raw_balance: str | MISSING = MISSING
    decimals: int | MISSING = MISSING
    price_usd: str | MISSING = MISSING
    value_usd: Annotated[str | MISSING, Field(description=VALUE_USD)] = MISSING
    risk_flagged: bool | MISSING = MISSING
    flags: list[str] | MISSING = MISSING


def holding_of(row: WireToken, chain: Chain) -> Holding:
    """The holding of a wire row asked for on one chain. Raises `ApiError` for a row of another chain."""
    if row.binance_chain_id.strip() not in ("", chain.id):
        raise ApiError(code="unexpected_answer", received=f"a row of another chain than {chain.id}")
    return read_holding(
        chain=chain.id,
        contract=row.token_contract_address,
        symbol=row.symbol,
        balance=row.balance,
        raw=row.raw_balance,
        price=row.token_price,
        risk=row.is_risk_token,
    )


def coin_spellings(rows: Iterable[WireToken], holdings: Iterable[Holding]) -> dict[Spelling, Holding]:
    """The coin of the rows' chain by how it is named, the one that counts first.

    It is named as such, by a contract that is the coin over again, or by another symbol than its own or none; named
    alike it is told apart by another balance.
    """
    found: dict[Spelling, Holding] = {}
    for row, holding in sorted(zip(rows, holdings, strict=True), key=lambda each: _coin_order(each[1])):
        if holding.contract == NATIVE:
            other = f" {holding.symbol.casefold()}" if _coin_order(holding) else ""
            asset = asset_of(row.token_contract_address or "")
            first = found.setdefault((asset, other, ""), holding)
            if _balance_told(first) != _balance_told(holding):
                found.setdefault((asset, other, _balance_told(holding)), holding)
    return found


def with_one_coin(holdings: Sequence[Holding]) -> list[Holding]:
    """The holdings with the coin of their chain once: the first with its symbol, else without one, else with any."""
    coin = min((one for one in holdings if one.contract == NATIVE), key=_coin_order, default=None)
    return [one for one in holdings if one is coin or one.contract != NATIVE]


def _coin_order(holding: Holding) -> int:
    return coin_rank(holding.chain, holding.symbol) if holding.contract == NATIVE else 0


def note_coin_twice(context: ToolContext, chain: Chain, spellings: Mapping[Spelling, Holding]) -> None:
    """Say that the coin of a chain was listed twice, if it was."""
    if len(spellings) < 2:
        return
    told = dict.fromkeys(_balance_told(one) for one in spellings.values())
    twice = f"The API lists the coin of {chain.name} twice"
    if len({asset for asset, _, _ in spellings}) > 1:
        twice = f"{twice}, once under a contract"
    elif len({symbol for _, symbol, _ in spellings}) > 1:
        twice = f"{twice}, once with another symbol or none"
    if len(told) == 1:
        context.note(f"{twice}: it is one balance, counted once.")
    else:
        context.note(f"{twice}, with different balances ({listed(list(told))}): the first is counted, one is wrong.")


def listed_twice(holdings: Iterable[Holding]) -> list[list[Holding]]:
    """The tokens that an answer lists more than once with different balances, each with its rows."""
    rows: dict[tuple[str, str], list[Holding]] = {}
    for one in holdings:
        if one.contract not in ("", NATIVE):
            rows.setdefault((one.chain, one.contract), []).append(one)
    return [same for same in rows.values() if len({_balance_told(one) for one in same}) > 1]


def note_listed_twice(context: ToolContext, doubled: Sequence[Sequence[Holding]]) -> None:
    """Say of which tokens one row counts and another does not."""
    for same in doubled[:_NAMED]:
        told = listed(list(dict.fromkeys(_balance_told(one) for one in same)))
        often = "twice" if len(same) == 2 else f"{len(same)} times"
        context.note(
            f"The API lists {same[0].chain}:{same[0].contract} {often} with different balances ({told}): "
            "the first is counted, one may be missing."
        )
    context.note_symbols((same[0].chain, same[0].contract, "") for same in doubled[:_NAMED])


def note_no_entry(context: ToolContext, chains: Sequence[Chain]) -> None:
    """Say of which chains the API answered nothing at all, which is how a chain with nothing on it may look."""
    if chains:
        names = listed([f"{chain.name} ({chain.id})" for chain in chains])
        context.note(f"The API gave no entry for {names}: taken as nothing held there.")
        context.note_chains(chains)


def _balance_told(holding: Holding) -> str:
    if holding.balance is not None:
        return plain(holding.balance)
    return "unknown" if holding.raw is None else f"{holding.raw} base units"


def symbols_shown(shown: Iterable[Holding]) -> Iterator[tuple[str, str, str]]:
    """Chain, contract and symbol of each of these."""
    return ((holding.chain, holding.contract, holding.symbol) for holding in shown)


def note_claims(context: ToolContext, shown: Iterable[Holding]) -> None:
    """Say what the price of a flagged token is worth, where the answer shows one."""
    if any(holding.risk and holding.price_usd for holding in shown):
        context.note("Price and value of a risk-flagged token are only what it claims: count them in no total.")


def note_shown(context: ToolContext, shown: Sequence[Holding]) -> None:
    """Say what must be said about the holdings that an answer shows."""
    note_claims(context, shown)
    note_doubts(context, shown, shown)
    context.note_symbols(symbols_shown(shown))


def note_doubts(context: ToolContext, counted: Iterable[Holding], shown: Iterable[Holding]) -> None:
    """Say which of the holdings nobody looked at for risk, and what a shown amount of unlikely decimals is worth."""
    unchecked = sum(one.risk is None and one.contract != NATIVE and not one.is_nothing for one in counted)
    if unchecked:
        context.note(
            f"The API gave no risk verdict for {unchecked} of these tokens: unflagged there means not checked."
        )
    shown = list(shown)
    if any(DECIMALS_DISAGREE in one.flags for one in shown):
        context.note(
            f"{DECIMALS_DISAGREE}: balance and raw balance contradict the known decimals. Tell neither as a fact."
        )
    apart = [one for one in shown if AMOUNTS_DISAGREE in one.flags and one.balance and not one.is_amount_known]
    if apart:
        names = [f"{one.chain}:{one.contract or '(contract missing)'}" for one in apart[:_NAMED]]
        more = [f"{len(apart) - _NAMED} more"] if len(apart) > _NAMED else []
        context.note(
            f"{AMOUNTS_DISAGREE}: balance and raw balance of {listed([*names, *more])} contradict each other. "
            "Tell neither as a fact."
        )


def token_fields(holding: Holding, chain: Chain) -> dict[str, object]:
    """The fields of a token row, those that are known."""
    symbol = symbol_of(holding.symbol, holding.contract, chain)
    fields: dict[str, object] = {"contract": holding.contract, "symbol": symbol}
    amounts = {"balance": holding.balance, "price_usd": holding.price_usd, "value_usd": holding.value_usd}
    fields |= {name: plain(amount) for name, amount in amounts.items() if amount is not None}
    # With decimals the raw balance is the balance once more; without them it is all that is certain.
    told_apart = holding.balance is None or AMOUNTS_DISAGREE in holding.flags
    if holding.decimals is None and (holding.raw or (holding.raw is not None and told_apart)):
        fields["raw_balance"] = str(holding.raw)
    if holding.decimals is not None:
        fields["decimals"] = holding.decimals
    if holding.risk:
        fields["risk_flagged"] = True
    if holding.flags:
        fields["flags"] = list(holding.flags)
    return fields
