"""Key records and the demonstration keys."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from wallet_mcp.sandbox import keys
from wallet_mcp.sandbox.keys import KeyRecord, key_ring


def test_the_ed25519_demonstration_pair_fits() -> None:
    private = load_pem_private_key(keys.SANDBOX_ED25519_PRIVATE_KEY.encode(), None)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert public.decode() == keys.SANDBOX_ED25519_PUBLIC_KEY


@pytest.mark.parametrize(("secret", "pem"), [(None, None), ("s", "p")])
def test_a_record_has_one_kind_of_key(secret: str | None, pem: str | None) -> None:
    with pytest.raises(ValueError, match="either a secret or a public key"):
        KeyRecord("k", secret=secret, public_key_pem=pem)


def test_a_secret_stays_out_of_the_repr() -> None:
    assert "hidden-secret" not in repr(KeyRecord("k", secret="hidden-secret"))


def test_an_extra_record_replaces_a_built_in_one() -> None:
    extra = KeyRecord(keys.SANDBOX_API_KEY, secret="another")
    assert key_ring([extra])[keys.SANDBOX_API_KEY] is extra
    assert key_ring()[keys.SANDBOX_API_KEY].secret == keys.SANDBOX_SECRET_KEY


def test_each_demonstration_key_has_its_own_id() -> None:
    assert len(key_ring()) == 8
    assert all(key_id.startswith("BX-sandbox-") for key_id in key_ring())
