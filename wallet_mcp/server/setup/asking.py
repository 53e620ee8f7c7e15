"""One request at a time, exactly as it is wanted: unsigned, signed, or signed in a way that people get wrong.

The client retries, corrects its clock and keeps answers; whoever looks for the cause of a failure wants none of that.
So this sends over the same transport and reads with the same envelope reader, but every request once, spaced, and
keeps what went out and what came back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from wallet_mcp.wallet_api.clock import iso_utc, server_time_of
from wallet_mcp.wallet_api.envelope import Envelope, Received, read_envelope
from wallet_mcp.wallet_api.errors import ApiError, Code
from wallet_mcp.wallet_api.retry import Call
from wallet_mcp.wallet_api.signing import Algorithm, Signer, prehash, signature_headers
from wallet_mcp.wallet_api.transport import ATTEMPT_TIMEOUT_S, Transport

GAP_S = 0.4
"""Seconds from one answer to the next request: half of the rate of a key stays free for a server that runs (§1.9)."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature covered, for a person to compare with what arrived; nothing of the secret is in it."""

    timestamp: str
    method: str
    target: str
    body_bytes: int
    algorithm: Algorithm

    def __str__(self) -> str:
        return (
            f"timestamp {self.timestamp}, method {self.method}, path with query {self.target}, "
            f"body of {self.body_bytes} bytes, {self.algorithm}"
        )


class Signature(httpx.Auth):
    """Signs one request by the contract (§1.3), but for what is asked to differ.

    `target`: the path and query that are sent -> those that are signed. `write_time`: the right timestamp -> the one
    that is written. `recv_window`: the header as it stands. What was signed is kept in `signed`.
    """

    requires_request_body = True

    def __init__(
        self,
        api_key: SecretStr,
        signer: Signer,
        *,
        recv_window: str = "5000",
        target: Callable[[bytes], bytes] = lambda sent: sent,
        write_time: Callable[[str], str] = lambda timestamp: timestamp,
    ) -> None:
        self.api_key = api_key
        self._signer = signer
        self._recv_window = recv_window
        self._target = target
        self._write_time = write_time
        self.now: Callable[[], float] = lambda: 0.0
        self.signed: Signed | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        timestamp = self._write_time(iso_utc(self.now()))
        target = self._target(request.url.raw_path)
        body = b"" if request.method == "GET" else request.content
        self.signed = Signed(timestamp, request.method, target.decode(), len(body), self._signer.algorithm)
        signed = prehash(timestamp, request.method, target, body)
        request.headers.update(signature_headers(self.api_key, self._signer, timestamp, signed, self._recv_window))
        yield request


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and what became of it: `envelope` of a success, `error` of anything else.

    `received` is None where no answer came. `clock_offset_s` is the API's time less the local time, where the answer
    tells it, and `clock_uncertainty_s` by how much it can be wrong. `sent_at` is local wall time in Unix seconds.
    """

    call: Call
    signed: Signed | None
    received: Received | None
    envelope: Envelope | None
    error: ApiError | None
    round_trip_s: float
    clock_offset_s: float | None
    sent_at: float = 0.0
    clock_uncertainty_s: float = 0.0

    @property
    def code(self) -> Code:
        """0 for a success, otherwise the code of the error."""
        return 0 if self.error is None else self.error.code

    @property
    def reached_the_api(self) -> bool:
        """Whether the answer came from the API itself and not from something in the way.

        Its codes are 0 and numbers of five digits (contract §1.7); others' JSON has a `code` too, such as 404.
        """
        return self.received is not None and _is_of_the_api(self.code)

    @property
    def surely_the_api(self) -> bool:
        """The same, and no success without a signature: the API refuses what is not signed."""
        return self.reached_the_api and (self.code != 0 or self.signed is not None)


def without_key(message: str, api_key: SecretStr) -> str:
    """A message of upstream without the key id, which it may echo."""
    return message.replace(api_key.get_secret_value(), "(API key)")


class Asker:
    """Sends single requests; `correct_clock` makes all later ones carry the API's time instead of the local one."""

    def __init__(
        self,
        base_url: str,
        wall: Callable[[], float],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url
        self._wall = wall
        self._transport = transport
        self._transports: dict[str, Transport] = {}
        self._next_at = 0.0
        self._offset_s = 0.0
        self.sent = 0

    def correct_clock(self, offset_s: float) -> None:
        """Sign with the local time plus `offset_s` seconds from now on."""
        self._offset_s = offset_s

    async def ask(
        self, call: Call, signature: Signature | None = None, *, base_url: str = "", at_once: bool = False
    ) -> Asked:
        """Send a request once, unsigned without a signature. Nothing is raised: failures are in the answer.

        `base_url` replaces that of the settings; `at_once` leaves out the gap to the request before.
        """
        if not at_once:
            await asyncio.sleep(max(0.0, self._next_at - asyncio.get_running_loop().time()))
        base = base_url or self._base_url
        transport = self._transports.setdefault(base, Transport(base, self._transport))
        auth = httpx.Auth() if signature is None else signature
        if signature is not None:
            signature.now = lambda: self._wall() + self._offset_s
        sent_at = self._wall()
        received: Received | None = None
        envelope: Envelope | None = None
        failure: ApiError | None = None
        try:
            request = transport.request(call.method, call.path, call.query, call.body)
            self.sent += 1
            received = (await transport.send(request, auth, ATTEMPT_TIMEOUT_S)).received
            envelope = read_envelope(received)
        except ApiError as error:
            failure = error
            if signature is not None:
                failure.message = without_key(failure.message, signature.api_key)
        received_at = self._wall()
        self._next_at = asyncio.get_running_loop().time() + GAP_S
        # A success without a signature is not the API's, and neither is its time.
        refused_or_signed = failure is not None or signature is not None
        server_time = _server_time(received, envelope, failure) if refused_or_signed else None
        return Asked(
            call=call,
            signed=signature.signed if signature is not None else None,
            received=received,
            envelope=envelope,
            error=failure,
            round_trip_s=received_at - sent_at,
            sent_at=sent_at,
            clock_offset_s=None if server_time is None else server_time - (sent_at + received_at) / 2,
            clock_uncertainty_s=(received_at - sent_at) / 2,
        )

    async def close(self) -> None:
        """Close the connections."""
        for transport in self._transports.values():
            await transport.close()


def _server_time(received: Received | None, envelope: Envelope | None, failure: ApiError | None) -> float | None:
    if received is None:
        return None
    headers = received.headers
    message, timestamp = (failure.message, failure.timestamp) if failure else ("", envelope and envelope.timestamp)
    # A Date alone may be that of a proxy, whose clock is nobody's business; with an API code it is the gateway's.
    date = headers.get("date") if failure is None or _is_of_the_api(failure.code) else None
    return server_time_of(headers.get("x-oc-server-time"), message, timestamp, date)


def _is_of_the_api(code: Code) -> bool:
    return isinstance(code, int) and (code == 0 or 10_000 <= code <= 99_999)
