"""The values that the sandbox's world is made of: chains, tokens, holdings, movements and transactions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, TypeAlias

Itype: TypeAlias = Literal["0", "1", "2"]
Status: TypeAlias = Literal["success", "fail", "pending"]

SOLANA: Final = "CT_501"
NATIVE_PLACEHOLDER: Final = "0x" + "e" * 40
"""How the POST endpoint names the native coin in its answers (contract §3.3)."""

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Chain:
    """A row of the chain list (contract §3.1) with its native coin."""

    id: str
    name: str
    short_name: str
    logo_url: str
    native_symbol: str
    native_decimals: int
    native_price: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token of one chain. EVM contracts stand in EIP-55 form; `price` is the USD text, "" where unpriced."""

    chain: str
    contract: str
    symbol: str
    decimals: int
    price: str = ""
    risk: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """What a wallet holds of one token, exactly.

    `contract` as all-balances spells it: lower-case on EVM, "" for the native coin. `raw` is None where the chain
    exposes none; `price` is in USD with the digits that are served, None where unpriced.
    """

    contract: str
    symbol: str
    balance: Decimal
    raw: int | None
    decimals: int
    price: Decimal | None
    risk: bool


@dataclass(frozen=True, slots=True)
class Movement:
    """One asset moved by a transaction; becomes one row of the history.

    `itype` as in contract §3.4; several parties of one side are comma-joined; `raw` is in base units of `decimals`;
    `contract` is "" for the native coin.
    """

    itype: Itype
    sender: str
    recipient: str
    contract: str
    symbol: str
    decimals: int
    raw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One transaction. `fee` is in native coins, `gas_price` in base units; None while it is pending.

    `pending` tells whether it is unconfirmed when the sandbox starts: "settles" 20 s after it was first asked for, or
    stays so for "ever". `kind` names the script that wrote it.
    """

    chain: str
    hash: str
    time_ms: int
    status: Status
    kind: str
    sender: str
    target: str
    movements: tuple[Movement, ...]
    nonce: str
    method_id: str | None
    height: int | None
    fee: Decimal | None
    gas_limit: int | None = None
    gas_used: int | None = None
    gas_price: int | None = None
    blacklisted: bool | None = False
    pending: Literal["settles", "ever"] | None = None


def is_evm(chain: str) -> bool:
    """Whether the id is that of an EVM chain: those are decimal (contract §1.12)."""
    return chain.isascii() and chain.isdigit()


def canonical(address: str) -> str:
    """The form to compare addresses and contracts by: EVM case-folded, others as they are."""
    return address.lower() if address[:2].lower() == "0x" else address


def scaled(raw: int, decimals: int) -> Decimal:
    """`raw` base units as coins, exact for any size."""
    return Decimal((int(raw < 0), tuple(int(digit) for digit in str(abs(raw))), -decimals))


def plain(value: Decimal) -> str:
    """Decimal text without exponent and without padding zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def base58(data: bytes) -> str:
    """Base58 in the Bitcoin alphabet, as Solana spells keys and signatures."""
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, rest = divmod(number, 58)
        digits = _BASE58[rest] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def _digest(text: str, size: int) -> bytes:
    return hashlib.shake_256(f"wallet-mcp sandbox {text}".encode()).digest(size)


def made_address(chain: str, text: str) -> str:
    """An address that belongs to nobody, always the same for the same text; lower-case on EVM."""
    return "0x" + _digest(text, 20).hex() if is_evm(chain) else base58(_digest(text, 32))


def made_hash(chain: str, text: str) -> str:
    """A transaction hash, or a signature on Solana, always the same for the same text."""
    return "0x" + _digest(f"{chain} {text}", 32).hex() if is_evm(chain) else base58(_digest(text, 64))


def made_number(text: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`, always the same for the same text."""
    return low + int.from_bytes(_digest(text, 8), "big") % (high - low + 1)
