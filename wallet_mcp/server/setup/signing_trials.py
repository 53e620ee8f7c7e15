"""A refused signature narrowed down: who can be to blame, and trials that sign the way people get it wrong.

The API answers every wrong signature with the same 40102 (contract §1.3). What it accepts instead names the fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote_to_bytes, urlsplit

from pydantic import SecretStr

from wallet_mcp.server.setup.asking import Asked, Asker, Signature
from wallet_mcp.server.setup.checks import Culprit
from wallet_mcp.server.setup.secret_checks import (
    Material,
    ed25519_from_pem,
    ed25519_from_text,
    in_one_piece,
    without_quotes,
)
from wallet_mcp.server.setup.way_checks import PROBE_CALL, Way
from wallet_mcp.settings import Credentials
from wallet_mcp.wallet_api.endpoints import chains_call
from wallet_mcp.wallet_api.retry import Call
from wallet_mcp.wallet_api.signing import HmacSigner, Signer

MAX_TRIALS: Final = 5
QUERY_CALL: Final = chains_call(("probe", "a,b=c"))
"""The probe with a query that needs encoding; parameters that the API does not know are ignored (contract §1.12)."""

_BUILD: Final = b"/build"
_SPOIL_SIGNATURES: Final[frozenset[Culprit]] = frozenset(
    {"whitespace_inside_secret", "quotes_around_secret", "private_key_as_secret", "secret_of_another_key"}
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One other way to sign the probe; accepted, it convicts `culprit`."""

    said: str
    culprit: Culprit
    signer: Signer
    target: Callable[[bytes], bytes] = lambda sent: sent
    base_url: str = ""
    call: Call = PROBE_CALL


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial and its answer."""

    trial: Trial
    asked: Asked

    @property
    def outcome(self) -> Literal["accepted", "refused", "not told"]:
        """What became of the signature; what the API says only after it has checked one accepts it (contract §1.10).

        An error of the API's own, a used-up rate and all codes that are not known tell nothing.
        """
        code = self.asked.code
        if not self.asked.reached_the_api or not isinstance(code, int):
            return "not told"
        if code in (0, 40001, 40104) or code // 100 == 403:
            return "accepted"
        return "refused" if code == 40102 else "not told"

    @property
    def accepted(self) -> bool:
        """Whether the signature was accepted for certain."""
        return self.outcome == "accepted"

    def as_json(self) -> dict[str, object]:
        """The trial as a JSON object; `accepted` stands there only where the answer tells it."""
        facts: dict[str, object] = {"tried": self.trial.said, "code": self.asked.code}
        if self.outcome != "not told":
            facts["accepted"] = self.accepted
        return facts | ({"signed": str(self.asked.signed)} if self.asked.signed else {})


def suspects(
    way: Way, *, query_alone: bool = False, found: Sequence[Culprit] = (), tried: Sequence[Tried] = ()
) -> tuple[Culprit, ...]:
    """Who can be to blame for a 40102, the likeliest first: one where a trial convicts it, else all that are left.

    `query_alone`: the same key and path were accepted without a query. `found`: what the look at the secrets found.
    """
    for trial in tried:
        if trial.accepted:
            return (trial.trial.culprit,)
    if query_alone:
        return ("query_rewritten",)
    culprits: list[Culprit] = [culprit for culprit in found if culprit in _SPOIL_SIGNATURES]
    culprits += ["secret_of_another_key", "other_algorithm"]
    if any(trial.trial.culprit == "both_algorithms" and trial.outcome == "refused" for trial in tried):
        # Both were refused, so neither belongs to the key.
        culprits.remove("other_algorithm")
    # The API's own edge does not rewrite; a proxy can where it opens TLS connections.
    if not way.official or way.proxies:
        culprits += ["path_rewritten"] if way.ends_in_build else ["base_url_without_build", "path_rewritten"]
    return tuple(dict.fromkeys(culprits))


def trials(way: Way, credentials: Credentials, material: Material, *, query_alone: bool) -> list[Trial]:
    """The trials that differ from what was sent, the likeliest first, at most five."""
    if query_alone:
        return [
            Trial("query signed decoded", "query_rewritten", credentials.signer, unquote_to_bytes, call=QUERY_CALL)
        ]
    return [*_of_material(credentials, material), *_of_path(way, credentials.signer)][:MAX_TRIALS]


async def try_all(asker: Asker, api_key: SecretStr, recv_window_ms: int, todo: list[Trial]) -> tuple[Tried, ...]:
    """Send the trials one after another until one is accepted or the API has had enough."""
    done: list[Tried] = []
    for trial in todo[:MAX_TRIALS]:
        signature = Signature(api_key, trial.signer, recv_window=str(recv_window_ms), target=trial.target)
        asked = await asker.ask(trial.call, signature, base_url=trial.base_url)
        done.append(Tried(trial, asked))
        if done[-1].accepted or asked.code == 42900:
            break
    return tuple(done)


def salvaged(api_key: SecretStr | None, material: Material) -> Credentials | None:
    """Credentials that the settings refuse but that can sign: a secret with white space inside, or both algorithms.

    Only to find out by trials what the API would accept.
    """
    if api_key is None or material.secret is None:
        return None
    key_id, secret = api_key.get_secret_value().strip(), material.secret.get_secret_value().strip()
    if "-----BEGIN" in secret or in_one_piece(key_id) != key_id or not key_id.isascii():
        return None
    if in_one_piece(secret) == secret and ed25519_from_pem(material) is None:
        return None
    return Credentials(SecretStr(key_id), HmacSigner(SecretStr(secret)))


def _of_material(credentials: Credentials, material: Material) -> Iterator[Trial]:
    other = ed25519_from_pem(material) if credentials.algorithm == "HMAC-SHA256" else None
    if other is not None:
        yield Trial("signed with the Ed25519 key that is set too", "both_algorithms", other)
    if material.secret is None or credentials.algorithm != "HMAC-SHA256":
        return
    used = material.secret.get_secret_value().strip()
    readings: list[tuple[str, Culprit, str]] = [
        ("white space inside the secret left out", "whitespace_inside_secret", in_one_piece(used)),
        ("quote marks around the secret left out", "quotes_around_secret", without_quotes(used)),
    ]
    for said, culprit, text in readings:
        if text != used:
            yield Trial(said, culprit, HmacSigner(SecretStr(text)))
    ed25519 = ed25519_from_text(without_quotes(used))
    if ed25519 is not None:
        yield Trial("the secret read as an Ed25519 private key", "private_key_as_secret", ed25519)


def _of_path(way: Way, signer: Signer) -> Iterator[Trial]:
    root = urlsplit(way.base_url).path.rstrip("/").encode()
    # Signed as documented, over a way that nobody can change: then the documentation is out of date.
    culprit: Culprit = "api_changed" if way.official and not way.proxies else "path_rewritten"
    if way.ends_in_build:
        before = root.removesuffix(_BUILD)
        yield Trial("signed without /build", culprit, signer, lambda sent: before + sent.removeprefix(root))
        if before:
            yield Trial("signed from /build on", culprit, signer, lambda sent: sent.removeprefix(before))
        return
    yield Trial("signed with /build", culprit, signer, lambda sent: _BUILD + sent.removeprefix(root))
    yield Trial(
        "sent to the base URL with /build", "base_url_without_build", signer, base_url=f"{way.base_url}/build"
    )
