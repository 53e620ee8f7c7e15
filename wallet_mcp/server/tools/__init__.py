"""The tools, in the order in which clients list them."""

from __future__ import annotations

from typing import Any

from wallet_mcp.server.tool import Tool
from wallet_mcp.server.tools import (
    check_setup,
    get_portfolio,
    get_token_balances,
    get_transaction,
    list_balances,
    list_chains,
    list_transactions,
)

TOOLS: tuple[Tool[Any, Any], ...] = (
    get_portfolio.TOOL,
    list_chains.TOOL,
    list_balances.TOOL,
    get_token_balances.TOOL,
    list_transactions.TOOL,
    get_transaction.TOOL,
    check_setup.TOOL,
)
