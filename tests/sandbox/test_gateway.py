"""The gateway's rules, each against a request built by hand."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.sandbox.caller import ALL_BALANCES, CHAINS_PATH, Answer, Caller, hmac_signer, raw_call
from wallet_mcp.sandbox import keys
from wallet_mcp.sandbox.gateway import SECOND_NS, Incoming, NonceStore, RateWindow, pre_hash, signature_is_valid
from wallet_mcp.sandbox.keys import KeyRecord

VECTORS = json.loads((Path(__file__).parent / "signing_vectors.json").read_text())

OFF_LIMIT_HEADERS = ("x-oc-ratelimit-limit", "x-oc-ratelimit-remaining", "x-oc-used-weight")


def ed25519_signer(signed: bytes) -> str:
    private = load_pem_private_key(keys.SANDBOX_ED25519_PRIVATE_KEY.encode(), None)
    assert isinstance(private, Ed25519PrivateKey)
    return base64.b64encode(private.sign(signed)).decode()


def assert_refused(answer: Answer, status: int, code: int, message: str, blocked_by: str) -> None:
    assert answer.status == status
    envelope = answer.envelope
    assert set(envelope) == {"code", "msg", "data", "timestamp"}
    assert (envelope["code"], envelope["data"]) == (code, "")
    assert re.fullmatch(message, envelope["msg"])
    assert answer.headers["x-oc-blocked-by"] == f"{blocked_by}/{code}"
    assert answer.headers["x-oc-server-time"] == str(envelope["timestamp"])
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-oc-trace-id"])


@pytest.mark.parametrize(
    "vector", VECTORS["vectors"], ids=lambda vector: f"{vector['method']} {vector['path'][-20:]}"
)
class TestVectors:
    """The official connector's signatures pass, and only those."""

    @staticmethod
    def signed(vector: dict[str, str]) -> bytes:
        return pre_hash(
            Incoming(
                vector["method"],
                vector["path"].encode(),
                vector["query"].encode(),
                {"x-oc-timestamp": vector["timestamp"]},
                vector["body"].encode(),
            )
        )

    def test_pre_hash(self, vector: dict[str, str]) -> None:
        assert hashlib.sha256(self.signed(vector)).hexdigest() == vector["prehash_sha256"]

    def test_signatures(self, vector: dict[str, str]) -> None:
        hmac_record = KeyRecord("h", secret=VECTORS["secret_key"])
        ed_record = KeyRecord("e", public_key_pem=VECTORS["ed25519_public_key_pem"])
        signed = self.signed(vector)
        assert signature_is_valid(hmac_record, vector["hmac_sha256"], signed)
        assert signature_is_valid(ed_record, vector["ed25519"], signed)
        for record, signature in ((hmac_record, vector["ed25519"]), (ed_record, vector["hmac_sha256"])):
            assert not signature_is_valid(record, signature, signed)
        assert not signature_is_valid(hmac_record, vector["hmac_sha256"], signed + b" ")
        assert not signature_is_valid(ed_record, vector["ed25519"], signed + b" ")


@pytest.mark.parametrize("signature", ["", "not base64!", "AAAA", "é", "A" * 88])
def test_a_malformed_ed25519_signature_is_only_wrong(signature: str) -> None:
    record = KeyRecord("e", public_key_pem=keys.SANDBOX_ED25519_PUBLIC_KEY)
    assert not signature_is_valid(record, signature, b"text")


def test_an_rsa_record_accepts_nothing() -> None:
    public = rsa.generate_private_key(65537, 1024).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert not signature_is_valid(KeyRecord("r", public_key_pem=pem), "AAAA", b"text")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("signing", "message"),
    [
        ({"apikey": None}, "API Key is required"),
        ({"apikey": ""}, "API Key is required"),
        ({"key": "BX-unknown"}, "Invalid API Key"),
        ({"key": keys.DISABLED_API_KEY}, "Invalid API Key"),
        # The key comes first: neither the clock nor the signature is looked at.
        ({"key": "BX-unknown", "clock_s": 900, "sign": None}, "Invalid API Key"),
    ],
)
async def test_key(signing: dict[str, Any], message: str) -> None:
    answer = await Caller().get(CHAINS_PATH, **signing)
    assert_refused(answer, 401, 40101, message, "AuthenticationFilter")
    assert not set(OFF_LIMIT_HEADERS) & set(answer.headers)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "signing",
    [
        {"sign": hmac_signer("another secret")},
        {"sign": ed25519_signer},
        {"key": keys.SANDBOX_ED25519_API_KEY},
        {"sign": lambda signed: hmac_signer(keys.SANDBOX_SECRET_KEY)(signed).rstrip("=")},
        {"sign": lambda signed: ""},
    ],
    ids=["secret", "algorithm of the caller", "algorithm of the record", "padding", "empty"],
)
async def test_wrong_signature(signing: dict[str, Any]) -> None:
    answer = await Caller().get(CHAINS_PATH, **signing)
    assert_refused(answer, 401, 40102, "Invalid signature", "AuthenticationFilter")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("signed_target", "sent_target"),
    [
        (CHAINS_PATH.removeprefix("/build"), CHAINS_PATH),
        (CHAINS_PATH, f"{CHAINS_PATH}?binanceChainId=1"),
        (f"{CHAINS_PATH}?a=1&b=2", f"{CHAINS_PATH}?b=2&a=1"),
        (f"{CHAINS_PATH}?chains=1,56", f"{CHAINS_PATH}?chains=1%2C56"),
        (f"{CHAINS_PATH}?a=%2c", f"{CHAINS_PATH}?a=%2C"),
    ],
)
async def test_the_raw_target_is_signed(signed_target: str, sent_target: str) -> None:
    caller = Caller()
    wrong = await raw_call(caller.app, "GET", sent_target, caller.headers("GET", signed_target))
    assert wrong.envelope["code"] == 40102
    right = await caller.call("GET", sent_target)
    assert right.envelope["code"] == 0


@pytest.mark.anyio
async def test_the_body_is_signed_byte_for_byte_but_not_that_of_a_get() -> None:
    caller = Caller()
    body = b'{"address": "x"}'
    headers = caller.headers("POST", ALL_BALANCES, body)
    assert (await raw_call(caller.app, "POST", ALL_BALANCES, headers, body + b" ")).envelope["code"] == 40102
    assert (await caller.call("GET", CHAINS_PATH, b"ignored")).envelope["code"] == 0


@pytest.mark.anyio
async def test_an_ed25519_record_takes_ed25519() -> None:
    answer = await Caller().get(CHAINS_PATH, key=keys.SANDBOX_ED25519_API_KEY, sign=ed25519_signer)
    assert answer.envelope["code"] == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("clock_s", "recv_window", "passes"),
    [
        (-5.0, None, True),
        (5.0, None, True),
        (-5.001, None, False),
        (5.001, None, False),
        (-5.0, "", True),
        (-60.0, "60000", True),
        (60.001, "60000", False),
        (-0.002, "1", False),
        (86_400.0, "60000", False),
    ],
)
async def test_recv_window(clock_s: float, recv_window: str | None, passes: bool) -> None:
    answer = await Caller().get(CHAINS_PATH, clock_s=clock_s, recv_window=recv_window)
    if passes:
        assert answer.envelope["code"] == 0
        return
    message = r"Timestamp outside recv_window\. serverTime=2026-11-22T10:00:00\.\d{9}Z"
    assert_refused(answer, 401, 40103, message, "TimestampFilter")


@pytest.mark.anyio
@pytest.mark.parametrize("recv_window", ["60001", "0", "-1", "5e3", "5000.0", "abc", "99999999999", "٥٠٠٠"])
async def test_a_bad_recv_window_is_named(recv_window: str) -> None:
    answer = await Caller().get(CHAINS_PATH, recv_window=recv_window)
    message = r"Parameter \[X-OC-RECV-WINDOW\] error: must be an integer between 1 and 60000"
    assert_refused(answer, 400, 40001, message, "TimestampFilter")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "timestamp",
    [
        None,
        "",
        "1795341600000",
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00.000+00:00",
        "2026-11-22 10:00:00.000Z",
        "2026-13-22T10:00:00.000Z",
    ],
)
async def test_a_malformed_timestamp_is_outside_the_window(timestamp: str | None) -> None:
    answer = await Caller().get(CHAINS_PATH, timestamp=timestamp)
    assert answer.envelope["code"] == 40103


@pytest.mark.anyio
async def test_the_clock_offset_moves_the_server() -> None:
    caller = Caller(clock_offset_s=-3_600.0)
    assert (await caller.get(CHAINS_PATH, clock_s=3_600.0)).envelope["code"] == 40103
    answer = await caller.get(CHAINS_PATH)
    assert answer.envelope["timestamp"] == 1_795_341_600_000 - 3_600_000
    assert answer.headers["date"] == "Sun, 22 Nov 2026 09:00:00 GMT"


@pytest.mark.anyio
@pytest.mark.parametrize("nonce", ["only-once", None, ""])
async def test_a_request_passes_once(nonce: str | None) -> None:
    caller = Caller()
    headers = caller.headers("GET", CHAINS_PATH, nonce=nonce)
    assert (await raw_call(caller.app, "GET", CHAINS_PATH, headers)).envelope["code"] == 0
    again = await raw_call(caller.app, "GET", CHAINS_PATH, headers)
    assert_refused(again, 401, 40103, "Duplicate request detected", "TimestampFilter")


@pytest.mark.anyio
@pytest.mark.parametrize(("after_s", "passes"), [(9.999, False), (10.0, True)])
async def test_a_nonce_is_free_again_after_twice_the_window(after_s: float, passes: bool) -> None:
    caller = Caller()
    await caller.get(CHAINS_PATH, nonce="reused")
    await asyncio.sleep(after_s)
    assert ((await caller.get(CHAINS_PATH, nonce="reused")).envelope["code"] == 0) is passes


@pytest.mark.anyio
async def test_a_nonce_belongs_to_its_key_and_only_signed_requests_use_it() -> None:
    caller = Caller()
    assert (await caller.get(CHAINS_PATH, nonce="n", sign=hmac_signer("wrong"))).envelope["code"] == 40102
    other = await caller.get(CHAINS_PATH, nonce="n", key=keys.SANDBOX_ED25519_API_KEY, sign=ed25519_signer)
    assert other.envelope["code"] == 0
    assert (await caller.get(CHAINS_PATH, nonce="n")).envelope["code"] == 0


def test_the_nonce_store_is_bounded() -> None:
    store = NonceStore(limit=3)
    assert all(store.use("k", str(number), 0, 100) for number in range(10))
    assert len(store) == 3
    assert not store.use("k", "9", 0, 100)
    assert store.use("k", "9", 100, 100)


@pytest.mark.anyio
async def test_permission() -> None:
    answer = await Caller().get(CHAINS_PATH, key=keys.NO_WALLET_API_KEY)
    assert_refused(answer, 403, 40104, "Permission denied", "PermissionFilter")


@pytest.mark.anyio
@pytest.mark.parametrize(("code", "key"), keys.COMPLIANCE_API_KEYS.items())
async def test_compliance_comes_after_authentication(code: int, key: str) -> None:
    caller = Caller()
    answer = await caller.get(CHAINS_PATH, key=key)
    assert answer.status == 200
    assert set(answer.envelope) == {"code", "msg", "success", "timestamp"}
    assert (answer.envelope["code"], answer.envelope["success"]) == (code, False)
    assert "retry-after" not in answer.headers
    unsigned = await caller.get(CHAINS_PATH, key=key, sign=hmac_signer("wrong"))
    assert unsigned.envelope["code"] == 40102


@pytest.mark.anyio
async def test_rate_is_shared_by_all_endpoints_of_a_key_in_any_sliding_second() -> None:
    caller = Caller(rate=5)
    address = caller.wallets["rich"]
    for _ in range(3):
        assert (await caller.get(CHAINS_PATH)).envelope["code"] == 0
    await asyncio.sleep(0.6)
    for used in (4, 5):
        answer = await caller.get(ALL_BALANCES, f"address={address}&chains=1")
        assert [answer.headers[name] for name in OFF_LIMIT_HEADERS] == ["5", str(5 - used), str(used)]
    refused = await caller.get(CHAINS_PATH)
    assert_refused(refused, 429, 42900, "Rate limit exceeded", "RateLimitFilter")
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-oc-ratelimit-remaining"] == "0"
    other_key = await caller.get(CHAINS_PATH, key=keys.SANDBOX_ED25519_API_KEY, sign=ed25519_signer)
    assert other_key.headers["x-oc-used-weight"] == "1"
    await asyncio.sleep(0.4)
    # The first three are a second old now; the refused one never counted.
    codes = [(await caller.get(CHAINS_PATH)).envelope["code"] for _ in range(4)]
    assert codes == [0, 0, 0, 42900]


@pytest.mark.anyio
async def test_refusals_before_the_rate_check_take_no_place() -> None:
    caller = Caller(rate=1)
    for signing in ({"clock_s": 60.0}, {"sign": hmac_signer("wrong")}, {"key": keys.NO_WALLET_API_KEY}):
        assert (await caller.get(CHAINS_PATH, **signing)).envelope["code"] != 42900
    assert (await caller.get(CHAINS_PATH)).envelope["code"] == 0
    assert (await caller.get(CHAINS_PATH)).envelope["code"] == 42900


@pytest.mark.anyio
async def test_the_limit_header_can_differ_from_the_rate() -> None:
    answer = await Caller(rate=5, limit_header=1200).get(CHAINS_PATH)
    assert [answer.headers[name] for name in OFF_LIMIT_HEADERS] == ["1200", "1199", "1"]


@pytest.mark.parametrize(("later_ns", "wait_ns"), [(SECOND_NS - 1, 1), (SECOND_NS, 0)])
def test_the_window_is_exact_to_the_nanosecond(later_ns: int, wait_ns: int) -> None:
    window = RateWindow(1)
    assert window.admit(7) == 0
    assert window.admit(7 + later_ns) == wait_ns


@pytest.mark.anyio
async def test_order_of_the_checks() -> None:
    caller = Caller(rate=1)
    late = await caller.get(CHAINS_PATH, clock_s=60.0, sign=hmac_signer("wrong"))
    assert late.envelope["code"] == 40103
    headers = caller.headers("GET", CHAINS_PATH, key=keys.NO_WALLET_API_KEY)
    codes = [(await raw_call(caller.app, "GET", CHAINS_PATH, headers)).envelope["code"] for _ in range(2)]
    assert codes == [40104, 40103]
