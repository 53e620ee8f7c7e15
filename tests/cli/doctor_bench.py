"""A diagnosis on virtual time: the sandbox, or an app in its place, stands where the network would be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import httpx

from tests.sandbox.caller import START
from wallet_mcp.cli.doctor import Bench, Diagnosis, diagnose
from wallet_mcp.sandbox.app import SANDBOX_API_KEY, SANDBOX_SECRET_KEY, Sandbox, SandboxOptions

App = Callable[..., Awaitable[None]]
Scope = MutableMapping[str, Any]

PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
LIVE_URL = "https://web3.binance.com/build"
GOOD = {"WALLET_MCP_API_KEY": SANDBOX_API_KEY, "WALLET_MCP_SECRET_KEY": SANDBOX_SECRET_KEY}


def wall_clock() -> float:
    """Seconds since 1970 that move with the event loop."""
    return START.timestamp() + asyncio.get_running_loop().time() - 1000


def stand_in(**options: Any) -> Sandbox:
    """A sandbox on the clock of the loop."""
    return Sandbox(SandboxOptions(**options), wall_clock=wall_clock)


async def found(*_: object) -> list[str]:
    """Every name resolves."""
    return ["203.0.113.7"]


async def examined(
    app: App,
    settings: Mapping[str, str] = GOOD,
    *,
    deep: bool = False,
    environment: Mapping[str, str] | None = None,
    **bench: Any,
) -> Diagnosis:
    """The diagnosis of settings over an app; `environment` is the process's, empty unless it is given."""
    bench = {"resolve": found, "wall": wall_clock, **bench}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return await diagnose(settings, Bench(dict(environment or {}), transport=transport, **bench), deep=deep)


def statuses(diagnosis: Diagnosis) -> dict[str, str]:
    """Part -> its worst status."""
    worst: dict[str, str] = {}
    for check in diagnosis.checks:
        if worst.get(check.part) != "failed":
            worst[check.part] = check.status
    return worst


def culprits(diagnosis: Diagnosis) -> dict[str, tuple[str, ...]]:
    """Part -> the culprits of its failures, in order."""
    named: dict[str, tuple[str, ...]] = {}
    for check in diagnosis.checks:
        if check.culprits:
            named[check.part] = (*named.get(check.part, ()), *check.culprits)
    return named


def page(status: int, body: bytes = b"<!doctype html><title>Sign in", **headers: str) -> App:
    """An app that answers everything with one page."""

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        fields = {"content-type": "text/html", "date": "Sun, 22 Nov 2026 03:00:00 GMT", **headers}
        raw = [(name.encode(), value.encode()) for name, value in fields.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    return app


def rewriting(inner: App, change: Callable[[bytes, bytes], tuple[bytes, bytes]]) -> App:
    """An app that changes path and query on the way to the inner one, as a proxy may."""

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        path, query = change(scope["raw_path"], scope["query_string"])
        await inner({**scope, "raw_path": path, "path": path.decode(), "query_string": query}, receive, send)

    return app


def answering(*codes: int) -> App:
    """An app that answers with these codes, one after another, in the shape of a business error."""
    left = iter(codes)

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        envelope = {"code": next(left), "msg": "m", "data": [], "timestamp": round(wall_clock() * 1000)}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(envelope).encode()})

    return app
