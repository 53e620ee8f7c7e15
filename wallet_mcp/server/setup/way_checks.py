"""The way to the API without a key: name, connection, TLS, proxies, pages in the way, and the clock.

One unsigned request tells most of it: the API answers it with 40101 and its own time, and whatever else answers is
not the API. So a login page or a proxy never gets to see a key.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

import anyio

from wallet_mcp.server.setup.asking import Asked
from wallet_mcp.server.setup.checks import Check, Culprit, failed, ok, skipped
from wallet_mcp.wallet.chain_text import MESSAGE_LIMIT, clean
from wallet_mcp.wallet_api.endpoints import DEFAULT_BASE_URL, chains_call
from wallet_mcp.wallet_api.retry import HEADER_SANDBOX
from wallet_mcp.wallet_api.transport import is_loopback, proxies_towards

PROBE_CALL: Final = chains_call()
"""The cheapest request there is; nothing of a wallet is in it."""

_BUILT_AFTER_S: Final = 1_790_000_000
"""September 2026 in Unix seconds: a machine that runs this and shows an earlier time is wrong."""
_TLS_PATIENCE_S: Final = 5.0

Resolve = Callable[[str, int], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Way:
    """Where requests go and through what. `proxies`: names of the proxy variables that apply, never their values."""

    base_url: str
    proxies: tuple[str, ...] = ()
    embedded: bool = False

    @property
    def host(self) -> str:
        """The host name or literal address of the base URL."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def port(self) -> int:
        """The port of the base URL."""
        parts = urlsplit(self.base_url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def official(self) -> bool:
        """Whether the base URL is the API's own, so that nothing but a proxy can rewrite requests."""
        return self.base_url == DEFAULT_BASE_URL

    @property
    def ends_in_build(self) -> bool:
        """Whether signed paths start as the API receives them (contract §1.1)."""
        return urlsplit(self.base_url).path.rstrip("/").endswith("/build")


def way_to(base_url: str, environment: Mapping[str, str], *, embedded: bool) -> Way:
    """The way that the client will take."""
    return Way(base_url, proxies_towards(base_url, environment, embedded=embedded), embedded)


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host name. Raises `OSError`."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(address[0]) for *_, address in found})


async def check_dns(way: Way, look_up: Resolve) -> Check:
    """Whether the name of the API's host resolves, and to something that can be it."""
    unasked = _needs_no_name(way)
    if unasked is not None:
        return unasked
    try:
        addresses = await look_up(way.host, way.port)
    except OSError:
        addresses = []
    if not addresses:
        return failed("dns", f"{way.host} does not resolve.", "name_unknown")
    if not is_loopback(way.host) and all(_is_nowhere(address) for address in addresses):
        return failed("dns", f"{way.host} resolves to {addresses[0]}, which is not on the network.", "name_blocked")
    count = "1 address" if len(addresses) == 1 else f"{len(addresses)} addresses"
    return ok("dns", f"{way.host} has {count}.")


def dns_of(way: Way, asked: Asked) -> Check:
    """What a request that was made anyway tells of the name: nothing is looked up for it."""
    unasked = _needs_no_name(way)
    if unasked is not None:
        return unasked
    if asked.code == "dns":
        return failed("dns", f"{way.host} does not resolve.", "name_unknown")
    if asked.received is None and asked.code not in ("refused", "tls"):
        return skipped("dns", "a request without an answer does not tell.")
    return ok("dns", f"{way.host} resolves.")


def connection_of(way: Way, asked: Asked) -> Check:
    """What answered a request: the API, or something in the way."""
    if asked.surely_the_api:
        if way.embedded:
            return ok("connection", "the embedded sandbox answers.")
        who = "the sandbox" if HEADER_SANDBOX in (asked.received.headers if asked.received else {}) else "the API"
        secured = "over TLS" if way.base_url.startswith("https") else "over plain HTTP on this machine"
        through = f", proxy variables: {_listed(way.proxies)}" if way.proxies else ""
        return ok("connection", f"{who} answers {secured}{through}, in {asked.round_trip_s:.2f} s.")
    said, culprits = what_answered(way, asked)
    return failed("connection", said, *culprits)


async def check_connection(way: Way, asked: Asked) -> Check:
    """The same, and why a certificate is refused: that takes a connection of its own."""
    check = connection_of(way, asked)
    if asked.code != "tls" or way.proxies:
        return check
    reason = await _tls_reason(way)
    return replace(check, said=f"{check.said} The reason: {reason}.") if reason else check


def what_answered(way: Way, asked: Asked) -> tuple[str, tuple[Culprit, ...]]:
    """A sentence on an answer that was not the API's, and whose doing it can be."""
    received = asked.error.received if asked.error else ""
    if asked.code == "redirect":
        # The one description that holds upstream's words: a host name.
        received = clean(received, MESSAGE_LIMIT).text
    proxies = f" Proxy variables are set: {_listed(way.proxies)}." if way.proxies else ""
    page: tuple[Culprit, ...] = ("proxy_page", "login_page") if way.proxies else ("login_page",)
    if is_loopback(way.host):
        # No network lies in between whose login page it could be.
        page = ("base_url_wrong",)
    elif not way.official:
        page = ("base_url_wrong", *page)
    match asked.code:
        case int() as code:
            strange = "which the API never gives without a signature" if code == 0 else "which is no code of the API"
            # Over trusted TLS from the API's own name, nobody else can have said so.
            whose: tuple[Culprit, ...] = ("api_changed",) if way.official and not way.proxies else page
            return f"something else than the API answered: JSON with the code {code}, {strange}.{proxies}", whose
        case "redirect":
            if not way.ends_in_build and "another path" in received:
                return f"redirected: {received}. The base URL does not end in /build.", ("base_url_without_build",)
            return f"redirected: {received}.{proxies}", page
        case "not_json" | "unexpected_answer":
            return f"something else than the API answered with {received}.{proxies}", page
        case "bad_gateway":
            return f"the edge or a proxy answered with {received}.{proxies}", ("api_down", *page)
        case "not_found" | "000002" | "uri_too_long":
            wrong: Culprit = "api_changed" if way.official else "base_url_wrong"
            return f"the host answers, but does not know the path: {received or 'a framework error'}.", (wrong,)
        case "proxy":
            # A proxy that answers is there, and its variable leads to it.
            refused = received.startswith("the proxy answered")
            return f"{received}.{proxies}", ("proxy_page",) if refused else ("proxy_variable",)
        case "dns":
            return f"a name does not resolve.{proxies}", ("proxy_variable",) if way.proxies else ("name_unknown",)
        case "refused":
            nobody: Culprit = "proxy_variable" if way.proxies else "nothing_listens"
            return f"nothing accepts connections at the {'proxy' if way.proxies else 'host'}.{proxies}", (nobody,)
        case "tls":
            return f"no trusted TLS connection to {way.host}.{proxies}", ("tls_untrusted",)
        case "too_large":
            return f"something else than the API answered with {received}.{proxies}", page
        case _:
            lost: tuple[Culprit, ...] = ("proxy_page", "no_network") if way.proxies else ("no_network",)
            what = received or "the connection broke before the answer was complete"
            return f"no answer: {what}.{proxies}", lost


def check_clock(now: float, asked: Asked | None, recv_window_ms: int) -> Check:
    """The local clock against the API's, where that is known; `now` is local wall time in Unix seconds."""
    offset = asked.clock_offset_s if asked is not None else None
    if offset is None or asked is None:
        if now < _BUILT_AFTER_S:
            return failed("clock", "this machine's clock shows a time before this program was written.", "clock_off")
        return skipped("clock", "nothing answered that tells the API's time.")
    size, unsure = abs(offset), asked.clock_uncertainty_s
    if size <= max(unsure, 0.05):
        said = f"this machine's clock agrees with the API's to within {_tenths_up(size + unsure)} s."
    else:
        side = "behind" if offset > 0 else "ahead of"
        said = f"this machine's clock is {size:.1f} s {side} the API's, give or take {_tenths_up(unsure)} s."
    # What is unsure is not known to be the clock's fault.
    if (size - unsure) * 1000 > recv_window_ms:
        corrected = " The server corrects for it, at the price of refused requests."
        return failed("clock", said + corrected, "clock_off")
    return ok("clock", said)


def _tenths_up(seconds: float) -> str:
    """A bound in tenths of a second: never less than it is, and never none."""
    return f"{max(1, math.ceil(seconds * 10)) / 10:.1f}"


async def _tls_reason(way: Way) -> str:
    """Why certificates are refused, in the words of the TLS library; empty where they are not the reason."""
    import truststore

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        with anyio.fail_after(_TLS_PATIENCE_S):
            stream = await anyio.connect_tcp(way.host, way.port, tls=True, ssl_context=context)
            await stream.aclose()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message.rstrip(".")
    except (OSError, TimeoutError):
        return ""
    return ""


def _needs_no_name(way: Way) -> Check | None:
    if way.embedded:
        return skipped("dns", "the embedded sandbox needs no network.")
    if _is_literal(way.host):
        return skipped("dns", f"{way.host} is an address already.")
    if way.proxies:
        return skipped("dns", f"names are resolved by the proxy ({_listed(way.proxies)}).")
    return None


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_nowhere(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
