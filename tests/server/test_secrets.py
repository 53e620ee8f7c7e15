"""Canaries: neither the server's own secrets nor one pasted into an argument may come out anywhere."""

from __future__ import annotations

import base64
import json
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.support.mcp import STRANGER, UNKNOWN_HASH, Era, Made, Upstream, connect, refusal, usable_settings
from wallet_mcp.sandbox.app import Fault
from wallet_mcp.sandbox.world_model import base58
from wallet_mcp.server.app import build_server
from wallet_mcp.server.context import Services
from wallet_mcp.server.tools import TOOLS
from wallet_mcp.settings import Settings, load_settings

pytestmark = pytest.mark.anyio

KEY = "BX-canary4key9id7f3a"
SECRET = "canary1secret8material5x2y"
PASSPHRASE = "canary-passphrase-6p"
_PRIVATE = Ed25519PrivateKey.from_private_bytes(b"canary seed of thirty-two bytes!")
PEM = _PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
LOCKED_PEM = _PRIVATE.private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE.encode())
).decode()
_BODIES = tuple(line for pem in (PEM, LOCKED_PEM) for line in pem.splitlines() if "-----" not in line)
OWN = (KEY, SECRET, PASSPHRASE, *_BODIES)

CALLS: Mapping[str, dict[str, Any]] = {
    "wallet_list_chains": {},
    "wallet_list_balances": {"address": STRANGER, "chain": "1"},
    "wallet_get_token_balances": {"address": STRANGER, "tokens": ["1:native"]},
    "wallet_list_transactions": {"address": STRANGER, "chains": ["1"]},
    "wallet_get_transaction": {"tx_hash": UNKNOWN_HASH, "chain": "1"},
    "wallet_get_portfolio": {"address": STRANGER, "chains": ["1"]},
    "wallet_check_setup": {},
}
GOOD: Mapping[str, Mapping[str, str]] = {
    "HMAC": {"API_KEY": KEY, "SECRET_KEY": SECRET},
    "Ed25519": {"API_KEY": KEY, "PRIVATE_KEY": PEM},
    "locked": {"API_KEY": KEY, "PRIVATE_KEY": LOCKED_PEM, "PRIVATE_KEY_PASSPHRASE": PASSPHRASE},
}
WRONG: Mapping[str, Mapping[str, str]] = {
    "both algorithms": {"API_KEY": KEY, "SECRET_KEY": SECRET, "PRIVATE_KEY": PEM},
    "value and file": {"API_KEY": KEY, "SECRET_KEY": SECRET, "SECRET_KEY_FILE": SECRET},
    "secret as a path": {"API_KEY": KEY, "SECRET_KEY_FILE": SECRET},
    "key in two pieces": {"API_KEY": f"{KEY} {SECRET}", "SECRET_KEY": SECRET},
    "secret in two pieces": {"API_KEY": KEY, "SECRET_KEY": f"{SECRET} {SECRET}"},
    "PEM as a secret": {"API_KEY": KEY, "SECRET_KEY": PEM},
    "secret as a PEM": {"API_KEY": KEY, "PRIVATE_KEY": SECRET},
    "half a PEM": {"API_KEY": KEY, "PRIVATE_KEY": PEM[:70]},
    "public key": {
        "API_KEY": KEY,
        "PRIVATE_KEY": _PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    },
    "no passphrase": {"API_KEY": KEY, "PRIVATE_KEY": LOCKED_PEM},
    "wrong passphrase": {"API_KEY": KEY, "PRIVATE_KEY": LOCKED_PEM, "PRIVATE_KEY_PASSPHRASE": SECRET},
    "needless passphrase": {"API_KEY": KEY, "PRIVATE_KEY": PEM, "PRIVATE_KEY_PASSPHRASE": PASSPHRASE},
    "secrets in other settings": {
        "API_KEY": KEY,
        "SECRET_KEY": SECRET,
        "BASE_URL": f"https://user:{SECRET}@x.example/{KEY}",
        "DEADLINE_S": SECRET,
        "RECV_WINDOW_MS": SECRET,
        "TX_AMOUNT_UNIT": SECRET,
        "SANDBOX": SECRET,
        "LOG_LEVEL": KEY,
        "CACHE_MB": PASSPHRASE,
    },
    "key alone": {"API_KEY": KEY},
    "secret alone": {"SECRET_KEY": SECRET},
}


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Makes settings those of the process, where the check of the set-up looks at secrets as they were given."""

    def put(values: Mapping[str, str]) -> None:
        for name in [name for name in os.environ if name.startswith("WALLET_MCP_")]:
            monkeypatch.delenv(name)
        for name, value in values.items():
            monkeypatch.setenv(f"WALLET_MCP_{name}", value)

    return put


def settings_of(values: Mapping[str, str]) -> Settings:
    return load_settings({f"WALLET_MCP_{name}": value for name, value in values.items()})


def assert_silent(where: str, text: str, canaries: tuple[str, ...] = OWN) -> None:
    """Fail where a canary, or a telling part of one, stands in a text."""
    for canary in canaries:
        size = min(12, len(canary))
        for start in range(0, len(canary) - size + 1):
            part = canary[start : start + size]
            assert part not in text, f"{part} in {where}"


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Everything that was logged, with its arguments and exceptions as a handler would show them."""
    lines = []
    for record in caplog.records:
        lines += [record.getMessage(), repr(record.args)]
        if record.exc_info:
            lines += traceback.format_exception(*record.exc_info)
    return "\n".join(lines)


async def everything_said(face: Any) -> str:
    """The whole result of a call of each tool, as it goes over the wire."""
    said = []
    for tool in TOOLS:
        result = await face.client.call_tool(tool.name, CALLS[tool.name])
        said.append(result.model_dump_json(by_alias=True))
    listing = await face.client.list_tools()
    return "\n".join([*said, listing.model_dump_json(by_alias=True), str(face.client.instructions)])


def echo(request: httpx.Request) -> Made:
    """An error that tells everything the request held."""
    headers = "; ".join(f"{name}: {value}" for name, value in request.headers.items())
    return refusal(50000, f"denied {headers}")


def echo_key(request: httpx.Request) -> Made:
    return refusal(40101, f"Invalid API Key {request.headers['x-oc-apikey']}")


def echo_parameter(request: httpx.Request) -> Made:
    return refusal(40001, f"Parameter [address] error: {request.headers['x-oc-apikey']} may not ask this")


def echo_page(request: httpx.Request) -> Made:
    return httpx.Response(502, content=f"<html>{dict(request.headers)}</html>".encode())


def echo_redirect(request: httpx.Request) -> Made:
    return httpx.Response(302, headers={"location": f"https://login.example/?{request.headers['x-oc-apikey']}"})


def breaks(request: httpx.Request) -> Made:
    return httpx.ConnectError(f"cannot reach {request.url} with {dict(request.headers)}")


def crashes(request: httpx.Request) -> Made:
    return ValueError(f"{request.url} {dict(request.headers)} {SECRET}")


ANSWERS = {
    "success": lambda request: [],
    "echo": echo,
    "echoed key": echo_key,
    "echoed parameter": echo_parameter,
    "page": echo_page,
    "redirect": echo_redirect,
    "network": breaks,
    "crash": crashes,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("kind", GOOD)
async def test_no_answer_or_log_line_holds_a_secret(
    kind: str,
    answer: Any,
    caplog: pytest.LogCaptureFixture,
    era: Era,
    around: Callable[[Mapping[str, str]], None],
) -> None:
    caplog.set_level(logging.DEBUG)
    around(GOOD[kind])
    settings = settings_of(GOOD[kind])
    assert settings.usable
    api = Upstream(answer)
    async with connect(era, settings=settings, transport=api) as face:
        said = await everything_said(face)
    assert api.requests, "the calls were made"
    assert api.requests[0].headers["x-oc-apikey"] == KEY, "the canary was there to be told"
    assert_silent("answers", said)
    assert_silent("log", logged(caplog))
    assert_silent("repr", f"{settings!r} {settings} {settings.credentials!r}")


@pytest.mark.parametrize("kind", WRONG)
async def test_wrong_settings_tell_no_value(
    kind: str, caplog: pytest.LogCaptureFixture, era: Era, around: Callable[[Mapping[str, str]], None]
) -> None:
    caplog.set_level(logging.DEBUG)
    around(WRONG[kind])
    settings = settings_of(WRONG[kind])
    assert not settings.usable
    async with connect(era, settings=settings) as face:
        said = await everything_said(face)
        assert not face.sent()
        for tool in TOOLS:
            if tool.name != "wallet_check_setup":
                failed = await face.failure(tool.name, CALLS[tool.name])
                assert failed.meta["actor"] == "operator"
                assert failed.meta["kind"] == "setup"
                assert "WALLET_MCP_" in failed.parts["step"]
    assert_silent("answers", said)
    assert_silent("log", logged(caplog))
    assert_silent("repr", f"{settings!r} {settings}")


SUSPECT: Mapping[str, Mapping[str, str]] = {
    "quotes": {"API_KEY": f"'{KEY}'", "SECRET_KEY": f'"{SECRET}"'},
    "swapped": {"API_KEY": SECRET, "SECRET_KEY": KEY},
    "twice the same": {"API_KEY": KEY, "SECRET_KEY": KEY},
    "PEM without its lines": {"API_KEY": KEY, "SECRET_KEY": "".join(PEM.splitlines()[1:-1])},
}


@pytest.mark.parametrize("kind", SUSPECT)
async def test_a_suspicion_about_a_secret_tells_nothing_of_it(
    kind: str, caplog: pytest.LogCaptureFixture, era: Era, around: Callable[[Mapping[str, str]], None]
) -> None:
    caplog.set_level(logging.DEBUG)
    around(SUSPECT[kind])
    async with connect(era, settings=settings_of(SUSPECT[kind]), transport=Upstream(echo_key)) as face:
        answer = await face.answer("wallet_check_setup")
    assert next(row["status"] for row in answer["checks"] if row["name"] == "secrets") == "failed"
    assert_silent("answer", f"{answer.text} {answer.structure}")
    assert_silent("log", logged(caplog))


def test_a_file_is_never_quoted(tmp_path: Path) -> None:
    path = tmp_path / SECRET
    path.write_text(f"{PEM}\n{SECRET}")
    settings = settings_of({"API_KEY": KEY, "SECRET_KEY_FILE": str(path)})
    assert settings.bad_credentials
    assert_silent("problems", " ".join(settings.bad_credentials))


async def test_what_the_server_is_made_of_shows_no_secret() -> None:
    settings = settings_of(GOOD["HMAC"])
    server = build_server(settings)
    assert_silent("repr", f"{server!r} {vars(server)} {Services(settings, None, lambda: 0.0)!r}")


EVM_KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
_PAIR = b"\x07" * 32 + Ed25519PrivateKey.from_private_bytes(b"\x07" * 32).public_key().public_bytes_raw()
SEED = "legal winner thank year wave sausage worth useful legal winner thank yellow"
XPRV = (
    "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"
)
PASTED: Mapping[str, Any] = {
    "hex key": EVM_KEY,
    "hex key in capitals": EVM_KEY.upper(),
    "number": int(EVM_KEY, 16),
    "Solana key": base58(_PAIR),
    "bytes": [int(byte) for byte in _PAIR],
    "bytes as text": str(list(_PAIR)),
    "seed phrase": SEED,
    "words": SEED.split(),
    "seed phrase in a sentence": f"my words are {SEED}",
    "wif": "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
    "xprv": XPRV,
    "PEM": PEM,
}


def parts_of(secret: Any) -> tuple[str, ...]:
    """What must not come back of a pasted secret."""
    if isinstance(secret, list):
        joined = ", ".join(str(part) for part in secret)
        return (joined, joined.replace(", ", " "), json.dumps(secret))
    return (str(secret),)


def places(tool: str) -> Iterator[dict[str, Any]]:
    """Argument by argument, how a secret may be put there: `SECRET` stands for it."""
    (definition,) = (one.definition for one in TOOLS if one.name == tool)
    mark = "SECRET"
    names = [*definition.input_schema["properties"], "note"]
    for name in names:
        yield {name: mark}
        yield {name: [mark]}
        yield {name: {"value": mark}}
        yield {name: f"1:{mark}"}
        yield {name: [f"{mark}:native", f"1:{mark}", "1:native"]}
    yield {mark: 1}


def filled(value: Any, secret: Any) -> Any:
    if isinstance(value, dict):
        named = {str(secret) if name == "SECRET" else name: child for name, child in value.items()}
        return {name: filled(child, secret) for name, child in named.items()}
    if isinstance(value, list):
        return [filled(child, secret) for child in value]
    if value == "SECRET":
        return secret
    return value.replace("SECRET", str(secret)) if isinstance(value, str) else value


@pytest.mark.parametrize("tool", [tool.name for tool in TOOLS])
@pytest.mark.parametrize("kind", PASTED)
async def test_a_pasted_secret_never_comes_back_and_is_never_sent(
    tool: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = PASTED[kind]
    async with connect("auto", rate=50) as face:
        for place in places(tool):
            for others in ({}, {"page_size": 500, "bogus": 1}, {"limit": 0}):
                arguments = CALLS[tool] | others | filled(place, secret)
                result = await face.client.call_tool(tool, arguments)
                said = result.model_dump_json(by_alias=True)
                assert result.is_error, (place, said)
                assert_silent(f"answer to {place} with {others}", said, parts_of(secret))
        for request in face.sandbox.requests:
            sent = f"{request.query} {request.body.decode()}"
            assert_silent("request", sent, parts_of(secret))
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("wallet_mcp"))
    assert ours
    assert_silent("log", ours, parts_of(secret))


async def test_a_key_written_like_a_hash_is_only_taken_where_a_hash_belongs(era: Era) -> None:
    async with connect(era) as face:
        for tool, name in (("wallet_list_balances", "address"), ("wallet_list_transactions", "contract")):
            failed = await face.failure(tool, CALLS[tool] | {name: f"0x{EVM_KEY}"})
            assert failed.meta["field"] == name
            assert EVM_KEY not in failed.text
            assert "its value is not repeated here" in failed.text
        assert not face.sent()


@pytest.mark.parametrize("fault", [None, "50001", "40001", "not_json", "hang"])
async def test_log_lines_hold_no_address_and_no_hash(
    fault: str | None, era: Era, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="wallet_mcp")
    caplog.set_level(logging.WARNING)
    async with connect(era, faults=[Fault(fault)] if fault else []) as face:
        await everything_said(face)
    text = logged(caplog)
    assert_silent("log", text.lower(), (STRANGER[2:].lower(), UNKNOWN_HASH[2:]))


async def test_a_crash_is_logged_by_kind_and_place_alone(era: Era, caplog: pytest.LogCaptureFixture) -> None:
    def crash(request: httpx.Request) -> Made:
        raise ZeroDivisionError(f"{STRANGER} {SECRET}")

    async with connect(era, settings=replace(usable_settings(), sandbox=False), transport=Upstream(crash)) as face:
        failed = await face.failure("wallet_list_balances", CALLS["wallet_list_balances"])
        assert failed.meta["code"] == "internal"
        assert STRANGER not in failed.text
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert "wallet_list_balances: internal error ZeroDivisionError at " in line
    assert_silent("log", logged(caplog), (SECRET, STRANGER))


def test_the_canaries_would_be_noticed() -> None:
    with pytest.raises(AssertionError):
        assert_silent("a text", f"... {SECRET[3:18]} ...")
    with pytest.raises(AssertionError):
        assert_silent("a text", base64.b64encode(base64.b64decode(_BODIES[0])).decode())
