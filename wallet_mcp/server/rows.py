"""The token row of every balance answer, and its line in a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Final, TypeVar

from pydantic import MISSING, Field

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE, Part, ToolOutput
from wallet_mcp.server.text import compact
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.holdings import NATIVE, Holding, asset_of, read_holding
from wallet_mcp.wallet.known_tokens import is_well_known
from wallet_mcp.wallet.money import plain
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireToken

LONGEST_ANSWER: Final = 10_000
"""Characters that an answer stays under, as text and as compact JSON, where the question names no size."""

LONGEST_PAGE: Final = 25_000
"""The same for an answer to a question that asks for many rows."""

VALUE_USD = "to a millionth; absent: unpriced"
"""What the schemas say of a value; it is rounded by `money.usd_value`."""

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

O = TypeVar("O", bound=ToolOutput)  # noqa: E741


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


def fitted(count: int, answer: Callable[[int], O], render: Callable[[O], list[str]], longest: int) -> O:
    """The answer with the most of its first `count` rows that stay under `longest` characters, at least one.

    `answer` makes it of so many rows. Chain text is as long as whoever wrote it likes: what fits is measured.
    """
    while True:
        output = answer(count)
        size = max(len("\n".join(render(output))), len(compact(output.model_dump(mode="json"))))
        if size < longest or count <= 1:
            return output
        # Never below what fits: what does not depend on the rows is counted as if it did.
        count = max(1, min(count - 1, count * longest // size))


def coin_spellings(rows: Iterable[WireToken], holdings: Iterable[Holding]) -> set[str]:
    """How the rows name the coin of their chain: as such, or by a contract that is the coin over again."""
    pairs = zip(rows, holdings, strict=True)
    return {asset_of(row.token_contract_address) for row, holding in pairs if holding.contract == NATIVE}


def note_coin_twice(context: ToolContext, chain: Chain, spellings: set[str]) -> None:
    """Say that the coin of a chain was listed as such and under a contract, if it was."""
    if len(spellings) > 1:
        context.note(
            f"The API lists the coin of {chain.name} twice, once under a contract: it is one balance, counted once."
        )


def note_symbols(context: ToolContext, shown: Iterable[Holding]) -> None:
    """Warn of chain text where the answer shows any: a symbol that is not the well-known one of its contract."""
    for holding in shown:
        if holding.symbol and not is_well_known(holding.chain, holding.contract, holding.symbol):
            context.note(CHAIN_TEXT_NOTICE)


def note_claims(context: ToolContext, shown: Iterable[Holding]) -> None:
    """Say what the price of a flagged token is worth, where the answer shows one."""
    if any(holding.risk and holding.price_usd for holding in shown):
        context.note("Price and value of a risk-flagged token are only what it claims: count them in no total.")


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
