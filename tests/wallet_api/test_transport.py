from __future__ import annotations

import gzip
import socket
import ssl
import tracemalloc
import zlib
from itertools import pairwise

import httpx
import pytest

from tests.support.wallet_api import BASE_URL, Reply, Scripted, loop_time
from wallet_mcp.wallet_api.errors import ApiError, Code
from wallet_mcp.wallet_api.transport import MAX_BODY, Transport, is_loopback, name_failure, proxies_towards

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def receive(*replies: Reply, timeout_s: float = 10.0) -> bytes:
    transport = Transport(BASE_URL, Scripted(*replies))
    request = transport.request("GET", "/x", (), None)
    try:
        return (await transport.send(request, httpx.Auth(), timeout_s)).received.body
    finally:
        await transport.close()


async def failure(*replies: Reply, timeout_s: float = 10.0) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await receive(*replies, timeout_s=timeout_s)
    return raised.value


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LocalHost.", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost.example", False),
        ("10.0.0.1", False),
        ("web3.binance.com", False),
        ("", False),
    ],
)
def test_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("base_url", "environment", "embedded", "names"),
    [
        ("https://web3.binance.com/build", {}, False, ()),
        ("https://web3.binance.com/build", {"https_proxy": "p", "ALL_PROXY": " "}, False, ("https_proxy",)),
        ("https://web3.binance.com/build", {"HTTPS_PROXY": "p"}, True, ()),
        # For http:// alone, which goes only to loopback: the client never uses these.
        ("https://web3.binance.com/build", {"HTTP_PROXY": "p", "http_proxy": "p"}, False, ()),
        ("http://localhost:8750/build", {"HTTP_PROXY": "p"}, False, ()),
        ("http://[::1]:8750/build", {"ALL_PROXY": "p"}, False, ()),
    ],
)
def test_proxy_variables_are_named_where_the_client_uses_them(
    base_url: str, environment: dict[str, str], embedded: bool, names: tuple[str, ...]
) -> None:
    assert proxies_towards(base_url, environment, embedded=embedded) == names


def test_a_system_is_not_asked_about_a_host_that_no_variable_concerns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside POSIX that question can be a look-up of names."""
    monkeypatch.setattr("urllib.request.proxy_bypass", lambda host: pytest.fail(host))
    assert proxies_towards("https://web3.binance.com/build", {}, embedded=False) == ()


@pytest.mark.anyio
async def test_request_is_what_will_be_signed() -> None:
    transport = Transport(BASE_URL, Scripted(Reply()))
    get = transport.request("GET", "/api/x", (("chains", "1,56"), ("cursor", "a+b/=&"), ("empty", "")), None)
    assert get.url.raw_path == b"/build/api/x?chains=1%2C56&cursor=a%2Bb%2F%3D%26&empty="
    assert get.content == b""
    assert "Content-Type" not in get.headers
    assert get.headers["Accept-Encoding"] == "identity"
    assert get.headers["User-Agent"].startswith("wallet-mcp/")
    post = transport.request("POST", "/api/x", (), b'{"a":1}')
    assert (post.url.raw_path, post.content) == (b"/build/api/x", b'{"a":1}')
    assert post.headers["Content-Type"] == "application/json"
    await transport.close()


@pytest.mark.parametrize("cursor", ["x" * 70_000, "\ud800"])
def test_a_query_that_no_url_can_hold_is_refused(cursor: str) -> None:
    with pytest.raises(ApiError) as raised:
        Transport(BASE_URL, Scripted(Reply())).request("GET", "/x", (("cursor", cursor),), None)
    assert raised.value.code == "uri_too_long"


@pytest.mark.anyio
async def test_answer_comes_whole_with_lower_case_header_names() -> None:
    transport = Transport(BASE_URL, Scripted(Reply(b"body", 418, {"X-OC-Trace-Id": "t"})))
    sent = await transport.send(transport.request("GET", "/x", (), None), httpx.Auth(), 10)
    assert (sent.received.status, sent.received.body) == (418, b"body")
    assert sent.received.headers["x-oc-trace-id"] == "t"
    assert not sent.fresh_connection
    await transport.close()
    await transport.close()


@pytest.mark.anyio
async def test_redirects_are_not_followed() -> None:
    wire = Scripted(Reply(b"", 302, {"location": "https://elsewhere.invalid/"}))
    transport = Transport(BASE_URL, wire)
    sent = await transport.send(transport.request("GET", "/x", (), None), httpx.Auth(), 10)
    assert sent.received.status == 302
    assert len(wire.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(("timeout_s", "told"), [(10.0, "10 s"), (0.4, "0.4 s"), (24.123, "24.1 s")])
async def test_timeout_covers_the_whole_exchange(timeout_s: float, told: str) -> None:
    started = loop_time()
    error = await failure(Reply(delay_s=100), timeout_s=timeout_s)
    assert (error.code, error.received) == ("timeout", f"no complete answer within {told}")
    assert loop_time() - started == pytest.approx(timeout_s)


@pytest.mark.anyio
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
async def test_compressed_answers_of_a_proxy_are_read(pack: object) -> None:
    assert callable(pack)
    assert await receive(Reply(pack(b'{"code":0}'), headers={"content-encoding": "GZIP"})) == b'{"code":0}'


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(b"x" * (MAX_BODY + 1)), "too_large"),
        (Reply(b"x", headers={"content-length": str(MAX_BODY + 1)}), "too_large"),
        (Reply(b"x", headers={"content-length": "9" * 100}), "too_large"),
        (Reply(gzip.compress(b"x" * (MAX_BODY + 1)), headers={"content-encoding": "gzip"}), "too_large"),
        (Reply(b"not gzip", headers={"content-encoding": "gzip"}), "not_json"),
        (Reply(b"not brotli", headers={"content-encoding": "br"}), "not_json"),
        (Reply(raises=httpx.ReadTimeout("x")), "timeout"),
        (Reply(raises=httpx.RemoteProtocolError("x")), "connection"),
        (Reply(raises=OSError("x")), "connection"),
    ],
)
async def test_bad_answers(reply: Reply, code: Code) -> None:
    assert (await failure(reply)).code == code


@pytest.mark.anyio
async def test_answers_up_to_the_bound_are_read() -> None:
    assert len(await receive(Reply(b"x" * MAX_BODY))) == MAX_BODY
    assert len(await receive(Reply(gzip.compress(b"x" * MAX_BODY), headers={"content-encoding": "gzip"}))) == MAX_BODY


@pytest.mark.anyio
async def test_a_gzip_bomb_is_never_inflated_beyond_the_bound() -> None:
    bomb = Reply(gzip.compress(bytes(8 * MAX_BODY), 1), headers={"content-encoding": "gzip"})
    tracemalloc.start()
    try:
        error = await failure(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error.code == "too_large"
    assert peak < 4 * MAX_BODY


@pytest.mark.anyio
async def test_a_failure_does_not_show_the_request() -> None:
    error = await failure(Reply(raises=httpx.ConnectError("address=0xcanary")))
    assert "canary" not in f"{error!r} {error} {error.received}"
    assert error.__suppress_context__


def chain(*causes: BaseException, context: bool = False) -> BaseException:
    for outer, inner in pairwise(causes):
        if context:
            outer.__context__ = inner
        else:
            outer.__cause__ = inner
    return causes[0]


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize(
    ("causes", "code"),
    [
        ((httpx.ConnectError("x"), OSError("x"), socket.gaierror(-2, "x")), "dns"),
        ((httpx.ConnectError("x"), OSError("x"), ConnectionRefusedError()), "refused"),
        ((httpx.ConnectError("x"), ssl.SSLCertVerificationError("x")), "tls"),
        ((httpx.ConnectError("x"), ssl.SSLError(1, "WRONG_VERSION_NUMBER")), "tls"),
        ((httpx.ConnectError("x"), ssl.SSLEOFError("x")), "connection"),
        ((httpx.ReadError("x"), ConnectionResetError(), ssl.SSLWantReadError("x")), "connection"),
        ((httpx.ReadError("x"), ssl.SSLWantReadError("x"), ConnectionResetError()), "connection"),
        ((httpx.ConnectTimeout("x"), OSError("x")), "timeout"),
        ((httpx.ConnectError("x"), TimeoutError()), "timeout"),
        ((httpx.PoolTimeout("x"),), "timeout"),
        ((httpx.ReadError("x"), ConnectionResetError()), "connection"),
        ((httpx.ProxyError("x"),), "connection"),
        (
            (httpx.ConnectError("x"), OSError("x"), ExceptionGroup("x", [OSError(), ConnectionRefusedError()])),
            "refused",
        ),
    ],
)
def test_failures_are_named_by_their_causes(causes: tuple[BaseException, ...], context: bool, code: Code) -> None:
    assert name_failure(chain(*causes, context=context)) == code


def test_a_ring_of_causes_ends() -> None:
    first, second = OSError("a"), OSError("b")
    first.__cause__, second.__cause__ = second, first
    assert name_failure(first) == "connection"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_a_failure_in_words(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ApiError) as raised:
        Transport(BASE_URL).request("GET", "/x", (), None)
    assert raised.value.code == "proxy"
    assert raised.value.received == "a proxy of a kind that this server cannot use; HTTP proxies can be used"


@pytest.mark.anyio
@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1/build", "http://localhost:1/build", "http://[::1]:1/build"])
async def test_loopback_bypasses_proxies(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    transport = Transport(base_url)
    assert transport.request("GET", "/x", (), None).url.path == "/build/x"
    await transport.close()
