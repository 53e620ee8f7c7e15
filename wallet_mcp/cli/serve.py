"""`wallet-mcp serve --http`: the MCP server over streamable HTTP on this machine."""

from __future__ import annotations

import asyncio
import sys


def serve_http(*, host: str, port: int, sandbox: bool) -> int:
    """Serve streamable HTTP on loopback until a signal comes.

    The exit status is 0 then, and 2 for an address or port that is refused.
    """
    from wallet_mcp.wallet_api.transport import is_loopback

    if not is_loopback(host):
        print(
            f"wallet-mcp serve: {host[:80]} is not an address of this machine alone. Who reached it could use the "
            "server's key; bind 127.0.0.1 and put a proxy with authentication in front.",
            file=sys.stderr,
        )
        return 2
    from wallet_mcp.cli.listening import LOOPBACK, open_port, serve_app
    from wallet_mcp.cli.wiring import server_from_environment
    from wallet_mcp.server.http import PATH, http_app, in_url

    named = host.rstrip(".").lower() == "localhost"
    listening = open_port("serve", port, LOOPBACK if named else host.strip("[]"))
    if listening is None:
        return 2
    # As the system spells it, and clients after it: an IPv6 address has many spellings.
    address, taken = listening.getsockname()[:2]

    def announce() -> None:
        print(f"MCP over streamable HTTP at http://{in_url(address)}:{taken}{PATH}", file=sys.stderr, flush=True)

    async def serve() -> None:
        server = server_from_environment(sandbox=sandbox)
        app = http_app(server, taken, address)
        async with server.session_manager.run():
            await serve_app(app, listening, announce)

    asyncio.run(serve())
    return 0
