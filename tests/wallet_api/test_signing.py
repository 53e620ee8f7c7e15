from __future__ import annotations

import base64
import uuid
from typing import Literal

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from pydantic import SecretStr

from tests.support.wallet_api import VECTORS, Scripted, make_api, make_config, success, within
from wallet_mcp.wallet_api.signing import BadKey, Ed25519Signer, HmacSigner, Signer, WalletAuth, prehash

Field = Literal["hmac_sha256", "ed25519"]
SECRET = VECTORS["secret_key"]
PEM = VECTORS["ed25519_private_key_pem"]
ORIGIN = "https://web3.binance.com"


def hmac_signer() -> Signer:
    return HmacSigner(SecretStr(SECRET))


def ed25519_signer() -> Signer:
    return Ed25519Signer(SecretStr(PEM))


def pem_of(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey, passphrase: str = "") -> str:
    lock: KeySerializationEncryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()


@pytest.mark.anyio
@pytest.mark.parametrize(("field", "signer"), [("hmac_sha256", hmac_signer()), ("ed25519", ed25519_signer())])
@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["path"].rpartition("/")[2])
async def test_official_vectors_are_reproduced_on_the_wire(
    vector: dict[str, str], field: Field, signer: Signer
) -> None:
    wire = Scripted(success())
    auth = WalletAuth(SecretStr("BX-key"), signer, lambda: vector["timestamp"], 5000)
    target = vector["path"] + (f"?{vector['query']}" if vector["query"] else "")
    async with httpx.AsyncClient(transport=wire, trust_env=False) as client:
        await client.request(vector["method"], ORIGIN + target, content=vector["body"].encode(), auth=auth)
    (sent,) = wire.requests
    assert sent.url.raw_path.decode() == target
    assert sent.content.decode() == vector["body"]
    assert sent.headers["X-OC-SIGN"] == vector[field]
    assert sent.headers["X-OC-TIMESTAMP"] == vector["timestamp"]
    assert sent.headers["X-OC-APIKEY"] == "BX-key"
    assert sent.headers["X-OC-RECV-WINDOW"] == "5000"
    assert uuid.UUID(sent.headers["X-OC-NONCE"]).version == 4


@pytest.mark.parametrize(
    ("method", "body", "signed"),
    [
        ("get", b"ignored", b"TGET/p?q=1"),
        ("HEAD", b"ignored", b"THEAD/p?q=1"),
        ("post", b'{"a":1}', b'TPOST/p?q=1{"a":1}'),
        ("PUT", b"x", b"TPUT/p?q=1x"),
    ],
)
def test_prehash_leaves_the_body_out_where_the_gateway_does(method: str, body: bytes, signed: bytes) -> None:
    assert prehash("T", method, b"/p?q=1", body) == signed


@pytest.mark.anyio
async def test_every_send_has_its_own_nonce() -> None:
    wire = Scripted(success())
    api = make_api(wire, make_config())
    for _ in range(3):
        await api.probe(deadline=within(10))
    assert len({request.headers["X-OC-NONCE"] for request in wire.requests}) == 3


@pytest.mark.parametrize(
    "text",
    [PEM, PEM.replace("\n", "\r\n"), PEM.replace("\n", "\\n"), f"\n  {PEM}\n", PEM.strip()],
    ids=["text", "crlf", "one line with \\n", "white space around", "no last line break"],
)
def test_pem_forms_make_the_same_signer(text: str) -> None:
    assert Ed25519Signer(SecretStr(text)).sign(b"x") == ed25519_signer().sign(b"x")


def test_right_passphrase_opens_an_encrypted_key() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    signer = Ed25519Signer(SecretStr(pem_of(key, "open sesame")), SecretStr("open sesame"))
    key.public_key().verify(base64.b64decode(signer.sign(b"x")), b"x")
    assert signer.algorithm == "Ed25519"


def test_empty_passphrase_counts_as_none() -> None:
    assert Ed25519Signer(SecretStr(PEM), SecretStr("")).sign(b"x") == ed25519_signer().sign(b"x")


ENCRYPTED = pem_of(ed25519.Ed25519PrivateKey.generate(), "passphrase-canary")
RSA = pem_of(rsa.generate_private_key(65537, 2048))
TRADITIONAL = "-----BEGIN RSA PRIVATE KEY-----\nbm9uc2Vuc2UtY2FuYXJ5\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("pem", "passphrase", "says"),
    [
        (ENCRYPTED, None, "it is encrypted and WALLET_MCP_PRIVATE_KEY_PASSPHRASE is not set"),
        (ENCRYPTED, "wrong-canary", "check WALLET_MCP_PRIVATE_KEY_PASSPHRASE"),
        (PEM, "needless-canary", "it is not encrypted, yet WALLET_MCP_PRIVATE_KEY_PASSPHRASE is set"),
        (ENCRYPTED, "undecodable-\udcff-canary", "it is not UTF-8 text"),
        (RSA, None, "another kind"),
        (VECTORS["ed25519_public_key_pem"], None, "public key"),
        ("garbage-canary", None, "it is not PEM text"),
        ("", None, "it is not PEM text"),
        ("undecodable-\udcff-canary", None, "it is not UTF-8 text"),
        (TRADITIONAL, None, "cannot be read as a PKCS#8 private key"),
        (PEM.replace("MC4C", "AAAA"), None, "cannot be read as a PKCS#8 private key"),
        (PEM[:60], None, "cannot be read as a PKCS#8 private key"),
    ],
)
def test_bad_key_material_is_refused_without_being_shown(pem: str, passphrase: str | None, says: str) -> None:
    with pytest.raises(BadKey, match=says) as refused:
        Ed25519Signer(SecretStr(pem), None if passphrase is None else SecretStr(passphrase))
    material = [line for line in pem.splitlines() if line and "-----" not in line]
    material += [passphrase] if passphrase else []
    told = f"{refused.value!s} {refused.value!r} {refused.value.__cause__!r} {refused.value.__context__!r}"
    assert not [part for part in material if part in told or ascii(part) in told]


def test_secret_without_utf8_bytes_is_refused_without_being_shown() -> None:
    with pytest.raises(BadKey, match="it is not UTF-8 text") as refused:
        HmacSigner(SecretStr("canary\udcff"))
    assert refused.value.__context__ is None


@pytest.mark.parametrize("signer", [hmac_signer(), ed25519_signer()])
def test_signers_show_no_material(signer: Signer) -> None:
    assert SECRET not in repr(signer) + str(vars(signer))
    assert PEM.splitlines()[1] not in repr(signer) + str(vars(signer))
