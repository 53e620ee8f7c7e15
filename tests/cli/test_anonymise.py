from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.cli.anonymise import Anonymiser, from_base58, is_public, to_base58
from wallet_mcp.wallet.addresses import NATIVE_PLACEHOLDER, parse_address, parse_tx_hash, to_checksum

SALT = b"salt"
USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"
NONE_PUBLIC = Anonymiser(SALT, lambda text: False)

evm = st.binary(min_size=20, max_size=20).filter(any).map(lambda data: "0x" + data.hex())
hashes = st.binary(min_size=32, max_size=32).filter(any).map(lambda data: "0x" + data.hex())
keys = st.binary(min_size=32, max_size=32).map(to_base58).filter(lambda text: not text.isdigit() and len(text) >= 32)
signatures = st.binary(min_size=64, max_size=64).map(to_base58).filter(lambda text: not text.isdigit())


@given(evm)
def test_an_evm_address_becomes_another_one_in_the_same_case(address: str) -> None:
    other = NONE_PUBLIC.text(address)
    assert other != address
    assert parse_address(other).key == other
    assert NONE_PUBLIC.text(to_checksum(address)) == to_checksum(other)
    assert NONE_PUBLIC.text(f"a {address}, b") == f"a {other}, b"
    assert Anonymiser(b"other", lambda text: False).text(address) != other


@given(hashes)
def test_a_hash_becomes_another_one(tx_hash: str) -> None:
    other = NONE_PUBLIC.text(tx_hash)
    assert other != tx_hash
    assert parse_tx_hash(other).text == other
    assert NONE_PUBLIC.text(tx_hash[2:]) in (other[2:], tx_hash[2:])


@given(keys, signatures)
def test_solana_forms_stay_what_they_are(address: str, signature: str) -> None:
    assert len(from_base58(NONE_PUBLIC.text(address))) == 32
    assert len(from_base58(NONE_PUBLIC.text(signature))) == 64
    assert NONE_PUBLIC.text(address) != address
    assert NONE_PUBLIC.text(signature) != signature
    assert NONE_PUBLIC.text(f"{address},{signature}") == f"{NONE_PUBLIC.text(address)},{NONE_PUBLIC.text(signature)}"


@given(st.binary(max_size=70))
def test_base58_there_and_back(data: bytes) -> None:
    assert from_base58(to_base58(data)) == data


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1234567890123456789012345678901234567890123456",
        "0.02595723739332639102595723739332639102595723",
        "0xa9059cbb",
        "USDT",
        "CT_501",
        "2026-11-22T10:00:00.000Z",
        NATIVE_PLACEHOLDER,
        USDT,
        to_checksum(USDT),
        "0x" + "0" * 40,
        "So11111111111111111111111111111111111111112",
        "https://onchainos.bnbstatic.com/image/admin_mgs_image_upload/20250228/b549e557-76ca-4873-88ef-3a107cf2c9fe.png",
        "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    ],
)
def test_what_points_to_nobody_stays(text: str) -> None:
    assert Anonymiser(SALT).text(text) == text


@pytest.mark.parametrize("text", ["0x" + "aB" * 50, "0X" + "AB" * 20, "ab" * 32, "AB" * 32, "0x" + "ab" * 300])
def test_other_lengths_and_spellings_are_replaced_too(text: str) -> None:
    other = Anonymiser(SALT).text(text)
    assert other != text
    assert (len(other), other.isupper(), other.islower()) == (len(text), text.isupper(), text.islower())


def test_only_contracts_of_everybody_are_public() -> None:
    assert is_public(USDT)
    assert not is_public("0x" + "ab" * 20)


def test_hidden_texts_are_replaced_the_longest_first() -> None:
    anonymiser = Anonymiser(SALT)
    anonymiser.hide("BX-key", "SHORT")
    anonymiser.hide("BX-key-long", "LONG")
    anonymiser.hide("", "NOTHING")
    assert anonymiser.text("BX-key-long BX-key") == "LONG SHORT"


def test_messages_lose_the_names_of_hosts() -> None:
    anonymiser = Anonymiser(SALT)
    said = "Connect to wallet-srv.prod.internal:8080 (10.0.0.7) timed out. Parameter [chains] error: only 1.5 at most"
    assert anonymiser.message(said) == (
        "Connect to host.example (192.0.2.1) timed out. Parameter [chains] error: only 1.5 at most"
    )


def test_json_keeps_its_structure_and_its_links() -> None:
    address = "0x" + "ab" * 20
    answer = {
        "msg": f"no {address} at db.internal",
        "data": [{"cursor": "eyJ0IjoxfQ==", "rows": [{"from": address, "n": 5, "ok": None, "cursor": ""}]}],
        "error": {"cursor": 7},
        address: 1,
    }
    anonymiser = Anonymiser(SALT)
    changed: Any = anonymiser.value(json.loads(json.dumps(answer)))
    other = anonymiser.text(address)
    assert changed["msg"] == f"no {other} at host.example"
    assert changed["data"][0]["rows"] == [{"from": other, "n": 5, "ok": None, "cursor": ""}]
    assert changed["data"][0]["cursor"] == anonymiser.cursor("eyJ0IjoxfQ==")
    assert changed["data"][0]["cursor"] != "eyJ0IjoxfQ=="
    assert changed["error"] == {"cursor": 7}
    assert changed[other] == 1
