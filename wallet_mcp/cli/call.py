"""`wallet-mcp call`: one tool call from a script or a terminal, through the same server that a client starts."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import anyio

ANSWER, OPERATOR_MUST_ACT, WRONG_ARGUMENTS, TRY_LATER = 0, 1, 2, 3
_STATUS_BY_ACTOR = {"operator": OPERATOR_MUST_ACT, "model": WRONG_ARGUMENTS, "nobody": TRY_LATER}


def call(tool: str, pairs: Sequence[str], *, as_json: bool, sandbox: bool) -> int:
    """Call a tool and print its answer; the exit status tells who has to act when it failed."""
    return anyio.run(_call, tool, pairs, as_json, sandbox)


async def _call(tool_name: str, pairs: Sequence[str], as_json: bool, sandbox: bool) -> int:
    from mcp import Client

    from wallet_mcp.cli.wiring import server_from_environment
    from wallet_mcp.server.guidance import META_KEY
    from wallet_mcp.server.tools import TOOLS

    tool = next((tool for tool in TOOLS if tool.name == tool_name), None)
    if tool is None:
        names = ", ".join(tool.name for tool in TOOLS)
        print(f"There is no tool {tool_name!r}. The tools are: {names}.", file=sys.stderr)
        return WRONG_ARGUMENTS
    try:
        arguments = read_pairs(pairs, tool.definition.input_schema["properties"])
    except ValueError as error:
        print(error, file=sys.stderr)
        return WRONG_ARGUMENTS
    async with Client(server_from_environment(sandbox=sandbox)) as client:
        result = await client.call_tool(tool_name, arguments)
    meta: dict[str, Any] = dict(result.meta or {}).get(META_KEY, {})
    text = "\n".join(part.text for part in result.content if part.type == "text")
    if as_json:
        facts = {**meta, "text": text} if result.is_error else result.structured_content
        print(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        print(text, file=sys.stderr if result.is_error else sys.stdout)
    return _STATUS_BY_ACTOR.get(str(meta.get("actor")), OPERATOR_MUST_ACT) if result.is_error else ANSWER


def read_pairs(pairs: Sequence[str], properties: dict[str, Any]) -> dict[str, Any]:
    """The arguments that `key=value` words mean by the tool's schema; unknown names are left to the tool.

    Raises `ValueError` for a word without `=` and for a name given twice.
    """
    arguments: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise ValueError(
                f"Write each argument as key=value, for example chain=bsc; this one is not: {name[:40]!r}"
            )
        if name in arguments:
            raise ValueError(f"The argument {name[:40]!r} is given twice.")
        match properties.get(name, {}).get("type"):
            case "array":
                arguments[name] = [part.strip() for part in value.split(",") if part.strip()]
            case "boolean" if value.lower() in ("true", "false", "yes", "no", "1", "0"):
                arguments[name] = value.lower() in ("true", "yes", "1")
            case _:
                arguments[name] = value
    return arguments
