"""One request out, one whole answer in: the pooled HTTP client, its bounds, and names for what breaks below HTTP."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import urllib.request
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import anyio
import httpx

from wallet_mcp import __version__
from wallet_mcp.wallet_api.envelope import Received
from wallet_mcp.wallet_api.errors import ApiError, TransportCode

MAX_BODY = 8 * 1024 * 1024
"""Bytes of an answer after which it is cut off with an error; a full page of 100 rows has about 40 kB."""

ATTEMPT_TIMEOUT_S = 10.0
"""One send, from connecting to the last byte; a busy history takes 4 s to fail (contract §3.4)."""

_TIMEOUTS = httpx.Timeout(ATTEMPT_TIMEOUT_S, connect=5.0)
# Those for http:// alone never apply: without TLS only loopback is spoken to.
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True, slots=True)
class Sent:
    """An answer and how it came: whether its connection was fresh hides or shows the round trip."""

    received: Received
    fresh_connection: bool


def is_loopback(host: str) -> bool:
    """Whether a host name or literal address means this machine."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def proxies_towards(base_url: str, environment: Mapping[str, str], *, embedded: bool) -> tuple[str, ...]:
    """The names of the proxy variables that apply to requests there, never their values.

    None towards loopback, to a host that `no_proxy` names, and where the sandbox is `embedded`.
    """
    names = tuple(name for name in _PROXY_VARIABLES if environment.get(name, "").strip())
    host = urlsplit(base_url).hostname or ""
    # Without any variable the last question could go to the system, and there to DNS.
    return () if not names or embedded or is_loopback(host) or urllib.request.proxy_bypass(host) else names


class Transport:
    """The pooled client towards one base URL.

    Certificates are checked against the system's store. Proxies from the environment are used, except towards
    loopback. Redirects are not followed: the signature covers the path. The client is made at the first request,
    for the TLS context costs time that a start must not.
    """

    def __init__(self, base_url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._base_url = base_url
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    def request(self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes | None) -> httpx.Request:
        """A request that is not signed yet; `path` starts behind the base URL.

        Raises `ApiError` for a query that no URL can hold, and for proxy variables that cannot be used.
        """
        try:
            url = httpx.URL(self._base_url + path)
            if query:
                url = url.copy_with(query=urlencode(query).encode())
        except (httpx.InvalidURL, UnicodeError):
            # A cursor comes from upstream and goes back as it is, of whatever length.
            raise ApiError(code="uri_too_long", received="a query that no URL can hold; it was not sent") from None
        headers = {"Content-Type": "application/json"} if body is not None else {}
        return self._open_client().build_request(method, url, content=body, headers=headers)

    async def send(self, request: httpx.Request, auth: httpx.Auth, timeout_s: float) -> Sent:
        """The whole answer to a request, signed by `auth`.

        Raises `ApiError` with a transport code when none comes within `timeout_s`, the connection fails, or the
        answer is longer than `MAX_BODY`.
        """
        fresh = False

        async def trace(event: str, _info: dict[str, Any]) -> None:
            nonlocal fresh
            fresh = fresh or event == "connection.connect_tcp.started"

        request.extensions = {**request.extensions, "trace": trace}
        client = self._open_client()
        try:
            with anyio.fail_after(timeout_s):
                response = await client.send(request, auth=auth, stream=True)
                try:
                    received = await _receive(response)
                finally:
                    with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 1):
                        await response.aclose()
        except TimeoutError:
            raise ApiError(code="timeout", received=f"no complete answer within {timeout_s:.3g} s") from None
        except httpx.ProxyError as error:
            # The library tells a refused CONNECT as "407 Proxy Authentication Required".
            refusal = re.match(r"4[0-9][0-9]\b", str(error))
            if refusal is None:
                raise ApiError(code=name_failure(error)) from None
            raise ApiError(code="proxy", received=f"the proxy answered HTTP {refusal[0]}") from None
        except (httpx.HTTPError, OSError) as error:
            # The cause is dropped on purpose: its text can hold the URL with the address asked about.
            raise ApiError(code=name_failure(error)) from None
        return Sent(received, fresh)

    async def close(self) -> None:
        """Close the pooled connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _open_client(self) -> httpx.AsyncClient:
        if self._client is None:
            base = httpx.URL(self._base_url)
            loopback = is_loopback(base.host)
            # Plain http needs no trust: an empty context is made in no time and would accept nobody.
            verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if self._transport is None and base.scheme == "https":
                import truststore

                verify = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                self._client = httpx.AsyncClient(
                    transport=self._transport,
                    verify=verify,
                    trust_env=not loopback and self._transport is None,
                    follow_redirects=False,
                    timeout=_TIMEOUTS,
                    limits=httpx.Limits(max_connections=50, max_keepalive_connections=10, keepalive_expiry=60),
                    # Compressed answers could grow past any cap before it acts.
                    headers={
                        "Accept": "application/json",
                        "Accept-Encoding": "identity",
                        "User-Agent": f"wallet-mcp/{__version__}",
                    },
                )
            except (ImportError, ValueError, httpx.InvalidURL):
                # httpx refuses a SOCKS proxy without its extra, and a proxy of a scheme it does not know.
                raise ApiError(
                    code="proxy", received="a proxy of a kind that this server cannot use; HTTP proxies can be used"
                ) from None
        return self._client


async def _receive(response: httpx.Response) -> Received:
    announced = response.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > MAX_BODY:
        raise _too_large(response)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BODY:
            raise _too_large(response)
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    content = bytes(body) if encoding in ("", "identity") else _inflate(bytes(body), response)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Received(response.status_code, headers, content)


def _inflate(body: bytes, response: httpx.Response) -> bytes:
    # Never asked for, but a proxy in between may compress; gzip and zlib are told apart by the library.
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        content = inflater.decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise ApiError(
            code="not_json", received=f"a compressed body that cannot be read (HTTP {response.status_code})"
        ) from None
    if len(content) > MAX_BODY:
        raise _too_large(response)
    return content


def _too_large(response: httpx.Response) -> ApiError:
    return ApiError(code="too_large", received=f"more than 8 MiB (HTTP {response.status_code})")


def name_failure(error: BaseException) -> TransportCode:
    """The transport code of an exception of the HTTP client, found by looking down its causes."""
    for cause in _causes(error):
        match cause:
            case httpx.TimeoutException() | TimeoutError():
                return "timeout"
            case socket.gaierror():
                return "dns"
            case ConnectionRefusedError():
                return "refused"
            case ConnectionError():
                # Named before what is behind it: a reset inside TLS has an SSLError in its context.
                return "connection"
            case ssl.SSLWantReadError() | ssl.SSLWantWriteError() | ssl.SSLEOFError() | ssl.SSLZeroReturnError():
                # No verdict about the certificate or the protocol: TLS waited, or the other side just left.
                continue
            case ssl.SSLError():
                return "tls"
    return "connection"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    todo: list[BaseException] = [error]
    while todo and len(seen) < 50:
        current = todo.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            todo.extend(current.exceptions)
        todo.extend(cause for cause in (current.__cause__, current.__context__) if cause is not None)
