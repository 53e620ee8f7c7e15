"""The token row of every balance answer, and its line in a table."""

from __future__ import annotations

from typing import Annotated

from pydantic import MISSING, Field

from wallet_mcp.server.output import Part
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.holdings import NATIVE, Holding, read_holding
from wallet_mcp.wallet.money import plain
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireToken

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
    """A token of a wallet. Amounts are decimal texts: exact, in whole coins but for `raw_balance` (base units)."""

    contract: Annotated[str, Field(description="native for the chain's coin")]
    symbol: str
    balance: str | MISSING = MISSING
    raw_balance: str | MISSING = MISSING
    decimals: int | MISSING = MISSING
    price_usd: Annotated[str | MISSING, Field(description="absent: unpriced")] = MISSING
    value_usd: str | MISSING = MISSING
    risk_flagged: bool | MISSING = MISSING
    flags: Annotated[list[str] | MISSING, Field(description="what is suspicious about the symbol")] = MISSING


def holding_of(row: WireToken, chain: Chain) -> Holding:
    """The holding of a wire row asked for on one chain. Raises `ApiError` for a row of another chain."""
    if row.binance_chain_id not in ("", chain.id):
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


def token_fields(holding: Holding, chain: Chain) -> dict[str, object]:
    """The fields of a token row, those that are known."""
    symbol = holding.symbol
    if not symbol and holding.contract == NATIVE:
        symbol = chain.native_symbol or ""
    fields: dict[str, object] = {"contract": holding.contract, "symbol": symbol}
    amounts = {"balance": holding.balance, "price_usd": holding.price_usd, "value_usd": holding.value_usd}
    fields |= {name: plain(amount) for name, amount in amounts.items() if amount is not None}
    # With decimals the raw balance is the balance once more; without them it is all that is certain.
    if holding.decimals is None and (holding.raw or (holding.raw is not None and holding.balance is None)):
        fields["raw_balance"] = str(holding.raw)
    if holding.decimals is not None:
        fields["decimals"] = holding.decimals
    if holding.risk:
        fields["risk_flagged"] = True
    if holding.flags:
        fields["flags"] = list(holding.flags)
    return fields
