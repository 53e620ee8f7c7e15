"""Signatures of the gateway: HMAC-SHA256 or Ed25519 over what really goes on the wire (contract §1.2, §1.3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Literal, Protocol

import httpx
from pydantic import SecretStr

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Algorithm = Literal["HMAC-SHA256", "Ed25519"]

HEADER_API_KEY = "X-OC-APIKEY"
HEADER_TIMESTAMP = "X-OC-TIMESTAMP"
HEADER_SIGN = "X-OC-SIGN"
HEADER_RECV_WINDOW = "X-OC-RECV-WINDOW"
HEADER_NONCE = "X-OC-NONCE"


class BadKey(ValueError):
    """Key material that cannot sign; the message is a sentence without any of the material."""


class Signer(Protocol):
    """Something that signs a pre-hash with one algorithm."""

    @property
    def algorithm(self) -> Algorithm: ...

    def sign(self, prehash: bytes) -> str:
        """The signature in standard base64, with padding."""
        ...


class HmacSigner:
    """HMAC-SHA256 with the secret string's UTF-8 bytes as the key. Raises `BadKey` for what has no such bytes."""

    algorithm: Algorithm = "HMAC-SHA256"

    def __init__(self, secret: SecretStr) -> None:
        _utf8(secret)
        self._secret = secret

    def sign(self, prehash: bytes) -> str:
        key = _utf8(self._secret)
        return base64.b64encode(hmac.new(key, prehash, hashlib.sha256).digest()).decode()


class Ed25519Signer:
    """Ed25519 with a private key given as PKCS#8 PEM text.

    Raises `BadKey` for anything else, and for a passphrase that is missing, wrong or not needed.
    """

    algorithm: Algorithm = "Ed25519"

    def __init__(self, pem: SecretStr, passphrase: SecretStr | None = None) -> None:
        self._key = _load_private_key(pem, passphrase)

    def sign(self, prehash: bytes) -> str:
        return base64.b64encode(self._key.sign(prehash)).decode()


def is_encodable(text: str) -> bool:
    """Whether a text has a UTF-8 form: bytes of the environment that are none arrive as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _utf8(secret: SecretStr) -> bytes:
    text = secret.get_secret_value()
    # The codec's own error would hold the whole text.
    if not is_encodable(text):
        raise BadKey("it is not UTF-8 text")
    return text.encode()


def _load_private_key(pem: SecretStr, passphrase: SecretStr | None) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # A PEM kept in one line of a .env file carries its line breaks as the two characters "\n".
    text = _utf8(pem).replace(b"\\n", b"\n").strip()
    if b"PUBLIC KEY-----" in text:
        raise BadKey("it holds a public key; the private key of the pair is needed")
    if not text.startswith(b"-----BEGIN "):
        raise BadKey("it is not PEM text (no -----BEGIN line)")
    password = _utf8(passphrase) if passphrase else None
    try:
        key = load_pem_private_key(text, password)
    except TypeError:
        # The library's words for both cases: encrypted without a password, or a password without encryption.
        if password is None:
            raise BadKey("it is encrypted and WALLET_MCP_PRIVATE_KEY_PASSPHRASE is not set") from None
        raise BadKey("it is not encrypted, yet WALLET_MCP_PRIVATE_KEY_PASSPHRASE is set") from None
    except Exception:
        hint = "; check WALLET_MCP_PRIVATE_KEY_PASSPHRASE" if password else ""
        raise BadKey(f"it cannot be read as a PKCS#8 private key{hint}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey("it is a private key of another kind; the API takes Ed25519 (or an HMAC secret)")
    return key


def prehash(timestamp: str, method: str, raw_path: bytes, body: bytes) -> bytes:
    """The bytes that are signed: timestamp, method, path with raw query, body; nothing between (contract §1.3)."""
    method = method.upper()
    return timestamp.encode() + method.encode() + raw_path + (b"" if method in ("GET", "HEAD") else body)


def signature_headers(
    api_key: SecretStr, signer: Signer, timestamp: str, signed: bytes, recv_window: str
) -> dict[str, str]:
    """The headers of a signed request (contract §1.2), with a new nonce.

    The nonce is a UUID: without one the gateway takes the signature as the nonce, and two equal requests within one
    millisecond collide (contract §1.4).
    """
    return {
        HEADER_API_KEY: api_key.get_secret_value(),
        HEADER_TIMESTAMP: timestamp,
        HEADER_NONCE: str(uuid.uuid4()),
        HEADER_RECV_WINDOW: recv_window,
        HEADER_SIGN: signer.sign(signed),
    }


class WalletAuth(httpx.Auth):
    """Signs each request as it is sent, with a fresh timestamp and nonce.

    `timestamp` returns the gateway's time as ISO 8601 UTC with milliseconds.
    """

    requires_request_body = True

    def __init__(self, api_key: SecretStr, signer: Signer, timestamp: Callable[[], str], recv_window_ms: int) -> None:
        self._api_key = api_key
        self._signer = signer
        self._timestamp = timestamp
        self._recv_window = str(recv_window_ms)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        timestamp = self._timestamp()
        signed = prehash(timestamp, request.method, request.url.raw_path, request.content)
        request.headers.update(signature_headers(self._api_key, self._signer, timestamp, signed, self._recv_window))
        yield request
