"""`wallet-mcp sandbox`: the stand-in for the API as a server on loopback."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

HOST = "127.0.0.1"


def serve_sandbox(arguments: argparse.Namespace) -> int:
    """Print the lines to paste, then serve until a signal comes; the exit status is 0 then."""
    from wallet_mcp.sandbox.app import Sandbox, SandboxOptions
    from wallet_mcp.sandbox.faults import parse_fault

    try:
        stand_in = Sandbox(
            SandboxOptions(
                rate=arguments.rate,
                faults=tuple(parse_fault(text) for text in arguments.fault),
                delay_ms=arguments.delay_ms,
                jitter_ms=arguments.jitter_ms,
                clock_offset_s=arguments.clock_offset_s,
            )
        )
    except ValueError as error:
        print(f"wallet-mcp sandbox: {error}", file=sys.stderr)
        return 2
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, arguments.port))
        # From here on connections are kept waiting rather than refused: the lines below may be used at once.
        listening.listen(128)
    except OSError as error:
        fault = "needs more rights" if isinstance(error, PermissionError) else "is taken"
        print(f"wallet-mcp sandbox: port {arguments.port} {fault}; choose another with --port.", file=sys.stderr)
        listening.close()
        return 2
    asyncio.run(_serve(stand_in, listening, lambda: _announce(stand_in.wallets, listening.getsockname()[1])))
    return 0


def _announce(wallets: Mapping[str, str], port: int) -> None:
    from wallet_mcp.sandbox.app import SANDBOX_API_KEY, SANDBOX_SECRET_KEY

    print(f"WALLET_MCP_BASE_URL=http://{HOST}:{port}/build")
    print(f"WALLET_MCP_API_KEY={SANDBOX_API_KEY}")
    print(f"WALLET_MCP_SECRET_KEY={SANDBOX_SECRET_KEY}", flush=True)
    print("Invented data. Wallets to ask about:", file=sys.stderr)
    for label, address in wallets.items():
        print(f"  {label:<16}{address}", file=sys.stderr)


async def _serve(app: Callable[..., Any], listening: socket.socket, announce: Callable[[], None]) -> None:
    import uvicorn

    class Quiet(uvicorn.Server):
        """Leaves signals to us: uvicorn raises them again at its end, and a stopped sandbox has status 0."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        def stop(self) -> None:
            self.should_exit = True
            self.force_exit = True

    # The access log would show addresses; the server header is not one of the real gateway's.
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, date_header=False, lifespan="off"
    )
    server = Quiet(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
    # Whoever reads the lines may send a signal at once, so the handlers come first.
    announce()
    await server.serve(sockets=[listening])
