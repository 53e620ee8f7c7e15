"""Key records of the sandbox: what the real portal stores for a key, and the built-in demonstration keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

WALLET_PERMISSION: Final = "Wallet"
PERMISSIONS: Final = frozenset({"Trading", "Market", "Wallet", "Transaction", "DeFi", "B402"})
"""The capability domains a key can carry (contract §1.11)."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One registered key. The record, not a header, decides the algorithm (contract §1.3).

    Exactly one of `secret` (HMAC-SHA256) and `public_key_pem` (Ed25519, PEM SPKI) is set; otherwise ValueError.
    `compliance_code` answers every authenticated call of the key with that 403xx code (contract §1.10).
    """

    key_id: str
    secret: str | None = field(default=None, repr=False)
    public_key_pem: str | None = None
    permissions: frozenset[str] = PERMISSIONS
    enabled: bool = True
    compliance_code: int | None = None

    def __post_init__(self) -> None:
        if (self.secret is None) == (self.public_key_pem is None):
            raise ValueError("a key record has either a secret or a public key")


SANDBOX_API_KEY: Final = "BX-sandbox-demo"
SANDBOX_SECRET_KEY: Final = "sandbox-secret-opens-nothing-real"

SANDBOX_ED25519_API_KEY: Final = "BX-sandbox-ed25519"
# Throw-away: made for this file from a fixed text, registered nowhere.
SANDBOX_ED25519_PRIVATE_KEY: Final = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIOy+SLY105mpjVXlovIM/2lIaViOITn2OhnJU78SanwH
-----END PRIVATE KEY-----
"""
SANDBOX_ED25519_PUBLIC_KEY: Final = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAQXMj3ua6fnsmgmQAr8EVNOek3tc8e5LqUnRWy4nzSFY=
-----END PUBLIC KEY-----
"""

NO_WALLET_API_KEY: Final = "BX-sandbox-no-wallet"
DISABLED_API_KEY: Final = "BX-sandbox-disabled"
COMPLIANCE_API_KEYS: Final[Mapping[int, str]] = {code: f"BX-sandbox-{code}" for code in (40301, 40302, 40303, 40304)}
"""Code -> key id of the demonstration key that gets it. All HMAC records share `SANDBOX_SECRET_KEY`."""

_BUILT_IN: Final = (
    KeyRecord(SANDBOX_API_KEY, secret=SANDBOX_SECRET_KEY),
    KeyRecord(SANDBOX_ED25519_API_KEY, public_key_pem=SANDBOX_ED25519_PUBLIC_KEY),
    KeyRecord(NO_WALLET_API_KEY, secret=SANDBOX_SECRET_KEY, permissions=PERMISSIONS - frozenset({WALLET_PERMISSION})),
    KeyRecord(DISABLED_API_KEY, secret=SANDBOX_SECRET_KEY, enabled=False),
    *(
        KeyRecord(key_id, secret=SANDBOX_SECRET_KEY, compliance_code=code)
        for code, key_id in COMPLIANCE_API_KEYS.items()
    ),
)


def key_ring(extra: Iterable[KeyRecord] = ()) -> dict[str, KeyRecord]:
    """Key id -> record of the built-in keys and `extra`; an extra record replaces a built-in one of its id."""
    return {record.key_id: record for record in (*_BUILT_IN, *extra)}
