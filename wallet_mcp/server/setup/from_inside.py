"""The doctor's checks as a running server makes them: from its settings and one signed request of its own client.

The client's request is paced with all others and corrects its clock. It tells of the way what the doctor finds out
with requests and look-ups of its own, so nothing else is sent, and there is nothing that a deadline could not end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import httpx

from wallet_mcp.server.context import ProbeResult
from wallet_mcp.server.setup.asking import Asked, Signed, without_key
from wallet_mcp.server.setup.checks import Check, Part, failed, ok, skipped
from wallet_mcp.server.setup.secret_checks import check_secrets, check_settings, read_material
from wallet_mcp.server.setup.signed_probe import rate_check, verdict
from wallet_mcp.server.setup.way_checks import PROBE_CALL, Way, check_clock, connection_of, dns_of, way_to
from wallet_mcp.settings import Credentials, Settings
from wallet_mcp.wallet_api.clock import ServerClock
from wallet_mcp.wallet_api.envelope import Received
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.retry import HEADER_SANDBOX
from wallet_mcp.wallet_api.transport import is_loopback

_NEED_A_REQUEST: Final[tuple[Part, ...]] = ("dns", "connection", "signed probe", "rate headers")


def checks_without_a_request(settings: Settings, environment: Mapping[str, str], now: float) -> tuple[Check, ...]:
    """The checks while the settings allow no request; `now` is local wall time in Unix seconds."""
    because = "nothing is sent until the settings are corrected."
    return (
        *_settings_and_secrets(settings, environment),
        check_clock(now, None, settings.recv_window_ms),
        *(skipped(part, because) for part in _NEED_A_REQUEST),
    )


def checks_of_a_probe(
    settings: Settings,
    credentials: Credentials,
    environment: Mapping[str, str],
    result: ProbeResult,
    *,
    now: float,
    clock: ServerClock,
) -> tuple[Check, ...]:
    """The doctor's checks in its order, from what one signed supported/chain request met.

    `environment` is the process's: proxies, and the secrets as they were given. `clock`: what the client has learned.
    """
    before = _settings_and_secrets(settings, environment)
    found = tuple(culprit for check in before for culprit in check.culprits)
    asked = _asked(settings, credentials, result, clock)
    before = (*before, check_clock(now, asked, settings.recv_window_ms))
    if asked.error is not None and asked.error.attempts == 0:
        because = "the request was not sent: others are using the rate up."
        return (*before, *(skipped(part, because) for part in _NEED_A_REQUEST))
    way = way_to(settings.base_url, environment, embedded=settings.sandbox)
    dns = dns_of(way, asked)
    connection = skipped("connection", "the host's name does not resolve.")
    if dns.status != "failed":
        connection = _with_dns_in_doubt(connection_of(way, asked), way, asked)
    if not isinstance(result, ApiError):
        said = "key, signature, clock and rights are accepted."
        if way.proxies or not (way.official or way.embedded or is_loopback(way.host)):
            said += " It had no query; whether queries arrive unchanged, `wallet-mcp doctor` finds out."
        return (*before, dns, connection, ok("signed probe", said), rate_check(result.rate))
    if asked.reached_the_api:
        said, culprits = verdict(asked, way, False, found, ())
        probe = failed("signed probe", said, *culprits)
    else:
        probe = skipped("signed probe", "no answer of the API came back.")
    return (*before, dns, connection, probe, skipped("rate headers", "only an accepted request tells them."))


def _settings_and_secrets(settings: Settings, environment: Mapping[str, str]) -> tuple[Check, ...]:
    own = environment if _is_origin(settings, environment) else {}
    return (*check_settings(settings), *check_secrets(own, settings, read_material(own)))


def _is_origin(settings: Settings, environment: Mapping[str, str]) -> bool:
    """Whether the settings can have come from this environment: a program may have made its own."""
    key = read_material(environment).api_key
    if settings.credentials is None:
        return settings.api_key_present == (key is not None)
    return key is not None and key.get_secret_value().strip() == settings.credentials.api_key.get_secret_value()


def _with_dns_in_doubt(connection: Check, way: Way, asked: Asked) -> Check:
    # A name that a filter sends nowhere looks like a host on which nothing listens.
    if asked.code == "refused" and not way.proxies and not is_loopback(way.host):
        return replace(connection, culprits=("name_blocked", *connection.culprits))
    return connection


def _asked(settings: Settings, credentials: Credentials, result: ProbeResult, clock: ServerClock) -> Asked:
    """The client's request in the doctor's form. The trace id is left out: the answer tells it elsewhere."""
    error: ApiError | None = None
    if isinstance(result, ApiError):
        error = replace(result, message=without_key(result.message, credentials.api_key))
    exchange = result.exchange
    headers = {HEADER_SANDBOX: "1"} if exchange.sandbox else {}
    signed: Signed | None = None
    if exchange.request_time:
        target = httpx.URL(settings.base_url + PROBE_CALL.path).raw_path.decode()
        signed = Signed(exchange.request_time, PROBE_CALL.method, target, 0, credentials.algorithm)
    return Asked(
        call=PROBE_CALL,
        signed=signed,
        received=None if exchange.http_status is None else Received(exchange.http_status, headers, b""),
        envelope=None,
        error=error,
        round_trip_s=result.elapsed_s / max(1, result.attempts),
        clock_offset_s=clock.offset_s,
        clock_uncertainty_s=clock.uncertainty_s,
    )
