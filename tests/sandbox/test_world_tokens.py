"""The tokens: real contracts in their checksummed form, hostile ones that belong to nobody."""

from __future__ import annotations

import unicodedata

import pytest
from Crypto.Hash import keccak

from wallet_mcp.sandbox.world_model import Token, is_evm
from wallet_mcp.sandbox.world_tokens import HOSTILE, KNOWN, known

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def checksummed(address: str) -> str:
    digits = address[2:].lower()
    digest = keccak.new(digest_bits=256, data=digits.encode()).hexdigest()
    return "0x" + "".join(c.upper() if int(d, 16) >= 8 else c for c, d in zip(digits, digest, strict=False))


def base58_bytes(text: str) -> bytes:
    number = 0
    for character in text:
        number = number * 58 + BASE58.index(character)
    return b"\0" * (len(text) - len(text.lstrip("1"))) + number.to_bytes((number.bit_length() + 7) // 8, "big")


@pytest.mark.parametrize("token", KNOWN, ids=lambda token: f"{token.chain}:{token.symbol}")
def test_contract(token: Token) -> None:
    if not is_evm(token.chain):
        assert len(base58_bytes(token.contract)) == 32
    elif token.symbol == "NVDAB":
        # The capture is lower-case (contract §3.3).
        assert token.contract == token.contract.lower()
    else:
        assert token.contract == checksummed(token.contract)


def test_one_contract_and_one_symbol_per_chain() -> None:
    assert len({(token.chain, token.contract.lower()) for token in (*KNOWN, *HOSTILE.values())}) == len(KNOWN) + len(
        HOSTILE
    )
    assert len({(token.chain, token.symbol) for token in KNOWN}) == len(KNOWN)


def test_decimals_and_prices_are_varied() -> None:
    assert {2, 5, 6, 8, 9, 18} <= {token.decimals for token in KNOWN}
    assert sum(len(token.price.partition(".")[2]) > 20 for token in KNOWN) >= 8


def test_the_look_alikes() -> None:
    fake, cyrillic = HOSTILE["fake_usdt"], HOSTILE["cyrillic_usdt"]
    assert (fake.symbol, fake.risk, fake.price != "") == (known("1", "USDT").symbol, True, True)
    assert (cyrillic.risk, cyrillic.price) == (False, "")
    assert cyrillic.symbol != "USDT"
    assert "CYRILLIC" in unicodedata.name(cyrillic.symbol[-1])


@pytest.mark.parametrize(
    ("label", "characters"),
    [("bidi", "\u202e\u202c"), ("zero_width", "\u200b"), ("tags", "\U000e0041"), ("solana_newline", "\n")],
)
def test_invisible_characters(label: str, characters: str) -> None:
    assert set(characters) <= set(HOSTILE[label].symbol)
    assert all(unicodedata.category(character) in ("Cf", "Cc") for character in characters)


@pytest.mark.parametrize(
    ("label", "text"),
    [("url", "https://"), ("telegram", "t.me/"), ("instruction", "Ignore previous instructions"), ("markup", "](")],
)
def test_hostile_text(label: str, text: str) -> None:
    assert text in HOSTILE[label].symbol
