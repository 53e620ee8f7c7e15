"""The fault transport fails as real sockets do: at the same point, with the same exception, under the same name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeAlias

import httpx
import pytest

from tests.support.fault_transport import FAILURES, Failure, FaultTransport
from tests.wallet_api.test_sockets import ENVELOPE, Answer, half_body, head, no_http, reset, serving, whole
from wallet_mcp.wallet_api.errors import ApiError, Code
from wallet_mcp.wallet_api.transport import Transport, name_failure

pytestmark = pytest.mark.anyio

TIMEOUT_S = 0.05
Ended: TypeAlias = tuple[str, type[BaseException] | None, Code]
"""Where an exchange ended, with which exception, and what the client calls it."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def silent(_writer: asyncio.StreamWriter) -> None:
    """Nothing: the connection stays open."""


async def headers_alone(writer: asyncio.StreamWriter) -> None:
    writer.write(head(f"content-length: {len(ENVELOPE)}"))


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(head(f"content-length: {len(ENVELOPE)}"))
    for byte in ENVELOPE:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(2 * TIMEOUT_S / len(ENVELOPE))


SERVERS: dict[Failure, Answer] = {
    "timeout before headers": silent,
    "timeout after headers": headers_alone,
    "reset": reset,
    "half body": half_body,
    "slow drip": drip,
    "dns": whole,
    "refused": whole,
    "tls": no_http,
}


async def ended(client: httpx.AsyncClient, url: str) -> Ended:
    """One request in its two stages."""
    stage = "before headers"
    try:
        response = await client.send(client.build_request("GET", url), stream=True)
        stage = "after headers"
        assert await response.aread() == ENVELOPE
    except httpx.HTTPError as error:
        return stage, type(error), name_failure(error)
    return "answer", None, 0


@pytest.mark.parametrize("failure", FAILURES)
async def test_each_failure_is_that_of_real_sockets(failure: Failure, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(SERVERS[failure], greets=failure == "tls") as server:
        url = {
            "dns": "http://nothing.invalid/build",
            "refused": "http://127.0.0.1:1/build",
            "tls": server.base_url.replace("http:", "https:"),
        }.get(failure, server.base_url)
        with monkeypatch.context() as patched:
            if failure == "dns":
                patched.setattr(socket, "getaddrinfo", unknown_name)
            async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
                real = await ended(client, url)
    async with serving(whole) as server:
        faults = FaultTransport(
            httpx.AsyncHTTPTransport(), failure, drip_pieces=len(ENVELOPE), drip_pause_s=2 * TIMEOUT_S / len(ENVELOPE)
        )
        async with httpx.AsyncClient(timeout=TIMEOUT_S, transport=faults) as client:
            assert await ended(client, server.base_url) == real
    # A drip is no failure to HTTP: it takes a bound around the whole exchange.
    assert (real[0] == "answer") is (failure == "slow drip")


def unknown_name(*_arguments: object, **_options: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def send(wire: FaultTransport, base_url: str, timeout_s: float) -> bytes:
    transport = Transport(base_url, wire)
    return (await transport.send(transport.request("GET", "/x", (), None), httpx.Auth(), timeout_s)).received.body


async def test_a_drip_ends_at_the_clients_own_bound() -> None:
    async with serving(whole) as server:
        wire = FaultTransport(httpx.AsyncHTTPTransport(), "slow drip", drip_pieces=50, drip_pause_s=0.01)
        with pytest.raises(ApiError) as raised:
            await send(wire, server.base_url, TIMEOUT_S)
        assert raised.value.code == "timeout"
        await wire.aclose()


async def test_a_wait_for_headers_is_given_up_when_the_client_leaves() -> None:
    wire = FaultTransport(httpx.AsyncHTTPTransport(), "timeout before headers")
    with pytest.raises(ApiError):
        await send(wire, "http://127.0.0.1:1/build", TIMEOUT_S)
    assert (wire.attempts, wire.cancelled) == (1, 1)


def made(request: httpx.Request) -> httpx.Response:
    return httpx.Response(418, content=request.url.path.encode())


@pytest.mark.parametrize(("times", "passed"), [(1, 2), (2, 1), (None, 0)])
@pytest.mark.parametrize("fault", ["reset", made])
async def test_faults_by_count(
    times: int | None, passed: int, fault: Failure | Callable[[httpx.Request], httpx.Response]
) -> None:
    async with serving(whole) as server:
        wire = FaultTransport(httpx.AsyncHTTPTransport(), fault, times)
        bodies: list[bytes | None] = []
        for _ in range(3):
            with pytest.raises(ApiError) if fault == "reset" and len(bodies) < 3 - passed else nullcontext():
                bodies.append(None)
                bodies[-1] = await send(wire, server.base_url, 5)
        spoiled = None if fault == "reset" else b"/build/x"
        assert bodies == [spoiled] * (3 - passed) + [ENVELOPE] * passed
        assert (len(server.heads), wire.attempts) == (passed, 3)
        wire.set_fault(None)
        assert await send(wire, server.base_url, 5) == ENVELOPE
        assert wire.attempts == 1
        await wire.aclose()
