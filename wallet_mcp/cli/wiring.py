"""Settings and server for a command, with the embedded sandbox in the place of the network where it was chosen."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from wallet_mcp.settings import Credentials, Settings, load_settings

if TYPE_CHECKING:
    import httpx
    from mcp.server.lowlevel import Server

LIVE_KEYS_NOTE = "Sandbox mode: the live keys that are set are not used."
_EMBEDDED_URL = "https://sandbox.invalid/build"
"""A host that can never resolve: should the embedded sandbox not be in the way, nothing leaves."""


def server_from_environment(
    *, sandbox: bool, environment: Mapping[str, str] | None = None, promises_to_wait: bool = True
) -> Server[None]:
    """The MCP server as the environment sets it up. Bad settings do not raise: each call then says what to fix.

    `promises_to_wait`: as `build_server` takes it; false for a process that ends with its first call.
    """
    settings = load_settings(os.environ if environment is None else environment, sandbox=sandbox)
    set_up_logging(settings.log_level)
    from wallet_mcp.server.app import build_server

    if not settings.sandbox:
        return build_server(settings, promises_to_wait=promises_to_wait)
    chosen, transport, wallets = on_the_sandbox(settings)
    if LIVE_KEYS_NOTE in chosen.notes:
        logging.getLogger("wallet_mcp").warning(LIVE_KEYS_NOTE)
    return build_server(chosen, transport, sandbox_wallets=wallets, promises_to_wait=promises_to_wait)


def on_the_sandbox(settings: Settings) -> tuple[Settings, httpx.AsyncBaseTransport, Mapping[str, str]]:
    """Settings and transport that put the embedded sandbox in the network's place, and its wallets by label."""
    import httpx

    from wallet_mcp.sandbox.app import Sandbox

    stand_in = Sandbox()
    transport = httpx.ASGITransport(app=stand_in, raise_app_exceptions=False)
    return sandbox_settings(settings), transport, stand_in.wallets


def sandbox_settings(settings: Settings) -> Settings:
    """The same settings with the sandbox's own key: live keys are set aside, and that is said."""
    from pydantic import SecretStr

    from wallet_mcp.sandbox.app import SANDBOX_API_KEY, SANDBOX_SECRET_KEY
    from wallet_mcp.wallet_api.signing import HmacSigner

    notes = settings.notes
    if settings.api_key_present or settings.bad_credentials:
        notes = (*notes, LIVE_KEYS_NOTE)
    return replace(
        settings,
        credentials=Credentials(SecretStr(SANDBOX_API_KEY), HmacSigner(SecretStr(SANDBOX_SECRET_KEY))),
        base_url=_EMBEDDED_URL,
        sandbox=True,
        api_key_present=True,
        missing=(),
        bad_credentials=(),
        # The one setting that the sandbox does not use.
        problems=tuple(problem for problem in settings.problems if not problem.startswith("WALLET_MCP_BASE_URL ")),
        notes=notes,
    )


class _NoValues(logging.Formatter):
    """Formats an exception as its kind alone: its text could hold an address, a URL or a part of a key."""

    def formatException(self, ei: object) -> str:
        kind = ei[0] if isinstance(ei, tuple) else None
        return f"({kind.__name__})" if isinstance(kind, type) else ""

    def formatStack(self, stack_info: str) -> str:
        return ""


def set_up_logging(level: str) -> None:
    """Our log lines to stderr; those of the HTTP libraries, which hold URLs and headers, never below warning."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_NoValues("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("wallet_mcp").setLevel(level.upper())
