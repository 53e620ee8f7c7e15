"""`wallet-mcp demo`: a real MCP client asks the server, started as a client would start it, on sandbox data."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

import anyio

_CORRECTED_CALL = re.compile(r"call (wallet_\w+) again with (\{.*?\})(?: and|\.?$)", re.MULTILINE)


class UnexpectedError(Exception):
    """A tool failed where the demo shows an answer; what it said is on the screen already."""


def demo() -> int:
    """Show a question, the tool call and the answer for each tool, and one error that its own text remedies.

    The status is 1 when a tool failed that should not, or the remedy did not help.
    """
    status = 1
    try:
        status = anyio.run(_demo)
    except* UnexpectedError:
        _say("\nThe demo failed.")
    return status


async def _demo() -> int:
    from mcp import Client, StdioServerParameters

    from wallet_mcp.sandbox.app import Sandbox

    wallets = Sandbox().wallets
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "wallet_mcp", "--sandbox"])
    _say("wallet-mcp answers wallet questions for an AI assistant. This is the conversation between the two:")
    _say("the person's question, the tool that the assistant calls, and what it reads. All data is invented.")
    async with Client(parameters) as client:
        tools = (await client.list_tools()).tools
        _say(f"\nStarted `wallet-mcp --sandbox` over stdio: {len(tools)} tools.")
        await _ask(client, "Which chains can you look at?", "wallet_list_chains", {})
        await _ask(
            client,
            "What is this wallet worth?",
            "wallet_get_portfolio",
            {"address": wallets["rich"], "limit": 5},
        )
        await _ask(
            client,
            "What is in it on BNB Chain?",
            "wallet_list_balances",
            {"address": wallets["rich"], "chain": "bsc", "page_size": 8},
        )
        await _ask(
            client,
            "How much USDC does it hold on Ethereum, and how much ETH?",
            "wallet_get_token_balances",
            {"address": wallets["rich"], "tokens": ["eth:USDC", "eth:native"]},
        )
        history = await _ask(
            client,
            "What happened in it lately?",
            "wallet_list_transactions",
            {"address": wallets["rich"], "chains": ["eth", "bsc"], "limit": 3},
        )
        newest = history["transactions"][0]
        await _ask(
            client,
            "Did the newest one go through?",
            "wallet_get_transaction",
            {"tx_hash": newest["hash"], "chain": newest["chain"]},
        )
        await _ask(client, "Is the server set up well?", "wallet_check_setup", {})
        mended = await _mend(client, {"address": wallets["rich"], "chain": "base", "page_size": 500})
    _say(
        "\nThat was sandbox data. The README shows how to ask about real wallets." if mended else "\nThe demo failed."
    )
    return 0 if mended else 1


async def _ask(client: Any, question: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    _say(f"\n{'-' * 78}\nQuestion   {question}")
    result = await _call(client, tool, arguments)
    if result.is_error:
        raise UnexpectedError
    return dict(result.structured_content)


async def _mend(client: Any, arguments: Mapping[str, Any]) -> bool:
    """Run into an error, carry out the next step that its text names, and tell whether that helped."""
    _say(
        f"\n{'-' * 78}\nQuestion   Show me everything it has on Base, 500 at once. (The assistant asks for too much.)"
    )
    result = await _call(client, "wallet_list_balances", arguments)
    text = result.content[0].text
    step = _CORRECTED_CALL.search(text)
    if not result.is_error or step is None:
        return False
    _say("\nThe assistant carries out the `Next step:` of that text:")
    return not (await _call(client, step[1], json.loads(step[2]))).is_error


async def _call(client: Any, tool: str, arguments: Mapping[str, Any]) -> Any:
    _say(f"Tool call  {tool} {json.dumps(arguments)}")
    result = await client.call_tool(tool, dict(arguments))
    _say("Error" if result.is_error else "Answer")
    for line in result.content[0].text.splitlines():
        _say(f"  | {line}")
    return result


def _say(text: str) -> None:
    print(text, flush=True)
