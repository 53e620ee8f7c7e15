"""The calls whose texts are kept, and the making of these texts at a fixed time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import mcp_types as types

from tests.support.mcp import UNKNOWN_HASH, connect
from wallet_mcp.sandbox.app import Fault

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Asked:
    """A call; `{label}` is a sandbox wallet and `{tx label}` a hash of the sandbox's world."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""


CALLS: Final[Mapping[str, Asked]] = {
    "chains": Asked("wallet_list_chains"),
    "chain": Asked("wallet_list_chains", {"chain": "bnb"}),
    "setup": Asked("wallet_check_setup"),
    "setup-refused": Asked("wallet_check_setup", fault="40104"),
    "portfolio-rich": Asked("wallet_get_portfolio", {"address": "{rich}"}),
    "portfolio-rich-second-page": Asked("wallet_get_portfolio", {"address": "{rich}", "offset": 20}),
    "portfolio-rich-one-token": Asked("wallet_get_portfolio", {"address": "{rich}", "token": "USDT"}),
    "portfolio-whale": Asked("wallet_get_portfolio", {"address": "{whale}"}),
    "portfolio-solana": Asked("wallet_get_portfolio", {"address": "{solana}"}),
    "portfolio-empty": Asked("wallet_get_portfolio", {"address": "{empty}"}),
    "balances-rich-ethereum": Asked("wallet_list_balances", {"address": "{rich}", "chain": "eth"}),
    "balances-rich-polygon": Asked("wallet_list_balances", {"address": "{rich}", "chain": "polygon"}),
    "balances-solana-with-risk": Asked(
        "wallet_list_balances", {"address": "{solana}", "chain": "sol", "include_risk_tokens": True}
    ),
    "balances-whale": Asked("wallet_list_balances", {"address": "{whale}", "chain": "bsc", "page_size": 5}),
    "tokens-rich": Asked(
        "wallet_get_token_balances",
        {"address": "{rich}", "tokens": ["bsc:USDT", "eth:USDT", "linea:native", "bsc:CAKE", "base:MOON"]},
    ),
    "transactions-rich-week": Asked("wallet_list_transactions", {"address": "{rich}", "begin": "7d", "limit": 5}),
    "transactions-history": Asked("wallet_list_transactions", {"address": "{history}"}),
    "transactions-solana": Asked("wallet_list_transactions", {"address": "{solana}", "limit": 5}),
    "transactions-empty": Asked("wallet_list_transactions", {"address": "{empty}"}),
    "transaction-swap": Asked("wallet_get_transaction", {"tx_hash": "{tx swap}"}),
    "transaction-failed": Asked("wallet_get_transaction", {"tx_hash": "{tx failed}", "chain": "eth"}),
    "transaction-pending": Asked("wallet_get_transaction", {"tx_hash": "{tx settling}"}),
    "transaction-airdrop": Asked("wallet_get_transaction", {"tx_hash": "{tx airdrop}", "chain": "eth"}),
    "transaction-solana": Asked("wallet_get_transaction", {"tx_hash": "{tx solana_swap}"}),
    "transaction-unknown": Asked("wallet_get_transaction", {"tx_hash": UNKNOWN_HASH}),
    "error-signature": Asked("wallet_list_balances", {"address": "{rich}", "chain": "eth"}, "40102"),
    "error-provider": Asked("wallet_list_balances", {"address": "{unavailable}", "chain": "eth"}),
    "error-region": Asked("wallet_get_portfolio", {"address": "{rich}"}, "40302"),
    "error-chain": Asked("wallet_list_balances", {"address": "{rich}", "chain": "foochain"}),
    "error-chain-not-served": Asked("wallet_list_balances", {"address": "{rich}", "chain": "tron"}),
    "error-name": Asked("wallet_get_portfolio", {"address": "vitalik.eth"}),
    "error-hash-for-address": Asked("wallet_get_portfolio", {"address": UNKNOWN_HASH}),
}
"""File name without its ending -> the call."""

# Random in each run, or made of the randomness of the retries.
_RANDOM: Final = (
    (re.compile(r"Trace: \S+ at \S+Z"), "Trace: TRACE at TIME"),
    (re.compile(r"trace id [0-9a-f]{8,64}"), "trace id TRACE"),
    (re.compile(r"attempts made in [0-9.]+ s"), "attempts made in SECONDS s"),
    (re.compile(r"\b[0-9]+ s or at once"), "SECONDS s or at once"),
    (re.compile(r"waits until [0-9:]+Z"), "waits until TIME"),
    (re.compile(r"^Retry: after [0-9]+ s", re.MULTILINE), "Retry: after SECONDS s"),
)


async def text_of(asked: Asked) -> str:
    """The text of a call's answer on a fresh sandbox, what is random in it left out."""
    faults = [Fault(asked.fault)] if asked.fault else []
    async with connect(faults=faults) as face:
        places = {**face.wallets, **{f"tx {name}": known.hash for name, known in face.world.examples.items()}}

        def filled(value: Any) -> Any:
            return places.get(value[1:-1], value) if isinstance(value, str) and value[:1] == "{" else value

        arguments = {name: filled(value) for name, value in asked.arguments.items()}
        result = await face.client.call_tool(asked.tool, arguments)
    assert isinstance(result, types.CallToolResult)
    part = result.content[0]
    assert isinstance(part, types.TextContent)
    text = part.text
    for pattern, shown in _RANDOM:
        text = pattern.sub(shown, text)
    return f"{text}\n"
