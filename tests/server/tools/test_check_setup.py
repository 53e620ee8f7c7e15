from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.support.mcp import (
    COMMON,
    STRANGER,
    Era,
    Face,
    Made,
    Success,
    Upstream,
    connect,
    custom_settings,
    usable_settings,
    wall_clock,
)
from wallet_mcp.sandbox.app import SANDBOX_ED25519_API_KEY, SANDBOX_ED25519_PRIVATE_KEY, SANDBOX_SECRET_KEY, Fault
from wallet_mcp.server.tools.check_setup import TOOL as DEFINITION
from wallet_mcp.settings import Credentials, Settings, load_settings
from wallet_mcp.wallet_api.endpoints import DEFAULT_BASE_URL
from wallet_mcp.wallet_api.signing import Ed25519Signer, HmacSigner

TOOL = "wallet_check_setup"
FIELDS = {
    "ready",
    "mode",
    "base_url",
    "api_key_present",
    "algorithm",
    "recv_window_ms",
    "clock_offset_ms",
    "probe",
    "rate",
    "checks",
}

pytestmark = pytest.mark.anyio


def failures(answer: Success) -> dict[str, dict[str, str]]:
    """The failed checks by name, which are no two of one name."""
    failed = [check for check in answer["checks"] if check["status"] == "failed"]
    named = {check["name"]: check for check in failed}
    assert len(named) == len(failed)
    return named


async def test_a_good_set_up_is_ready(face: Face) -> None:
    answer = await face.answer(TOOL)
    assert answer.structure == {
        "ready": True,
        "mode": "sandbox",
        "base_url": "embedded sandbox",
        "api_key_present": True,
        "algorithm": "HMAC-SHA256",
        "recv_window_ms": 5000,
        "clock_offset_ms": 0,
        "probe": {"outcome": "ok"},
        "rate": {"limit": 5, "remaining": 4, "used_weight": 1},
        "checks": [
            {"name": "settings", "status": "ok"},
            {"name": "secrets", "status": "ok"},
            {
                "name": "clock",
                "status": "ok",
                "detail": "this machine's clock agrees with the API's to within 0.1 s.",
            },
            {"name": "dns", "status": "skipped", "detail": "the embedded sandbox needs no network."},
            {"name": "connection", "status": "ok", "detail": "the embedded sandbox answers."},
            {"name": "signed probe", "status": "ok", "detail": "key, signature, clock and rights are accepted."},
            {"name": "rate headers", "status": "ok"},
        ],
        "source": "sandbox",
        "as_of": "2026-11-22T10:00:00Z",
        "age_seconds": 0,
        "complete": True,
    }


async def test_it_probes_past_the_cache(face: Face) -> None:
    await face.answer("wallet_list_chains")
    await face.answer(TOOL)
    assert len(face.sent("supported/chain")) == 2


async def test_ed25519_keys_are_named(era: Era) -> None:
    signer = Ed25519Signer(SecretStr(SANDBOX_ED25519_PRIVATE_KEY))
    settings = usable_settings(credentials=Credentials(SecretStr(SANDBOX_ED25519_API_KEY), signer))
    async with connect(era, settings=settings) as face:
        assert (await face.answer(TOOL))["algorithm"] == "Ed25519"


@pytest.mark.parametrize("offset", [-3.0, -0.25, 0.0, 4.0])
async def test_the_clock_difference_is_told(era: Era, offset: float) -> None:
    async with connect(era, clock_offset_s=offset) as face:
        answer = await face.answer(TOOL)
        assert answer["ready"] is True
        assert answer["clock_offset_ms"] == offset * 1000


async def test_a_clock_far_off_corrects_itself_and_is_told(era: Era) -> None:
    async with connect(era, clock_offset_s=600.0) as face:
        answer = await face.answer(TOOL)
        assert (answer["ready"], answer["clock_offset_ms"]) == (True, 600_000)
        assert [request.code for request in face.sent()] == [40103, 0]
        assert answer["as_of"] == "2026-11-22T10:10:00Z"


@pytest.mark.parametrize(
    ("code", "status", "check", "told"),
    [
        ("40101", 401, "signed probe", "Compare WALLET_MCP_API_KEY with the Developer Portal"),
        ("40102", 401, "signed probe", "WALLET_MCP_SECRET_KEY for HMAC-SHA256"),
        ("40104", 403, "signed probe", "the Wallet permission"),
        ("40304", 200, "signed probe", "not offered where this machine is connected from"),
        ("50000", 200, "signed probe", "contact the API's support"),
        ("framework", 200, "connection", "WALLET_MCP_BASE_URL"),
    ],
)
async def test_a_probe_that_fails_says_what_to_do(era: Era, code: str, status: int, check: str, told: str) -> None:
    async with connect(era, faults=[Fault(code)]) as face:
        answer = await face.answer(TOOL)
        probe = answer["probe"]
        assert answer["ready"] is False
        assert (probe["outcome"], probe["error"]) == ("failed", code.replace("framework", "000002"))
        assert probe["http_status"] == status
        assert len(probe["trace_id"]) == 32
        assert list(failures(answer)) == [check]
        assert told in failures(answer)[check]["fix"]
        assert answer["source"] == "sandbox"
        assert "rate" not in answer
        assert f"What to do: {probe['what_to_do']}" in answer.lines


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("40101", "tell the user each failed check and its fix."),
        ("40304", "not offered where this server runs"),
        ("50000", "call wallet_check_setup again with the same arguments, after 60 s."),
        ("40001", "WALLET_MCP_RECV_WINDOW_MS"),
    ],
)
async def test_the_step_is_one_that_the_model_can_take(era: Era, code: str, step: str) -> None:
    async with connect(era, faults=[Fault(code)]) as face:
        answer = await face.answer(TOOL)
        assert step in answer["probe"]["what_to_do"]
        # Only errors end with such a line.
        assert "Trace line" not in answer.text


async def test_of_a_refused_signature_it_is_told_what_was_signed(era: Era) -> None:
    async with connect(era, faults=[Fault("40102")]) as face:
        answer = await face.answer(TOOL)
        (sent,) = face.sent()
        signed = f"timestamp {sent.timestamp}, method GET, path with query {sent.path}, body of 0 bytes, HMAC-SHA256"
        assert f"Signed: {signed}." in failures(answer)["signed probe"]["detail"]
        assert "`wallet-mcp doctor --deep`" in failures(answer)["signed probe"]["fix"]


async def test_a_clock_beyond_the_window_is_a_failed_check_of_a_server_that_is_ready(era: Era) -> None:
    async with connect(era, clock_offset_s=-600.0) as face:
        answer = await face.answer(TOOL)
        assert answer["ready"] is True
        assert "600.0 s ahead of the API's" in failures(answer)["clock"]["detail"]
        assert failures(answer)["clock"]["fix"] == "Synchronise this machine's clock with NTP."


async def test_a_reason_that_skips_several_checks_is_told_once(era: Era) -> None:
    async with connect(era, settings=load_settings({})) as face:
        answer = await face.answer(TOOL)
        assert answer.text.count("nothing is sent until the settings are corrected.") == 1
        assert answer.lines[-5:-2] == ["skipped: connection", "skipped: signed probe", "skipped: rate headers"]
        assert "WALLET_MCP_SANDBOX=1" in answer["probe"]["what_to_do"]


async def test_a_network_that_fails_leaves_no_trace_to_tell(era: Era) -> None:
    api = Upstream(lambda request: httpx.ConnectError("secret details"))
    settings = custom_settings(base_url="https://proxy.example/build")
    async with connect(era, settings=settings, transport=api) as face:
        answer = await face.answer(TOOL)
        assert answer["probe"].keys() == {"outcome", "error", "what_to_do"}
        assert answer["probe"]["error"] == "connection"
        assert "clock_offset_ms" not in answer
        assert "secret details" not in answer.text
        assert (answer["mode"], answer["source"], answer["base_url"]) == (
            "custom",
            "custom",
            "https://proxy.example/build",
        )


@pytest.mark.parametrize(
    ("environment", "code", "problems"),
    [
        ({}, "no_credentials", ["WALLET_MCP_API_KEY is not set.", "Neither WALLET_MCP_SECRET_KEY nor"]),
        (
            {"API_KEY": "k", "SECRET_KEY": "s", "DEADLINE_S": "soon"},
            "bad_settings",
            ["WALLET_MCP_DEADLINE_S must be"],
        ),
        ({"API_KEY": "k", "PRIVATE_KEY": "nonsense"}, "bad_credentials", ["WALLET_MCP_PRIVATE_KEY does not work"]),
        (
            {"API_KEY": "k", "SECRET_KEY": "s", "BASE_URL": "http://x.example", "CACHE_MB": "0"},
            "bad_settings",
            ["WALLET_MCP_BASE_URL must start with https://", "WALLET_MCP_CACHE_MB must be a whole number"],
        ),
    ],
)
async def test_wrong_settings_are_listed_and_nothing_is_sent(
    era: Era, environment: dict[str, str], code: str, problems: list[str]
) -> None:
    settings = load_settings({f"WALLET_MCP_{name}": value for name, value in environment.items()})
    async with connect(era, settings=settings) as face:
        answer = await face.answer(TOOL)
        assert answer["ready"] is False
        assert (answer["probe"]["outcome"], answer["probe"]["error"]) == ("not_sent", code)
        details = " ".join(check["detail"] for check in answer["checks"] if check["status"] == "failed")
        assert all(problem in details for problem in problems)
        assert all("fix" in check for check in answer["checks"] if check["status"] == "failed")
        assert "restart it" in answer["probe"]["what_to_do"]
        assert answer["api_key_present"] is ("API_KEY" in environment)
        assert not face.sent()


async def test_the_mode_is_live_only_for_the_real_address(era: Era) -> None:
    async with connect(era, settings=Settings(missing=("x.",))) as face:
        answer = await face.answer(TOOL)
        assert (answer["mode"], answer["base_url"], answer["source"]) == ("live", DEFAULT_BASE_URL, "live")


async def test_notes_of_the_settings_are_passed_on(era: Era) -> None:
    async with connect(era, settings=usable_settings(notes=("White space was left out.",))) as face:
        assert (await face.answer(TOOL))["notes"] == ["White space was left out."]


async def test_an_answer_without_rate_headers_says_so(era: Era) -> None:
    async with connect(era, settings=custom_settings(), transport=Upstream(lambda request: [])) as face:
        answer = await face.answer(TOOL)
        assert answer["rate"] == {}
        assert "Rate headers: none sent." in answer.lines


async def test_a_wrong_secret_is_found_out(era: Era) -> None:
    settings = usable_settings()
    assert settings.credentials is not None
    wrong = replace(settings.credentials, signer=HmacSigner(SecretStr(SANDBOX_SECRET_KEY + "x")))
    async with connect(era, settings=replace(settings, credentials=wrong)) as face:
        assert (await face.answer(TOOL))["probe"]["error"] == "40102"


async def test_arguments_are_refused(face: Face) -> None:
    failed = await face.failure(TOOL, verbose=True)
    assert failed.meta["corrected"] == {"tool": TOOL, "arguments": {}}
    assert "its arguments are none" in failed.text


async def test_a_code_of_absurd_length_is_cut(era: Era) -> None:
    def answer(request: httpx.Request) -> Any:
        return json.dumps({"code": "1" * 7, "msg": "x" * 5_000, "timestamp": int(wall_clock() * 1000)}).encode()

    async with connect(era, settings=custom_settings(), transport=Upstream(answer)) as face:
        assert (await face.answer(TOOL))["probe"]["error"] == "1111111"


def test_its_fields_are_those_of_the_design() -> None:
    assert DEFINITION.definition.input_schema == {"additionalProperties": False, "properties": {}, "type": "object"}
    output = DEFINITION.definition.output_schema
    assert output is not None
    assert set(output["properties"]) == {*FIELDS, *COMMON}


class Slow(httpx.AsyncBaseTransport):
    """An API that takes two seconds for each answer."""

    def __init__(self, answer: Callable[[httpx.Request], Made]) -> None:
        self.upstream = Upstream(answer)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(2)
        return await self.upstream.handle_async_request(request)


def refused(code: int, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """An error of the API."""
    body = {"code": code, "msg": "x", "timestamp": int(wall_clock() * 1000)}
    return httpx.Response(200, headers={"x-oc-trace-id": "ab" * 16, **(headers or {})}, json=body)


@pytest.mark.parametrize(("made", "outcome"), [([], "ok"), (50000, "failed"), (50001, "failed"), (42900, "failed")])
async def test_calls_at_one_time_share_one_probe(era: Era, made: list[Any] | int, outcome: str) -> None:
    api = Slow(lambda request: refused(made) if isinstance(made, int) else made)
    async with connect(era, settings=custom_settings(), transport=api) as face:
        answers = await asyncio.gather(*(face.answer(TOOL) for _ in range(6)))
        assert [answer["probe"]["outcome"] for answer in answers] == [outcome] * 6
        assert len(api.upstream.requests) == 1


async def test_a_caller_that_leaves_does_not_cost_a_second_probe() -> None:
    api = Slow(lambda request: [])
    async with connect(settings=custom_settings(), transport=api) as face:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(face.answer(TOOL), 0.5)
        answer = await face.answer(TOOL)
        assert answer["probe"] == {"outcome": "ok"}
        assert len(api.upstream.requests) == 1


async def test_repeated_calls_share_one_probe_for_ten_minutes(era: Era) -> None:
    async with connect(era) as face:
        first = await face.answer(TOOL)
        await asyncio.sleep(590)
        again = await face.answer(TOOL)
        assert len(face.sandbox.requests) == 1
        assert (again["as_of"], again["age_seconds"]) == (first["as_of"], 590)
        assert "made 590 s ago; a new one is made in 10 s at the earliest." in again.notes
        await asyncio.sleep(11)
        assert (await face.answer(TOOL))["age_seconds"] == 0
        assert len(face.sandbox.requests) == 2


@pytest.mark.parametrize(
    "kind", ["40104", "40304", "42900", "50000", "50001", "html502", "half_body", "hang", "not_json", "framework"]
)
async def test_a_failure_is_one_request_and_kept_for_a_minute(kind: str) -> None:
    async with connect(faults=(Fault(kind),)) as face:
        first = await face.answer(TOOL)
        assert first["probe"]["outcome"] == "failed"
        assert len(face.sandbox.requests) == 1
        await asyncio.sleep(30)
        again = await face.answer(TOOL)
        assert len(face.sandbox.requests) == 1
        assert again["probe"]["error"] == first["probe"]["error"]
        assert "made 30 s ago and failed; a new one is made in 30 s at the earliest." in again.notes
        assert not re.search(r"after (?!30 )\d+ s", again["probe"]["what_to_do"])
        await asyncio.sleep(31)
        assert "notes" not in await face.answer(TOOL)
        assert len(face.sandbox.requests) == 2


async def test_a_failure_is_kept_as_long_as_the_api_asks() -> None:
    api = Upstream(lambda request: refused(42900, {"retry-after": "300"}))
    async with connect(settings=custom_settings(), transport=api) as face:
        assert "after 300 s" in (await face.answer(TOOL))["probe"]["what_to_do"]
        await asyncio.sleep(290)
        assert "after 10 s" in (await face.answer(TOOL))["probe"]["what_to_do"]
        assert len(api.requests) == 1
        await asyncio.sleep(11)
        await face.answer(TOOL)
        assert len(api.requests) == 2


@pytest.mark.parametrize(
    ("faults", "codes"),
    [
        (["duplicate"], [40103, 0]),
        (["duplicate", "duplicate"], [40103, 40103]),
        (["50000"], [50000]),
    ],
)
async def test_a_second_request_goes_only_to_a_new_nonce(faults: list[str], codes: list[int]) -> None:
    async with connect(faults=[Fault(kind, times=1) for kind in faults]) as face:
        await face.answer(TOOL)
        assert [request.code for request in face.sent()] == codes


async def test_what_was_never_sent_is_not_kept() -> None:
    settings = custom_settings(deadline_s=3)
    api = Upstream(lambda request: refused(42900, {"retry-after": "20"}) if len(api.requests) < 2 else [])
    async with connect(settings=settings, transport=api) as face:
        await face.failure("wallet_list_balances", {"address": STRANGER, "chain": "1"})
        unsent = await face.answer(TOOL)
        assert unsent["probe"]["outcome"] == "failed"
        assert len(api.requests) == 1
        await asyncio.sleep(25)
        assert (await face.answer(TOOL))["probe"] == {"outcome": "ok"}
