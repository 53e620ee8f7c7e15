"""Settings and secrets before anything is sent: their form, and the slips that pass as a valid form."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from wallet_mcp.server.setup.checks import Check, Culprit, failed, ok
from wallet_mcp.settings import Settings, given
from wallet_mcp.wallet_api.signing import BadKey, Ed25519Signer

_KEY_ID_START: Final = "BX-"
_PKCS8_ED25519: Final = bytes.fromhex("302e020100300506032b657004220420")
_SEED_BYTES: Final = 32
_MAX_FILE: Final = 16_384
_READERS: Final = (
    (stat.S_IRWXO, stat.S_IXOTH, "everybody on this machine"),
    (stat.S_IRWXG, stat.S_IXGRP, "its group"),
)

# Fragments of the sentences of settings.py, which say best what is wrong; the first that fits decides.
_CULPRITS: Final[tuple[tuple[str, Culprit], ...]] = (
    ("it holds a PEM", "pem_as_secret"),
    ("white space, control or invisible characters inside", "whitespace_inside_secret"),
    ("(HMAC-SHA256) and", "both_algorithms"),
    ("must be the key id alone", "key_id_form"),
    ("WALLET_MCP_PRIVATE_KEY does not work", "not_a_private_key"),
    ("_FILE names", "file"),
)


@dataclass(frozen=True, slots=True)
class Material:
    """The secrets as they were given, white space and all; None where one is not set or cannot be read."""

    api_key: SecretStr | None
    secret: SecretStr | None
    pem: SecretStr | None
    passphrase: SecretStr | None


def read_material(environment: Mapping[str, str]) -> Material:
    """The secrets of an environment as they stand. Nothing is raised: load_settings says what is wrong with them."""
    names = ("API_KEY", "SECRET_KEY", "PRIVATE_KEY", "PRIVATE_KEY_PASSPHRASE")
    return Material(*(_raw(environment, name) for name in names))


def check_settings(settings: Settings) -> list[Check]:
    """The settings that are no secrets: one failure per problem, or one line with what they choose."""
    if settings.problems:
        return [failed("settings", problem, "setting") for problem in settings.problems]
    mode = "embedded sandbox" if settings.sandbox else settings.base_url
    # Notes on white space are repeated with the secrets.
    notes = "".join(f" {note}" for note in settings.notes if "white space" not in note)
    return [ok("settings", f"{mode}, recv window {settings.recv_window_ms} ms.{notes}")]


def check_secrets(environment: Mapping[str, str], settings: Settings, material: Material) -> list[Check]:
    """The secrets: one failure per fault or suspicion, or one line with what will sign."""
    if settings.sandbox:
        return [ok("secrets", "the sandbox's own key is used.")]
    checks = [failed("secrets", sentence, _culprit(sentence)) for sentence in settings.bad_credentials]
    if settings.missing:
        checks.append(failed("secrets", " ".join(settings.missing), "credentials_missing"))
    checks += [failed("secrets", said, culprit) for said, culprit in suspicions(material)]
    checks += [failed("secrets", said, "file_permissions") for said in _open_files(environment)]
    if checks or settings.credentials is None:
        return checks
    notes = "".join(f" {note}" for note in settings.notes if "white space" in note)
    return [ok("secrets", f"a key id and what signs for it, {settings.credentials.algorithm}.{notes}")]


def ed25519_from_text(text: str) -> Ed25519Signer | None:
    """A signer where the text is an Ed25519 private key without its PEM lines: base64 of PKCS#8, or a bare seed.

    A seed (32 bytes in base64 or hex) cannot be told from a secret of that length, so this is a reading, no finding.
    """
    for data in _decoded(text):
        seed = data[len(_PKCS8_ED25519) :] if data.startswith(_PKCS8_ED25519) else data
        if len(seed) == _SEED_BYTES:
            body = base64.b64encode(_PKCS8_ED25519 + seed).decode()
            return Ed25519Signer(SecretStr(f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"))
    return None


def ed25519_from_pem(material: Material) -> Ed25519Signer | None:
    """The signer of the PEM that is set; None without one that can be used."""
    if material.pem is None:
        return None
    passphrase = material.passphrase
    try:
        return Ed25519Signer(material.pem, SecretStr(passphrase.get_secret_value().strip()) if passphrase else None)
    except BadKey:
        return None


def without_quotes(text: str) -> str:
    """The text without quote marks that enclose it; the text itself where none do."""
    bare = text.strip()
    enclosed = len(bare) > 2 and bare[0] == bare[-1] and bare[0] in "\"'`"
    return bare[1:-1] if enclosed else text


def in_one_piece(text: str) -> str:
    """The text without white space, control and invisible characters."""
    return "".join(character for character in text if character.isprintable() and not character.isspace())


def _culprit(sentence: str) -> Culprit:
    return next((culprit for fragment, culprit in _CULPRITS if fragment in sentence), "setting")


def suspicions(material: Material) -> Iterator[tuple[str, Culprit]]:
    """Slips that pass as a valid form: a sentence without any of the material, and the culprit, for each."""
    for setting, value in (("WALLET_MCP_API_KEY", material.api_key), ("WALLET_MCP_SECRET_KEY", material.secret)):
        if value is not None and without_quotes(value.get_secret_value()) != value.get_secret_value():
            yield f"{setting} begins and ends with a quote mark.", "quotes_around_secret"
    if material.secret is None:
        return
    secret = material.secret.get_secret_value().strip()
    key_id = material.api_key.get_secret_value().strip() if material.api_key else ""
    if secret.startswith(_KEY_ID_START) and not key_id.startswith(_KEY_ID_START):
        yield "WALLET_MCP_SECRET_KEY has the form of a key id.", "key_and_secret_swapped"
    elif secret == key_id:
        yield "WALLET_MCP_API_KEY and WALLET_MCP_SECRET_KEY hold the same value.", "secret_of_another_key"
    elif any(data.startswith(_PKCS8_ED25519) for data in _decoded(secret)):
        yield "WALLET_MCP_SECRET_KEY holds an Ed25519 private key without its PEM lines.", "private_key_as_secret"


def _decoded(text: str) -> Iterator[bytes]:
    compact = "".join(text.split())
    for read in (bytes.fromhex, _from_base64):
        try:
            yield read(compact)
        except (ValueError, binascii.Error):
            continue


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def _raw(environment: Mapping[str, str], name: str) -> SecretStr | None:
    if given(environment, f"WALLET_MCP_{name}"):
        return SecretStr(environment[f"WALLET_MCP_{name}"])
    path = _path(environment, name)
    if path is None:
        return None
    try:
        # A pipe was read when the settings were: reading it again could wait for ever.
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return SecretStr(file.read(_MAX_FILE).decode("utf-8-sig"))
    except (OSError, ValueError):
        return None


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    value = given(environment, f"WALLET_MCP_{name}_FILE")
    try:
        return Path(value).expanduser() if value else None
    except RuntimeError:
        return None


def _open_files(environment: Mapping[str, str]) -> Iterator[str]:
    for name in ("SECRET_KEY", "PRIVATE_KEY", "PRIVATE_KEY_PASSPHRASE"):
        path = _path(environment, name)
        who = "" if path is None else readers(path)
        if who:
            yield f"the file of WALLET_MCP_{name}_FILE can be read by {who}."


def readers(path: Path) -> str:
    """Who else can read a file, empty for nobody; a folder on the way that lets nobody through protects it too."""
    if os.name != "posix":
        return ""
    try:
        resolved = path.resolve()
        mode = resolved.stat().st_mode
        folders = [folder.stat().st_mode for folder in resolved.parents]
    except (OSError, RuntimeError, ValueError):
        return ""
    for rights, passing, who in _READERS:
        if mode & rights and all(folder & passing for folder in folders):
            return who
    return ""
