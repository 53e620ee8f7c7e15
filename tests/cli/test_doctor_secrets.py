"""Settings and secrets before anything is sent: every fault has its culprit, and no value is ever shown."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from wallet_mcp.sandbox.app import SANDBOX_ED25519_PRIVATE_KEY
from wallet_mcp.server.setup.checks import FIXES, Check, Culprit
from wallet_mcp.server.setup.secret_checks import (
    check_secrets,
    check_settings,
    ed25519_from_pem,
    ed25519_from_text,
    in_one_piece,
    read_material,
    without_quotes,
)
from wallet_mcp.server.setup.signing_trials import salvaged
from wallet_mcp.settings import load_settings

BODY = SANDBOX_ED25519_PRIVATE_KEY.splitlines()[1]
SEED = base64.b64decode(BODY)[-32:]
SIGNATURE = "Ed25519 signatures are deterministic"


def checked(settings: dict[str, str]) -> list[Check]:
    environment = {f"WALLET_MCP_{name}": value for name, value in settings.items()}
    return check_secrets(environment, load_settings(environment), read_material(environment))


def test_every_culprit_has_its_fix() -> None:
    assert FIXES.keys() == set(get_args(Culprit))


KEY = "BX-canary-key"
SECRET = "canary-secret"


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, ["credentials_missing"]),
        ({"API_KEY": KEY}, ["credentials_missing"]),
        ({"API_KEY": "${KEY}", "SECRET_KEY": SECRET}, ["credentials_missing"]),
        ({"API_KEY": KEY, "SECRET_KEY": "canary secret"}, ["whitespace_inside_secret"]),
        ({"API_KEY": KEY, "SECRET_KEY": "canary\u200bsecret"}, ["whitespace_inside_secret"]),
        ({"API_KEY": KEY, "SECRET_KEY": SANDBOX_ED25519_PRIVATE_KEY}, ["pem_as_secret"]),
        ({"API_KEY": KEY, "SECRET_KEY": BODY}, ["private_key_as_secret"]),
        ({"API_KEY": KEY, "SECRET_KEY": SECRET, "PRIVATE_KEY": SANDBOX_ED25519_PRIVATE_KEY}, ["both_algorithms"]),
        ({"API_KEY": KEY, "PRIVATE_KEY": "canary"}, ["not_a_private_key"]),
        ({"API_KEY": "canary key", "SECRET_KEY": SECRET}, ["key_id_form"]),
        ({"API_KEY": KEY, "SECRET_KEY": SECRET, "SECRET_KEY_FILE": "/canary"}, ["setting"]),
        ({"API_KEY": KEY, "SECRET_KEY_FILE": "/canary/none"}, ["file"]),
        ({"API_KEY": KEY, "SECRET_KEY_FILE": "~canary-nobody/x"}, ["file"]),
        ({"API_KEY": "canary-secret", "SECRET_KEY": KEY}, ["key_and_secret_swapped"]),
        ({"API_KEY": SECRET, "SECRET_KEY": SECRET}, ["secret_of_another_key"]),
        ({"API_KEY": KEY, "SECRET_KEY": f"'{SECRET}'"}, ["quotes_around_secret"]),
        ({"API_KEY": f'"{KEY}"', "SECRET_KEY": SECRET}, ["quotes_around_secret"]),
    ],
)
def test_each_fault_has_its_culprit(settings: dict[str, str], found: list[str]) -> None:
    checks = checked(settings)
    assert [culprit for check in checks for culprit in check.culprits] == found
    told = "\n".join(line for check in checks for line in check.lines())
    assert "canary" not in told
    assert BODY not in told


@pytest.mark.parametrize("secret", [SECRET, f"  {SECRET}\n", "ab" * 32, SEED.hex(), "x" * 400])
def test_a_good_secret_passes_and_what_was_trimmed_is_said(secret: str) -> None:
    (check,) = checked({"API_KEY": KEY, "SECRET_KEY": secret})
    assert (check.status, check.fix) == ("ok", "")
    assert ("white space around it" in check.said) is (secret != secret.strip())


def test_settings_and_their_notes_are_one_line() -> None:
    (check,) = check_settings(load_settings({"WALLET_MCP_DEADLIN_S": "3"}))
    assert check.said.endswith("5000 ms. WALLET_MCP_DEADLIN_S is no setting of this server and was ignored.")
    wrong = check_settings(load_settings({"WALLET_MCP_DEADLINE_S": "canary", "WALLET_MCP_CACHE_MB": "canary"}))
    assert [check.culprits for check in wrong] == [("setting",)] * 2
    (sandbox,) = check_settings(load_settings({}, sandbox=True))
    assert sandbox.said.startswith("embedded sandbox")


@pytest.mark.skipif(os.name != "posix", reason="rights as POSIX has them")
@pytest.mark.parametrize(
    ("mode", "folder_mode", "readers"),
    [
        (0o600, 0o755, ""),
        (0o400, 0o755, ""),
        (0o644, 0o755, "everybody on this machine"),
        (0o604, 0o755, "everybody on this machine"),
        (0o640, 0o755, "its group"),
        (0o640, 0o705, ""),
        (0o644, 0o750, "its group"),
        (0o644, 0o700, ""),
    ],
)
@pytest.mark.parametrize("name", ["SECRET_KEY", "PRIVATE_KEY", "PRIVATE_KEY_PASSPHRASE"])
def test_files_that_others_can_read_are_found(
    name: str, mode: int, folder_mode: int, readers: str, reachable: Path
) -> None:
    file = reachable / "canary-name"
    file.write_text("canary")
    file.chmod(mode)
    reachable.chmod(folder_mode)
    found = [check for check in checked({f"{name}_FILE": str(file)}) if check.culprits == ("file_permissions",)]
    assert [check.said for check in found] == (
        [f"the file of WALLET_MCP_{name}_FILE can be read by {readers}."] if readers else []
    )


def test_material_is_read_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"\xef\xbb\xbf canary \n")
    material = read_material({"WALLET_MCP_SECRET_KEY_FILE": str(file), "WALLET_MCP_API_KEY": " k "})
    assert material.secret is not None
    assert material.api_key is not None
    assert (material.secret.get_secret_value(), material.api_key.get_secret_value()) == (" canary \n", " k ")
    assert "canary" not in repr(material)
    file.write_bytes(b"\xff")
    assert read_material({"WALLET_MCP_SECRET_KEY_FILE": str(file)}).secret is None


@pytest.mark.parametrize(
    "text",
    [
        BODY,
        BODY[:30] + "\n" + BODY[30:],
        SEED.hex(),
        SEED.hex().upper(),
        base64.b64encode(SEED).decode(),
        base64.urlsafe_b64encode(SEED).decode(),
    ],
)
def test_a_private_key_is_read_from_its_bare_forms(text: str) -> None:
    signer = ed25519_from_text(text)
    reference = ed25519_from_pem(read_material({"WALLET_MCP_PRIVATE_KEY": SANDBOX_ED25519_PRIVATE_KEY}))
    assert signer is not None
    assert reference is not None
    assert signer.sign(SIGNATURE.encode()) == reference.sign(SIGNATURE.encode())


@pytest.mark.parametrize("text", ["", "canary", "ab" * 31, base64.b64encode(bytes(range(48))).decode(), "é" * 32])
def test_other_texts_are_no_private_key(text: str) -> None:
    assert ed25519_from_text(text) is None


def test_a_pem_that_cannot_be_used_signs_nothing() -> None:
    assert ed25519_from_pem(read_material({})) is None
    assert ed25519_from_pem(read_material({"WALLET_MCP_PRIVATE_KEY": "canary"})) is None
    wrong = {"WALLET_MCP_PRIVATE_KEY": SANDBOX_ED25519_PRIVATE_KEY, "WALLET_MCP_PRIVATE_KEY_PASSPHRASE": "p"}
    assert ed25519_from_pem(read_material(wrong)) is None


@pytest.mark.parametrize(
    ("settings", "usable"),
    [
        ({"API_KEY": KEY, "SECRET_KEY": "a b"}, True),
        ({"API_KEY": KEY, "SECRET_KEY": "ab", "PRIVATE_KEY": SANDBOX_ED25519_PRIVATE_KEY}, True),
        ({"API_KEY": KEY, "SECRET_KEY": "ab", "PRIVATE_KEY": "no key"}, False),
        ({"API_KEY": KEY, "SECRET_KEY": SANDBOX_ED25519_PRIVATE_KEY}, False),
        ({"API_KEY": "k k", "SECRET_KEY": "a b"}, False),
        ({"API_KEY": "clé", "SECRET_KEY": "a b"}, False),
        ({"SECRET_KEY": "a b"}, False),
        ({"API_KEY": KEY}, False),
    ],
)
def test_refused_credentials_serve_for_trials_where_they_can_sign(settings: dict[str, str], usable: bool) -> None:
    material = read_material({f"WALLET_MCP_{name}": value for name, value in settings.items()})
    assert (salvaged(material.api_key, material) is not None) is usable


@given(st.text())
def test_a_text_in_one_piece_stays_so_and_quotes_come_off_once(text: str) -> None:
    assert in_one_piece(in_one_piece(text)) == in_one_piece(text)
    assert not any(character.isspace() for character in in_one_piece(text))
    assert without_quotes(f'"{text}x"') == f"{text}x"
    assert len(without_quotes(text)) <= len(text)


def test_a_secret_is_never_in_a_repr() -> None:
    material = read_material({"WALLET_MCP_SECRET_KEY": "canary", "WALLET_MCP_PRIVATE_KEY": "canary"})
    assert material.pem == SecretStr("canary")
    assert "canary" not in f"{material!r} {material}"
