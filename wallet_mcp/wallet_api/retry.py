"""One call from the first send to its outcome: paced, signed anew for each attempt, retried where that can help.

Never retried: what the same request would meet again (40001, 401xx, 403xx, a redirect, TLS). A 40103 corrects the
clock and is signed again once; a duplicate is no clock problem and gets a new nonce. A wait that does not fit the
deadline is not begun.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import httpx

from wallet_mcp.wallet_api.clock import ServerClock, http_date, iso_utc, server_time_of
from wallet_mcp.wallet_api.envelope import Envelope, read_envelope
from wallet_mcp.wallet_api.errors import ApiError, Code, Endpoint, Exchange
from wallet_mcp.wallet_api.pacing import Place, Window
from wallet_mcp.wallet_api.signing import HEADER_TIMESTAMP
from wallet_mcp.wallet_api.transport import ATTEMPT_TIMEOUT_S, Sent, Transport

HEADER_SANDBOX = "x-wallet-mcp-sandbox"
HEADER_SANDBOX_WALLETS = "x-wallet-mcp-sandbox-wallets"

RETRIES: Mapping[Code, float] = {
    "timeout": 2,
    "connection": 3,
    "refused": 2,
    "dns": 2,
    "bad_gateway": 3,
    "not_json": 1,
    42900: math.inf,  # each waits as long as the gateway asks: the deadline ends it
    50000: 1,
    50001: 3,
    40103: 1,
}
"""How often a call is sent again after each failure; what is not listed is never retried."""

DUPLICATE_RETRIES = 2
_NEVER_ARRIVED = frozenset({"dns", "refused", "tls", "proxy"})
_BACKOFF_S, _BACKOFF_CAP_S = 0.5, 8.0
_REFUSED_JITTER_S = 0.25
_RETRY_AFTER_CAP_S = 3600.0


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """The rate headers of an answer (contract §1.9); what they count is not settled upstream."""

    limit: int | None = None
    remaining: int | None = None
    used_weight: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A successful call: its envelope and the facts of the exchange."""

    envelope: Envelope
    exchange: Exchange
    server_time: float
    size: int
    rate: RateHeaders
    sandbox_wallets: str
    attempts: int = 1
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """What to send: `path` behind the base URL, the query in its order, a compact JSON body for POST."""

    endpoint: Endpoint
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


class Caller:
    """Sends calls with one key."""

    def __init__(
        self,
        transport: Transport,
        auth: httpx.Auth,
        clock: ServerClock,
        window: Window,
        rng: random.Random | None = None,
    ) -> None:
        self._transport = transport
        self._auth = auth
        self._clock = clock
        self._window = window
        self._rng = rng or random.Random()

    async def call(self, call: Call, deadline: float, *, once: bool = False) -> Outcome:
        """The outcome of a call, before `deadline` (event-loop seconds).

        `once`: one request, and a second one only where a 40103 has corrected the clock or asked for a new nonce.
        Raises `ApiError` with the attempts made and the time spent when no attempt succeeded.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        failures: Counter[Code] = Counter()
        attempts = 0
        last: ApiError | None = None
        ticket = self._window.ticket()
        while True:
            try:
                outcome = await self._attempt(call, deadline, ticket)
                return replace(outcome, attempts=attempts + 1, elapsed_s=loop.time() - started)
            except ApiError as error:
                if error.attempts == 0 and last is not None:
                    last.elapsed_s = loop.time() - started
                    raise last from None  # the queue is only why there is no further attempt
                attempts += error.attempts
                error.endpoint, error.attempts = call.endpoint, attempts
                error.elapsed_s = loop.time() - started
                failures[_failure_of(error)] += 1
                wait = self._wait_before_retry(error, failures, once)
                quiet = 0.0
                if error.code == 42900 and error.exchange.http_status is not None:
                    quiet = _quiet_time(error) + self._rng.uniform(0, _REFUSED_JITTER_S)
                    self._window.refused(quiet)
                if wait is None or loop.time() + max(wait, quiet) >= deadline:
                    raise
                last = error
            await asyncio.sleep(wait)

    async def _attempt(self, call: Call, deadline: float, ticket: int) -> Outcome:
        async with self._window.place(deadline, ticket) as place:
            remaining = deadline - asyncio.get_running_loop().time()
            if remaining <= 0:
                place.free(arrived=False)
                raise ApiError(code="busy", retry_after_s=1, attempts=0)
            request = self._transport.request(call.method, call.path, call.query, call.body)
            sent_at = self._clock.wall()
            try:
                sent = await self._transport.send(request, self._auth, min(ATTEMPT_TIMEOUT_S, remaining))
            except ApiError as error:
                if error.code in _NEVER_ARRIVED:
                    place.free(arrived=False)
                else:
                    error.exchange = Exchange(request_time=request.headers.get(HEADER_TIMESTAMP, ""))
                raise
            return self._read(request, sent, sent_at, place)

    def _read(self, request: httpx.Request, sent: Sent, sent_at: float, place: Place) -> Outcome:
        received_at = self._clock.wall()
        place.date(fresh_connection=sent.fresh_connection)
        headers = sent.received.headers
        rate = rate_headers(headers)
        error: ApiError | None = None
        envelope = Envelope([], None)
        try:
            envelope = read_envelope(sent.received)
        except ApiError as found:
            error = found
        message, timestamp = (error.message, error.timestamp) if error else ("", envelope.timestamp)
        server_time = server_time_of(headers.get("x-oc-server-time"), message, timestamp, headers.get("date"))
        exchange = Exchange(
            http_status=sent.received.status,
            trace_id=headers.get("x-oc-trace-id", ""),
            request_time=request.headers.get(HEADER_TIMESTAMP, ""),
            server_time=iso_utc(server_time) if server_time is not None else "",
            blocked_by=headers.get("x-oc-blocked-by", ""),
            sandbox=HEADER_SANDBOX in headers,
        )
        if error is not None:
            error.exchange = exchange
            error.retry_after_s = retry_after(headers, server_time or self._clock.now())
            if server_time is not None and _is_clock_error(error):
                # Against the local clock, corrected or not: that is the one an operator can set.
                error.clock_difference_s = server_time - (sent_at + received_at) / 2
        # A page of a proxy has a Date too: only the gateway's own header, or a 40103, sets our clock.
        if server_time is not None and (
            "x-oc-server-time" in headers or (error is not None and _is_clock_error(error))
        ):
            self._clock.learn(server_time, sent_at, received_at)
        if exchange.trace_id or rate.limit is not None:
            self._window.learn_limit(rate.limit, rate.remaining, place.sent_at)
        if error is not None:
            raise error
        return Outcome(
            envelope=envelope,
            exchange=exchange,
            server_time=server_time if server_time is not None else self._clock.now(),
            size=len(sent.received.body),
            rate=rate,
            sandbox_wallets=headers.get(HEADER_SANDBOX_WALLETS, "") if exchange.sandbox else "",
        )

    def _wait_before_retry(self, error: ApiError, failures: Counter[Code], once: bool) -> float | None:
        failure = _failure_of(error)
        if once and (failure not in ("duplicate", 40103) or failures.total() > 1):
            return None
        allowed = DUPLICATE_RETRIES if failure == "duplicate" else RETRIES.get(failure, 0)
        if failures[failure] > allowed:
            return None
        if failure == "duplicate":
            return 0.0
        if failure == 40103:
            # Without the server's time the next signature would be as wrong as this one.
            return 0.0 if error.clock_difference_s is not None else None
        if failure == 42900:
            # The window keeps everybody waiting this long; its jitter comes on top.
            return _quiet_time(error)
        backoff = min(_BACKOFF_CAP_S, _BACKOFF_S * 2 ** (sum(failures.values()) - 1))
        return max(self._rng.uniform(0, backoff), error.retry_after_s or 0.0)


def rate_headers(headers: Mapping[str, str]) -> RateHeaders:
    """The rate headers of an answer, as far as they are whole numbers."""
    return RateHeaders(
        limit=_integer(headers.get("x-oc-ratelimit-limit")),
        remaining=_integer(headers.get("x-oc-ratelimit-remaining")),
        used_weight=_integer(headers.get("x-oc-used-weight")),
    )


def _is_clock_error(error: ApiError) -> bool:
    return error.code == 40103 and not error.is_duplicate


def _failure_of(error: ApiError) -> Code:
    return "duplicate" if error.is_duplicate else error.code


def _quiet_time(error: ApiError) -> float:
    return 1.0 if error.retry_after_s is None else error.retry_after_s


def retry_after(headers: Mapping[str, str], server_now: float) -> float | None:
    """Seconds of a Retry-After header, given as whole seconds or as an HTTP date; None without a readable one."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    seconds = _integer(text)
    if seconds is not None:
        return min(float(seconds), _RETRY_AFTER_CAP_S)
    until = http_date(text)
    return None if until is None else min(max(until - server_now, 0.0), _RETRY_AFTER_CAP_S)


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
