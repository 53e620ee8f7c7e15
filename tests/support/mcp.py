"""A server on a sandbox of its own with a real in-memory MCP client, and what every answer must keep to.

`connect` makes one; its `answer` and `failure` check the shape that the design gives all answers before a test looks
at its own facts.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

import httpx
import jsonschema  # type: ignore[import-untyped]
import mcp_types as types
from mcp import Client
from pydantic import SecretStr

from tests.support.listing import check_listing, stands
from wallet_mcp.sandbox.app import SANDBOX_API_KEY, SANDBOX_SECRET_KEY, Fault, Sandbox, SandboxOptions
from wallet_mcp.server.app import build_server
from wallet_mcp.server.guidance import META_KEY
from wallet_mcp.settings import Credentials, Settings
from wallet_mcp.wallet_api.signing import HmacSigner

Era = Literal["auto", "legacy"]
ERAS: Final[tuple[Era, ...]] = ("auto", "legacy")
PROTOCOLS: Final[Mapping[Era, str]] = {"auto": "2026-07-28", "legacy": "2025-11-25"}

START: Final = datetime(2026, 11, 22, 10, 0, tzinfo=UTC).timestamp()
"""The wall clock when virtual time stands at 1000 s, where it starts."""

EMBEDDED_URL: Final = "https://sandbox.invalid/build"
STRANGER: Final = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
"""An address that the sandbox does not know."""
UNKNOWN_HASH: Final = "0x" + "ab12" * 16
COMMON: Final = ("source", "as_of", "age_seconds", "stale", "complete", "incomplete_because", "notes", "next")


def wall_clock() -> float:
    """Seconds since 1970 that move with the event loop."""
    return START + asyncio.get_running_loop().time() - 1000


def usable_settings(**changes: Any) -> Settings:
    """Settings with the sandbox's key; `changes` overwrite fields."""
    credentials = Credentials(SecretStr(SANDBOX_API_KEY), HmacSigner(SecretStr(SANDBOX_SECRET_KEY)))
    known: dict[str, Any] = {"credentials": credentials, "api_key_present": True, "base_url": EMBEDDED_URL}
    return Settings(**{**known, "sandbox": True, **changes})


@dataclass(frozen=True, slots=True)
class Success:
    """A tool's answer in its two forms."""

    structure: dict[str, Any]
    text: str

    def __getitem__(self, name: str) -> Any:
        return self.structure[name]

    def __contains__(self, name: str) -> bool:
        return name in self.structure

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def notes(self) -> str:
        return "\n".join(self.structure.get("notes", ()))


@dataclass(frozen=True, slots=True)
class Failed:
    """A tool's failure: its text, that text's parts by label, and the facts under `_meta`."""

    text: str
    parts: Mapping[str, str]
    meta: dict[str, Any]


class Face:
    """A connected client; `sandbox` is what it talks to unless the test brought its own transport."""

    def __init__(self, client: Client, sandbox: Sandbox) -> None:
        self.client = client
        self.sandbox = sandbox
        self.wallets = sandbox.wallets
        self.world = sandbox.world
        self._tools: dict[str, types.Tool] = {}

    async def tools(self) -> dict[str, types.Tool]:
        """The published tools by name."""
        if not self._tools:
            self._tools = {tool.name: tool for tool in (await self.client.list_tools()).tools}
        return self._tools

    async def answer(self, name: str, arguments: Mapping[str, Any] | None = None, **more: Any) -> Success:
        """The answer to a call; fails unless it is a success that keeps every rule."""
        result = await self.client.call_tool(name, {**(arguments or {}), **more})
        assert isinstance(result, types.CallToolResult)
        text = _only_text(result)
        assert not result.is_error, text
        structure = result.structured_content
        assert isinstance(structure, dict)
        schema = (await self.tools())[name].output_schema
        jsonschema.validate(structure, schema, jsonschema.Draft202012Validator)
        check_same_facts(name, structure, text)
        return Success(structure, text)

    async def failure(self, name: str, arguments: Mapping[str, Any] | None = None, **more: Any) -> Failed:
        """The failure of a call; fails unless it is one, in the shape of the design."""
        result = await self.client.call_tool(name, {**(arguments or {}), **more})
        assert isinstance(result, types.CallToolResult)
        return read_failure(result)

    async def replay(self, answer: Success) -> Success:
        """The answer to the call in `next`, made exactly as it stands there."""
        following = answer["next"]
        return await self.answer(following["tool"], following["arguments"])

    def sent(self, path_end: str = "") -> list[Any]:
        """The requests that reached the sandbox, those to one path."""
        return [request for request in self.sandbox.requests if request.path.endswith(path_end)]


@asynccontextmanager
async def connect(
    era: Era = "auto",
    *,
    settings: Settings | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    spoil: Callable[[httpx.Request], Made | None] = lambda request: None,
    faults: Sequence[Fault] = (),
    wall: Callable[[], float] = wall_clock,
    **options: Any,
) -> AsyncIterator[Face]:
    """A client of a fresh server on a fresh sandbox, whose options the `options` are.

    `spoil` answers single requests in its place, `transport` all of them.
    """
    sandbox = Sandbox(SandboxOptions(faults=tuple(faults), **options), wall_clock=wall_clock)
    server = build_server(
        usable_settings() if settings is None else settings,
        transport or _Spoiled(sandbox, spoil),
        sandbox_wallets=sandbox.wallets,
        wall=wall,
    )
    try:
        async with Client(server, mode=era) as client:
            yield Face(client, sandbox)
    except BaseExceptionGroup as group:
        # The client's task groups wrap what a test raises, once or twice.
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


def envelope(data: Any) -> bytes:
    """A success of the API around `data`."""
    body = {"code": 0, "msg": "success", "data": data, "timestamp": int(wall_clock() * 1000), "success": True}
    return json.dumps(body).encode()


class _Body(httpx.AsyncByteStream):
    """A body that is still to be read: a response made from bytes counts as read already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


Made: TypeAlias = httpx.Response | bytes | list[Any] | Exception


class Upstream(httpx.AsyncBaseTransport):
    """A made-up API: `answer` makes a response, a body, data to wrap, or an exception to raise."""

    def __init__(self, answer: Callable[[httpx.Request], Made]) -> None:
        self.made = answer
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        made = self.made(request)
        if isinstance(made, Exception):
            raise made
        if not isinstance(made, httpx.Response):
            made = httpx.Response(200, content=made if isinstance(made, bytes) else envelope(made))
        return httpx.Response(made.status_code, headers=made.headers, stream=_Body(made.content))


def custom_settings(**changes: Any) -> Settings:
    """Settings for a server that talks to a mock transport: no sandbox."""
    return replace(usable_settings(), sandbox=False, **changes)


class _Spoiled(httpx.AsyncBaseTransport):
    """The sandbox, except where `spoil` has an answer of its own."""

    def __init__(self, sandbox: Sandbox, spoil: Callable[[httpx.Request], Made | None]) -> None:
        self._sandbox = httpx.ASGITransport(app=sandbox, raise_app_exceptions=False)
        self._spoil = spoil

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        made = self._spoil(request)
        if made is None:
            return await self._sandbox.handle_async_request(request)
        return await Upstream(lambda _: made).handle_async_request(request)


def refusal(code: int, message: str = "Internal server error, please retry later") -> bytes:
    """A business error of the API (contract §1.6)."""
    body = {"code": code, "msg": message, "data": None, "timestamp": int(wall_clock() * 1000), "success": False}
    return json.dumps(body).encode()


def _only_text(result: types.CallToolResult) -> str:
    assert len(result.content) == 1
    part = result.content[0]
    assert isinstance(part, types.TextContent)
    return part.text


_FAILURE = re.compile(
    r"Error (?P<code>[^:\n]+): (?P<summary>[^\n]+[.!?…])\n"
    r"Next step: (?P<step>[^\n]+)\n"
    r"Retry: (?P<retry>no|after \d+ s|with corrected arguments)"
    r"(?: \((?P<attempts>\d+) attempts made in (?P<elapsed>\d+\.\d) s\))?"
    r'(?:\nUpstream said: "(?P<said>[^"\n]{1,120})")?'
    r"(?:\nTrace: (?P<trace>\S+) at (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)(?P<sandbox> \(sandbox\))?)?"
)


def read_failure(result: types.CallToolResult) -> Failed:
    """The failure in a result; fails unless text and facts have the design's shape and agree."""
    text = _only_text(result)
    assert result.is_error, text
    assert result.structured_content is None
    match = _FAILURE.fullmatch(text)
    assert match is not None, text
    assert all(char.isprintable() for line in text.splitlines() for char in line), text
    parts = {name: value for name, value in match.groupdict().items() if value is not None}
    meta = dict(result.meta or {})[META_KEY]
    assert all(value is not None for _, value in leaves(meta)), meta
    assert {"code", "kind", "actor", "retryable"} <= meta.keys() <= _FACTS, meta
    assert parts["code"] == str(meta["code"])
    assert meta["retryable"] is parts["retry"].startswith("after ")
    assert meta["retryable"] is ("retry_after_seconds" in meta)
    if meta["retryable"]:
        assert parts["retry"] == f"after {meta['retry_after_seconds']} s"
    if "attempts" in parts:
        assert int(parts["attempts"]) == meta["attempts"] > 1
    else:
        assert meta.get("attempts", 1) == 1
    if "trace" in parts:
        assert parts["at"] == meta["request_time"]
        assert parts["trace"] == meta.get("trace_id", "request")
    else:
        assert "trace_id" not in meta
    if "field" in meta and parts["code"] == "40001":
        assert f"argument {meta['field']} " in text
    return Failed(text, parts, meta)


_FACTS: Final = frozenset(
    [
        "code",
        "kind",
        "actor",
        "retryable",
        "retry_after_seconds",
        "field",
        "attempts",
        "trace_id",
        "request_time",
        "server_time",
        "corrected",
    ]
)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that holds no other, with its path: `tokens[].flags[]`."""
    if isinstance(value, Mapping):
        for name, child in value.items():
            yield from leaves(child, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for child in value:
            yield from leaves(child, f"{path}[]")
    else:
        yield path, value


# What the text says in other words than the structure's own, by tool and path.
_IN_WORDS: Final[Mapping[tuple[str, Any], str]] = {
    ("complete", True): "Complete: yes.",
    ("complete", False): "Complete: no",
    ("stale", True): "old, stale.",
    ("found", False): "was not found",
    ("found", True): "(status",
    ("ready", True): "Ready: yes.",
    ("ready", False): "Ready: no.",
    ("api_key_present", True): "API key present",
    ("api_key_present", False): "no API key",
    ("honeypot_checked", True): "Honeypots are looked for",
    ("honeypot_checked", False): "Honeypots are not looked for",
    ("chains[].honeypot_checked", True): "yes",
    ("chains[].honeypot_checked", False): "no",
    ("tokens[].risk_flagged", True): "yes",
    ("holdings[].risk_flagged", True): "yes",
    ("at_least", True): "at least",
    ("probe.outcome", "not_sent"): "not sent",
}
# Said by the place or left to the reader, each for a reason.
_UNSAID: Final = frozenset(
    {
        # An amount without a word about its unit is one of whole coins.
        ("movements[].unit", "coins"),
        ("net[].unit", "coins"),
        # The coin stands by its symbol alone; every token has its contract beside it.
        ("movements[].contract", "native"),
        ("net[].contract", "native"),
        ("transactions[].movements[].contract", "native"),
    }
)


def check_same_facts(tool: str, structure: Mapping[str, Any], text: str) -> None:
    """Fail unless each value of the structure stands in the text, those of one row on one line, and none is null."""
    for path, value in leaves(structure):
        assert value is not None, path
    assert all(char.isprintable() for line in text.split("\n") for char in line), text
    lines = text.split("\n")
    if (following := structure.get("next")) is not None:
        call = json.dumps(following["arguments"], ensure_ascii=False, separators=(",", ":"))
        assert f"Next: {following['tool']} {call}" in lines, text
    for note in structure.get("notes", ()):
        assert f"Note: {note}" in lines, note
    rest = {name: value for name, value in structure.items() if name not in ("next", "notes")}
    _check_object(tool, rest, "", lines, text)
    if tool == "wallet_get_portfolio":
        _check_portfolio(structure, lines)
    if tool == "wallet_list_transactions":
        check_listing(structure, lines)


def _check_portfolio(structure: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Fail unless the small numbers, which stand anywhere, stand where they belong."""
    offset, shown, count = structure.get("offset", 0), len(structure["holdings"]), structure["holdings_count"]
    assert structure.get("offset") != 0
    where = f"Holdings {offset + 1} to {offset + shown} of {count}:"
    none = f"No holding to list at offset {offset}; {count} in all." if count else "No holdings to list."
    assert (where if shown else none) in lines
    _check_scope(structure, lines)
    unchecked = structure.get("honeypots_unchecked", [])
    values = [(chain in unchecked, f"{chain} {value}") for chain, value in structure["by_chain"].items()]
    parts = [", ".join(text for is_unchecked, text in values if not is_unchecked)]
    if any(is_unchecked for is_unchecked, _ in values):
        parts.append("honeypots unchecked: " + ", ".join(text for is_unchecked, text in values if is_unchecked))
    if nothing := structure.get("nothing_priced_on"):
        named = (f"{chain} (honeypots unchecked)" if chain in unchecked else chain for chain in nothing)
        parts.append("nothing priced on " + ", ".join(named))
    assert f"By chain: {'; '.join(filter(None, parts))}." in lines


def _check_scope(structure: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Fail unless what counts and what does not stands there, with counts and sums, and in the structure's words."""
    below = structure.get("below_minimum")
    assert below is None or below["count"] > 0
    told = [line for line in lines if line.startswith("Below the minimum")]
    assert told == (
        [f"Below the minimum, in the total but not listed: {below['count']} ({below['value_usd']} USD)."]
        if below
        else []
    )
    risk, uncounted = structure["risk"], "staking, DeFi, NFTs, other chains."
    claimed = f" (their own prices claim {risk['value_usd']} USD)" if "value_usd" in risk else ""
    counts = f"{structure['unpriced']['count']} unpriced, {risk['count']} risk{claimed}"
    assert f"In no total: {counts}, {uncounted}" in lines
    what = f"only {structure['token']}, where" if "token" in structure else "what is"
    total = (
        f"at least {structure['total_value_usd']}" if "at_least" in structure else structure.get("total_value_usd")
    )
    assert lines[0].endswith(f": total value {'unknown' if total is None else f'{total} USD'}.")
    # An unknown total is no "at least"; that not all was read is then told by what is incomplete.
    in_part = "at_least" in structure or (total is None and "read" in structure.get("incomplete_because", ""))
    extent, claim = ", as far as read" * in_part, " The value of risk is what their own prices claim." * bool(claimed)
    assert structure["scope"] == f"Total: {what} priced and not risk-flagged{extent}.{claim} Never: {uncounted}"


def _check_object(tool: str, item: Mapping[str, Any], path: str, lines: Sequence[str], text: str) -> None:
    own: list[tuple[str, str]] = []
    for name, value in item.items():
        place = f"{path}.{name}" if path else name
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            for child in value:
                _check_object(tool, child, f"{place}[]", lines, text)
        else:
            own += [(where, said) for where, leaf in leaves(value, place) if (said := _said(tool, where, leaf))]
    if "[]" in path:
        # The values of one row belong together: no other line may lend them.
        own.sort(key=lambda known: -len(known[1]))
        assert any(all(stands(said, line) for _, said in own) for line in lines), (path, own, text)
    else:
        for where, said in own:
            assert stands(said, text), (where, said, text)


def _said(tool: str, path: str, value: Any) -> str:
    """What the text must hold for a value; "" where it need not."""
    if (path, value) in _UNSAID or value == "":
        return ""
    if tool == "wallet_get_token_balances":
        if path == "tokens[].chain":
            return ""  # `asked` names the chain as the caller did
        if path.startswith("honeypot_checked."):
            return "" if value else path.rpartition(".")[2]
    if path == "transactions[].time":
        return str(value)[-9:-1]  # the line above the transactions of a day names it
    if path in ("transactions[].direction", "transactions[].movements[].direction"):
        return ""  # see check_listing
    if path.startswith("assets.") and value == "native":
        return ""  # the coin stands by its symbol alone
    if tool == "wallet_get_portfolio" and path in ("offset", "scope"):
        return ""  # see _check_portfolio
    if isinstance(value, bool) or (path, value) in _IN_WORDS:
        return _IN_WORDS[path, value]
    return str(value)
