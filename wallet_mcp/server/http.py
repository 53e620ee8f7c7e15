"""The MCP server as an ASGI app for streamable HTTP on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp.server.transport_security import TransportSecuritySettings

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from starlette.applications import Starlette

PATH = "/mcp"
MAX_BODY = 256 * 1024
"""Bytes of a request: the longest call has a few kilobytes."""

_LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")


def http_app(server: Server[None], port: int, bound: str = "127.0.0.1") -> Starlette:
    """The app, serving `/mcp` to callers of this machine; `bound` is the address that it listens on.

    Stateless, so that any replica can answer any request. Answers are streams, for progress and cancellation need
    them. Host and Origin of each request must be local: a web page must not reach the server by rebinding a name.
    """
    names = dict.fromkeys((*_LOCAL_NAMES, in_url(bound)))
    return server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=False,
        max_request_body_size=MAX_BODY,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=[f"{name}:{port}" for name in names],
            allowed_origins=[f"http://{name}:{port}" for name in names],
        ),
    )


def in_url(address: str) -> str:
    """An IP address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address
