"""`wallet-mcp doctor`: why it does not work, in one line per check and one fix per failure."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeGuard

import anyio

from wallet_mcp.server.setup.checks import Check, Part, ok, skipped

if TYPE_CHECKING:
    import httpx

    from wallet_mcp.cli.client_places import FoundEntry, UnreadableFile
    from wallet_mcp.server.setup.signed_probe import Probed
    from wallet_mcp.server.setup.way_checks import Resolve

_KEY_SETTINGS = ("API_KEY", "SECRET_KEY", "PRIVATE_KEY")
_SAY_WHERE = frozenset(("WALLET_MCP_SANDBOX", "WALLET_MCP_BASE_URL"))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks in their order, and what stands behind the signed probe."""

    checks: tuple[Check, ...]
    probe: Probed | None = None

    @property
    def healthy(self) -> bool:
        """Whether nothing failed."""
        return all(check.status != "failed" for check in self.checks)

    def as_json(self) -> dict[str, object]:
        """The diagnosis as a JSON object, without any secret."""
        facts: dict[str, object] = {"ok": self.healthy, "checks": [check.as_json() for check in self.checks]}
        if self.probe is not None and self.probe.asked.signed is not None:
            signed = self.probe.asked.signed
            facts["signed"] = {
                "timestamp": signed.timestamp,
                "method": signed.method,
                "path_with_query": signed.target,
                "body_bytes": signed.body_bytes,
                "algorithm": signed.algorithm,
            }
        if self.probe is not None and self.probe.tried:
            facts["trials"] = [tried.as_json() for tried in self.probe.tried]
        return facts


@dataclass(frozen=True, slots=True)
class Bench:
    """What a diagnosis works with. `transport` replaces the network, `resolve` the look-up of names.

    `wall`: local wall time in Unix seconds. `environment` is the process's: proxies and what clients pass on.
    """

    environment: Mapping[str, str]
    wall: Callable[[], float] = time.time
    transport: httpx.AsyncBaseTransport | None = None
    resolve: Resolve | None = None
    notes: tuple[str, ...] = field(default=())


def doctor(*, as_json: bool, deep: bool, sandbox: bool) -> int:
    """Check everything and print it; the exit status is 1 when a check failed, else 0."""
    diagnosis = anyio.run(_doctor, deep, sandbox)
    if as_json:
        print(json.dumps(diagnosis.as_json(), ensure_ascii=False, indent=2))
        return 0 if diagnosis.healthy else 1
    for check in diagnosis.checks:
        print("\n".join(check.lines()))
    if diagnosis.probe is not None and diagnosis.probe.asked.code == 40102 and not deep:
        print("`wallet-mcp doctor --deep` signs the request in up to five other ways, which narrows the cause down.")
    for tried in diagnosis.probe.tried if diagnosis.probe is not None else ():
        outcome = "accepted" if tried.accepted else f"{tried.outcome} ({tried.asked.code})"
        print(f"{'':<8}{'tried:':<14}{tried.trial.said}: {outcome}. Signed: {tried.asked.signed}")
    return 0 if diagnosis.healthy else 1


async def _doctor(deep: bool, sandbox: bool) -> Diagnosis:
    from wallet_mcp.cli.client_checks import check_clients
    from wallet_mcp.cli.client_places import find_entries
    from wallet_mcp.cli.clients import Surroundings

    here = Surroundings.of_this_process()
    entries = find_entries(here)
    # Whoever chose the sandbox wants no client's keys looked at.
    settings, notes = (os.environ, ()) if sandbox else settings_to_check(os.environ, entries)
    bench = Bench(dict(os.environ), notes=notes)
    diagnosis = await diagnose(settings, bench, deep=deep, sandbox=sandbox)
    clients = await check_clients(entries, os.environ)
    return Diagnosis((*diagnosis.checks, *clients), diagnosis.probe)


def settings_to_check(
    environment: Mapping[str, str], entries: list[FoundEntry | UnreadableFile]
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The environment whose settings are checked, and a note where a client's count or could have counted.

    Most people set keys for a client alone: where this process has none, those of the first entry that has are taken;
    a placeholder is none. Settings of this process stay on top of them. One that says where requests go (sandbox,
    another base URL) was not meant for a client's key: then no key is taken, for it would be shown to somebody else
    or used live unasked.
    """
    from wallet_mcp.settings import given

    names = {f"WALLET_MCP_{name}{suffix}" for name in _KEY_SETTINGS for suffix in ("", "_FILE")}
    own = {name for name in environment if name.startswith("WALLET_MCP_") and given(environment, name)}
    if own & names:
        return environment, ()
    entry = next((entry for entry in entries if _has_keys(entry, names)), None)
    if entry is None:
        return environment, ()
    whose = f"{entry.client.title}, entry {entry.name[:40]!r}"
    where = sorted(own & _SAY_WHERE)
    if where:
        return environment, (f"The key of {whose}, is not used: this terminal sets {' and '.join(where)}.",)
    others = {name: value for name, value in environment.items() if name in own or not name.startswith("WALLET_MCP_")}
    mine = "those of this terminal stay on top" if own else "this terminal has none"
    return {**entry.settings, **others}, (f"The settings are those of {whose}; {mine}.",)


def _has_keys(entry: FoundEntry | UnreadableFile, names: Set[str]) -> TypeGuard[FoundEntry]:
    """Whether an entry holds a key or names its files; those of a container are not to be found out here."""
    from wallet_mcp.cli.client_places import FoundEntry
    from wallet_mcp.settings import given

    if not isinstance(entry, FoundEntry):
        return False
    held = {name for name in names if given(entry.settings, name)}
    return bool(held) and not (entry.in_container and any(name.endswith("_FILE") for name in held))


async def diagnose(settings: Mapping[str, str], bench: Bench, *, deep: bool, sandbox: bool = False) -> Diagnosis:
    """The checks from settings to rate headers; `settings` is the environment that holds them.

    At most eight requests are sent, none about a wallet: one unsigned, two signed, with `deep` up to five more.
    """
    from wallet_mcp.cli.wiring import on_the_sandbox
    from wallet_mcp.server.setup.asking import Asker
    from wallet_mcp.server.setup.secret_checks import check_secrets, check_settings, read_material
    from wallet_mcp.server.setup.signed_probe import rate_check, signed_probe
    from wallet_mcp.server.setup.signing_trials import salvaged
    from wallet_mcp.server.setup.way_checks import (
        PROBE_CALL,
        check_clock,
        check_connection,
        check_dns,
        resolve,
        way_to,
    )
    from wallet_mcp.settings import load_settings
    from wallet_mcp.wallet_api.retry import RateHeaders

    loaded = load_settings(settings, sandbox=sandbox)
    transport = bench.transport
    if loaded.sandbox:
        loaded, transport, _ = on_the_sandbox(loaded)
    material = read_material({} if loaded.sandbox else settings)
    checks = [ok("settings", note) for note in bench.notes]
    checks += check_settings(loaded)
    secrets = check_secrets(settings, loaded, material)
    checks += secrets
    if loaded.problems:
        # A wrong base URL leaves nobody to ask.
        because = "the settings have to be corrected first."
        return Diagnosis((*checks, *(skipped(part, because) for part in _AFTER_SETTINGS)))
    way = way_to(loaded.base_url, bench.environment, embedded=loaded.sandbox)
    asker = Asker(loaded.base_url, bench.wall, transport)
    result: Probed | None = None
    try:
        dns = await check_dns(way, bench.resolve or resolve)
        unsigned = None if dns.status == "failed" else await asker.ask(PROBE_CALL)
        if unsigned is None:
            connection = skipped("connection", "the host's name does not resolve.")
        else:
            connection = await check_connection(way, unsigned)
        checks += [check_clock(bench.wall(), unsigned, loaded.recv_window_ms), dns, connection]
        credentials = loaded.credentials
        if credentials is None and deep:
            credentials = salvaged(material.api_key, material)
        if connection.status != "ok" or unsigned is None:
            checks += [skipped("signed probe", "a key is not sent on a way that does not lead to the API.")]
            checks += [rate_check(RateHeaders())]
        elif credentials is None:
            checks += [
                skipped("signed probe", "there are no credentials that can be used."),
                rate_check(RateHeaders()),
            ]
        else:
            # With the API's own time a wrong clock cannot hide what else is wrong.
            asker.correct_clock(unsigned.clock_offset_s or 0.0)
            result = await signed_probe(
                asker,
                way,
                credentials,
                material,
                recv_window_ms=loaded.recv_window_ms,
                found=tuple(culprit for check in secrets for culprit in check.culprits),
                deep=deep,
            )
            checks += result.checks
    finally:
        await asker.close()
    return Diagnosis(tuple(checks), result)


_AFTER_SETTINGS: tuple[Part, ...] = ("clock", "dns", "connection", "signed probe", "rate headers")
