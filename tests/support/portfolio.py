"""What a portfolio must hold by the sandbox's world, and a portfolio of rows made up for a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import httpx

from tests.support.mcp import STRANGER, Era, Face, Made, Success, Upstream, connect, custom_settings, refusal
from tests.support.truth import token_row, usd_value
from wallet_mcp.sandbox.world import Holding
from wallet_mcp.sandbox.world_model import plain
from wallet_mcp.wallet.assets import asset_on, decimals_of
from wallet_mcp.wallet.known_tokens import clean_symbol, known_token

TOOL: Final = "wallet_get_portfolio"
PATH: Final = "all-token-balances-by-address"
EVM: Final = ["1", "56", "137", "8453", "42161", "10", "59144", "143", "9745"]
USDT: Final = "0xdac17f958d2ee523a2206206994597c13d831ec7"

Held = tuple[str, Holding]


def held(face: Face, label: str, chains: Iterable[str] = EVM) -> list[Held]:
    """What a sandbox wallet holds, with the chain of each."""
    return [(chain, one) for chain in chains for one in face.world.holdings(face.wallets[label], chain)]


def value(holding: Holding) -> Decimal | None:
    """What a holding is worth to a millionth, and never nothing for something."""
    return None if holding.price is None else usd_value(holding.balance, holding.price)


def priced(found: Iterable[Held]) -> list[tuple[Decimal, str, Holding]]:
    """Value, chain and holding of all that counts, dearest first."""
    counted = [(worth, chain, one) for chain, one in found if not one.risk and (worth := value(one)) is not None]
    return sorted(counted, key=lambda each: (-each[0], each[1], each[2].contract or "native"))


def row_of(chain: str, holding: Holding) -> dict[str, Any]:
    """The row of a holding in a portfolio."""
    symbol = clean_symbol(chain, holding.contract or "native", holding.symbol)
    row: dict[str, Any] = {"chain": chain, "contract": holding.contract or "native", "symbol": symbol.text}
    row["balance"] = plain(holding.balance)
    if (worth := value(holding)) is not None:
        row["value_usd"] = plain(worth)
    if holding.risk:
        row["risk_flagged"] = True
    if symbol.flags:
        row["flags"] = list(symbol.flags)
    return row


def token_row_of(chain: str, holding: Holding) -> dict[str, Any]:
    """The row of a holding where one chain or one token was asked for: a well-known asset always has its decimals."""
    known = not holding.contract or known_token(chain, holding.contract) is not None
    return token_row(holding, chain) | ({"decimals": holding.decimals} if known else {})


def asset(number: int, chain: str = "1", **changes: Any) -> dict[str, Any]:
    """A row of the API: 2 coins of a made-up token, or of the well-known one of that contract, worth 1 USD each."""
    contract = changes.get("tokenContractAddress", f"0x{number:040x}")
    decimals = decimals_of(chain, asset_on(chain, contract or ""))
    row = {
        "binanceChainId": chain,
        "tokenContractAddress": contract,
        "symbol": f"T{number}",
        "balance": "2",
        "rawBalance": "2" + "0" * (2 if decimals is None else decimals),
        "tokenPrice": "1",
        "isRiskToken": False,
    }
    return row | changes


def upstream(rows: Mapping[str, list[dict[str, Any]]], size: int = 100, failing: str = "") -> Upstream:
    """An API that serves these rows per chain in its pages; one chain fails."""

    def reply(request: httpx.Request) -> Made:
        query = request.url.params
        if not request.url.path.endswith(PATH) or query["chains"] == failing:
            return refusal(40411)
        start = (int(query["page"]) - 1) * size
        return [{"tokenAssets": rows.get(query["chains"], [])[start : start + size]}]

    return Upstream(reply)


async def ask(era: Era, rows: Mapping[str, list[dict[str, Any]]], **arguments: Any) -> Success:
    """The portfolio of a wallet that holds these rows, by chain."""
    async with connect(era, settings=custom_settings(), transport=upstream(rows)) as face:
        return await face.answer(TOOL, {"address": STRANGER, "chains": list(rows)} | arguments)
