from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from wallet_mcp.cli.listening import Requests, open_port


@pytest.mark.parametrize(
    ("host", "error", "told"),
    [
        ("127.0.0.1", OSError(errno.EADDRINUSE, "in use"), "port 8751 is taken; choose another with --port."),
        (
            "127.0.0.1",
            PermissionError(errno.EACCES, "no"),
            "port 8751 needs more rights; choose another with --port.",
        ),
        (
            "localhost.",
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "localhost. cannot be bound (Name or service not known). Choose --host 127.0.0.1.",
        ),
        (
            "127.0.0.2",
            OSError(errno.EADDRNOTAVAIL, "Can't assign requested address"),
            "127.0.0.2 cannot be bound (Can't assign requested address). Choose --host 127.0.0.1.",
        ),
        (
            "::1",
            OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"),
            "::1 cannot be bound: this machine has no IPv6. Choose --host 127.0.0.1.",
        ),
    ],
)
def test_an_address_that_cannot_be_had_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str, error: OSError, told: str
) -> None:
    def refuse(_socket: socket.socket, _address: object) -> None:
        raise error

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert open_port("serve", 8751, host) is None
    assert capsys.readouterr().err == f"wallet-mcp serve: {told}\n"


def test_a_machine_without_ipv6_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_words: object) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refuse)
    assert open_port("serve", 0, "::1") is None
    assert "this machine has no IPv6" in capsys.readouterr().err


def test_an_open_port_takes_connections() -> None:
    listening = open_port("serve", 0)
    assert listening is not None
    with listening, socket.create_connection(listening.getsockname()):
        pass


HEAD = {"type": "http.response.start", "status": 200, "headers": []}
PART = {"type": "http.response.body", "body": b"x", "more_body": True}
END = {"type": "http.response.body", "body": b"", "more_body": False}
UNAVAILABLE = {**HEAD, "status": 503, "headers": [(b"content-length", b"0"), (b"connection", b"close")]}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("before", "after"),
    [([], [UNAVAILABLE, END]), ([HEAD], [HEAD, END]), ([HEAD, PART], [HEAD, PART, END]), ([HEAD, END], [HEAD, END])],
)
async def test_a_cancelled_request_ends_its_answer(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    sent: list[dict[str, Any]] = []
    begun = asyncio.Event()

    async def app(_scope: object, _receive: object, send: Any) -> None:
        for message in before:
            await send(message)
        begun.set()
        await asyncio.Event().wait()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    requests = Requests(app)
    under_way = asyncio.create_task(requests({"type": "http"}, receive, send))
    await begun.wait()
    requests.cancel()
    await under_way
    assert sent == after
    sent.clear()
    begun.clear()
    # One that comes later does not even begin to wait.
    await requests({"type": "http"}, receive, send)
    assert sent[-1] == END


@pytest.mark.anyio
async def test_a_client_that_does_not_read_cannot_hold_the_end_up() -> None:
    begun = asyncio.Event()

    async def app(_scope: object, _receive: object, send: Any) -> None:
        begun.set()
        await send(HEAD)

    async def send(_message: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    requests = Requests(app)
    under_way = asyncio.create_task(requests({"type": "http"}, send, send))
    await begun.wait()
    requests.cancel()
    await asyncio.wait_for(under_way, 1)
