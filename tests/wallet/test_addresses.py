from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given
from hypothesis import strategies as st

from wallet_mcp.wallet import addresses
from wallet_mcp.wallet.addresses import (
    NATIVE_PLACEHOLDER,
    Address,
    AddressRefused,
    TxHash,
    parse_address,
    parse_contract,
    parse_tx_hash,
    same_address,
    to_checksum,
)

# The examples of EIP-55 itself, then addresses with digits only and of one case.
CHECKSUMMED = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    "0x0000000000000000000000000000000000000000",
]
VITALIK = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
USDC_MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
WORDS = [
    "abandon",
    "ability",
    "able",
    "about",
    "above",
    "absent",
    "absorb",
    "abstract",
    "absurd",
    "abuse",
    "access",
    "accident",
]

hex_digits = st.text("0123456789abcdef", min_size=40, max_size=40)


def base58(data: bytes) -> str:
    """Base58 in the other direction than the module has it."""
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = alphabet[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def keypair(seed: bytes) -> bytes:
    return seed + Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


HASH_BYTES = bytes(range(1, 65))
SECRET_KEY = base58(keypair(bytes(range(32))))
SIGNATURE = base58(HASH_BYTES)
EVM_KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
SECRETS = [
    EVM_KEY,
    EVM_KEY.upper(),
    EVM_KEY * 2,
    SECRET_KEY,
    str(list(keypair(bytes(32)))),
    ",".join(["7"] * 32),
    "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
    "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
    EVM_KEY[:-1],
    "0x" + EVM_KEY + "0",
    " ".join(WORDS),
    " ".join(WORDS).upper(),
    ", ".join([*WORDS, *WORDS]),
    " ".join([*WORDS, "zoo", "zone", "zero"]),
    " ".join(WORDS[:6]),
]
WANTED: list[Callable[[str], object]] = [
    parse_address,
    lambda text: parse_contract(text, "evm"),
    lambda text: parse_contract(text, "solana"),
    lambda text: parse_contract(text, "other"),
    parse_tx_hash,
]


def refusal(parse: Callable[[str], object], text: str) -> AddressRefused:
    with pytest.raises(AddressRefused) as caught:
        parse(text)
    error = caught.value
    assert str(error) == error.message
    assert len(error.message) <= 240
    if len(text.strip()) > 5:
        assert text.strip() not in error.message
    return error


@pytest.mark.parametrize("text", CHECKSUMMED)
def test_checksums_of_the_standard(text: str) -> None:
    assert to_checksum(text.lower()) == text
    assert to_checksum("0X" + text[2:].upper()) == text
    assert parse_address(text) == Address(text, "evm", text.lower())


@pytest.mark.parametrize("text", ["", "0x", "0x12", VITALIK[2:], VITALIK + "0", USDC_MINT])
def test_a_checksum_needs_an_evm_address(text: str) -> None:
    with pytest.raises(ValueError, match="40 hex digits"):
        to_checksum(text)


@given(hex_digits)
def test_an_address_passes_in_one_case_and_with_its_checksum(digits: str) -> None:
    checked = to_checksum("0x" + digits)
    for text in ("0x" + digits, "0x" + digits.upper(), "0X" + digits, checked, f"  {checked}\n"):
        assert parse_address(text) == Address(checked, "evm", "0x" + digits)
        assert parse_contract(text, "evm") == "0x" + digits


@given(hex_digits, st.integers(0, 39))
def test_a_letter_of_the_wrong_case_is_a_typo(digits: str, place: int) -> None:
    checked = to_checksum("0x" + digits)[2:]
    assume(checked[place].isalpha())
    flipped = "0x" + checked[:place] + checked[place].swapcase() + checked[place + 1 :]
    assume(flipped[2:] not in (digits, digits.upper()))
    assert refusal(parse_address, flipped).reason == "checksum"
    assert refusal(lambda text: parse_contract(text, "evm"), flipped).reason == "checksum"


@given(st.binary(min_size=32, max_size=32))
def test_every_32_bytes_of_base58_are_a_solana_address(data: bytes) -> None:
    text = base58(data)
    assert addresses._from_base58(text) == data
    assert parse_address(f" {text} ") == Address(text, "solana", text)
    assert parse_contract(text, "solana") == text


@given(st.binary(min_size=1, max_size=64).filter(lambda data: len(data) != 32))
def test_other_lengths_of_base58_are_not(data: bytes) -> None:
    text = base58(data)
    assert addresses._from_base58(text) == data
    refusal(parse_address, text)


@pytest.mark.parametrize("text", ["", "0", "O", "I", "l", "é", "1" * 91])
def test_what_is_not_base58(text: str) -> None:
    assert addresses._from_base58(text) is None


@pytest.mark.parametrize("secret", SECRETS, ids=lambda text: text[:6])
@pytest.mark.parametrize("parse", WANTED, ids=["address", "evm", "solana", "other", "hash"])
def test_secrets_are_refused_without_echo(parse: Callable[[str], object], secret: str) -> None:
    error = refusal(parse, f"  {secret} ")
    assert error.secret_like
    assert error.reason in ("hash_or_key", "seed_phrase", "malformed")
    for part in (secret[:10], secret[-10:]):
        assert part.lower() not in error.message.lower()


@given(st.binary(min_size=32, max_size=32), st.sampled_from(WANTED))
def test_a_private_key_never_passes_without_0x(data: bytes, parse: Callable[[str], object]) -> None:
    error = refusal(parse, data.hex())
    assert (error.reason, error.secret_like) == ("hash_or_key", True)
    assert data.hex()[:8] not in error.message


@given(st.binary(min_size=32, max_size=32), st.sampled_from(WANTED))
def test_a_solana_secret_key_never_passes(seed: bytes, parse: Callable[[str], object]) -> None:
    error = refusal(parse, base58(keypair(seed)))
    assert (error.reason, error.secret_like) == ("hash_or_key", True)


@given(st.lists(st.sampled_from(WORDS), min_size=12, max_size=24), st.sampled_from(WANTED))
def test_a_seed_phrase_never_passes(words: list[str], parse: Callable[[str], object]) -> None:
    error = refusal(parse, " ".join(words))
    assert error.secret_like
    assert (error.reason == "seed_phrase") == (len(words) in (12, 15, 18, 21, 24))


@pytest.mark.parametrize("text", ["0x" + EVM_KEY, "0X" + EVM_KEY, SIGNATURE])
@pytest.mark.parametrize("parse", WANTED[:4], ids=["address", "evm", "solana", "other"])
def test_a_hash_is_no_address(parse: Callable[[str], object], text: str) -> None:
    error = refusal(parse, text)
    assert (error.reason, error.secret_like) == ("hash_or_key", True)
    assert "a transaction hash or a private key" in error.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0x" + EVM_KEY, TxHash("0x" + EVM_KEY, "evm")),
        (" 0X" + EVM_KEY.upper() + "\n", TxHash("0x" + EVM_KEY, "evm")),
        (SIGNATURE, TxHash(SIGNATURE, "solana")),
        (f" {SIGNATURE} ", TxHash(SIGNATURE, "solana")),
    ],
)
def test_transaction_hashes(text: str, expected: TxHash) -> None:
    assert parse_tx_hash(text) == expected


@given(st.binary(min_size=64, max_size=64))
def test_any_other_64_bytes_are_a_signature(data: bytes) -> None:
    text = base58(data)
    # 64 zero bytes are written as 64 ones, which are 32 bytes of hex, too.
    assume(text.strip("1"))
    assert parse_tx_hash(text) == TxHash(text, "solana")


@pytest.mark.parametrize("text", [VITALIK, VITALIK.lower(), USDC_MINT])
def test_an_address_is_no_hash(text: str) -> None:
    error = refusal(parse_tx_hash, text)
    assert (error.reason, error.secret_like) == ("is_address", False)


def test_a_bare_hash_is_told_to_take_0x() -> None:
    assert "0x" in refusal(parse_tx_hash, EVM_KEY).message


@pytest.mark.parametrize(
    "text", ["vitalik.eth", "toly.sol", "cz.bnb", "a.b.crypto", "name.x", "vitalik.base.eth", "ж.eth"]
)
@pytest.mark.parametrize("parse", WANTED[:3], ids=["address", "evm", "solana"])
def test_names_are_not_looked_up(parse: Callable[[str], object], text: str) -> None:
    error = refusal(parse, text)
    assert error.reason == "name_service"
    assert "Resolve it first" in error.message


@pytest.mark.parametrize(
    ("text", "family"), [(VITALIK, "solana"), (USDC_MINT, "evm"), ("11111111111111111111111111111111", "evm")]
)
def test_a_contract_of_the_wrong_family(text: str, family: str) -> None:
    error = refusal(lambda given: parse_contract(given, family), text)
    assert (error.reason, error.secret_like) == ("wrong_family", False)


@pytest.mark.parametrize(
    ("text", "chain"),
    [
        ("TR7NHqjeKQGxTCi8q8ZY4pL8otSzgjLj6t", "Tron"),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "Bitcoin"),
        ("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "Bitcoin"),
    ],
)
def test_an_address_of_a_chain_that_is_not_served(text: str, chain: str) -> None:
    error = refusal(parse_address, text)
    assert error.reason == "wrong_family"
    assert f"{chain} is not served" in error.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://etherscan.io/tx/0x12", "is_hash"),
        ("etherscan.io/tx/0x" + "ab" * 32, "is_hash"),
        ("https://etherscan.io/address/" + VITALIK, "malformed"),
        ("", "malformed"),
        ("   ", "malformed"),
        (VITALIK[2:], "malformed"),
        (VITALIK[:-1], "malformed"),
        (VITALIK + "0", "malformed"),
        ("0x" + "g" * 40, "malformed"),
        ("my main wallet", "malformed"),
        ("zzz", "malformed"),
        ("x" * 100_000, "malformed"),
        ("a." * 50_000, "malformed"),
    ],
    ids=lambda text: text[:12],
)
def test_what_else_is_no_address(text: str, reason: str) -> None:
    error = refusal(parse_address, text)
    assert error.reason == reason
    assert error.secret_like == (len(text.strip()) > 44)


@pytest.mark.parametrize("text", ["https://etherscan.io/tx/0x" + "ab" * 32, "vitalik.eth", VITALIK[2:], "", "hash"])
def test_what_else_is_no_hash(text: str) -> None:
    error = refusal(parse_tx_hash, text)
    assert error.reason in ("malformed", "name_service")


@pytest.mark.parametrize("hidden", ["\u200b", "\ufeff", "\u2060", "\u200e"])
def test_what_is_copied_with_it_and_not_seen_is_not_part_of_an_address(hidden: str) -> None:
    # Refused until now, for a reason that nobody could see.
    for text in (f"{hidden} {VITALIK}{hidden}", f"{VITALIK[:9]}{hidden}{VITALIK[9:]}"):
        assert parse_address(text) == parse_address(VITALIK)
        assert parse_contract(text, "evm") == VITALIK.lower()
    assert parse_address(f"{USDC_MINT}{hidden}").text == USDC_MINT
    assert parse_tx_hash(f"{hidden}0x{EVM_KEY}").text == f"0x{EVM_KEY}"
    assert refusal(parse_address, f"0x{hidden}{VITALIK[2:].swapcase()}").reason == "checksum"
    assert refusal(parse_address, EVM_KEY[:20] + hidden + EVM_KEY[20:]).reason == "hash_or_key"


@given(st.binary(min_size=32, max_size=32), st.sampled_from(WANTED), st.booleans(), st.booleans())
def test_a_key_in_base64_never_passes_unless_it_reads_as_an_address(
    data: bytes, parse: Callable[[str], object], url_safe: bool, padded: bool
) -> None:
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(data).decode().rstrip("=") + "=" * padded
    decoded = addresses._from_base58(text)
    assume(decoded is None or len(decoded) != 32)
    error = refusal(parse, text)
    assert (error.reason, error.secret_like) == ("hash_or_key", True)


@pytest.mark.parametrize("text", [VITALIK + "0", "x" * 42, "x" * 45])
def test_what_is_no_32_bytes_of_base64_is_no_key(text: str) -> None:
    assert refusal(parse_address, text).reason == "malformed"


def test_a_missing_0x_is_said() -> None:
    assert "0x in front" in refusal(parse_address, VITALIK[2:]).message
    assert "0x in front" in refusal(lambda text: parse_contract(text, "evm"), VITALIK[2:]).message


@pytest.mark.parametrize("text", [NATIVE_PLACEHOLDER, NATIVE_PLACEHOLDER.upper(), "0x" + "eE" * 20])
def test_the_native_placeholder_is_a_contract_in_any_case(text: str) -> None:
    assert parse_contract(text, "evm") == NATIVE_PLACEHOLDER


@pytest.mark.parametrize("text", ["0x1::aptos_coin::AptosCoin", "uatom", VITALIK.lower(), USDC_MINT])
def test_contracts_of_another_family_pass_unchecked(text: str) -> None:
    assert parse_contract(text, "other") == text


@pytest.mark.parametrize("text", ["a b", "a,b", "<x>", "", "é"])
def test_contracts_of_another_family_hold_no_foreign_characters(text: str) -> None:
    assert refusal(lambda given: parse_contract(given, "other"), text).reason == "malformed"


@given(st.text(max_size=120), st.sampled_from(WANTED))
def test_any_text_is_taken_or_refused_in_words(text: str, parse: Callable[[str], object]) -> None:
    try:
        parse(text)
    except AddressRefused as error:
        assert error.message.endswith(".")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (VITALIK, VITALIK.lower(), True),
        (VITALIK, " 0X" + VITALIK[2:].upper() + " ", True),
        (VITALIK, VITALIK[:-1] + "6", False),
        (VITALIK, VITALIK[:6] + "0" * 30 + VITALIK[-6:], False),
        (USDC_MINT, USDC_MINT, True),
        (USDC_MINT, USDC_MINT.lower(), False),
        (USDC_MINT, VITALIK, False),
        ("", "", False),
        ("", VITALIK, False),
    ],
)
def test_addresses_are_compared_in_full(a: str, b: str, same: bool) -> None:
    assert same_address(a, b) is same
    assert same_address(b, a) is same
