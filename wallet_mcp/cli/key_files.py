"""Where the key of a client's server comes from, and the files of the user's own that hold it.

A client's configuration is synchronised, shared and pasted into issues, and a command line shows in process lists. So
neither gets a key: it lies in files that only their user can read, and the client gets their paths.

All clients read the same files, so a key is one set: it lies in files that the person named, all of it, or in ours,
all of it, and a new one leaves no file of the one before. Half a key would sooner or later meet half of another.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from wallet_mcp.cli.client_files import replace_file
from wallet_mcp.server.setup.checks import FIXES
from wallet_mcp.server.setup.secret_checks import read_material, readers, suspicions, without_quotes
from wallet_mcp.settings import given, load_settings

FOLDER: Final = "wallet-mcp"
FILE_NAMES: Final[Mapping[str, str]] = {
    "API_KEY": "api-key",
    "SECRET_KEY": "secret-key",
    "PRIVATE_KEY": "private-key.pem",
    "PRIVATE_KEY_PASSPHRASE": "private-key-passphrase",
}
"""Name of a setting -> name of its file in the folder `wallet-mcp` of the user's configuration."""

ASK_KEY: Final = "API key (not shown): "
ASK_SECRET: Final = "Secret key, or the path of an Ed25519 private key file (not shown): "
ASK_PASSPHRASE: Final = "Passphrase of the private key file (not shown): "

_LIKE_A_PATH = re.compile(r"\A(~|/|\\|\./|\.\\|\.\.|[A-Za-z]:[/\\])|\.(pem|key|txt)\Z", re.IGNORECASE)
_ANOTHER_WAY: Final = "set WALLET_MCP_API_KEY and WALLET_MCP_SECRET_KEY in the environment of this command"

Ask = Callable[[str], str]
"""Asks on the terminal without echo. Raises `NoKey` where that is impossible."""


class NoKey(Exception):
    """There is no usable key; the message is a sentence that tells what to do, without any of the material."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What a client's entry says about keys (`env`: settings that end in `_FILE`) and the files to be written.

    `copied`: files of the person's whose content goes into ours.
    """

    env: Mapping[str, str]
    writes: Mapping[Path, SecretStr]
    found_in: str
    copied: tuple[str, ...] = ()


def find_keys(environment: Mapping[str, str], folder: Path, ask: Ask, *, new: bool = False) -> Keys:
    """The keys of the environment, else those stored before (not with `new`), else what the person answers.

    Parts of different keys are never combined: a stored part counts only where the environment gives none at all.
    Raises `NoKey` for keys that cannot be used, and for answers that were most likely meant otherwise.
    """
    keys = _from_environment(environment, folder)
    stored = None if keys.env or new else stored_keys(folder)
    if stored is not None:
        return _checked(stored)
    keys = _asked(keys, folder, ask)
    if _needs_passphrase(keys):
        keys = _with(keys, folder, "PRIVATE_KEY_PASSPHRASE", ask(ASK_PASSPHRASE))
    return _whole(_unsuspicious(_checked(keys)), folder)


def planned_keys(environment: Mapping[str, str], folder: Path, *, new: bool = False) -> Keys:
    """The same without asking, checking or needing a terminal: what would be asked for is taken as an HMAC key."""
    keys = _from_environment(environment, folder)
    stored = None if keys.env or new else stored_keys(folder)
    return stored or _whole(_asked(keys, folder, lambda _: "to be asked for"), folder)


def stored_keys(folder: Path) -> Keys | None:
    """The key that an earlier install stored; None where there is none, or more than one kind of secret."""
    there = {name for name, file in FILE_NAMES.items() if (folder / file).is_file()}
    if "API_KEY" not in there or len(there & {"SECRET_KEY", "PRIVATE_KEY"}) != 1:
        return None
    if "PRIVATE_KEY" not in there:
        there.discard("PRIVATE_KEY_PASSPHRASE")
    env = {_setting(name): str(folder / file) for name, file in FILE_NAMES.items() if name in there}
    return Keys(env, {}, "stored")


def store(keys: Keys, folder: Path) -> None:
    """Write the files of these keys, readable by their user alone, and remove those of the key before.

    Raises `NoKey`.
    """
    if not keys.writes:
        return
    key_id = folder / FILE_NAMES["API_KEY"]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Without a key id nothing is a key: what breaks off in between leaves no mixture that could be taken for one.
        key_id.unlink(missing_ok=True)
        for path, secret in sorted(keys.writes.items(), key=lambda item: item[0] == key_id):
            if path == key_id:
                _remove(superseded(keys, folder))
            replace_file(path, secret.get_secret_value().encode("utf-8") + b"\n", 0o600)
    except OSError as error:
        raise NoKey(f"The key cannot be written into {folder} ({error.strerror}).") from None


def superseded(keys: Keys, folder: Path) -> list[Path]:
    """The files of an earlier key that storing these keys removes: whole keys of the other kind, or a passphrase."""
    if not keys.writes:
        return []
    kept = {os.path.realpath(path) for path in (*map(str, keys.writes), *keys.env.values())}
    files = [folder / file for file in FILE_NAMES.values()]
    return [path for path in files if path.is_file() and os.path.realpath(path) not in kept]


def readable_by_others(keys: Keys) -> list[str]:
    """The key files, among those that somebody else wrote, that other users of this machine may read."""
    return [str(path) for path in map(Path, keys.env.values()) if path not in keys.writes and readers(path)]


def _from_environment(environment: Mapping[str, str], folder: Path) -> Keys:
    keys = Keys({}, {}, "environment")
    for name in FILE_NAMES:
        value, path = (given(environment, f"WALLET_MCP_{name}{suffix}") for suffix in ("", "_FILE"))
        if value and path:
            raise NoKey(f"WALLET_MCP_{name} and WALLET_MCP_{name}_FILE are both set: keep one of the two.")
        if value:
            keys = _with(keys, folder, name, value)
        if path:
            keys = replace(keys, env={**keys.env, _setting(name): _absolute(path)})
    return keys


def _asked(keys: Keys, folder: Path, ask: Ask) -> Keys:
    if _setting("API_KEY") not in keys.env:
        keys = replace(_with(keys, folder, "API_KEY", ask(ASK_KEY)), found_in="asked")
    if _setting("SECRET_KEY") in keys.env or _setting("PRIVATE_KEY") in keys.env:
        return keys
    answer = ask(ASK_SECRET).strip()
    if answer.startswith("-----BEGIN"):
        raise NoKey("A private key has several lines; save it as a file and give the path of that file.")
    # A terminal puts quote marks around the path of a file that is dropped on it.
    path = without_quotes(answer)
    if _is_file(path):
        return replace(keys, env={**keys.env, _setting("PRIVATE_KEY"): _absolute(path)}, found_in="asked")
    if _LIKE_A_PATH.search(path):
        raise NoKey(
            "That looks like the path of a file, and there is no such file. Nothing was changed. If it is a secret "
            f"key all the same, {_ANOTHER_WAY}."
        )
    return replace(_with(keys, folder, "SECRET_KEY", answer), found_in="asked")


def _with(keys: Keys, folder: Path, name: str, value: str) -> Keys:
    """These keys and one more that is to be written into its file."""
    path = folder / FILE_NAMES[name]
    if not value.strip():
        raise NoKey(f"Nothing was given for WALLET_MCP_{name}; nothing was changed.")
    return replace(
        keys,
        env={**keys.env, _setting(name): str(path)},
        writes={**keys.writes, path: SecretStr(value.strip())},
    )


def _checked(keys: Keys) -> Keys:
    settings = load_settings(_as_settings(keys))
    for sentence in (*settings.missing, *settings.bad_credentials):
        raise NoKey(sentence)
    return keys


def _unsuspicious(keys: Keys) -> Keys:
    """The same keys; raises `NoKey` where something was typed and looks like a slip."""
    if keys.found_in == "asked":
        for said, culprit in suspicions(read_material(_as_settings(keys))):
            raise NoKey(f"{said} {FIXES[culprit]} Nothing was changed. If it is right all the same, {_ANOTHER_WAY}.")
    return keys


def _whole(keys: Keys, folder: Path) -> Keys:
    """The same keys, with files that the person named taken over where other parts are written into ours."""
    if not keys.writes:
        return keys
    for name in FILE_NAMES:
        path = keys.env.get(_setting(name), "")
        if not path or Path(path) in keys.writes:
            continue
        text = _content(Path(path))
        if text:
            keys = replace(_with(keys, folder, name, text), copied=(*keys.copied, path))
    return keys


def _content(path: Path) -> str:
    try:
        # What is no file, such as a pipe, gave its content away when it was checked.
        return path.read_bytes().decode("utf-8-sig").strip() if path.is_file() else ""
    except (OSError, ValueError):
        return ""


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _needs_passphrase(keys: Keys) -> bool:
    if _setting("PRIVATE_KEY_PASSPHRASE") in keys.env:
        return False
    return any("PASSPHRASE is not set" in sentence for sentence in load_settings(_as_settings(keys)).bad_credentials)


def _as_settings(keys: Keys) -> dict[str, str]:
    """The settings that the server will read, with the content of files that are not written yet."""
    made: dict[str, str] = {}
    for setting, path in keys.env.items():
        secret = keys.writes.get(Path(path))
        if secret is None:
            made[setting] = path
        else:
            made[setting.removesuffix("_FILE")] = secret.get_secret_value()
    return made


def _setting(name: str) -> str:
    return f"WALLET_MCP_{name}_FILE"


def _absolute(path: str) -> str:
    # The client starts the server elsewhere, and a shell's ~ means nothing to it.
    return os.path.abspath(os.path.expanduser(path))


def _is_file(text: str) -> bool:
    try:
        return Path(text).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):
        return False
