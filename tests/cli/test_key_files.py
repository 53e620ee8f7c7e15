from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from wallet_mcp.cli.key_files import (
    ASK_KEY,
    ASK_PASSPHRASE,
    ASK_SECRET,
    Keys,
    NoKey,
    find_keys,
    planned_keys,
    readable_by_others,
    store,
    stored_keys,
)
from wallet_mcp.settings import load_settings

posix = pytest.mark.skipif(os.name != "posix", reason="modes as POSIX has them")

HMAC = {"WALLET_MCP_API_KEY": "canary-id", "WALLET_MCP_SECRET_KEY": "canary-secret"}


def pem(encryption: KeySerializationEncryption | None = None) -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


def answers(**given: str) -> Callable[[str], str]:
    """Answers questions by kind; one that is not expected fails."""
    by_prompt = {ASK_KEY: "key", ASK_SECRET: "secret", ASK_PASSPHRASE: "passphrase"}
    return lambda prompt: given[by_prompt[prompt]]


NO_QUESTION = answers()


def values(keys: Keys) -> dict[str, str]:
    """File name -> what is to be written there."""
    return {path.name: secret.get_secret_value() for path, secret in keys.writes.items()}


def test_keys_of_the_environment_are_written_and_referred_to(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "wallet-mcp"
    keys = find_keys(HMAC, folder, NO_QUESTION)
    assert keys.env == {
        "WALLET_MCP_API_KEY_FILE": str(folder / "api-key"),
        "WALLET_MCP_SECRET_KEY_FILE": str(folder / "secret-key"),
    }
    assert values(keys) == {"api-key": "canary-id", "secret-key": "canary-secret"}
    assert "canary" not in repr(keys)
    assert not folder.exists()
    store(keys, folder)
    assert load_settings(keys.env).usable


@posix
def test_stored_files_are_their_user_s_alone_also_over_wider_ones(tmp_path: Path) -> None:
    folder = tmp_path / "wallet-mcp"
    folder.mkdir()
    (folder / "secret-key").write_text("old")
    (folder / "secret-key").chmod(0o644)
    store(find_keys(HMAC, folder, NO_QUESTION), folder)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "api-key": 0o600,
        "secret-key": 0o600,
    }
    new = tmp_path / "new"
    store(find_keys(HMAC, new, NO_QUESTION), new)
    assert stat.S_IMODE(new.stat().st_mode) == 0o700


def test_a_private_key_as_a_value_becomes_a_file(tmp_path: Path) -> None:
    text = pem()
    keys = find_keys({"WALLET_MCP_API_KEY": "id", "WALLET_MCP_PRIVATE_KEY": text}, tmp_path, NO_QUESTION)
    store(keys, tmp_path)
    assert (tmp_path / "private-key.pem").read_text() == text
    assert load_settings(keys.env).usable


def test_files_that_the_environment_names_are_referred_to_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "id").write_text("id")
    (tmp_path / "key.pem").write_text(pem())
    named = {"WALLET_MCP_API_KEY_FILE": "~/id", "WALLET_MCP_PRIVATE_KEY_FILE": "key.pem"}
    keys = find_keys(named, tmp_path / "config", NO_QUESTION)
    assert keys.env == {
        "WALLET_MCP_API_KEY_FILE": str(tmp_path / "id"),
        "WALLET_MCP_PRIVATE_KEY_FILE": str(tmp_path / "key.pem"),
    }
    assert keys.writes == {}
    store(keys, tmp_path / "config")
    assert not (tmp_path / "config").exists()


def test_what_is_not_given_is_asked_for(tmp_path: Path) -> None:
    keys = find_keys({"WALLET_MCP_API_KEY": "${unset}"}, tmp_path, answers(key="id", secret=" s "))
    assert (values(keys), keys.found_in) == ({"api-key": "id", "secret-key": "s"}, "asked")
    assert values(find_keys({"WALLET_MCP_API_KEY": "mine"}, tmp_path, answers(secret="s")))["api-key"] == "mine"


def test_the_answer_may_be_the_path_of_a_private_key_and_its_passphrase_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(pem())
    plain = find_keys({}, tmp_path, answers(key="id", secret=str(file)))
    assert plain.env["WALLET_MCP_PRIVATE_KEY_FILE"] == str(file)
    assert values(plain) == {"api-key": "id"}
    file.write_text(pem(BestAvailableEncryption(b"pass")))
    locked = find_keys({}, tmp_path, answers(key="id", secret=str(file), passphrase="pass"))
    assert values(locked) == {"api-key": "id", "private-key-passphrase": "pass"}
    with pytest.raises(NoKey, match="PASSPHRASE"):
        find_keys({}, tmp_path, answers(key="id", secret=str(file), passphrase="wrong"))


def test_a_passphrase_that_is_given_is_not_asked_for(tmp_path: Path) -> None:
    given = {
        "WALLET_MCP_API_KEY": "id",
        "WALLET_MCP_PRIVATE_KEY": pem(BestAvailableEncryption(b"pass")),
        "WALLET_MCP_PRIVATE_KEY_PASSPHRASE": "pass",
    }
    assert set(values(find_keys(given, tmp_path, NO_QUESTION))) == {
        "api-key",
        "private-key.pem",
        "private-key-passphrase",
    }


def test_a_stored_key_serves_the_next_client_and_a_new_one_replaces_it(tmp_path: Path) -> None:
    assert stored_keys(tmp_path) is None
    store(find_keys(HMAC, tmp_path, NO_QUESTION), tmp_path)
    again = find_keys({}, tmp_path, NO_QUESTION)
    assert (again.writes, again.found_in) == ({}, "stored")
    assert load_settings(again.env).usable
    new = find_keys({}, tmp_path, answers(key="id-2", secret="s-2"), new=True)
    store(new, tmp_path)
    assert (tmp_path / "api-key").read_text() == "id-2\n"


def test_a_stored_secret_is_never_combined_with_another_key(tmp_path: Path) -> None:
    store(find_keys(HMAC, tmp_path, NO_QUESTION), tmp_path)
    keys = find_keys({"WALLET_MCP_API_KEY": "id-2"}, tmp_path, answers(secret="s-2"))
    assert values(keys) == {"api-key": "id-2", "secret-key": "s-2"}


def test_two_stored_secrets_leave_it_open_which_counts(tmp_path: Path) -> None:
    for name in ("api-key", "secret-key", "private-key.pem"):
        (tmp_path / name).write_text("x")
    assert stored_keys(tmp_path) is None


@pytest.mark.parametrize(("passphrase", "names"), [(True, 3), (False, 2)])
def test_a_stored_private_key_keeps_its_passphrase(tmp_path: Path, passphrase: bool, names: int) -> None:
    (tmp_path / "api-key").write_text("id")
    (tmp_path / "private-key.pem").write_text(pem())
    if passphrase:
        (tmp_path / "private-key-passphrase").write_text("p")
    keys = stored_keys(tmp_path)
    assert keys is not None
    assert len(keys.env) == names


def test_a_passphrase_without_a_private_key_is_not_passed_on(tmp_path: Path) -> None:
    for name in ("api-key", "secret-key", "private-key-passphrase"):
        (tmp_path / name).write_text("x")
    keys = stored_keys(tmp_path)
    assert keys is not None
    assert "WALLET_MCP_PRIVATE_KEY_PASSPHRASE_FILE" not in keys.env


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        (HMAC | {"WALLET_MCP_SECRET_KEY": "canary secret"}, "WALLET_MCP_SECRET_KEY does not work"),
        (HMAC | {"WALLET_MCP_API_KEY": "canary id"}, "WALLET_MCP_API_KEY must be"),
        (
            HMAC | {"WALLET_MCP_SECRET_KEY_FILE": "/canary"},
            "WALLET_MCP_SECRET_KEY and WALLET_MCP_SECRET_KEY_FILE are",
        ),
        (HMAC | {"WALLET_MCP_PRIVATE_KEY": "canary"}, "are both set"),
        ({"WALLET_MCP_API_KEY": "canary", "WALLET_MCP_SECRET_KEY_FILE": "/canary/none"}, "does not exist"),
    ],
)
def test_keys_that_cannot_work_are_refused_without_their_value(
    tmp_path: Path, environment: dict[str, str], told: str
) -> None:
    with pytest.raises(NoKey, match=told) as refused:
        find_keys(environment, tmp_path, NO_QUESTION)
    assert "canary" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"key": " "}, "Nothing was given for WALLET_MCP_API_KEY"),
        ({"key": "id", "secret": ""}, "Nothing was given for WALLET_MCP_SECRET_KEY"),
        ({"key": "id", "secret": "-----BEGIN PRIVATE KEY-----"}, "give the path of that file"),
        ({"key": "id", "secret": "\0" * 5000}, "does not work"),
        ({"key": "id", "secret": "x" * 5000 + " y"}, "does not work"),
    ],
)
def test_answers_that_are_no_key(tmp_path: Path, given: dict[str, str], told: str) -> None:
    with pytest.raises(NoKey, match=told):
        find_keys({}, tmp_path, answers(**given))


def test_a_plan_asks_nothing_and_names_the_same_files(tmp_path: Path) -> None:
    plan = planned_keys({}, tmp_path)
    real = find_keys({}, tmp_path, answers(key="id", secret="s"))
    assert (plan.env, set(plan.writes), plan.found_in) == (real.env, set(real.writes), "asked")
    assert planned_keys(HMAC, tmp_path).found_in == "environment"
    store(real, tmp_path)
    assert planned_keys({}, tmp_path).found_in == "stored"
    assert planned_keys({}, tmp_path, new=True).found_in == "asked"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keys = find_keys(HMAC, tmp_path / "file" / "wallet-mcp", NO_QUESTION)
    with pytest.raises(NoKey, match=r"cannot be written into .*wallet-mcp \(Not a directory\)"):
        store(keys, tmp_path / "file" / "wallet-mcp")


@posix
def test_key_files_of_others_that_anybody_can_read_are_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("id")
    (tmp_path / "secret").write_text("s")
    (tmp_path / "id").chmod(0o600)
    (tmp_path / "secret").chmod(0o640)
    named = {"WALLET_MCP_API_KEY_FILE": str(tmp_path / "id"), "WALLET_MCP_SECRET_KEY_FILE": str(tmp_path / "secret")}
    assert readable_by_others(find_keys(named, tmp_path, NO_QUESTION)) == [str(tmp_path / "secret")]


def test_where_there_are_no_modes_nothing_is_pointed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = find_keys(HMAC, tmp_path, NO_QUESTION)
    store(keys, tmp_path)
    (tmp_path / "api-key").chmod(0o644)
    monkeypatch.setattr("wallet_mcp.cli.key_files.os.name", "nt")
    assert readable_by_others(Keys(keys.env, {}, "stored")) == []
