"""`wallet-mcp sandbox`: the stand-in for the API as a server on loopback."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from wallet_mcp.cli.listening import LOOPBACK, open_port, serve_app


def serve_sandbox(arguments: argparse.Namespace) -> int:
    """Print the lines to paste, then serve until a signal comes; the exit status is 0 then."""
    from wallet_mcp.sandbox.app import Sandbox, SandboxOptions
    from wallet_mcp.sandbox.faults import parse_fault
    from wallet_mcp.sandbox.replay import Replay

    stand_in: Sandbox | Replay
    try:
        options = SandboxOptions(
            rate=arguments.rate,
            faults=tuple(parse_fault(text) for text in arguments.fault),
            delay_ms=arguments.delay_ms,
            jitter_ms=arguments.jitter_ms,
            clock_offset_s=arguments.clock_offset_s,
        )
        stand_in = Replay(Path(arguments.replay)) if arguments.replay else Sandbox(options)
    except ValueError as error:
        print(f"wallet-mcp sandbox: {error}", file=sys.stderr)
        return 2
    listening = open_port("sandbox", arguments.port)
    if listening is None:
        return 2
    port = listening.getsockname()[1]
    origin = "Recorded" if arguments.replay else "Invented"
    asyncio.run(serve_app(stand_in, listening, lambda: _announce(stand_in.wallets, port, origin)))
    return 0


def _announce(wallets: Mapping[str, str], port: int, origin: str) -> None:
    from wallet_mcp.sandbox.app import SANDBOX_API_KEY, SANDBOX_SECRET_KEY

    print(f"WALLET_MCP_BASE_URL=http://{LOOPBACK}:{port}/build")
    print(f"WALLET_MCP_API_KEY={SANDBOX_API_KEY}")
    print(f"WALLET_MCP_SECRET_KEY={SANDBOX_SECRET_KEY}", flush=True)
    print(f"{origin} data. Wallets to ask about:", file=sys.stderr)
    for label, address in wallets.items():
        print(f"  {label:<16}{address}", file=sys.stderr)
