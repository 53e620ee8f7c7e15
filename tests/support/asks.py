"""Questions to the five endpoints as values, so that a table can hold them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.wallet_api import wall_clock, within
from wallet_mcp.sandbox.app import Sandbox, SandboxOptions
from wallet_mcp.wallet_api.answers import Answer
from wallet_mcp.wallet_api.endpoints import TokenRef, WalletApi

EVM = "0xAbCdEf0123456789aBcDeF0123456789abcdef01"
HASH = "0x" + "aB" * 32
SOLANA = "MfhnAoBwoXSqSWct9ZiKUYz3rqLr1LWApwhmd9jYkif"
USDT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
NATIVE = TokenRef("1", "")

Ask = Callable[[WalletApi], Awaitable[Answer[Any]]]


def sandbox_with(options: SandboxOptions | None = None) -> Sandbox:
    return Sandbox(options or SandboxOptions(rate=1000), wall_clock=wall_clock)


def balances(address: str = EVM, chain: str = "1", page: int = 1, page_size: int = 20) -> Ask:
    return lambda api: api.all_token_balances(address, chain, page=page, page_size=page_size, deadline=within(25))


def tokens(*asked: TokenRef, address: str = EVM) -> Ask:
    return lambda api: api.token_balances(address, asked, deadline=within(25))


def history(
    address: str = EVM,
    chains: tuple[str, ...] = ("1",),
    contract: str = "",
    begin_ms: int | None = None,
    end_ms: int | None = None,
    cursor: str = "",
    limit: int = 20,
) -> Ask:
    return lambda api: api.transactions(
        address,
        chains,
        contract=contract,
        begin_ms=begin_ms,
        end_ms=end_ms,
        cursor=cursor,
        limit=limit,
        deadline=within(25),
    )


def detail(tx_hash: str = HASH, chain: str = "1") -> Ask:
    return lambda api: api.transaction_detail(chain, tx_hash, deadline=within(25))


def chains() -> Ask:
    return lambda api: api.supported_chains(deadline=within(25))


EVERY: dict[str, Ask] = {
    "supported_chains": chains(),
    "all_token_balances": balances(),
    "token_balances": tokens(TokenRef("1", USDT)),
    "transactions": history(),
    "transaction_detail": detail(),
}
