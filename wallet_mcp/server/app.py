"""The MCP server: the tools and prompts on the SDK's low-level server, wired to one client of the API.

Client, cache and rate window belong to the object built here and are shared by all its connections: in memory and
over stdio the SDK enters a server's lifespan once per connection, so they are counted, not owned by one of them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import httpx
import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from wallet_mcp import __version__
from wallet_mcp.server import prompts, resources
from wallet_mcp.server.arguments import defaults_of, without_secrets
from wallet_mcp.server.context import Services, ToolContext
from wallet_mcp.server.guidance import META_KEY, CallContext, explain
from wallet_mcp.server.output import Provenance
from wallet_mcp.server.problems import ArgumentProblem, SetupProblem
from wallet_mcp.server.remediation import remedies
from wallet_mcp.server.resolve import served_chains
from wallet_mcp.server.tool import Tool
from wallet_mcp.server.tools import TOOLS
from wallet_mcp.settings import Settings
from wallet_mcp.wallet.chain_text import clean
from wallet_mcp.wallet.chains import KNOWN_CHAINS, Chain
from wallet_mcp.wallet_api.endpoints import ApiConfig, WalletApi
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.patience import will_wait
from wallet_mcp.wallet_api.transport import proxies_towards

logger = logging.getLogger("wallet_mcp")

SERVER_NAME = "wallet-mcp"
_GRACE_S = 0.5
"""After the deadline of a call, until it is cut off: its own parts end it earlier, with better words."""

_LISTS_HINT = CacheHint(300_000, "public")


class WalletServer:
    """The handlers of one server and what they share."""

    def __init__(
        self,
        settings: Settings,
        transport: httpx.AsyncBaseTransport | None,
        wall: Callable[[], float],
        rng: random.Random | None,
        promises_to_wait: bool,
    ) -> None:
        # A wrong file must stop the start, not the first call that needs it.
        remedies()
        prompts.list_prompts()
        self._tools: Mapping[str, Tool[Any, Any]] = {tool.name: tool for tool in TOOLS}
        self._services = Services(settings, _client(settings, transport, wall, rng), wall)
        self._promises_to_wait = promises_to_wait
        self._open = 0

    @asynccontextmanager
    async def lifespan(self, _server: Server[None]) -> AsyncIterator[None]:
        """Keeps the client open while at least one connection is."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            if self._open == 0 and self._services.api is not None:
                await self._services.api.close()

    async def list_tools(
        self, _context: ServerRequestContext[None], _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        """All tools, in a fixed order."""
        return types.ListToolsResult(tools=[tool.definition for tool in self._tools.values()])

    async def call_tool(
        self, request: ServerRequestContext[None], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        """The answer of a tool, or its failure in words. Raises `MCPError` for an unknown tool alone."""
        tool = self._tools.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {clean(params.name, 64).text}")
        loop = asyncio.get_running_loop()
        started = loop.time()
        context = self._tool_context(tool, params.arguments or {}, started)

        async def progress(done: float, what: str) -> None:
            await request.session.report_progress(done, context.progress_total, what)

        context.progress = progress
        try:
            with anyio.fail_after(context.settings.deadline_s + _GRACE_S):
                result = await tool.call(context, params.arguments)
            outcome: object = "ok"
        except Exception as raised:
            error = _first_of(raised)
            result = self._failure(error, context)
            outcome = getattr(error, "code", type(error).__name__)
        logger.info("%s: %s in %.0f ms", tool.name, outcome, (loop.time() - started) * 1000)
        return result

    async def list_prompts(
        self, _context: ServerRequestContext[None], _params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        """All prompts, by name."""
        return types.ListPromptsResult(prompts=prompts.list_prompts())

    async def get_prompt(
        self, _context: ServerRequestContext[None], params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        """A prompt with its arguments filled in. Raises `MCPError` for a wrong name or argument."""
        labels = self._services.settings.wallets
        return prompts.render(params.name, params.arguments, labels=labels, now=self._services.now())

    async def list_resources(
        self, _context: ServerRequestContext[None], _params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """The chain list and the error table."""
        return types.ListResourcesResult(resources=list(resources.RESOURCES))

    async def list_templates(
        self, _context: ServerRequestContext[None], _params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """One error by its code."""
        return types.ListResourceTemplatesResult(resource_templates=list(resources.TEMPLATES))

    async def read_resource(
        self, _context: ServerRequestContext[None], params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """A resource as Markdown. Raises `MCPError` for an unknown URI."""
        return await resources.read_resource(str(params.uri), self._served_chains)

    async def complete(
        self, _context: ServerRequestContext[None], params: types.CompleteRequestParams
    ) -> types.CompleteResult:
        """Words that an argument may go on with. Raises `MCPError` for an unknown prompt or resource."""
        labels = self._services.settings.wallets.addresses
        return resources.complete(params.ref, params.argument.name, params.argument.value, labels)

    async def _served_chains(self) -> Sequence[Chain]:
        """The live list where it can be had, else the built-in table: a page to read must not fail for a key."""
        if self._services.api is None:
            return KNOWN_CHAINS
        now = asyncio.get_running_loop().time()
        context = self._tool_context(self._tools["wallet_list_chains"], {}, now)
        return await served_chains(context)

    def _tool_context(self, tool: Tool[Any, Any], arguments: Mapping[str, Any], now: float) -> ToolContext:
        settings = self._services.settings
        call = CallContext(
            tool=tool.name,
            arguments=without_secrets(arguments),
            rules=tool.rules,
            defaults=defaults_of(tool.input_model),
            upstream_names=tool.upstream_names,
            algorithm=settings.credentials.algorithm if settings.credentials else None,
            base_url=settings.base_url,
            recv_window_ms=settings.recv_window_ms,
            proxy_variables=proxies_towards(settings.base_url, os.environ, embedded=settings.sandbox),
            wall_now=self._services.now(),
            api_key=settings.credentials.api_key if settings.credentials else None,
        )
        return ToolContext(self._services, now + settings.deadline_s, Provenance(settings.base_url), call)

    def _failure(self, error: Exception, context: ToolContext) -> types.CallToolResult:
        if isinstance(error, TimeoutError):
            error = ApiError(code="timeout", received="the call's own deadline passed", attempts=0)
        if not isinstance(error, ApiError | ArgumentProblem | SetupProblem):
            # The place is enough to find the fault; the message could hold an address or a key.
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            place = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace is not None else "unknown"
            logger.error("%s: internal error %s at %s", context.call.tool, type(error).__name__, place)
        call = context.call
        if isinstance(error, ApiError) and error.held_until is not None:
            # What failed first may have waited for the other parts of the call since: part of its delay is over.
            remaining = max(0.0, error.held_until - asyncio.get_running_loop().time())
            error = replace(error, retry_after_s=remaining)
            # Promised only where an early repeat would really be held: it must fit that call's deadline.
            if self._promises_to_wait and will_wait(error, context.settings.deadline_s):
                now = context.now()
                call = replace(call, wall_now=now, held_until=now + remaining)
        failure = explain(error, call)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=failure.text)],
            is_error=True,
            _meta={META_KEY: failure.meta},
        )


def build_server(
    settings: Settings,
    transport: httpx.AsyncBaseTransport | None = None,
    *,
    sandbox_wallets: Mapping[str, str] | None = None,
    wall: Callable[[], float] = time.time,
    rng: random.Random | None = None,
    promises_to_wait: bool = True,
) -> Server[None]:
    """The server, ready for any transport of the SDK.

    `transport` replaces the network, as the embedded sandbox does; `sandbox_wallets` (label -> address) are named in
    the instructions then. `wall` is the only source of wall time. `promises_to_wait`: whether errors may say that the
    server itself waits before a repeat; false where its process ends with the call. Raises when a file of `prompts/`
    is wrong.
    """
    server = WalletServer(settings, transport, wall, rng, promises_to_wait)
    return Server(
        SERVER_NAME,
        version=__version__,
        title="Wallet answers from the Binance Web3 Wallet API",
        instructions=prompts.load_instructions(
            sandbox_wallets=sandbox_wallets,
            labels=[f"{label} ({address.text})" for label, address in settings.wallets.addresses.items()],
        ),
        cache_hints={
            "tools/list": _LISTS_HINT,
            "prompts/list": _LISTS_HINT,
            "resources/list": _LISTS_HINT,
            "resources/templates/list": _LISTS_HINT,
            "resources/read": _LISTS_HINT,
            "server/discover": _LISTS_HINT,
        },
        lifespan=server.lifespan,
        on_list_tools=server.list_tools,
        on_call_tool=server.call_tool,
        on_list_prompts=server.list_prompts,
        on_get_prompt=server.get_prompt,
        on_list_resources=server.list_resources,
        on_list_resource_templates=server.list_templates,
        on_read_resource=server.read_resource,
        on_completion=server.complete,
    )


def _first_of(error: Exception) -> Exception:
    """What went wrong first: a task group wraps the failure of a part, and its own place says nothing."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _client(
    settings: Settings,
    transport: httpx.AsyncBaseTransport | None,
    wall: Callable[[], float],
    rng: random.Random | None,
) -> WalletApi | None:
    if not settings.usable or settings.credentials is None:
        return None
    config = ApiConfig(
        api_key=settings.credentials.api_key,
        signer=settings.credentials.signer,
        base_url=settings.base_url,
        recv_window_ms=settings.recv_window_ms,
        lifetimes=settings.lifetimes,
        cache_bytes=settings.cache_mb * 1024 * 1024,
        max_stale_s=settings.max_stale_s,
    )
    return WalletApi(config, transport=transport, wall=wall, rng=rng)
