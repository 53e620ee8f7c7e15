"""The signed probe: whether the API accepts key, signature, clock and rights, and which of them it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from wallet_mcp.server.setup.asking import Asked, Asker, Signature
from wallet_mcp.server.setup.checks import Check, Culprit, failed, ok, skipped
from wallet_mcp.server.setup.secret_checks import Material
from wallet_mcp.server.setup.signing_trials import QUERY_CALL, Tried, suspects, trials, try_all
from wallet_mcp.server.setup.way_checks import PROBE_CALL, Way, what_answered
from wallet_mcp.settings import Credentials
from wallet_mcp.wallet.chain_text import MESSAGE_LIMIT, clean
from wallet_mcp.wallet_api.retry import RateHeaders, rate_headers

_ID_LIMIT: Final = 64
_BY_CODE: Final[Mapping[int | str, tuple[str, Culprit]]] = {
    40001: ("the API refuses a parameter, and the request has none of a wallet", "api_changed"),
    40104: ("the key lacks a permission", "missing_permission"),
    40301: ("the API is not available in this region", "region"),
    40302: ("the API takes this connection for a VPN or proxy", "vpn_or_proxy"),
    40303: ("the API finds this network address unusual", "unusual_ip"),
    40304: ("the API is not available from here for compliance reasons", "region"),
    42900: ("the rate limit of the key is used up", "rate_used_up"),
}

_OUTCOMES: Final = (("Accepted", "accepted"), ("Refused too", "refused"), ("Not told", "not told"))


@dataclass(frozen=True, slots=True)
class Probed:
    """The lines of the probe, what it sent last, and the trials that were made."""

    checks: tuple[Check, ...]
    asked: Asked
    tried: tuple[Tried, ...] = ()


async def signed_probe(
    asker: Asker,
    way: Way,
    credentials: Credentials,
    material: Material,
    *,
    recv_window_ms: int,
    found: Sequence[Culprit] = (),
    deep: bool = False,
) -> Probed:
    """Ask supported/chain signed, then once more with a query that needs encoding.

    `found`: what the look at the secrets found. `deep`: after a 40102, sign in up to five other ways.
    """

    def signature() -> Signature:
        return Signature(credentials.api_key, credentials.signer, recv_window=str(recv_window_ms))

    asked = await asker.ask(PROBE_CALL, signature())
    query_alone = asked.code == 0
    if query_alone:
        asked = await asker.ask(QUERY_CALL, signature())
    if asked.code == 0:
        check = ok("signed probe", f"key, signature, clock and rights are accepted, in {asked.round_trip_s:.2f} s.")
        return Probed((check, _rate_check_of(asked)), asked)
    tried: tuple[Tried, ...] = ()
    if asked.code == 40102 and deep:
        todo = trials(way, credentials, material, query_alone=query_alone)
        tried = await try_all(asker, credentials.api_key, recv_window_ms, todo)
    said, culprits = verdict(asked, way, query_alone, found, tried)
    return Probed((failed("signed probe", said, *culprits), _rate_check_of(asked)), asked, tried)


def rate_check(rate: RateHeaders, *, used_up: bool = False) -> Check:
    """The rate headers of an answer; what exactly they count is not settled upstream (contract §1.9)."""
    numbers = {
        "ratelimit-limit": rate.limit,
        "ratelimit-remaining": rate.remaining,
        "used-weight": rate.used_weight,
    }
    words = ", ".join(f"{name} {number}" for name, number in numbers.items() if number is not None)
    if not words:
        return skipped("rate headers", "no answer carried any.")
    return failed("rate headers", f"{words}.", "rate_used_up") if used_up else ok("rate headers", f"{words}.")


def _rate_check_of(asked: Asked) -> Check:
    rate = rate_headers(asked.received.headers) if asked.received is not None else RateHeaders()
    return rate_check(rate, used_up=asked.code == 42900)


def verdict(
    asked: Asked, way: Way, query_alone: bool, found: Sequence[Culprit], tried: tuple[Tried, ...]
) -> tuple[str, tuple[Culprit, ...]]:
    """A sentence on a refused probe, and whose doing it can be; for a 40102 with what was signed."""
    if not asked.reached_the_api or asked.error is None:
        return what_answered(way, asked)
    code, message = asked.error.code, clean(asked.error.message, MESSAGE_LIMIT).text
    trace = clean(asked.received.headers.get("x-oc-trace-id", "") if asked.received else "", _ID_LIMIT).text
    tail = f' The API said: "{message}".' if message else ""
    tail += f" Trace id {trace}." if trace else ""
    if code == 40101:
        # The key was sent: where the API did not get it, somebody took it away.
        missing = "required" in message.lower()
        unknown: Culprit = (
            "key_and_secret_swapped" if "key_and_secret_swapped" in found else "key_unknown_or_disabled"
        )
        return f"40101, the API does not accept the key id.{tail}", ("headers_removed" if missing else unknown,)
    if code == 40102:
        culprits = suspects(way, query_alone=query_alone, found=found, tried=tried)
        without = " Without a query the same signature is accepted." if query_alone else ""
        told = "".join(
            f" {words}: {', '.join(which)}."
            for words, outcome in _OUTCOMES
            if (which := [trial.trial.said for trial in tried if trial.outcome == outcome])
        )
        return f"40102, the API refuses the signature.{without}{told} Signed: {asked.signed}.{tail}", culprits
    if code == 40103:
        if asked.error.is_duplicate:
            return f"40103, the API has seen this request before.{tail}", ("request_repeated",)
        # The API's own time was used where it was known, so only the way is left.
        late: Culprit = "slow_way" if asked.clock_offset_s is not None else "clock_off"
        return f"40103, the request came outside its receive window.{tail}", (late,)
    if code in _BY_CODE:
        words, culprit = _BY_CODE[code]
        return f"{code}, {words}.{tail}", (culprit,)
    if str(code).startswith("403"):
        return f"{code}, the API refuses for a reason that is not known here.{tail}", ("compliance",)
    if str(code).startswith("5"):
        return f"{code}, the API has an error of its own.{tail}", ("api_down",)
    return f"{code}, an error that is not known here.{tail}", ("api_changed",)
