"""Serving an ASGI app on a loopback port, with a clean end: status 0 on SIGTERM and SIGINT, within a second."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import anyio

LOOPBACK = "127.0.0.1"
_GRACE_S = 0.3
_LAST_WORDS_S = 0.1


def open_port(command: str, port: int, host: str = LOOPBACK) -> socket.socket | None:
    """A listening socket; None, with the reason on stderr, when it cannot be had. Port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        try:
            listening = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            # From here on connections are kept waiting rather than refused: what is announced may be used at once.
            listening.listen(128)
        except OSError as error:
            print(f"wallet-mcp {command}: {_why_not(error, family, host, port)}", file=sys.stderr)
            return None
        stack.pop_all()
    return listening


def _why_not(error: OSError, family: socket.AddressFamily, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken; choose another with --port."
    if isinstance(error, PermissionError):
        return f"port {port} needs more rights; choose another with --port."
    if family is socket.AF_INET6 and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
        return f"{host} cannot be bound: this machine has no IPv6. Choose --host {LOOPBACK}."
    return f"{host} cannot be bound ({error.strerror}). Choose --host {LOOPBACK}."


async def serve_app(app: Callable[..., Any], listening: socket.socket, announce: Callable[[], None]) -> None:
    """Serve until a signal comes; `announce` is called once signals are taken and connections accepted.

    Requests under way get a third of a second to end; then they are cancelled, and their streams end. The app's
    lifespan is the caller's: a forced end skips it.
    """
    import uvicorn

    requests = Requests(app)

    class Quiet(uvicorn.Server):
        """Leaves signals to us: uvicorn raises them again at its end, and a stopped server has status 0."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        def stop(self) -> None:
            self.should_exit = True
            asyncio.get_running_loop().call_later(_GRACE_S, self.force)

        def force(self) -> None:
            requests.cancel()
            # For connections that do not read: whatever else is open has ended by then.
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, setattr, self, "force_exit", True)

    config = uvicorn.Config(
        requests,
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


class Requests:
    """An ASGI app with all its requests under way, which can be ended together.

    Left to themselves, they are cancelled when the event loop ends, each with a traceback in uvicorn's log, and their
    clients see the connection break.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self._open: set[anyio.CancelScope] = set()
        self._ended = False

    def cancel(self) -> None:
        """End the requests under way, and each further one as it comes."""
        self._ended = True
        for scope in self._open:
            scope.cancel()

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Serve one request: with its own answer, or, once cancelled, with status 503 or an early end."""
        status = 0
        complete = False

        async def watched(message: dict[str, Any]) -> None:
            nonlocal status, complete
            await send(message)
            status = message.get("status", status)
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)

        with anyio.CancelScope() as cancelling:
            self._open.add(cancelling)
            try:
                if self._ended:
                    cancelling.cancel()
                await self._app(scope, receive, watched)
            finally:
                self._open.discard(cancelling)
        if not cancelling.cancel_called or complete or scope["type"] != "http":
            return
        # Whoever does not read has had its time.
        with anyio.move_on_after(_LAST_WORDS_S):
            if not status:
                headers = [(b"content-length", b"0"), (b"connection", b"close")]
                await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
