"""The one error of the client: every failure of a call is an `ApiError` with a code and the facts of the exchange.

Codes from the gateway are integers (and the string "000002" of its web framework); failures that never were an
answer of the API carry one of the local codes below. Words for the model are not made here: `server/guidance.py`
turns an error into text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Endpoint = Literal[
    "supported_chains",
    "all_token_balances",
    "token_balances",
    "transactions",
    "transaction_detail",
]

TransportCode = Literal[
    "timeout",  # no complete answer within the time allowed
    "dns",  # the host name does not resolve
    "refused",  # nothing listens at the address
    "tls",  # no trusted TLS connection
    "connection",  # the connection broke or never came up, for another reason
    "proxy",  # a proxy variable names a proxy that cannot be used, or that refuses
    "redirect",  # a 3xx answer; following one would send a signed request elsewhere
    "not_json",  # an answer that is no JSON: a proxy's or a captive portal's page, an empty or cut-off body
    "unexpected_answer",  # JSON, but none of the known envelopes
    "too_large",  # more than 8 MiB
    "not_found",  # HTTP 404: the path is not known there
    "uri_too_long",  # HTTP 414: the query is longer than the edge takes
    "bad_gateway",  # HTTP 5xx without an envelope: the edge in front of the API, not the API
]
SetupCode = Literal["no_credentials", "bad_credentials", "bad_settings"]
Code = int | str

TRANSPORT_CODES: frozenset[str] = frozenset(TransportCode.__args__)  # type: ignore[attr-defined]
SETUP_CODES: frozenset[str] = frozenset(SetupCode.__args__)  # type: ignore[attr-defined]

FRAMEWORK_CODE = "000002"
"""The string code of the gateway's web framework for a wrong request method (contract §1.6)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is known of the request and its answer; empty where nothing was sent or nothing came back.

    Times are ISO 8601 UTC with milliseconds. `request_time` is the timestamp that was signed.
    """

    http_status: int | None = None
    trace_id: str = ""
    request_time: str = ""
    server_time: str = ""
    blocked_by: str = ""
    sandbox: bool = False


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class ApiError(Exception):
    """A call that got no usable answer.

    `code`: the API's code or a local one. `message`: the text received, unclean: it must pass
    `wallet.chain_text` before anybody reads it. `received`: our own description of an answer that was not
    understood. `retry_after_s`: what the gateway asked for (contract §1.9). `attempts` and `elapsed_s` cover all
    sends of the call. `clock_difference_s`: server time less our time, where the error is about clocks.
    `held_until`: the event-loop time until which the client itself holds the same call. `cooling`: nothing was sent,
    for the provider was found to be down. `timestamp`: that of the error's own envelope, as received.
    """

    code: Code
    endpoint: Endpoint | None = None
    message: str = ""
    received: str = ""
    retry_after_s: float | None = None
    attempts: int = 1
    elapsed_s: float = 0.0
    clock_difference_s: float | None = None
    timestamp: object = None
    held_until: float | None = None
    cooling: bool = False
    exchange: Exchange = field(default_factory=Exchange)

    def __str__(self) -> str:
        # Neither the message nor the request is shown: a log line must hold no address and no upstream text.
        where = f" on {self.endpoint}" if self.endpoint else ""
        return f"{self.code}{where} after {self.attempts} attempt(s)"

    def __repr__(self) -> str:
        return f"ApiError({self})"

    @property
    def concerns_every_call(self) -> bool:
        """Whether any other call would meet the same: it is about the key, the place or the way, not the question."""
        if isinstance(self.code, int):
            return self.code // 100 in (401, 403)
        return self.code in ("tls", "redirect", "proxy")

    @property
    def is_duplicate(self) -> bool:
        """Whether a 40103 is about a repeated nonce; otherwise that code is about the clock (contract §1.4)."""
        return self.code == 40103 and "duplicate" in self.message.lower()

    @property
    def sent(self) -> bool:
        """Whether a request left this machine."""
        return bool(self.exchange.request_time)
