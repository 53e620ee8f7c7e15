"""The running server's checks: they tell from one request of its client what the doctor sends several for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from tests.cli.doctor_bench import GOOD, LIVE_URL, PROXIES, App, answering, examined, page, stand_in, wall_clock
from tests.support.mcp import connect
from wallet_mcp.sandbox.app import SANDBOX_ED25519_API_KEY, SANDBOX_ED25519_PRIVATE_KEY, SANDBOX_SECRET_KEY, Fault
from wallet_mcp.sandbox.keys import DISABLED_API_KEY, NO_WALLET_API_KEY
from wallet_mcp.server.setup.checks import Check
from wallet_mcp.server.setup.from_inside import checks_of_a_probe, checks_without_a_request
from wallet_mcp.server.setup.signed_probe import rate_check
from wallet_mcp.settings import Credentials, Settings, load_settings
from wallet_mcp.wallet_api.clock import ServerClock
from wallet_mcp.wallet_api.envelope import Envelope
from wallet_mcp.wallet_api.errors import ApiError, Exchange
from wallet_mcp.wallet_api.retry import Outcome, RateHeaders
from wallet_mcp.wallet_api.signing import HmacSigner

KEY = GOOD["WALLET_MCP_API_KEY"]
CUSTOM = {"WALLET_MCP_BASE_URL": "https://wallet.invalid/build"}
PROXY = {"HTTPS_PROXY": "http://user:canary@proxy.invalid:3128"}
CREDENTIALS = Credentials(SecretStr(KEY), HmacSigner(SecretStr(SANDBOX_SECRET_KEY)))
NOW = 1_795_341_600.0
SIGNED_AT = "2026-11-22T10:00:00.412Z"
EXCHANGE = Exchange(http_status=200, request_time=SIGNED_AT)


def with_key(key: str) -> dict[str, str]:
    return GOOD | {"WALLET_MCP_API_KEY": key}


WRONG = GOOD | {"WALLET_MCP_SECRET_KEY": "secret-of-another-key"}
CASES: Mapping[str, tuple[Callable[[], App], Mapping[str, str], Mapping[str, str]]] = {
    "good": (stand_in, GOOD, {}),
    "unknown key": (stand_in, with_key("BX-nobody"), {}),
    "disabled key": (stand_in, with_key(DISABLED_API_KEY), {}),
    "no permission": (stand_in, with_key(NO_WALLET_API_KEY), {}),
    "region": (stand_in, with_key("BX-sandbox-40301"), {}),
    "vpn": (stand_in, with_key("BX-sandbox-40302"), {}),
    "compliance": (stand_in, with_key("BX-sandbox-40304"), {}),
    "wrong secret": (stand_in, WRONG, {}),
    "wrong secret, proxy": (stand_in, WRONG, PROXY),
    "wrong secret, gateway": (stand_in, WRONG | CUSTOM, {}),
    "other algorithm": (stand_in, with_key(SANDBOX_ED25519_API_KEY), {}),
    "quotes": (stand_in, GOOD | {"WALLET_MCP_SECRET_KEY": f'"{SANDBOX_SECRET_KEY}"'}, {}),
    "swapped": (stand_in, {"WALLET_MCP_API_KEY": SANDBOX_SECRET_KEY, "WALLET_MCP_SECRET_KEY": KEY}, {}),
    "bare private key": (
        stand_in,
        {
            "WALLET_MCP_API_KEY": SANDBOX_ED25519_API_KEY,
            "WALLET_MCP_SECRET_KEY": SANDBOX_ED25519_PRIVATE_KEY.splitlines()[1],
        },
        {},
    ),
    "PEM as a secret": (stand_in, GOOD | {"WALLET_MCP_SECRET_KEY": SANDBOX_ED25519_PRIVATE_KEY}, {}),
    "white space": (stand_in, GOOD | {"WALLET_MCP_SECRET_KEY": "two parts"}, {}),
    "wrong setting": (stand_in, GOOD | {"WALLET_MCP_DEADLINE_S": "soon"}, {}),
    "clock": (lambda: stand_in(clock_offset_s=3600.0), GOOD, {}),
    "repeated": (lambda: stand_in(faults=(Fault("duplicate"),)), GOOD, {}),
    "late": (lambda: stand_in(faults=(Fault("40103"),)), GOOD, {}),
    "new compliance code": (lambda: stand_in(faults=(Fault("40399"),)), GOOD, {}),
    "down": (lambda: stand_in(faults=(Fault("50001"),)), GOOD, {}),
    "new code": (lambda: stand_in(faults=(Fault("40099"),)), GOOD, {}),
    "rate": (lambda: answering(*[42900] * 20), GOOD, {}),
    "page": (lambda: page(200), GOOD, {}),
    "page of a proxy": (lambda: page(403), GOOD, PROXY),
    "edge": (lambda: page(502), GOOD, {}),
    "redirect": (lambda: page(302, location="https://portal.invalid/login?a=b"), GOOD, {}),
    "no build": (lambda: page(302, location="/en"), GOOD | {"WALLET_MCP_BASE_URL": "https://web3.binance.com"}, {}),
    "not found": (lambda: page(404), GOOD | CUSTOM, {}),
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*PROXIES, *(name for name in os.environ if name.startswith("WALLET_MCP_"))]:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.anyio
@pytest.mark.parametrize("case", CASES)
async def test_a_server_and_the_doctor_find_the_same_faults_and_fixes(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, settings, environment = CASES[case]
    diagnosis = await examined(app(), settings, environment=environment)
    doctors = {(check.part, check.fix) for check in diagnosis.checks if check.status == "failed"}
    for name, value in {**settings, **environment}.items():
        monkeypatch.setenv(name, value)
    transport = httpx.ASGITransport(app=app(), raise_app_exceptions=False)
    async with connect(settings=load_settings(settings), transport=transport, wall=wall_clock) as face:
        answer = await face.answer("wallet_check_setup")
    failed = [row for row in answer["checks"] if row["status"] == "failed"]
    assert {(row["name"], row["fix"].partition(" `wallet-mcp doctor")[0]) for row in failed} == doctors
    order = dict.fromkeys(check.part for check in diagnosis.checks)
    assert list(dict.fromkeys(row["name"] for row in answer["checks"])) == list(order)
    assert answer["ready"] is (not doctors or case == "clock")
    secrets = {settings["WALLET_MCP_SECRET_KEY"], "canary", "proxy.invalid"}
    assert not any(secret in answer.text for secret in secrets)


def checked(
    result: ApiError | None, environment: Mapping[str, str] | None = None, url: str = LIVE_URL
) -> list[Check]:
    """The checks of a server with good credentials whose probe met `result`, None being a success."""
    settings = Settings(credentials=CREDENTIALS, base_url=url, api_key_present=True)
    outcome = Outcome(Envelope([], None), EXCHANGE, NOW, 2, RateHeaders(5, 4, None), "")
    probed = outcome if result is None else result
    around = GOOD | dict(environment or {})
    return list(checks_of_a_probe(settings, CREDENTIALS, around, probed, now=NOW, clock=ServerClock(lambda: NOW)))


def named(checks: list[Check]) -> dict[str, Check]:
    return {check.part: check for check in checks}


@pytest.mark.parametrize(
    ("code", "dns", "connection"),
    [
        ("dns", "failed", ()),
        ("refused", "ok", ("name_blocked", "nothing_listens")),
        ("tls", "ok", ("tls_untrusted",)),
        ("timeout", "skipped", ("no_network",)),
        ("connection", "skipped", ("no_network",)),
        ("proxy", "skipped", ("proxy_variable",)),
    ],
)
def test_a_request_without_an_answer_tells_of_the_way(code: str, dns: str, connection: tuple[str, ...]) -> None:
    found = named(checked(ApiError(code=code)))
    assert (found["dns"].status, found["connection"].culprits) == (dns, connection)
    assert found["dns"].culprits == (("name_unknown",) if code == "dns" else ())
    assert [found[part].status for part in ("signed probe", "rate headers")] == ["skipped"] * 2


@pytest.mark.parametrize(
    ("environment", "url", "culprits"),
    [
        ({}, "http://127.0.0.1:1/build", ("nothing_listens",)),
        (PROXY, LIVE_URL, ("proxy_variable",)),
    ],
)
def test_a_name_is_only_in_doubt_where_one_is_resolved(
    environment: Mapping[str, str], url: str, culprits: tuple[str, ...]
) -> None:
    found = named(checked(ApiError(code="refused"), environment, url))
    assert (found["dns"].status, found["connection"].culprits) == ("skipped", culprits)


@pytest.mark.parametrize("code", ["busy", 42900])
def test_a_probe_that_found_no_place_in_the_rate_tells_nothing(code: str | int) -> None:
    found = named(checked(ApiError(code=code, attempts=0)))
    said = {found[part].said for part in ("dns", "connection", "signed probe", "rate headers")}
    assert said == {"the request was not sent: others are using the rate up."}


@pytest.mark.parametrize(
    ("environment", "url", "told"),
    [
        ({}, LIVE_URL, False),
        (PROXY, LIVE_URL, True),
        ({}, "https://wallet.invalid/build", True),
        ({}, "http://127.0.0.1:1/build", False),
    ],
)
def test_where_queries_may_be_rewritten_it_is_told_that_none_was_tried(
    environment: Mapping[str, str], url: str, told: bool
) -> None:
    probe = named(checked(None, environment, url))["signed probe"]
    assert probe.status == "ok"
    assert ("It had no query" in probe.said) is told


def test_of_a_refused_signature_the_very_target_is_told() -> None:
    url = "https://wallet.invalid/a b/build"
    error = ApiError(code=40102, exchange=Exchange(401, request_time=SIGNED_AT))
    said = named(checked(error, url=url))["signed probe"].said
    target = "/a%20b/build/api/v1/dex/balance/supported/chain"
    signed = f"timestamp {SIGNED_AT}, method GET, path with query {target}, body of 0 bytes, HMAC-SHA256"
    assert f"Signed: {signed}." in said


def test_a_key_that_upstream_echoes_is_not_told() -> None:
    error = ApiError(code=40101, message=f"Invalid API Key {KEY}", exchange=Exchange(401, request_time=SIGNED_AT))
    said = named(checked(error))["signed probe"].said
    assert KEY not in said
    assert "Invalid API Key (API key)" in said


@pytest.mark.parametrize(("key", "failed"), [(KEY, True), ("BX-another", False)])
def test_an_environment_that_the_settings_are_not_from_is_not_judged(key: str, failed: bool) -> None:
    quoted = {"WALLET_MCP_API_KEY": key, "WALLET_MCP_SECRET_KEY": "'x y'"}
    assert (named(checked(None, quoted))["secrets"].status == "failed") is failed


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
def test_a_secret_from_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    environment = {"WALLET_MCP_API_KEY": KEY, "WALLET_MCP_SECRET_KEY_FILE": str(pipe), "WALLET_MCP_SECRET_KEY": ""}
    assert named(checked(None, environment))["secrets"].status == "ok"


def test_a_clock_is_as_sure_as_the_best_answer_and_not_as_the_last() -> None:
    clock = ServerClock(lambda: NOW)
    clock.learn(NOW + 2.0, NOW - 0.1, NOW + 0.1)
    settings = Settings(credentials=CREDENTIALS, api_key_present=True)
    slow = Outcome(Envelope([], None), EXCHANGE, NOW, 2, RateHeaders(), "", elapsed_s=9.0)
    checks = checks_of_a_probe(settings, CREDENTIALS, GOOD, slow, now=NOW, clock=clock)
    assert named(list(checks))["clock"].said == "this machine's clock is 2.0 s behind the API's, give or take 0.1 s."


@pytest.mark.parametrize(
    ("rate", "status", "said"),
    [
        (RateHeaders(), "skipped", "no answer carried any."),
        (RateHeaders(5, None, 0), "ok", "ratelimit-limit 5, used-weight 0."),
    ],
)
def test_the_rate_is_told_as_far_as_it_came(rate: RateHeaders, status: str, said: str) -> None:
    check = rate_check(rate)
    assert (check.status, check.said) == (status, said)


def test_without_a_request_a_wrong_clock_can_still_show() -> None:
    checks = checks_without_a_request(load_settings({}), {}, 0.0)
    assert named(list(checks))["clock"].culprits == ("clock_off",)
