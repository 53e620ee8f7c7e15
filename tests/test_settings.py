from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.settings import Settings, load_settings
from wallet_mcp.settings import given as given_in
from wallet_mcp.wallet_api.endpoints import Lifetimes

UNSET = ["", "  ", "\t\n", "${user_config.some_name}", " ${user_config.some_name} ", "${X}"]
SECRETS = ["API_KEY", "SECRET_KEY", "PRIVATE_KEY", "PRIVATE_KEY_PASSPHRASE"]
LIFETIMES = {f"CACHE_{kind.name.upper()}": kind.name for kind in fields(Lifetimes)}
PLAIN = [
    "BASE_URL",
    "RECV_WINDOW_MS",
    "DEADLINE_S",
    "MAX_STALE_S",
    "TX_AMOUNT_UNIT",
    "CACHE_MB",
    "SANDBOX",
    "LOG_LEVEL",
    *LIFETIMES,
]
ALL = [*PLAIN, *SECRETS, *(f"{name}_FILE" for name in SECRETS)]
GOOD = {"API_KEY": "BX-key", "SECRET_KEY": "secret"}


def load(values: dict[str, str] | None = None, *, sandbox: bool = False) -> Settings:
    return load_settings({f"WALLET_MCP_{name}": value for name, value in (values or {}).items()}, sandbox=sandbox)


def faults(settings: Settings) -> str:
    return "\n".join((*settings.bad_credentials, *settings.missing, *settings.problems))


def pem(encryption: KeySerializationEncryption | None = None) -> str:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


def rsa_pem() -> str:
    key = rsa.generate_private_key(65537, 1024)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def written(folder: Path, content: bytes | str) -> str:
    path = folder / "key"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (" x\n", "x"),
        ("", ""),
        (" \t", ""),
        ("${KEY}", ""),
        (" ${input:key} \n", ""),
        ("${}", ""),
        # Part of a longer value: most likely a mistake, which must show and not read as nothing.
        ("a${KEY}", "a${KEY}"),
        ("${A}${B}", "${A}${B}"),
        ("${KEY", "${KEY"),
    ],
)
def test_what_counts_as_given(value: str, text: str) -> None:
    assert given_in({"NAME": value}, "NAME") == text
    assert given_in({}, "NAME") == ""


def test_nothing_set_names_what_is_missing_and_keeps_the_defaults() -> None:
    settings = load()
    assert settings == Settings(missing=settings.missing)
    assert settings.missing == (
        "WALLET_MCP_API_KEY is not set.",
        "Neither WALLET_MCP_SECRET_KEY nor WALLET_MCP_PRIVATE_KEY is set.",
    )
    assert not settings.usable
    assert settings.base_url == "https://web3.binance.com/build"
    assert (settings.recv_window_ms, settings.deadline_s, settings.max_stale_s) == (5000, 25.0, 600.0)
    assert (settings.tx_amount_unit, settings.log_level, settings.sandbox) == ("auto", "warning", False)


def test_settings_of_other_programs_are_not_read() -> None:
    assert load_settings({"API_KEY": "a", "SECRET_KEY": "b", "SANDBOX": "1"}) == load()


@pytest.mark.parametrize("unset", UNSET)
@pytest.mark.parametrize("name", ALL)
def test_empty_blank_and_unreplaced_placeholders_count_as_unset(name: str, unset: str) -> None:
    assert load({name: unset}) == load()


def test_a_placeholder_within_a_value_is_a_value() -> None:
    assert "RECV_WINDOW_MS" in faults(load({"RECV_WINDOW_MS": "5${X}"}))


@pytest.mark.parametrize(
    ("name", "field", "text", "value"),
    [
        ("RECV_WINDOW_MS", "recv_window_ms", "1", 1),
        ("RECV_WINDOW_MS", "recv_window_ms", " 60000 ", 60_000),
        ("DEADLINE_S", "deadline_s", "1", 1.0),
        ("DEADLINE_S", "deadline_s", "12.5", 12.5),
        ("DEADLINE_S", "deadline_s", "600", 600.0),
        ("MAX_STALE_S", "max_stale_s", "0", 0.0),
        ("MAX_STALE_S", "max_stale_s", "86400", 86_400.0),
        ("CACHE_MB", "cache_mb", "1", 1),
        ("CACHE_MB", "cache_mb", "4096", 4096),
        ("TX_AMOUNT_UNIT", "tx_amount_unit", "base", "base"),
        ("TX_AMOUNT_UNIT", "tx_amount_unit", "SCALED", "scaled"),
        ("LOG_LEVEL", "log_level", "Debug", "debug"),
        *(("SANDBOX", "sandbox", word, True) for word in ("1", "true", "YES", "on")),
        *(("SANDBOX", "sandbox", word, False) for word in ("0", "False", "no", "off")),
    ],
)
def test_a_good_value_is_taken(name: str, field: str, text: str, value: object) -> None:
    settings = load({**GOOD, name: text})
    assert (getattr(settings, field), faults(settings), settings.usable) == (value, "", True)


@pytest.mark.parametrize(("name", "field"), LIFETIMES.items())
def test_each_lifetime_of_the_cache_is_adjustable(name: str, field: str) -> None:
    assert getattr(load({name: "0"}).lifetimes, field) == 0
    assert getattr(load({name: "1.5"}).lifetimes, field) == 1.5
    assert load({name: "604801"}).problems == (f"WALLET_MCP_{name} must be a number from 0 to 604800.",)


@pytest.mark.parametrize(
    ("name", "rule", "values"),
    [
        (
            "RECV_WINDOW_MS",
            "a whole number from 1 to 60000",
            ["0", "60001", "-1", "5e3", "5000.0", "5_000", "٥", "x"],
        ),
        ("DEADLINE_S", "a number from 1 to 600", ["0.99", "600.1", "nan", "inf", "-inf", "2_5", "25s", "1" * 21]),
        ("MAX_STALE_S", "a number from 0 to 86400", ["-1", "86401", "NaN", "1,5"]),
        ("CACHE_MB", "a whole number from 1 to 4096", ["0", "4097", "32 MB", "0x20"]),
        ("TX_AMOUNT_UNIT", "one of auto, base, scaled", ["wei", "automatic", "a"]),
        ("LOG_LEVEL", "one of debug, info, warning, error", ["trace", "warn", "0"]),
        ("SANDBOX", "1 or 0", ["2", "maybe", "-1", "oui"]),
    ],
)
def test_a_bad_value_is_named_by_its_rule_and_the_default_stays(name: str, rule: str, values: list[str]) -> None:
    for value in values:
        settings = load({**GOOD, name: value})
        assert settings.problems == (f"WALLET_MCP_{name} must be {rule}.",), value
        assert settings == Settings(
            credentials=settings.credentials, api_key_present=True, problems=settings.problems
        )
        assert not settings.usable


def test_the_command_line_turns_the_sandbox_on_against_the_environment() -> None:
    assert load(sandbox=True).sandbox
    assert load({"SANDBOX": "0"}, sandbox=True).sandbox


def test_an_hmac_secret_and_a_key_id_sign() -> None:
    settings = load(GOOD)
    assert settings.usable
    assert settings.api_key_present
    assert settings.credentials is not None
    assert settings.credentials.algorithm == "HMAC-SHA256"
    assert settings.credentials.api_key.get_secret_value() == "BX-key"
    # The vector is HMAC-SHA256("secret", "message").
    assert settings.credentials.signer.sign(b"message") == "i19IcCmVwVmMVz2x4hhmqbgl1KeU0WnXBgoDYFeWNgs="


@pytest.mark.parametrize("passphrase", [None, "two words"])
@pytest.mark.parametrize("one_line", [False, True])
def test_an_ed25519_key_signs(passphrase: str | None, one_line: bool) -> None:
    text = pem(BestAvailableEncryption(passphrase.encode()) if passphrase else None).strip()
    values = {"API_KEY": "BX-key", "PRIVATE_KEY": text.replace("\n", "\\n") if one_line else text}
    settings = load(values | ({"PRIVATE_KEY_PASSPHRASE": passphrase} if passphrase else {}))
    assert faults(settings) == ""
    assert settings.credentials is not None
    assert settings.credentials.algorithm == "Ed25519"


def test_every_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("BX-key\n")
    (tmp_path / "pem").write_text(pem(BestAvailableEncryption(b"pass")))
    (tmp_path / "pass").write_text(" pass\r\n")
    settings = load(
        {
            "API_KEY_FILE": str(tmp_path / "id"),
            "PRIVATE_KEY_FILE": str(tmp_path / "pem"),
            "PRIVATE_KEY_PASSPHRASE_FILE": f" {tmp_path / 'pass'} ",
        }
    )
    assert (faults(settings), settings.notes) == ("", ())
    assert settings.credentials is not None
    assert settings.credentials.api_key.get_secret_value() == "BX-key"


@pytest.mark.parametrize("content", ["\ufeffsecret", "\ufeff secret\r\n"])
def test_a_byte_order_mark_does_not_become_part_of_a_secret(tmp_path: Path, content: str) -> None:
    with_mark = load({"API_KEY": "BX-key", "SECRET_KEY_FILE": written(tmp_path, content)})
    plain = load(GOOD)
    assert with_mark.credentials is not None
    assert plain.credentials is not None
    assert with_mark.credentials.signer.sign(b"x") == plain.credentials.signer.sign(b"x")


def test_a_path_may_start_at_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert load({"API_KEY": "BX-key", "SECRET_KEY_FILE": "~/key"}).usable


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "an empty file"),
        (b" \r\n\t", "an empty file"),
        (b"\xef\xbb\xbf", "an empty file"),
        (b"\xff\xfe\x00secret", "a file that is not UTF-8 text"),
        (b"x" * 16_385, "a file of more than 16 kB: that is no key"),
        # Two bytes a letter, so that the cut goes through one.
        (b"x" + "é".encode() * 8_192, "a file of more than 16 kB: that is no key"),
    ],
)
@pytest.mark.parametrize("name", SECRETS)
def test_a_file_that_holds_no_secret(tmp_path: Path, name: str, content: bytes, fault: str) -> None:
    settings = load({f"{name}_FILE": written(tmp_path, content)})
    assert settings.bad_credentials == (f"WALLET_MCP_{name}_FILE names {fault}.",)
    assert not settings.usable
    assert not any(f"WALLET_MCP_{name} is not set" in text for text in settings.missing)


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    settings = load({"API_KEY": "BX-key", "SECRET_KEY_FILE": written(tmp_path, "x" * 16_384)})
    assert settings.usable


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("{folder}/nothing", "does not exist"),
        ("{folder}", "cannot be read"),
        ("~nobody-of-this-name/key", "cannot be read"),
        ("{folder}/\0", "cannot be read"),
        ("{folder}/" + "x" * 5000, "cannot be read"),
    ],
)
def test_a_path_that_cannot_be_read(tmp_path: Path, path: str, fault: str) -> None:
    settings = load({**GOOD, "API_KEY": "", "API_KEY_FILE": path.replace("{folder}", str(tmp_path))})
    assert faults(settings) == f"WALLET_MCP_API_KEY_FILE names a file that {fault}."
    assert not settings.api_key_present


def test_a_file_of_another_user_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "canary")

    monkeypatch.setattr(Path, "open", refuse)
    settings = load({**GOOD, "SECRET_KEY": "", "SECRET_KEY_FILE": str(tmp_path / "key")})
    assert faults(settings) == "WALLET_MCP_SECRET_KEY_FILE names a file that may not be read by this user."


@pytest.mark.parametrize("name", SECRETS)
def test_a_value_and_its_file_together_are_refused(tmp_path: Path, name: str) -> None:
    settings = load({name: "one", f"{name}_FILE": written(tmp_path, "two")})
    assert settings.bad_credentials == (
        f"WALLET_MCP_{name} and WALLET_MCP_{name}_FILE are both set: keep one of the two.",
    )
    assert settings.credentials is None


@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_both_algorithms_are_refused_even_where_one_is_unreadable(suffix: str) -> None:
    settings = load({**GOOD, f"PRIVATE_KEY{suffix}": "canary"})
    assert "are both set: keep the one of the algorithm" in faults(settings)
    assert settings.missing == ()
    assert settings.credentials is None


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"API_KEY": "two words"}, "WALLET_MCP_API_KEY must be the key id alone"),
        ({"API_KEY": "k" * 257}, "WALLET_MCP_API_KEY must be the key id alone"),
        ({"API_KEY": "schlüssel"}, "WALLET_MCP_API_KEY must be the key id alone"),
        ({"API_KEY": "key\udcff"}, "WALLET_MCP_API_KEY is not UTF-8 text."),
        (
            {"SECRET_KEY": pem()},
            "WALLET_MCP_SECRET_KEY does not work: it holds a PEM; put that into WALLET_MCP_PRIVATE_KEY",
        ),
        ({"SECRET_KEY": "sec ret"}, "WALLET_MCP_SECRET_KEY does not work: it has white space, control or invisible"),
        ({"SECRET_KEY": "sec\nret"}, "WALLET_MCP_SECRET_KEY does not work: it has white space, control or invisible"),
        (
            {"SECRET_KEY": "sec\u200bret"},
            "WALLET_MCP_SECRET_KEY does not work: it has white space, control or invisible",
        ),
        (
            {"SECRET_KEY": "sec\u00a0ret"},
            "WALLET_MCP_SECRET_KEY does not work: it has white space, control or invisible",
        ),
        ({"SECRET_KEY": "sec\udcffret"}, "WALLET_MCP_SECRET_KEY is not UTF-8 text."),
        ({"SECRET_KEY": "", "PRIVATE_KEY": "sec"}, "WALLET_MCP_PRIVATE_KEY does not work: it is not PEM text"),
        (
            {"SECRET_KEY": "", "PRIVATE_KEY": rsa_pem()},
            "WALLET_MCP_PRIVATE_KEY does not work: it is a private key of another kind",
        ),
        (
            {"SECRET_KEY": "", "PRIVATE_KEY": pem(BestAvailableEncryption(b"right"))},
            "WALLET_MCP_PRIVATE_KEY does not work: it is encrypted and WALLET_MCP_PRIVATE_KEY_PASSPHRASE is not set",
        ),
        (
            {
                "SECRET_KEY": "",
                "PRIVATE_KEY": pem(BestAvailableEncryption(b"right")),
                "PRIVATE_KEY_PASSPHRASE": "wrong",
            },
            "WALLET_MCP_PRIVATE_KEY does not work: it cannot be read as a PKCS#8 private key",
        ),
        (
            {"SECRET_KEY": "", "PRIVATE_KEY": pem(), "PRIVATE_KEY_PASSPHRASE": "spare"},
            "WALLET_MCP_PRIVATE_KEY does not work: it is not encrypted",
        ),
        (
            # The key cannot be judged without its passphrase: one fault, not a second one that misleads.
            {
                "SECRET_KEY": "",
                "PRIVATE_KEY": pem(BestAvailableEncryption(b"right")),
                "PRIVATE_KEY_PASSPHRASE": "p\udcff",
            },
            "WALLET_MCP_PRIVATE_KEY_PASSPHRASE is not UTF-8 text.",
        ),
    ],
)
def test_key_material_that_cannot_work(values: dict[str, str], fault: str) -> None:
    settings = load(GOOD | values)
    assert len(settings.bad_credentials) == 1
    assert settings.bad_credentials[0].startswith(fault)
    assert (settings.missing, settings.problems, settings.credentials) == ((), (), None)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    settings = load({"API_KEY": "a", "API_KEY_FILE": written(tmp_path, "b"), "DEADLINE_S": "0", "SANDBOX": "x"})
    assert len(settings.bad_credentials) == 1
    assert settings.missing == ("Neither WALLET_MCP_SECRET_KEY nor WALLET_MCP_PRIVATE_KEY is set.",)
    assert len(settings.problems) == 2


def test_white_space_around_a_secret_is_left_out_and_told() -> None:
    settings = load({"API_KEY": " BX-key\n", "SECRET_KEY": "secret"})
    assert settings.credentials is not None
    assert settings.credentials.api_key.get_secret_value() == "BX-key"
    assert settings.notes == ("WALLET_MCP_API_KEY had white space around it, which was left out.",)


def test_the_real_environment_is_a_mapping_like_any_other() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WALLET_MCP_")}
    assert load_settings(environment) == load()


MARKER = "Zq7canary4K"
AROUND = [
    "",
    " ",
    "\n",
    "https://",
    "http://",
    "-----BEGIN PRIVATE KEY-----\n",
    "é",
    "${",
    "}",
    "@",
    "?",
    "\udcff",
    "\0",
]
around = st.sampled_from(AROUND)
canaries = st.builds("{}{}{}{}".format, around, around, st.just(MARKER), around)


@given(st.dictionaries(st.sampled_from(ALL), canaries))
def test_no_sentence_and_no_repr_ever_holds_a_secret(values: dict[str, str]) -> None:
    settings = load(values)
    sentences = "\n".join((faults(settings), *settings.notes))
    assert MARKER.casefold() not in sentences.casefold()
    # The base URL is no secret and stays visible when it is valid.
    shown = repr(settings).replace(repr(settings.base_url), "")
    assert MARKER.casefold() not in shown.casefold()


def test_secrets_that_work_stay_out_of_repr_and_text() -> None:
    key = pem(BestAvailableEncryption(MARKER.encode()))
    for values in (
        {"API_KEY": f"key{MARKER}", "SECRET_KEY": f"secret{MARKER}"},
        {"API_KEY": f"key{MARKER}", "PRIVATE_KEY": key, "PRIVATE_KEY_PASSPHRASE": MARKER},
    ):
        settings = load(values)
        assert settings.usable
        for text in (repr(settings), str(settings), repr(settings.credentials), f"{settings.credentials}"):
            assert MARKER not in text
            assert key.splitlines()[1] not in text
