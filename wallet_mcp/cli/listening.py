"""Serving an ASGI app on a loopback port, with a clean end: status 0 on SIGTERM and SIGINT, within a second."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

LOOPBACK = "127.0.0.1"
_GRACE_S = 0.3


def open_port(command: str, port: int, host: str = LOOPBACK) -> socket.socket | None:
    """A listening socket; None, with the reason on stderr, when the port cannot be had. 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # From here on connections are kept waiting rather than refused: what is announced may be used at once.
        listening.listen(128)
    except OSError as error:
        fault = "needs more rights" if isinstance(error, PermissionError) else "is taken"
        print(f"wallet-mcp {command}: port {port} {fault}; choose another with --port.", file=sys.stderr)
        listening.close()
        return None
    return listening


async def serve_app(app: Callable[..., Any], listening: socket.socket, announce: Callable[[], None]) -> None:
    """Serve until a signal comes; `announce` is called once signals are taken and connections accepted.

    Requests under way get a third of a second to end. The app's lifespan is the caller's: a forced end skips it.
    """
    import uvicorn

    class Quiet(uvicorn.Server):
        """Leaves signals to us: uvicorn raises them again at its end, and a stopped server has status 0."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        def stop(self) -> None:
            self.should_exit = True
            asyncio.get_running_loop().call_later(_GRACE_S, setattr, self, "force_exit", True)

    config = uvicorn.Config(
        app,
        # The access log would show addresses; a Date of its own and a server header are not the app's.
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
    )
    server = Quiet(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
    # Whoever reads the announcement may send a signal at once, so the handlers come first.
    announce()
    await server.serve(sockets=[listening])
