"""The ASGI app: edge, marks, log, delays, lifespan; once over a real socket."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.sandbox.caller import ALL_BALANCES, CHAINS_PATH, Caller, hmac_signer, raw_call, stamp
from wallet_mcp.sandbox.app import (
    MAX_BODY_BYTES,
    SANDBOX_API_KEY,
    SANDBOX_SECRET_KEY,
    Fault,
    KeyRecord,
    Sandbox,
    SandboxOptions,
)
from wallet_mcp.sandbox.faults import FAULT_NAMES
from wallet_mcp.sandbox.keys import key_ring
from wallet_mcp.sandbox.world_wallets import WALLETS

ROOT = Path(__file__).parents[2]


@pytest.mark.anyio
@pytest.mark.parametrize("target", ["/api/v1/dex/balance/supported/chain", "/", "/build", "/builder/x", "/en/x"])
async def test_outside_build_stands_a_web_page(target: str) -> None:
    caller = Caller()
    answer = await caller.get(target)
    assert (answer.status, answer.headers["location"], answer.body) == (302, "/en", b"")
    assert "x-oc-trace-id" not in answer.headers
    page = await caller.get(answer.headers["location"])
    assert (page.status, page.headers["content-type"]) == (200, "text/html;charset=UTF-8")
    assert caller.app.requests[-1].code is None


@pytest.mark.anyio
@pytest.mark.parametrize(("length", "status"), [(4_096, 200), (4_097, 414)])
async def test_long_urls(length: int, status: int) -> None:
    start = f"{CHAINS_PATH}?x="
    answer = await Caller().call("GET", start + "y" * (length - len(start)))
    assert (answer.status, bool(answer.body)) == (status, status == 200)
    assert answer.headers["x-wallet-mcp-sandbox"] == "1"


@pytest.mark.anyio
@pytest.mark.parametrize("signing", [{}, {"key": "unknown"}, {"clock_s": 60.0}])
async def test_every_answer_names_the_sandbox_and_its_wallets(signing: dict[str, Any]) -> None:
    caller = Caller(clock_offset_s=90.0)
    answer = await caller.get(CHAINS_PATH, **signing)
    assert answer.headers["x-wallet-mcp-sandbox"] == "1"
    marked = dict(pair.split("=") for pair in answer.headers["x-wallet-mcp-sandbox-wallets"].split(","))
    assert marked == caller.wallets
    assert answer.headers["date"] == "Sun, 22 Nov 2026 10:01:30 GMT"
    assert answer.headers["x-oc-server-time"] == str(answer.envelope["timestamp"]) == "1795341690000"


@pytest.mark.anyio
async def test_the_log() -> None:
    caller = Caller(rate=1)
    await asyncio.sleep(2)
    await caller.get(ALL_BALANCES, "chains=1%2C5&x", nonce="my-nonce")
    await caller.post({"a": 1}, nonce=None)
    first, second = caller.app.requests
    assert (first.at, first.api_key, first.method, first.path) == (1002.0, SANDBOX_API_KEY, "GET", ALL_BALANCES)
    assert (first.query, first.body, first.status, first.code) == ("chains=1%2C5&x", b"", 200, 40001)
    assert (first.nonce, first.timestamp, len(first.signature)) == ("my-nonce", "2026-11-22T10:00:02.000Z", 44)
    assert (second.body, second.status, second.code, second.nonce) == (b'{"a": 1}', 429, 42900, "")
    assert caller.app.requests.maxlen == 20_000


@pytest.mark.anyio
async def test_trace_ids_differ() -> None:
    caller = Caller()
    traces = {(await caller.get(CHAINS_PATH)).headers["x-oc-trace-id"] for _ in range(3)}
    assert len(traces) == 3


@pytest.mark.anyio
async def test_delay_and_seeded_jitter() -> None:
    async def times(seed: int) -> list[float]:
        caller = Caller(delay_ms=250, jitter_ms=100, seed=seed)
        loop = asyncio.get_running_loop()
        waited: list[float] = []
        for _ in range(20):
            start = loop.time()
            await caller.get(CHAINS_PATH, key="unknown" if len(waited) == 3 else SANDBOX_API_KEY)
            waited.append(loop.time() - start)
        return waited

    waits = await times(1)
    assert all(0.25 <= wait <= 0.35001 for wait in waits)
    assert max(waits) - min(waits) > 0.03
    assert waits == pytest.approx(await times(1))
    assert waits != pytest.approx(await times(2))


@pytest.mark.anyio
async def test_the_rate_counts_arrivals_and_not_answers() -> None:
    caller = Caller(rate=2, delay_ms=5_000)
    answers = await asyncio.gather(*(caller.get(CHAINS_PATH) for _ in range(3)))
    assert sorted(answer.status for answer in answers) == [200, 200, 429]


@pytest.mark.anyio
async def test_extra_keys() -> None:
    caller = Caller(keys=(KeyRecord("BX-mine", secret="mine"),))
    answer = await caller.get(CHAINS_PATH, key="BX-mine", sign=hmac_signer("mine"))
    assert answer.envelope["code"] == 0


@pytest.mark.anyio
async def test_a_huge_body_is_cut_and_so_not_signed() -> None:
    answer = await Caller().post(b" " * (MAX_BODY_BYTES + 1))
    assert answer.envelope["code"] == 40102
    assert (await Caller().post(b" " * MAX_BODY_BYTES)).envelope["code"] == 40001


@pytest.mark.anyio
async def test_without_raw_path_the_decoded_one_is_quoted() -> None:
    caller = Caller()
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    target = "/build/a%20b"
    headers = caller.headers("GET", target)
    scope: MutableMapping[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/build/a b",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await caller.app(scope, receive, send)
    assert sent[0]["status"] == 404


@pytest.mark.anyio
async def test_a_client_that_leaves_while_sending_is_forgotten() -> None:
    caller = Caller()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        raise AssertionError(message)

    await caller.app({"type": "http", "method": "GET", "path": "/build/"}, receive, send)
    assert not caller.app.requests


@pytest.mark.anyio
async def test_lifespan_and_websocket() -> None:
    caller = Caller()
    incoming = iter(["lifespan.startup", "lifespan.shutdown"])
    sent: list[str] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": next(incoming)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])

    for kind in ("lifespan", "websocket", "unheard-of"):
        await caller.app({"type": kind}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0}, "rate must be at least 1"),
        ({"delay_ms": -1}, "must not be negative"),
        ({"jitter_ms": -1}, "must not be negative"),
        ({"clock_offset_s": float("nan")}, "finite"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SandboxOptions(**options)


@pytest.mark.anyio
async def test_two_sandboxes_share_nothing() -> None:
    one, two = Caller(rate=1), Caller(rate=1)
    headers = one.headers("GET", CHAINS_PATH)
    for caller in (one, two):
        assert (await raw_call(caller.app, "GET", CHAINS_PATH, headers)).envelope["code"] == 0


def test_the_documentation_lists_wallets_keys_and_faults() -> None:
    text = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    for name in (*WALLETS, *WALLETS.values(), *key_ring(), *FAULT_NAMES, *SandboxOptions.__dataclass_fields__):
        assert f"`{name}`" in text, name


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, wallet_mcp.sandbox.app; "
        "bad = {'cryptography', 'httpx', 'starlette', 'pydantic', 'mcp', 'uvicorn', 'Crypto'} & set(sys.modules); "
        "ours = {m for m in sys.modules if m.startswith('wallet_mcp.') and not m.startswith('wallet_mcp.sandbox')}; "
        "sys.exit(' '.join(sorted(bad | ours)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@contextmanager
def served(app: Sandbox) -> Iterator[int]:
    """The port on which a real server serves `app` on loopback."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        # From here on connections queue until the server has started.
        listener.listen()
        config = uvicorn.Config(
            app, log_config=None, date_header=False, server_header=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


def exchange(port: int, method: str, target: str) -> tuple[bytes, bytes]:
    """Head and body of a signed request over a plain socket, read until the server closes."""
    timestamp = stamp(time.time())
    signature = hmac_signer(SANDBOX_SECRET_KEY)(f"{timestamp}{method}{target}".encode())
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-OC-APIKEY: {SANDBOX_API_KEY}\r\n"
        f"X-OC-TIMESTAMP: {timestamp}\r\nX-OC-SIGN: {signature}\r\nX-OC-RECV-WINDOW: 60000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head.encode())
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    head_bytes, _, body = received.partition(b"\r\n\r\n")
    return head_bytes.lower(), body


def test_over_a_real_socket() -> None:
    """What only a server shows: raw targets, one `Date`, chunks, a body that ends too early."""
    app = Sandbox(
        SandboxOptions(
            rate=100,
            faults=(Fault("half_body", path="total-value"), Fault("oversized", path="supported/chain", times=1)),
        )
    )
    with served(app) as port:
        head, body = exchange(port, "GET", CHAINS_PATH)
        assert b"transfer-encoding: chunked" in head
        assert len(body) > 8 * 1024 * 1024
        head, body = exchange(port, "GET", f"{CHAINS_PATH}?x=%2c%C3%A9&binanceChainId=5%36")
        assert b" 200 " in head.splitlines()[0] + b" "
        assert body.count(b'"binanceChainId":"56"') == 1
        assert head.count(b"\r\ndate:") == 1
        head, body = exchange(port, "GET", "/build/total-value")
        promised = int(head.partition(b"content-length: ")[2].split()[0])
        assert len(body) == promised // 2
