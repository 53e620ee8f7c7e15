"""Addresses, contracts and transaction hashes, checked before a request is spent on them.

What people paste by mistake into these fields includes keys and seed phrases. A message of this module
therefore never repeats the text that it refuses.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Reason: TypeAlias = Literal[
    "checksum",
    "hash_or_key",
    "seed_phrase",
    "name_service",
    "wrong_family",
    "is_hash",
    "is_address",
    "malformed",
]
AddressFamily: TypeAlias = Literal["evm", "solana"]
_Wanted: TypeAlias = Literal["address", "contract", "hash"]

NATIVE_PLACEHOLDER: Final = "0x" + "e" * 40
"""The contract under which upstream reports the native coin of an EVM chain (contract §3.3)."""

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_VALUE = {char: value for value, char in enumerate(_BASE58)}
# 64 bytes take at most 88 base58 characters; longer texts are refused unread.
_BASE58_LIMIT = 90

_EVM_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
_EVM_HASH = re.compile(r"0[xX][0-9a-fA-F]{64}")
_HEX = re.compile(r"(?:0[xX])?([0-9a-fA-F]+)")
_KEY_HEX_DIGITS = frozenset({64, 128})
_BYTE_LIST = re.compile(r"\[?\s*[0-9]{1,3}(?:\s*,\s*[0-9]{1,3}){31,}\s*\]?")
_EXTENDED_KEY = re.compile(r"[xyztuv]prv[1-9A-HJ-NP-Za-km-z]{50,}|[5KL][1-9A-HJ-NP-Za-km-z]{50,51}")
# 32 bytes of base64, with the signs of either alphabet and with or without the padding.
_BASE64_KEY = re.compile(r"(?!0[xX])[A-Za-z0-9+/_-]{43}=?")
_SEED_WORDS = frozenset({12, 15, 18, 21, 24})
_SEED_WORD = re.compile(r"[a-z]{3,8}", re.IGNORECASE)
_NAME = re.compile(r"[^\s./:]+(?:\.[^\s./:]+)*\.[^\W\d_]{1,12}")
_LINK = re.compile(r"(?:https?://)?[^\s/]+\.[a-z]+/\S*", re.IGNORECASE)
_LINK_TO_TRANSACTION = re.compile(r"/(?:tx|transaction|signature)s?/", re.IGNORECASE)
_TRON = re.compile(r"T[1-9A-HJ-NP-Za-km-z]{33}")
_BITCOIN = re.compile(r"[13][1-9A-HJ-NP-Za-km-z]{25,33}|bc1[02-9ac-hj-np-z]{20,80}", re.IGNORECASE)
_OTHER_CONTRACT = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
# What is longer than any address may be a key with a slip in it.
_LONGEST_ADDRESS = 44
# More words may be a seed phrase with a gap.
_MOST_WORDS = 5

_NEVER_PASTE = "Never paste private keys: a wallet whose key was pasted anywhere has to be treated as lost."
_ARTICLE: Final[dict[_Wanted, str]] = {
    "address": "a wallet address",
    "contract": "a token contract",
    "hash": "a transaction hash",
}
_FORMS: Final[dict[_Wanted, str]] = {
    "address": "0x and 40 hex digits (EVM chains) or 32 bytes in base58, 32 to 44 characters (Solana)",
    "contract": "0x and 40 hex digits (EVM chains) or a base58 mint of 32 to 44 characters (Solana)",
    "hash": "0x and 64 hex digits (EVM chains) or a base58 signature of 64 bytes, 86 to 88 characters (Solana)",
}


class AddressRefused(ValueError):
    """An address, contract or hash that was not accepted.

    `message` says in one or two sentences what is wrong and what to do, and never holds the refused text;
    `secret_like` says that this text may be a secret, so that nobody else may repeat, log or send it either.
    """

    def __init__(self, message: str, reason: Reason, *, secret_like: bool) -> None:
        self.message = message
        self.reason: Reason = reason
        self.secret_like = secret_like
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Address:
    """A wallet address: `text` to show and send (EVM with EIP-55 case), `key` to compare and cache by."""

    text: str
    family: AddressFamily
    key: str


@dataclass(frozen=True, slots=True)
class TxHash:
    """A transaction hash: EVM in lower case, a Solana signature as given."""

    text: str
    family: AddressFamily


def parse_address(text: str) -> Address:
    """The wallet address that the text is, white space around it and characters that are not seen aside.

    EVM: `0x` or `0X` and 40 hex digits, checked with EIP-55 where upper and lower case are mixed. Solana: base58
    of exactly 32 bytes. Raises `AddressRefused`.
    """
    given = _seen(text)
    if _EVM_ADDRESS.fullmatch(given):
        checked = _checked_evm(given, "address")
        return Address(checked, "evm", checked.lower())
    if _base58_length(given) == 32 and not _is_hex_key(given):
        return Address(given, "solana", given)
    raise _refusal(given, "address")


def parse_contract(text: str, family: str) -> str:
    """The token contract that the text is, in the form to compare and send: EVM lower case, Solana as given.

    `family` is that of the chain. The placeholder `0xeeee...eeee` of the native coin is accepted in any case. For
    a family other than `evm` and `solana` only secrets and foreign characters are refused. Raises
    `AddressRefused`.
    """
    given = _seen(text)
    if _EVM_ADDRESS.fullmatch(given):
        if family == "solana":
            raise AddressRefused(
                "This is an EVM contract, but the chain is Solana. Give the token's base58 mint, or another chain.",
                "wrong_family",
                secret_like=False,
            )
        if given.lower() == NATIVE_PLACEHOLDER:
            return NATIVE_PLACEHOLDER
        return _checked_evm(given, "contract").lower()
    if _base58_length(given) == 32 and not _is_hex_key(given):
        if family == "evm":
            raise AddressRefused(
                "This is a Solana mint, but the chain is an EVM chain. Give a contract of 0x and 40 hex digits, or "
                "the chain CT_501.",
                "wrong_family",
                secret_like=False,
            )
        return given
    refusal = _refusal(given, "contract")
    if family not in ("evm", "solana") and not refusal.secret_like and _OTHER_CONTRACT.fullmatch(given):
        return given
    raise refusal


def parse_tx_hash(text: str) -> TxHash:
    """The transaction hash that the text is, white space around it and characters that are not seen aside.

    EVM: `0x` and 64 hex digits; without `0x` it is refused, for so is a private key written. Solana: base58 of 64
    bytes, refused where the second half is the public key of the first, for that is a secret key. Raises
    `AddressRefused`.
    """
    given = _seen(text)
    if _EVM_HASH.fullmatch(given):
        return TxHash(given.lower(), "evm")
    if not _HEX.fullmatch(given) and _base58_length(given) == 64:
        if _is_solana_keypair(_from_base58(given) or b""):
            raise AddressRefused(
                f"This is a Solana secret key, not a transaction signature: it was not sent. {_NEVER_PASTE}",
                "hash_or_key",
                secret_like=True,
            )
        return TxHash(given, "solana")
    if _EVM_ADDRESS.fullmatch(given) or (_base58_length(given) == 32 and not _is_hex_key(given)):
        raise AddressRefused(
            "This is an address, not a transaction hash. Give the hash of one transaction, or list the "
            "transactions of this address.",
            "is_address",
            secret_like=False,
        )
    raise _refusal(given, "hash")


def to_checksum(address: str) -> str:
    """The EVM address in the mixed case of EIP-55. Raises ValueError unless it is `0x` and 40 hex digits."""
    from Crypto.Hash import keccak

    if not _EVM_ADDRESS.fullmatch(address):
        raise ValueError("an EVM address is 0x and 40 hex digits")
    digits = address[2:].lower()
    nibbles = keccak.new(digest_bits=256, data=digits.encode()).hexdigest()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit for digit, nibble in zip(digits, nibbles, strict=False)
    )


def same_address(a: str, b: str) -> bool:
    """Whether two addresses are the same, in full: EVM whatever the case, all others to the character.

    Blank never equals anything. Nothing is checked and nothing raised, so upstream's values can be compared.
    """
    left, right = a.strip(), b.strip()
    if _EVM_ADDRESS.fullmatch(left) and _EVM_ADDRESS.fullmatch(right):
        return left.lower() == right.lower()
    return bool(left) and left == right


def _seen(text: str) -> str:
    """The text without white space around it, and without the characters of no width that a copied page may hold."""
    if not text.isascii():
        text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return text.strip()


def _checked_evm(given: str, wanted: _Wanted) -> str:
    digits = given[2:]
    checked = to_checksum(given)
    # One case throughout carries no checksum.
    if digits not in (digits.lower(), digits.upper()) and digits != checked[2:]:
        raise AddressRefused(
            f"The upper and lower case of this {'address' if wanted == 'address' else 'contract'} do not match its "
            "EIP-55 checksum, so at least one character is wrong. Copy it again from where it came.",
            "checksum",
            secret_like=False,
        )
    return checked


def _refusal(given: str, wanted: _Wanted) -> AddressRefused:
    """Why the text is not what was wanted; the most dangerous explanation first."""
    article = _ARTICLE[wanted]
    if not given:
        return AddressRefused(f"Nothing was given: {article} is {_FORMS[wanted]}.", "malformed", secret_like=False)
    if _is_seed_phrase(given):
        return AddressRefused(
            "This looks like a seed phrase: it was not sent. Never paste one, treat the wallet as lost, and give "
            f"{article} instead.",
            "seed_phrase",
            secret_like=True,
        )
    if _is_base64_key(given):
        return AddressRefused(
            "This may be a private key in base64, so it was not sent. If it is "
            f"{article}, copy it again: base58 has no 0, O, I, l, +, / and =.",
            "hash_or_key",
            secret_like=True,
        )
    if _is_key(given):
        return AddressRefused(_key_message(given, wanted), "hash_or_key", secret_like=True)
    secret_like = len(given) > _LONGEST_ADDRESS or len(given.split()) > _MOST_WORDS
    return _harmless_refusal(given, wanted, secret_like=secret_like)


def _key_message(given: str, wanted: _Wanted) -> str:
    article = _ARTICLE[wanted]
    if wanted != "hash":
        return (
            f"This is a transaction hash or a private key, not {article}, and was not sent. Give {article}; for a "
            "transaction use the tool that takes a hash."
        )
    if re.fullmatch("[0-9a-fA-F]{64}", given):
        return (
            "This can be a transaction hash or a private key, and was not sent. If it is a hash, write it with 0x in "
            "front; never paste a key."
        )
    return f"This has the form of a private key, not of {article}, and was not sent. {_NEVER_PASTE}"


def _harmless_refusal(given: str, wanted: _Wanted, *, secret_like: bool) -> AddressRefused:
    article = _ARTICLE[wanted]
    if _LINK.fullmatch(given):
        if _LINK_TO_TRANSACTION.search(given) and wanted != "hash":
            return AddressRefused(
                f"This is a link to a transaction, not {article}. Use the tool that takes a transaction hash.",
                "is_hash",
                secret_like=secret_like,
            )
        return AddressRefused(
            f"This is a link. Give only {article}: {_FORMS[wanted]}.", "malformed", secret_like=secret_like
        )
    if _NAME.fullmatch(given):
        return AddressRefused(
            f"This is a name, not {article}, and names are not looked up here. Resolve it first, then paste the "
            "address that it stands for.",
            "name_service",
            secret_like=secret_like,
        )
    if _TRON.fullmatch(given) or _BITCOIN.fullmatch(given):
        chain = "Tron" if _TRON.fullmatch(given) else "Bitcoin"
        return AddressRefused(
            f"This looks like a {chain} address, and {chain} is not served. Give {article}: {_FORMS[wanted]}.",
            "wrong_family",
            secret_like=secret_like,
        )
    if re.fullmatch(r"[0-9a-fA-F]{40}", given) and wanted != "hash":
        return AddressRefused(
            f"{article.capitalize()} of an EVM chain starts with 0x: write 0x in front of the 40 hex digits.",
            "malformed",
            secret_like=False,
        )
    return AddressRefused(f"This is not {article}, which is {_FORMS[wanted]}.", "malformed", secret_like=secret_like)


def _is_hex_key(given: str) -> bool:
    match = _HEX.fullmatch(given)
    return match is not None and len(match[1]) in _KEY_HEX_DIGITS


def _is_key(given: str) -> bool:
    """Whether the text has the form of a private key, which for 32 and 64 bytes is also that of a hash."""
    return (
        _is_hex_key(given)
        or _base58_length(given) == 64
        or _BYTE_LIST.fullmatch(given) is not None
        or _EXTENDED_KEY.fullmatch(given) is not None
    )


def _is_base64_key(given: str) -> bool:
    """Whether the text can be 32 bytes in base64; what is 32 bytes in base58 is an address."""
    return _BASE64_KEY.fullmatch(given) is not None and _base58_length(given) != 32


def _is_seed_phrase(given: str) -> bool:
    words = re.split(r"[\s,]+", given.strip(" ,\"'"))
    return len(words) in _SEED_WORDS and all(_SEED_WORD.fullmatch(word) for word in words)


def _is_solana_keypair(data: bytes) -> bool:
    """Whether 64 bytes are a secret key as Solana tools write it: the seed, then the public key it gives."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(data[:32]).public_key().public_bytes_raw() == data[32:]


def _base58_length(text: str) -> int | None:
    data = _from_base58(text)
    return None if data is None else len(data)


def _from_base58(text: str) -> bytes | None:
    """The bytes, or None where the text is empty, too long or holds a character that base58 lacks."""
    if not 0 < len(text) <= _BASE58_LIMIT:
        return None
    number = 0
    for char in text:
        value = _BASE58_VALUE.get(char)
        if value is None:
            return None
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
