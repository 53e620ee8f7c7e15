"""`wallet-mcp call`: one tool call from a script or a terminal, through the same server that a client starts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TextIO

import anyio

if TYPE_CHECKING:
    from wallet_mcp.cli.progress import ProgressNote

ANSWER, OPERATOR_MUST_ACT, WRONG_ARGUMENTS, TRY_LATER = 0, 1, 2, 3
_STATUS_BY_ACTOR = {"operator": OPERATOR_MUST_ACT, "model": WRONG_ARGUMENTS, "nobody": TRY_LATER}
_SHOWN = 40
"""Characters of a wrong word that are repeated: enough to find it, too few for a key."""


def call(tool: str, pairs: Sequence[str], *, as_json: bool, sandbox: bool) -> int:
    """Call a tool and print its answer; the exit status tells who has to act when it failed.

    On a terminal the answer is a page with tables, elsewhere the text that a model reads; `as_json` prints the
    structure on both.
    """
    return anyio.run(_call, tool, pairs, as_json, sandbox)


async def _call(tool_name: str, pairs: Sequence[str], as_json: bool, sandbox: bool) -> int:
    from mcp import Client

    from wallet_mcp.cli.wiring import server_from_environment
    from wallet_mcp.server.guidance import META_KEY
    from wallet_mcp.server.tools import TOOLS

    tool = next((tool for tool in TOOLS if tool.name == tool_name), None)
    if tool is None:
        return _refuse(unknown_tool(tool_name, [tool.name for tool in TOOLS]), as_json)
    try:
        arguments = read_pairs(pairs, tool.definition.input_schema["properties"])
    except ValueError as error:
        return _refuse(str(error), as_json)
    # The process ends with this call: what a server would hold back, nobody does here.
    async with Client(server_from_environment(sandbox=sandbox, promises_to_wait=False)) as client:
        with _progress(tool_name) as note:
            result = await client.call_tool(tool_name, arguments, progress_callback=note)
    meta: dict[str, Any] = dict(result.meta or {}).get(META_KEY, {})
    text = "\n".join(part.text for part in result.content if part.type == "text")
    structure: dict[str, Any] = result.structured_content or {}
    if as_json:
        print(json.dumps({**meta, "text": text} if result.is_error else structure, ensure_ascii=False, indent=2))
    elif result.is_error:
        _print_error(text)
    else:
        _print_answer(tool_name, structure, text, sandbox)
    if result.is_error:
        return _STATUS_BY_ACTOR.get(str(meta.get("actor")), OPERATOR_MUST_ACT)
    return OPERATOR_MUST_ACT if structure.get("ready") is False else ANSWER


def _refuse(told: str, as_json: bool) -> int:
    """Say what is wrong with words that make no call, in the form of a failed one."""
    if as_json:
        failure = {"kind": "parameter", "actor": "model", "retryable": False, "text": told}
        print(json.dumps(failure, ensure_ascii=False, indent=2))
    else:
        print(told, file=sys.stderr)
    return WRONG_ARGUMENTS


def unknown_tool(name: str, names: Sequence[str]) -> str:
    """What to say to a name that no tool has: the one that is meant, if that is plain, else all of them."""
    # People leave out the prefix that sets these tools apart among those of other servers.
    meant = {each.partition("_")[2]: each for each in names} | {each: each for each in names}
    near = get_close_matches(name.lower().replace("-", "_"), meant, n=1, cutoff=0.75)
    told = f"There is no tool {name[:_SHOWN]!r}."
    return f"{told} Did you mean {meant[near[0]]}?" if near else f"{told} The tools are: {', '.join(names)}."


def read_pairs(pairs: Iterable[str], properties: dict[str, Any]) -> dict[str, Any]:
    """The arguments that `key=value` words mean by the tool's schema; unknown names are left to the tool.

    Raises `ValueError` for a word without `=` and for a name given twice.
    """
    arguments: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise ValueError(
                f"Write each argument as key=value, for example chain=bsc; this one is not: {name[:_SHOWN]!r}"
            )
        if name in arguments:
            raise ValueError(f"The argument {name[:_SHOWN]!r} is given twice.")
        match properties.get(name, {}).get("type"):
            case "array":
                arguments[name] = _list_of(value)
            case "boolean" if value.lower() in ("true", "false", "yes", "no", "1", "0"):
                arguments[name] = value.lower() in ("true", "yes", "1")
            case _:
                arguments[name] = value
    return arguments


def _list_of(value: str) -> list[Any]:
    """The items of a list, written with commas between them or as JSON, as in an answer's `next`."""
    if value.lstrip().startswith("["):
        with suppress(ValueError):
            items: list[Any] = json.loads(value)
            return items
    return [part.strip() for part in value.split(",") if part.strip()]


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _progress(tool: str) -> AbstractContextManager[ProgressNote | None]:
    """The progress of a call that reads many pages, where a person sees it; elsewhere nothing is asked for."""
    # A pager at the other end of a pipe draws on the same screen.
    if tool != "wallet_get_portfolio" or not (_is_terminal(sys.stdout) and _is_terminal(sys.stderr)):
        return nullcontext()
    from wallet_mcp.cli.progress import progress_on

    return progress_on(sys.stderr, "reading balances")


def _print_answer(tool: str, structure: dict[str, Any], text: str, sandbox: bool) -> None:
    if not _is_terminal(sys.stdout):
        print(text)
        return
    from wallet_mcp.cli.pages import page_of
    from wallet_mcp.cli.tables import console_on, draw_page

    draw_page(console_on(sys.stdout), page_of(tool, structure, text, sandbox=sandbox))


def _print_error(text: str) -> None:
    if not _is_terminal(sys.stderr):
        print(text, file=sys.stderr)
        return
    from wallet_mcp.cli.tables import console_on, draw_error

    draw_error(console_on(sys.stderr), text)
