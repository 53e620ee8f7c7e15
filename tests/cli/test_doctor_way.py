"""The way to the API on real sockets of this machine: refused, untrusted, a proxy's page; names by a stand-in."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.cli.doctor_bench import GOOD, PROXIES, culprits, examined, stand_in, statuses
from tests.support.tls import serving_context
from wallet_mcp.cli.doctor import Bench, diagnose
from wallet_mcp.server.setup.way_checks import Way, check_clock, resolve, way_to

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PROXY_PAGE = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def at(url: str) -> dict[str, str]:
    return GOOD | {"WALLET_MCP_BASE_URL": url}


@pytest.mark.anyio
async def test_nothing_listens() -> None:
    with socket.socket() as taken:
        # Bound but not listening: nobody else can take the port meanwhile.
        taken.bind(("127.0.0.1", 0))
        diagnosis = await diagnose(at(f"http://127.0.0.1:{taken.getsockname()[1]}/build"), Bench({}), deep=True)
    assert culprits(diagnosis) == {"connection": ("nothing_listens",)}


@pytest.mark.anyio
async def test_a_connection_that_breaks() -> None:
    async with listening(closes) as port:
        diagnosis = await diagnose(at(f"http://127.0.0.1:{port}/build"), Bench({}), deep=False)
    assert culprits(diagnosis) == {"connection": ("no_network",)}


@pytest.mark.anyio
async def test_a_certificate_that_nobody_vouches_for_is_told_with_the_reason(tmp_path: Path) -> None:
    async with listening(closes, serving_context(tmp_path)) as port:
        diagnosis = await diagnose(at(f"https://127.0.0.1:{port}/build"), Bench({}), deep=False)
    assert culprits(diagnosis) == {"connection": ("tls_untrusted",)}
    assert "The reason: " in diagnosis.checks[-3].said


@pytest.mark.anyio
async def test_a_server_that_speaks_no_tls_has_no_reason_to_tell() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(PROXY_PAGE)
        writer.close()

    async with listening(plain) as port:
        diagnosis = await diagnose(at(f"https://127.0.0.1:{port}/build"), Bench({}), deep=False)
    assert culprits(diagnosis) == {"connection": ("tls_untrusted",)}
    assert "The reason" not in diagnosis.checks[-3].said


@pytest.mark.anyio
async def test_a_proxy_that_answers_with_its_own_page(monkeypatch: pytest.MonkeyPatch) -> None:
    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(PROXY_PAGE)
        await writer.drain()
        writer.close()

    async with listening(proxy) as port:
        environment = {"HTTPS_PROXY": f"http://127.0.0.1:{port}"}
        monkeypatch.setenv("HTTPS_PROXY", environment["HTTPS_PROXY"])
        diagnosis = await diagnose(at("https://wallet.invalid/build"), Bench(environment), deep=False)
    assert culprits(diagnosis) == {"connection": ("proxy_page",)}
    assert "the proxy answered HTTP 407" in str(diagnosis.as_json())
    assert statuses(diagnosis)["dns"] == "skipped"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("value", "found"),
    [("http://127.0.0.1:1", "proxy_variable"), ("socks5://127.0.0.1:1", "proxy_variable")],
)
async def test_a_proxy_variable_that_leads_nowhere(value: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    diagnosis = await diagnose(at("https://wallet.invalid/build"), Bench({"HTTPS_PROXY": value}), deep=False)
    assert culprits(diagnosis) == {"connection": (found,)}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        (OSError(), {"dns": ("name_unknown",)}),
        ([], {"dns": ("name_unknown",)}),
        (["0.0.0.0"], {"dns": ("name_blocked",)}),
        (["127.0.0.1", "::1"], {"dns": ("name_blocked",)}),
        (["127.0.0.1", "203.0.113.7"], {}),
        (["fe80::1%eth0"], {}),
        (["strange"], {}),
    ],
)
async def test_names(addresses: list[str] | OSError, found: dict[str, tuple[str, ...]]) -> None:
    async def answer(host: str, port: int) -> list[str]:
        assert (host, port) == ("web3.binance.com", 443)
        if isinstance(addresses, OSError):
            raise addresses
        return addresses

    app = stand_in()
    diagnosis = await examined(app, resolve=answer)
    assert culprits(diagnosis) == found
    assert bool(app.requests) is not bool(found)


@pytest.mark.anyio
async def test_a_name_of_this_machine_resolves() -> None:
    assert set(await resolve("localhost", 80)) & {"127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("url", "environment", "embedded", "proxies"),
    [
        ("https://web3.binance.com/build", {}, False, ()),
        ("https://web3.binance.com/build", {"https_proxy": "p", "ALL_PROXY": " "}, False, ("https_proxy",)),
        ("http://localhost:1/build", {"HTTP_PROXY": "p"}, False, ()),
        ("https://sandbox.invalid/build", {"HTTPS_PROXY": "p"}, True, ()),
    ],
)
def test_proxies_count_where_the_client_uses_them(
    url: str, environment: dict[str, str], embedded: bool, proxies: tuple[str, ...]
) -> None:
    way = way_to(url, environment, embedded=embedded)
    assert way.proxies == proxies
    assert way.embedded is embedded


def test_hosts_that_no_proxy_may_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "binance.com")
    assert way_to("https://web3.binance.com/build", {"HTTPS_PROXY": "p"}, embedded=False).proxies == ()


@pytest.mark.parametrize(
    ("url", "host", "port", "official", "ends"),
    [
        ("https://web3.binance.com/build", "web3.binance.com", 443, True, True),
        ("https://web3.binance.com", "web3.binance.com", 443, False, False),
        ("http://[::1]/build", "::1", 80, False, True),
        ("http://127.0.0.1:8750/x/build", "127.0.0.1", 8750, False, True),
    ],
)
def test_what_a_base_url_says(url: str, host: str, port: int, official: bool, ends: bool) -> None:
    way = Way(url)
    assert (way.host, way.port, way.official, way.ends_in_build) == (host, port, official, ends)


@pytest.mark.parametrize(("now", "status"), [(1_700_000_000, "failed"), (1_800_000_000, "skipped")])
def test_a_clock_without_an_answer_is_judged_by_the_age_of_the_program(now: float, status: str) -> None:
    assert check_clock(now, None, 5000).status == status
