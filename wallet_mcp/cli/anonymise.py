"""Recorded answers without what points to a person: addresses, hashes, cursors, keys and hosts replaced by others.

The same input has the same replacement within one recording, so that answers still fit together, and the form is
kept: an EVM address stays one, checksum included, a Solana signature stays one. The replacements hang on a random
value that is thrown away, so nobody can compute them from an address.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Final

from wallet_mcp.wallet.addresses import NATIVE_PLACEHOLDER, to_checksum
from wallet_mcp.wallet.chains import KNOWN_CHAINS
from wallet_mcp.wallet.known_tokens import known_token

_HEX = re.compile(r"(?<![0-9A-Za-z])(0[xX])?([0-9a-fA-F]{40,})(?![0-9A-Za-z])")
_BASE58_TEXT = re.compile(r"(?<![0-9A-Za-z])[1-9A-HJ-NP-Za-km-z]{32,90}(?![0-9A-Za-z])")
_IPV4 = re.compile(r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])")
_HOST = re.compile(r"(?<![\w.-])[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z][A-Za-z0-9-]+(?::[0-9]+)?(?![\w.-])")
_MESSAGES: Final = frozenset({"msg", "message", "errorData", "error"})
_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ADDRESS_DIGITS: Final = 40
_SOLANA_BYTES: Final = (32, 64)
_ZERO_ADDRESS: Final = "0x" + "0" * _ADDRESS_DIGITS

Json = object


def is_public(text: str) -> bool:
    """Whether a contract tells nothing of a wallet: the native coin's forms and well-known tokens."""
    if text.lower() in (NATIVE_PLACEHOLDER, _ZERO_ADDRESS):
        return True
    return any(known_token(chain.id, text) is not None for chain in KNOWN_CHAINS)


class Anonymiser:
    """Replaces in texts and in JSON; never apply it twice. `salt` must be random; `public` tells what stays."""

    def __init__(self, salt: bytes, public: Callable[[str], bool] = is_public) -> None:
        self._salt = salt
        self._public = public
        self._hidden: dict[str, str] = {}

    def hide(self, text: str, replacement: str) -> None:
        """Replace a text wherever it stands from now on, such as a key id that a message may repeat."""
        if text:
            self._hidden[text] = replacement

    def text(self, text: str) -> str:
        """The text with everything replaced that points to a person."""
        for hidden in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(hidden, self._hidden[hidden])
        text = _IPV4.sub("192.0.2.1", text)
        # One pass for both forms: what one of them has put in must not be replaced by the other.
        return "".join(self._pieces(text))

    def message(self, text: str) -> str:
        """The same for a message of the API, which may hold names of internal hosts."""
        return _HOST.sub("host.example", self.text(text))

    def cursor(self, text: str) -> str:
        """A replacement of an opaque cursor, which may hold anything; blank stays blank."""
        return "cursor" + self._digest(text.encode(), 12).hex() if text else text

    def value(self, value: Json) -> Json:
        """The same for parsed JSON; numbers and the structure stay."""
        if isinstance(value, dict):
            return {self.text(str(name)): self._field(name, each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.value(each) for each in value]
        return self.text(value) if isinstance(value, str) else value

    def _field(self, name: object, value: Json) -> Json:
        if isinstance(value, str):
            if name == "cursor":
                return self.cursor(value)
            if name in _MESSAGES:
                return self.message(value)
        return self.value(value)

    def _pieces(self, text: str) -> list[str]:
        pieces: list[str] = []
        start = 0
        while found := min(
            filter(None, (_HEX.search(text, start), _BASE58_TEXT.search(text, start))),
            key=lambda match: match.start(),
            default=None,
        ):
            pieces += [text[start : found.start()], self._replacement(found[0])]
            start = found.end()
        return [*pieces, text[start:]]

    def _replacement(self, found: str) -> str:
        if found.isdigit() or self._public(found):
            # Digits alone are an amount; no address comes without a letter.
            return found
        match = _HEX.fullmatch(found)
        if match is not None:
            return self._hex(match[1] or "", match[2])
        data = from_base58(found)
        if len(data) not in _SOLANA_BYTES:
            return found
        return to_base58(self._digest(data, len(data)))

    def _hex(self, prefix: str, digits: str) -> str:
        lower = digits.lower()
        length = (len(digits) + 1) // 2
        made = ""
        while len(made) < len(digits):
            made += self._digest(f"{len(made)}{lower}".encode(), min(64, length)).hex()
        made = made[: len(digits)]
        if digits == lower:
            return prefix + made
        if digits == digits.upper() or len(digits) != _ADDRESS_DIGITS:
            return prefix + made.upper()
        return prefix + to_checksum("0x" + made)[2:]

    def _digest(self, data: bytes, size: int) -> bytes:
        return hashlib.blake2b(data, key=self._salt[:64], digest_size=size).digest()


def from_base58(text: str) -> bytes:
    """The bytes of a base58 text that holds no other characters."""
    number = 0
    for character in text:
        number = number * 58 + _ALPHABET.index(character)
    zeros = len(text) - len(text.lstrip(_ALPHABET[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def to_base58(data: bytes) -> str:
    """The base58 text of bytes."""
    number = int.from_bytes(data, "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = _ALPHABET[digit] + text
    return _ALPHABET[0] * (len(data) - len(data.lstrip(b"\0"))) + text
