"""The doctor against sandboxes set up to fail: each failure names its culprit, or the smallest set of them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx
import pytest

from tests.cli.doctor_bench import (
    GOOD,
    LIVE_URL,
    App,
    answering,
    culprits,
    examined,
    page,
    rewriting,
    stand_in,
    statuses,
    wall_clock,
)
from tests.support.virtual_time import VirtualTimeLoop
from wallet_mcp.cli import doctor as doctor_module
from wallet_mcp.cli.client_places import FoundEntry, UnreadableFile
from wallet_mcp.cli.clients import CURSOR
from wallet_mcp.cli.doctor import Bench, Diagnosis, diagnose, doctor, settings_to_check
from wallet_mcp.sandbox.app import SANDBOX_ED25519_API_KEY, SANDBOX_ED25519_PRIVATE_KEY, SANDBOX_SECRET_KEY, Fault
from wallet_mcp.sandbox.keys import DISABLED_API_KEY, NO_WALLET_API_KEY
from wallet_mcp.server.setup.checks import Check, failed

pytestmark = pytest.mark.anyio

ED25519 = {"WALLET_MCP_API_KEY": SANDBOX_ED25519_API_KEY, "WALLET_MCP_PRIVATE_KEY": SANDBOX_ED25519_PRIVATE_KEY}
ED25519_BODY = SANDBOX_ED25519_PRIVATE_KEY.splitlines()[1]
PROXY = {"HTTPS_PROXY": "http://proxy.invalid:3128"}
CUSTOM = {"WALLET_MCP_BASE_URL": "https://wallet.invalid/build"}
NO_ROUTE = b'{"code":404,"message":"route not found"}'
SUCCESS = b'{"code":0,"msg":"success","data":[],"timestamp":1,"success":true}'
BEFORE_PROBE = ("settings", "secrets", "clock", "dns", "connection")


def with_key(key: str, **settings: str) -> dict[str, str]:
    return {"WALLET_MCP_API_KEY": key, "WALLET_MCP_SECRET_KEY": SANDBOX_SECRET_KEY} | settings


@pytest.mark.parametrize("settings", [GOOD, ED25519], ids=["hmac", "ed25519"])
async def test_a_good_set_up_passes_with_three_requests(settings: Mapping[str, str]) -> None:
    app = stand_in()
    diagnosis = await examined(app, settings)
    parts = (*BEFORE_PROBE, "signed probe", "rate headers")
    assert statuses(diagnosis) == dict.fromkeys(parts, "ok")
    assert [check.part for check in diagnosis.checks] == list(parts)
    assert diagnosis.healthy
    assert [(seen.api_key == "", seen.query) for seen in app.requests] == [
        (True, ""),
        (False, ""),
        (False, "probe=a%2Cb%3Dc"),
    ]
    assert all(value not in str(diagnosis.as_json()) for value in settings.values())


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (with_key("BX-nobody"), "key_unknown_or_disabled"),
        (with_key(DISABLED_API_KEY), "key_unknown_or_disabled"),
        (with_key(NO_WALLET_API_KEY), "missing_permission"),
        (with_key("BX-sandbox-40301"), "region"),
        (with_key("BX-sandbox-40302"), "vpn_or_proxy"),
        (with_key("BX-sandbox-40303"), "unusual_ip"),
        (with_key("BX-sandbox-40304"), "region"),
    ],
)
async def test_what_the_api_says_of_a_key(settings: Mapping[str, str], found: str) -> None:
    diagnosis = await examined(stand_in(), settings)
    assert culprits(diagnosis) == {"signed probe": (found,)}
    assert [statuses(diagnosis)[part] for part in BEFORE_PROBE] == ["ok"] * 5


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("duplicate", "request_repeated"),
        ("40103", "slow_way"),
        ("40399", "compliance"),
        ("42900", "rate_used_up"),
        ("50000", "api_down"),
        ("50001", "api_down"),
        ("40099", "api_changed"),
        ("framework", "api_changed"),
        ("empty", "login_page"),
        ("html502", "api_down"),
    ],
)
async def test_faults_of_the_signed_probe(kind: str, found: str) -> None:
    diagnosis = await examined(stand_in(faults=(Fault(kind),)))
    assert culprits(diagnosis)["signed probe"][0] == found


async def test_headers_that_do_not_arrive_are_missed() -> None:
    inner = stand_in()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "headers": []}, receive, send)

    assert culprits(await examined(app)) == {"signed probe": ("headers_removed",)}


WRONG = {"WALLET_MCP_SECRET_KEY": "secret-of-another-key"}
PEM_OF_HMAC = {
    "WALLET_MCP_API_KEY": GOOD["WALLET_MCP_API_KEY"],
    "WALLET_MCP_PRIVATE_KEY": SANDBOX_ED25519_PRIVATE_KEY,
}
HMAC_OF_ED25519 = with_key(SANDBOX_ED25519_API_KEY)
UNKNOWN = ("secret_of_another_key", "other_algorithm")


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("settings", "environment", "found"),
    [
        (GOOD | WRONG, {}, UNKNOWN),
        (PEM_OF_HMAC, {}, UNKNOWN),
        (HMAC_OF_ED25519, {}, UNKNOWN),
        (GOOD | WRONG, PROXY, (*UNKNOWN, "path_rewritten")),
        (GOOD | WRONG | CUSTOM, {}, (*UNKNOWN, "path_rewritten")),
    ],
    ids=["wrong secret", "pem for hmac", "secret for ed25519", "behind a proxy", "another gateway"],
)
async def test_a_refused_signature_names_those_who_can_be_to_blame(
    settings: Mapping[str, str], environment: Mapping[str, str], found: tuple[str, ...], deep: bool
) -> None:
    app = stand_in()
    diagnosis = await examined(app, settings, environment=environment, deep=deep)
    assert culprits(diagnosis) == {"signed probe": found}
    assert len(app.requests) == (3 if deep else 2)
    (probe,) = [check for check in diagnosis.checks if check.part == "signed probe"]
    signed = app.requests[1]
    assert f"Signed: timestamp {signed.timestamp}, method GET, path with query {signed.path}, body of 0" in probe.said
    assert diagnosis.as_json()["signed"] == {
        "timestamp": signed.timestamp,
        "method": "GET",
        "path_with_query": signed.path,
        "body_bytes": 0,
        "algorithm": "Ed25519" if "WALLET_MCP_PRIVATE_KEY" in settings else "HMAC-SHA256",
    }
    assert all(settings[name] not in str(diagnosis.as_json()) for name in settings if name.endswith("_KEY"))


BOTH = {"WALLET_MCP_PRIVATE_KEY": SANDBOX_ED25519_PRIVATE_KEY}
INSIDE = {"WALLET_MCP_SECRET_KEY": SANDBOX_SECRET_KEY[:9] + " \n" + SANDBOX_SECRET_KEY[9:] + "\u200b"}


@pytest.mark.parametrize(
    ("settings", "at_once", "deeply"),
    [
        (GOOD | {"WALLET_MCP_SECRET_KEY": f'"{SANDBOX_SECRET_KEY}"'}, "quotes_around_secret", "quotes_around_secret"),
        (
            {"WALLET_MCP_API_KEY": SANDBOX_ED25519_API_KEY, "WALLET_MCP_SECRET_KEY": ED25519_BODY},
            "private_key_as_secret",
            "private_key_as_secret",
        ),
        (GOOD | INSIDE, "whitespace_inside_secret", "whitespace_inside_secret"),
        (HMAC_OF_ED25519 | BOTH, "both_algorithms", "both_algorithms"),
    ],
    ids=["quotes", "bare private key", "white space", "both"],
)
async def test_a_slip_in_the_secret_is_seen_before_and_proved_by_a_trial(
    settings: Mapping[str, str], at_once: str, deeply: str
) -> None:
    assert culprits(await examined(stand_in(), settings))["secrets"] == (at_once,)
    diagnosis = await examined(stand_in(), settings, deep=True)
    assert culprits(diagnosis)["signed probe"] == (deeply,)
    assert diagnosis.probe is not None
    assert diagnosis.probe.tried[-1].accepted
    assert "Accepted: " in diagnosis.checks[5].said


async def test_what_was_suspected_stands_first_where_no_trial_was_made() -> None:
    diagnosis = await examined(stand_in(), GOOD | {"WALLET_MCP_SECRET_KEY": "'secret-of-another-key'"})
    assert culprits(diagnosis)["signed probe"] == ("quotes_around_secret", *UNKNOWN)


async def test_with_both_algorithms_refused_neither_belongs_to_the_key() -> None:
    diagnosis = await examined(stand_in(), GOOD | WRONG | BOTH, deep=True)
    assert culprits(diagnosis)["signed probe"] == ("secret_of_another_key",)


async def test_a_seed_that_passed_as_a_secret_is_tried_as_a_key() -> None:
    seed = base64.b64decode(ED25519_BODY)[-32:].hex()
    settings = {"WALLET_MCP_API_KEY": SANDBOX_ED25519_API_KEY, "WALLET_MCP_SECRET_KEY": seed}
    assert statuses(await examined(stand_in(), settings))["secrets"] == "ok"
    diagnosis = await examined(stand_in(), settings, deep=True)
    assert diagnosis.probe is not None
    assert [tried.trial.said for tried in diagnosis.probe.tried] == ["the secret read as an Ed25519 private key"]


def strips_build(path: bytes, query: bytes) -> tuple[bytes, bytes]:
    return path.replace(b"/wallet/build/", b"/build/", 1), query


def adds_build(path: bytes, query: bytes) -> tuple[bytes, bytes]:
    return path.replace(b"/wallet/", b"/build/", 1), query


def below_wallet(path: bytes, query: bytes) -> tuple[bytes, bytes]:
    return path.removeprefix(b"/wallet"), query


def decodes(path: bytes, query: bytes) -> tuple[bytes, bytes]:
    return path, unquote_to_bytes(query)


@pytest.mark.parametrize(
    ("base_url", "change", "at_once", "deeply", "accepted"),
    [
        (
            "https://wallet.invalid/wallet/build",
            strips_build,
            (*UNKNOWN, "path_rewritten"),
            "path_rewritten",
            "signed from /build on",
        ),
        (
            "https://wallet.invalid/wallet",
            adds_build,
            (*UNKNOWN, "base_url_without_build", "path_rewritten"),
            "path_rewritten",
            "signed with /build",
        ),
        (LIVE_URL, decodes, ("query_rewritten",), "query_rewritten", "query signed decoded"),
    ],
    ids=["prefix removed", "prefix replaced", "query decoded"],
)
async def test_a_rewriting_proxy_is_convicted_by_what_the_gateway_accepts(
    base_url: str, change: Any, at_once: tuple[str, ...], deeply: str, accepted: str
) -> None:
    settings = GOOD | {"WALLET_MCP_BASE_URL": base_url}
    assert culprits(await examined(rewriting(stand_in(), change), settings)) == {"signed probe": at_once}
    diagnosis = await examined(rewriting(stand_in(), change), settings, deep=True)
    assert culprits(diagnosis) == {"signed probe": (deeply,)}
    assert diagnosis.probe is not None
    assert [tried.trial.said for tried in diagnosis.probe.tried if tried.accepted] == [accepted]
    (trials,) = [diagnosis.as_json()["trials"]]
    assert isinstance(trials, list)
    assert trials[-1]["accepted"] is True


async def test_a_base_url_that_lacks_build_is_named_by_a_request_that_has_it() -> None:
    # A gateway that serves both spellings, but verifies the one with /build.
    inner = stand_in()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = scope["raw_path"]
        if not path.startswith(b"/build"):
            path = b"/build" + path.replace(b"dex", b"d%65x")
        await inner({**scope, "raw_path": path}, receive, send)

    settings = GOOD | {"WALLET_MCP_BASE_URL": "https://wallet.invalid"}
    assert culprits(await examined(app, settings, deep=True)) == {"signed probe": ("base_url_without_build",)}


async def test_documentation_that_is_out_of_date_is_told_from_a_rewriting_proxy() -> None:
    # The gateway verifies the path without /build.
    assert culprits(await examined(answering(40101, 40102, 0), GOOD, deep=True)) == {"signed probe": ("api_changed",)}


async def test_trials_are_few_and_paced() -> None:
    app = stand_in()
    settings = {"WALLET_MCP_API_KEY": GOOD["WALLET_MCP_API_KEY"], "WALLET_MCP_SECRET_KEY": f'"{"ab" * 32}"'}
    gateway = {"WALLET_MCP_BASE_URL": "https://wallet.invalid/x/build"}
    diagnosis = await examined(rewriting(app, lambda path, query: (path[2:], query)), settings | gateway, deep=True)
    assert diagnosis.probe is not None
    assert [tried.trial.said for tried in diagnosis.probe.tried] == [
        "quote marks around the secret left out",
        "the secret read as an Ed25519 private key",
        "signed without /build",
        "signed from /build on",
    ]
    times = [seen.at for seen in app.requests]
    assert all(later - earlier >= 0.399 for earlier, later in pairwise(times))


async def test_trials_end_where_the_api_has_had_enough() -> None:
    settings = GOOD | WRONG | {"WALLET_MCP_BASE_URL": "https://wallet.invalid/x/build"}
    diagnosis = await examined(answering(40101, 40102, 42900, 0), settings, deep=True)
    assert diagnosis.probe is not None
    assert [tried.asked.code for tried in diagnosis.probe.tried] == [42900]
    assert not diagnosis.probe.tried[0].accepted


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (0, "accepted"),
        (40001, "accepted"),
        (40104, "accepted"),
        (40301, "accepted"),
        (40304, "accepted"),
        (40102, "refused"),
        (40101, "not told"),
        (40103, "not told"),
        (42900, "not told"),
        (50000, "not told"),
        (50001, "not told"),
        (40099, "not told"),
        (404, "not told"),
    ],
)
async def test_only_what_comes_after_the_signature_s_check_convicts(code: int, outcome: str) -> None:
    # The one trial signs without /build.
    diagnosis = await examined(answering(40101, 40102, code), GOOD, deep=True)
    assert diagnosis.probe is not None
    (tried,) = diagnosis.probe.tried
    assert tried.outcome == outcome
    assert culprits(diagnosis) == {"signed probe": ("api_changed",) if outcome == "accepted" else UNKNOWN}
    words = {"accepted": "Accepted", "refused": "Refused too", "not told": "Not told"}[outcome]
    assert f" {words}: signed without /build." in diagnosis.checks[5].said
    (trial,) = [diagnosis.as_json()["trials"]]
    assert isinstance(trial, list)
    assert trial[0].get("accepted") == {"accepted": True, "refused": False}.get(outcome)


async def test_a_trial_that_told_nothing_leaves_both_algorithms_open() -> None:
    diagnosis = await examined(answering(40101, 40102, 50001, 40102), GOOD | WRONG | BOTH, deep=True)
    assert culprits(diagnosis)["signed probe"] == UNKNOWN


@pytest.mark.parametrize(
    ("offset", "side"), [(3600.0, "behind"), (-3600.0, "ahead of"), (6.0, "behind"), (-6.0, "ahead of")]
)
async def test_a_clock_that_is_off_is_the_only_culprit(offset: float, side: str) -> None:
    diagnosis = await examined(stand_in(clock_offset_s=offset))
    assert culprits(diagnosis) == {"clock": ("clock_off",)}
    assert f"{abs(offset):.1f} s {side} the API's" in diagnosis.checks[2].said


@pytest.mark.parametrize(
    ("offset", "delay_ms", "said"),
    [
        (0.0, 0, "agrees with the API's to within 0.1 s."),
        (-0.04, 0, "agrees with the API's to within 0.1 s."),
        # An answer that took 2 s tells the time to 1 s either way.
        (0.0, 2000, "agrees with the API's to within 2.0 s."),
        (4.9, 0, "is 4.9 s behind the API's, give or take 0.1 s."),
        (-4.9, 0, "is 4.9 s ahead of the API's, give or take 0.1 s."),
    ],
)
async def test_a_clock_within_the_window_passes(offset: float, delay_ms: int, said: str) -> None:
    diagnosis = await examined(stand_in(clock_offset_s=offset, delay_ms=delay_ms))
    assert diagnosis.healthy
    assert diagnosis.checks[2].said == f"this machine's clock {said}"


@pytest.mark.parametrize(
    ("app", "settings", "environment", "found"),
    [
        (page(200), GOOD, {}, ("login_page",)),
        (page(200), GOOD, PROXY, ("proxy_page", "login_page")),
        (page(200), GOOD | CUSTOM, {}, ("base_url_wrong", "login_page")),
        (page(200), GOOD | {"WALLET_MCP_BASE_URL": "http://127.0.0.1/build"}, {}, ("base_url_wrong",)),
        (page(403), GOOD, PROXY, ("proxy_page", "login_page")),
        (page(502), GOOD, PROXY, ("api_down", "proxy_page", "login_page")),
        (page(302, location="https://portal.invalid/login?a=b"), GOOD, {}, ("login_page",)),
        (page(302, location="/en"), GOOD | {"WALLET_MCP_BASE_URL": "https://web3.binance.com"}, {}, ("no_build",)),
        (page(404), GOOD, {}, ("api_changed",)),
        (page(404), GOOD | CUSTOM, {}, ("base_url_wrong",)),
        (page(200, b"[]"), GOOD, {}, ("login_page",)),
        (page(404, NO_ROUTE), GOOD | CUSTOM, {}, ("base_url_wrong", "login_page")),
        (page(200, NO_ROUTE), GOOD | {"WALLET_MCP_BASE_URL": "http://127.0.0.1/build"}, {}, ("base_url_wrong",)),
        (page(404, NO_ROUTE), GOOD, PROXY, ("proxy_page", "login_page")),
        (page(404, NO_ROUTE), GOOD, {}, ("api_changed",)),
        (page(200, b'{"code":1000000,"msg":"x"}'), GOOD | CUSTOM, {}, ("base_url_wrong", "login_page")),
        (page(200, b'{"code":-40101,"msg":"x"}'), GOOD | CUSTOM, {}, ("base_url_wrong", "login_page")),
        (page(200, SUCCESS), GOOD | CUSTOM, {}, ("base_url_wrong", "login_page")),
        (page(200, SUCCESS), GOOD, PROXY, ("proxy_page", "login_page")),
        (page(200, SUCCESS), GOOD, {}, ("api_changed",)),
        (page(200, b"x", **{"content-length": "99999999"}), GOOD, {}, ("login_page",)),
    ],
)
async def test_what_stands_in_the_way_is_recognised_before_a_key_is_sent(
    app: App, settings: Mapping[str, str], environment: Mapping[str, str], found: tuple[str, ...]
) -> None:
    seen: list[bytes] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(value for name, value in scope["headers"] if name.startswith(b"x-oc"))
        await app(scope, receive, send)

    diagnosis = await examined(watched, settings, environment=environment)
    expected = tuple("base_url_without_build" if culprit == "no_build" else culprit for culprit in found)
    assert culprits(diagnosis) == {"connection": expected}
    assert seen == []
    # The Date of a page is not the API's time.
    assert [statuses(diagnosis)[part] for part in ("clock", "signed probe", "rate headers")] == ["skipped"] * 3
    assert "login?a=b" not in str(diagnosis.as_json())


@pytest.mark.parametrize("deep", [False, True])
async def test_settings_that_cannot_be_used_stop_everything(deep: bool) -> None:
    app = stand_in()
    diagnosis = await examined(app, GOOD | {"WALLET_MCP_DEADLINE_S": "canary", "WALLET_MCP_BASE_URL": "ftp://canary"})
    assert culprits(diagnosis) == {"settings": ("setting", "setting")}
    assert not app.requests
    assert "canary" not in str(diagnosis.as_json())


@pytest.mark.parametrize(("deep", "requests"), [(False, 1), (True, 1)])
async def test_without_credentials_the_way_is_still_checked(deep: bool, requests: int) -> None:
    app = stand_in()
    diagnosis = await examined(app, {}, deep=deep)
    assert culprits(diagnosis) == {"secrets": ("credentials_missing",)}
    assert statuses(diagnosis)["connection"] == "ok"
    assert statuses(diagnosis)["signed probe"] == "skipped"
    assert len(app.requests) == requests


async def test_the_embedded_sandbox_needs_no_way_and_no_key() -> None:
    diagnosis = await diagnose(GOOD | WRONG, Bench({}), deep=False, sandbox=True)
    assert diagnosis.healthy
    assert statuses(diagnosis)["dns"] == "skipped"
    assert "sandbox" in diagnosis.checks[0].said


def entry_of(env: Mapping[str, str], *args: str, command: str = "wallet-mcp") -> FoundEntry:
    return FoundEntry(CURSOR, Path("mcp.json"), "wallet", command, args, env)


ENTRY, OTHER = entry_of(GOOD), entry_of({})
IN_A_CONTAINER = entry_of(
    {}, "run", "-e", "WALLET_MCP_API_KEY_FILE=/keys/api-key", "wallet-mcp", command="/usr/bin/docker"
)
ASKS = entry_of({"WALLET_MCP_API_KEY": "${input:key}", "WALLET_MCP_SECRET_KEY": " ${SECRET} "})
NINE = {"WALLET_MCP_DEADLINE_S": "9"}
BROKEN = UnreadableFile(CURSOR, CURSOR, "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("environment", "entries", "taken", "noted"),
    [
        ({"A": "1"} | WRONG, [ENTRY], {"A": "1"} | WRONG, False),
        ({"A": "1"}, [BROKEN, OTHER, ENTRY], {"A": "1"} | GOOD, True),
        ({"WALLET_MCP_SANDBOX": " "}, [ENTRY], GOOD, True),
        # What nobody has filled in is no key, and says nothing about where requests go.
        ({}, [ASKS, ENTRY], GOOD, True),
        ({}, [ASKS], {}, False),
        ({"WALLET_MCP_API_KEY": "${KEY}", "WALLET_MCP_SANDBOX": "${SANDBOX}"}, [ENTRY], GOOD, True),
        ({"A": "1", **NINE}, [ENTRY], {"A": "1", **NINE} | GOOD, True),
        (NINE, [entry_of({"WALLET_MCP_DEADLINE_S": "3"} | GOOD)], NINE | GOOD, True),
        ({"A": "1"}, [OTHER, BROKEN], {"A": "1"}, False),
        ({}, [entry_of(GOOD, "--sandbox")], GOOD | {"WALLET_MCP_SANDBOX": "1"}, True),
        ({}, [IN_A_CONTAINER, ENTRY], GOOD, True),
        ({}, [entry_of(GOOD, "run", "-e", "WALLET_MCP_DEADLINE_S=9", "wallet-mcp", command="docker")], {}, False),
    ],
)
async def test_settings_of_a_client_are_checked_where_the_terminal_has_none(
    environment: dict[str, str], entries: list[FoundEntry | UnreadableFile], taken: dict[str, str], noted: bool
) -> None:
    settings, notes = settings_to_check(environment, entries)
    assert dict(settings) == taken
    assert bool(notes) is noted
    diagnosis = await examined(stand_in(), settings, notes=notes)
    assert any("those of Cursor" in check.said for check in diagnosis.checks) is noted


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"WALLET_MCP_SANDBOX": "1"}, "WALLET_MCP_SANDBOX"),
        ({"WALLET_MCP_SANDBOX": "0"}, "WALLET_MCP_SANDBOX"),
        (CUSTOM, "WALLET_MCP_BASE_URL"),
        (CUSTOM | {"WALLET_MCP_SANDBOX": "1"} | NINE, "WALLET_MCP_BASE_URL and WALLET_MCP_SANDBOX"),
    ],
)
async def test_a_terminal_that_says_where_requests_go_gets_no_client_s_key(
    environment: dict[str, str], named: str
) -> None:
    settings, notes = settings_to_check(environment, [ENTRY])
    assert settings == environment
    assert notes == (f"The key of Cursor, entry 'wallet', is not used: this terminal sets {named}.",)
    app = stand_in()
    await examined(app, settings, notes=notes)
    assert {seen.api_key for seen in app.requests} <= {""}


async def test_whoever_chose_the_sandbox_gets_no_client_s_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    async def clients(*_: object) -> list[Check]:
        return []

    monkeypatch.setattr("wallet_mcp.cli.client_checks.check_clients", clients)
    monkeypatch.setattr("wallet_mcp.cli.client_places.find_entries", lambda here: [ENTRY])
    for name in ("API_KEY", "SECRET_KEY", "PRIVATE_KEY", "SANDBOX", "BASE_URL"):
        monkeypatch.delenv(f"WALLET_MCP_{name}", raising=False)
    diagnosis = await doctor_module._doctor(False, True)
    assert diagnosis.healthy
    assert "Cursor" not in str(diagnosis.as_json())


def shown(diagnosis: Diagnosis, monkeypatch: pytest.MonkeyPatch, **options: bool) -> int:
    async def ready(deep: bool, sandbox: bool) -> Diagnosis:
        return diagnosis

    monkeypatch.setattr(doctor_module, "_doctor", ready)
    return doctor(**{"as_json": False, "deep": False, "sandbox": False, **options})


@pytest.fixture
def refused() -> Diagnosis:
    async def find() -> Diagnosis:
        return await examined(stand_in(), GOOD | WRONG, deep=True)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(find())


async def test_the_clients_and_the_network_are_one_diagnosis(monkeypatch: pytest.MonkeyPatch) -> None:
    async def clients(*_: object) -> list[Check]:
        return [failed("client", "x", "client_file")]

    monkeypatch.setattr("wallet_mcp.cli.client_checks.check_clients", clients)
    monkeypatch.setattr("wallet_mcp.cli.client_places.find_entries", lambda here: [])
    diagnosis = await doctor_module._doctor(False, True)
    assert culprits(diagnosis) == {"client": ("client_file",)}


def test_printed_are_lines_a_fix_and_what_deep_would_do(
    refused: Diagnosis, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(Diagnosis(refused.checks, refused.probe), monkeypatch) == 1
    printed = capsys.readouterr().out
    assert "\n        fix:          These cannot be told apart from here; check in this order: (1) " in printed
    assert "`wallet-mcp doctor --deep` signs the request in up to five other ways, which narrows" in printed
    assert printed.splitlines()[-1].startswith(
        "        tried:        signed without /build: refused (40102). Signed: "
    )
    assert shown(refused, monkeypatch, deep=True) == 1
    assert "--deep" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("checks", "status"), [((Check("dns", "ok", "x."),), 0), ((failed("dns", "x.", "name_unknown"),), 1)]
)
def test_the_status_is_1_after_a_failure(
    checks: tuple[Check, ...],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(Diagnosis(checks), monkeypatch) == status
    assert len(capsys.readouterr().out.splitlines()) == 1 + status
    assert shown(Diagnosis(checks), monkeypatch, as_json=True) == status
    printed = json.loads(capsys.readouterr().out)
    assert printed["ok"] is (status == 0)
    assert ("fix" in printed["checks"][0]) is (status == 1)


async def test_a_transport_that_cannot_be_made_is_a_failed_connection() -> None:
    class Proxied(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ProxyError("407 canary")

    bench = Bench(PROXY, wall=wall_clock, transport=Proxied())
    diagnosis = await diagnose(GOOD, bench, deep=False)
    assert culprits(diagnosis) == {"connection": ("proxy_page",)}
    assert "HTTPS_PROXY" in str(diagnosis.as_json())
    assert "canary" not in str(diagnosis.as_json())
    assert "proxy.invalid" not in str(diagnosis.as_json())
