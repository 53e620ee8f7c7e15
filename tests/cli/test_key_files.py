from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from wallet_mcp.cli import key_files
from wallet_mcp.cli.client_files import replace_file
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
    superseded,
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
    ours = tmp_path / "config"
    plain = find_keys({}, ours, answers(key="id", secret=str(file)))
    # A reference to it would combine with the key id of whatever key is stored next.
    assert plain.env["WALLET_MCP_PRIVATE_KEY_FILE"] == str(ours / "private-key.pem")
    assert values(plain) == {"api-key": "id", "private-key.pem": file.read_text().strip()}
    assert plain.copied == (str(file),)
    assert values(find_keys({}, ours, answers(key="id", secret=f"'{file}'"))) == values(plain)
    file.write_text(pem(BestAvailableEncryption(b"pass")))
    locked = find_keys({}, ours, answers(key="id", secret=str(file), passphrase="pass"))
    assert set(values(locked)) == {"api-key", "private-key.pem", "private-key-passphrase"}
    store(locked, ours)
    assert load_settings(find_keys({}, ours, NO_QUESTION).env).usable
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


OTHER_KINDS = [
    {"WALLET_MCP_API_KEY": "id-b", "WALLET_MCP_PRIVATE_KEY": "PEM"},
    {"WALLET_MCP_API_KEY": "id-b", "WALLET_MCP_PRIVATE_KEY_FILE": "PEM_FILE"},
    {"WALLET_MCP_API_KEY_FILE": "ID_FILE", "WALLET_MCP_PRIVATE_KEY": "PEM"},
]


@pytest.mark.parametrize("given", OTHER_KINDS)
def test_a_key_of_the_other_kind_leaves_nothing_of_the_one_before(tmp_path: Path, given: dict[str, str]) -> None:
    text = pem()
    (tmp_path / "b.pem").write_text(text)
    (tmp_path / "b.id").write_text("id-b")
    stand_for = {"PEM": text, "PEM_FILE": str(tmp_path / "b.pem"), "ID_FILE": str(tmp_path / "b.id")}
    given = {name: stand_for.get(value, value) for name, value in given.items()}
    ours = tmp_path / "config"
    first = find_keys(HMAC, ours, NO_QUESTION)
    store(first, ours)
    second = find_keys(given, ours, NO_QUESTION)
    assert superseded(second, ours) == [ours / "secret-key"]
    store(second, ours)
    third = find_keys({}, ours, NO_QUESTION)
    assert third.found_in == "stored"
    settings = load_settings(third.env)
    assert settings.credentials is not None
    assert settings.credentials.algorithm == "Ed25519"
    assert settings.credentials.api_key.get_secret_value() == "id-b"
    assert {path.name for path in ours.iterdir()} == {"api-key", "private-key.pem"}
    # And back, with a passphrase that is not left either.
    (ours / "private-key-passphrase").write_text("p")
    store(find_keys(HMAC, ours, NO_QUESTION), ours)
    assert {path.name for path in ours.iterdir()} == {"api-key", "secret-key"}
    assert load_settings(first.env).usable


def test_a_key_that_lies_in_files_of_the_person_s_touches_none_of_ours(tmp_path: Path) -> None:
    store(find_keys(HMAC, tmp_path, NO_QUESTION), tmp_path)
    (tmp_path / "mine.pem").write_text(pem())
    (tmp_path / "mine.id").write_text("id")
    named = {
        "WALLET_MCP_API_KEY_FILE": str(tmp_path / "mine.id"),
        "WALLET_MCP_PRIVATE_KEY_FILE": str(tmp_path / "mine.pem"),
    }
    keys = find_keys(named, tmp_path, NO_QUESTION)
    assert (keys.writes, keys.copied, superseded(keys, tmp_path)) == ({}, (), [])


def test_a_file_of_ours_that_was_named_stays(tmp_path: Path) -> None:
    store(find_keys(HMAC, tmp_path, NO_QUESTION), tmp_path)
    named = {"WALLET_MCP_API_KEY_FILE": str(tmp_path / "api-key"), "WALLET_MCP_SECRET_KEY": "rotated"}
    store(find_keys(named, tmp_path, NO_QUESTION), tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "api-key": "canary-id\n",
        "secret-key": "rotated\n",
    }


@pytest.mark.parametrize("full_at", ["api-key", "secret-key"])
def test_what_breaks_off_leaves_no_mixture(full_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(find_keys(HMAC, tmp_path, NO_QUESTION), tmp_path)
    new = find_keys({"WALLET_MCP_API_KEY": "id-b", "WALLET_MCP_SECRET_KEY": "b"}, tmp_path, NO_QUESTION)
    write = replace_file

    def full(path: Path, content: bytes, mode: int) -> None:
        if path.name == full_at:
            raise OSError(28, "No space left on device")
        write(path, content, mode)

    monkeypatch.setattr(key_files, "replace_file", full)
    with pytest.raises(NoKey, match="No space left"):
        store(new, tmp_path)
    assert stored_keys(tmp_path) is None


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
        ({"key": "canary", "secret": "BX-canary"}, "has the form of a key id. Exchange the values"),
        ({"key": "canary", "secret": "canary"}, "hold the same value. Copy the secret again"),
        ({"key": "id", "secret": "'canary'"}, "begins and ends with a quote mark"),
        ({"key": "id", "secret": "".join(pem().splitlines()[1:-1])}, "an Ed25519 private key without its PEM lines"),
    ],
)
def test_answers_that_are_no_key(tmp_path: Path, given: dict[str, str], told: str) -> None:
    with pytest.raises(NoKey, match=told) as refused:
        find_keys({}, tmp_path, answers(**given))
    assert "canary" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "answer",
    [
        "~/keys/canary-typo.pem",
        "~canary",
        "/home/canary",
        "./canary",
        "../canary",
        "..\\canary",
        "C:\\keys\\canary",
        "d:/canary",
        "\\\\server\\canary",
        "canary.pem",
        "canary.KEY",
        '"canary file.txt"',
    ],
)
def test_the_path_of_a_file_that_is_not_there_is_no_secret(tmp_path: Path, answer: str) -> None:
    with pytest.raises(NoKey, match="there is no such file") as refused:
        find_keys({}, tmp_path, answers(key="id", secret=answer))
    assert "canary" not in str(refused.value)
    # Who means it can still say so.
    assert find_keys({"WALLET_MCP_API_KEY": "id", "WALLET_MCP_SECRET_KEY": "/ab+c"}, tmp_path, NO_QUESTION).writes


@pytest.mark.parametrize("secret", ["ab/cd+ef==", "a.b", "C3:x", "pem", "x.pem.y", "A" * 64])
def test_secrets_that_only_remind_of_paths_are_taken(tmp_path: Path, secret: str) -> None:
    assert values(find_keys({}, tmp_path, answers(key="id", secret=secret)))["secret-key"] == secret


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
@pytest.mark.parametrize(
    ("folder_mode", "pointed_out"),
    # A folder that lets nobody through protects what is in it: the doctor would find nothing there either.
    [(0o755, ["secret"]), (0o700, [])],
)
def test_key_files_of_others_that_anybody_can_read_are_pointed_out(
    folder_mode: int, pointed_out: list[str], reachable: Path
) -> None:
    (reachable / "id").write_text("id")
    (reachable / "secret").write_text("s")
    (reachable / "id").chmod(0o600)
    (reachable / "secret").chmod(0o640)
    reachable.chmod(folder_mode)
    named = {
        "WALLET_MCP_API_KEY_FILE": str(reachable / "id"),
        "WALLET_MCP_SECRET_KEY_FILE": str(reachable / "secret"),
    }
    found = readable_by_others(find_keys(named, reachable, NO_QUESTION))
    assert found == [str(reachable / name) for name in pointed_out]


def test_where_there_are_no_modes_nothing_is_pointed_out(reachable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = find_keys(HMAC, reachable, NO_QUESTION)
    store(keys, reachable)
    (reachable / "api-key").chmod(0o644)
    stored = Keys(keys.env, {}, "stored")
    if os.name == "posix":
        assert readable_by_others(stored) == [str(reachable / "api-key")]
    monkeypatch.setattr("wallet_mcp.server.setup.secret_checks.os", SimpleNamespace(name="nt"))
    assert readable_by_others(stored) == []
