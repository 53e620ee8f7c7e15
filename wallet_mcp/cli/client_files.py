"""Editing a client's JSON file: one entry changes, the rest stays, and what cannot be parsed is not touched."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

from wallet_mcp.cli.client_commands import is_ours
from wallet_mcp.cli.clients import Entry
from wallet_mcp.wallet_api.signing import is_encodable

MAX_BYTES: Final = 16 * 1024 * 1024
NEW_FILE_MODE: Final = 0o600
"""Mode of a file that was not there before."""

_FIRST_INDENT = re.compile(r"\A\s*\{\s*?\n([ \t]+)\S")
_CREDENTIAL = re.compile(r"WALLET_MCP_((API|SECRET|PRIVATE)_KEY(_PASSPHRASE)?(_FILE)?|SANDBOX)")


class NotEdited(Exception):
    """A file was left as it is; the message is a sentence that tells why and what to do."""


class NameTaken(NotEdited):
    """The client has a server of somebody else under this name."""


def read_text(path: Path) -> str | None:
    """The text of a client's file; None when there is none. Raises `NotEdited`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotEdited(f"{path} cannot be read ({error.strerror}).") from None
    if len(content) > MAX_BYTES:
        raise NotEdited(f"{path} is larger than any client's configuration; it was not touched.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise NotEdited(f"{path} is not UTF-8 text; it was not touched.") from None


def with_entry(text: str | None, servers_key: str, name: str, entry: Entry, path: Path) -> str:
    """The text of a client's file with this entry; the same text when it has it already.

    Other entries, the order of keys, indentation, line ends and a byte order mark stay. Of an older entry of ours,
    settings that are no credentials stay too, and so do keys that the client added. Raises `NotEdited` for text that
    is not strict JSON, for another server under this name, and for numbers that would not come out as they were.
    """
    mark, text = ("\ufeff", text[1:]) if text and text.startswith("\ufeff") else ("", text or "")
    before = _parsed(text, path) if text.strip() else {}
    if not isinstance(before, dict):
        raise NotEdited(f"{path} holds JSON that is not an object; it was not touched.")
    servers = before.get(servers_key, {})
    if not isinstance(servers, dict):
        raise NotEdited(f'In {path}, "{servers_key}" is not an object; the file was not touched.')
    after = {**before, servers_key: {**servers, name: _merged(servers.get(name), entry, name, path)}}
    if after == before:
        return mark + text
    written = _written(after, text)
    same_others = _others(text, servers_key, name) == _others(written, servers_key, name)
    if _parsed(written, path) != after or not same_others:
        raise NotEdited(f"{path} holds numbers that an edit would round; it was not touched.")
    return mark + written


def save(path: Path, text: str, expected: str | None) -> Path | None:
    """Write a client's file in one step and keep the old one beside it: the backup's path, None for a new file.

    `expected` is the text that the edit began with: where the file holds another by now, nothing is written. The
    mode of the file stays; a link stays a link. Raises `NotEdited`.
    """
    # A link into a folder of dotfiles must not be replaced by a file.
    real = Path(os.path.realpath(path))
    try:
        backup = None
        if expected is not None:
            backup = _backup(real)
        if read_text(real) != expected:
            raise NotEdited(f"{path} changed in the meantime; close the client and run this again.")
        replace_file(real, text.encode("utf-8"), None)
    except OSError as error:
        raise NotEdited(f"{path} cannot be written ({error.strerror}); nothing was changed.") from None
    return backup


def replace_file(path: Path, content: bytes, mode: int | None) -> None:
    """Put a file with this content in the place of `path`, in one step; readers see the old or the new one, whole.

    With `mode` None a file that was there keeps its mode and a new one is its user's alone. Raises `OSError`.
    """
    try:
        old = path.stat()
    except FileNotFoundError:
        old = None
    if mode is None:
        mode = NEW_FILE_MODE if old is None else old.st_mode & 0o7777
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        if old is not None and hasattr(os, "chown"):
            # Under sudo the file would change hands.
            with contextlib.suppress(OSError):
                os.chown(name, old.st_uid, old.st_gid)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _backup(path: Path) -> Path:
    content, mode = path.read_bytes(), path.stat().st_mode & 0o777
    for number in range(1, 1000):
        copy = path.with_name(f"{path.name}.{number}.bak" if number > 1 else f"{path.name}.bak")
        with contextlib.suppress(FileExistsError):
            # It may hold keys of other servers: never wider open than the file itself, also for a moment.
            with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
            return copy
        if copy.read_bytes() == content:
            return copy
    raise NotEdited(f"There are a thousand backups beside {path}; remove some.")


def _parsed(text: str, path: Path) -> object:
    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        made = dict(items)
        if len(made) != len(items):
            raise ValueError("a key stands twice in one object")
        return made

    def constant(word: str) -> object:
        raise ValueError(f"{word} is not JSON")

    try:
        made: object = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise NotEdited(
            f"{path} is not strict JSON (line {error.lineno}, column {error.colno}); it was not touched."
        ) from None
    except (ValueError, RecursionError):
        raise NotEdited(f"{path} cannot be edited safely; it was not touched.") from None
    return made


def _others(text: str, servers_key: str, name: str) -> dict[str, object]:
    """What the text says apart from our entry, with its numbers exact."""
    made: dict[str, dict[str, object]] = json.loads(text, parse_float=Decimal) if text.strip() else {}
    servers = {key: value for key, value in made.get(servers_key, {}).items() if key != name}
    return {**made, servers_key: servers}


def _written(content: Mapping[str, object], like: str) -> str:
    indent = _FIRST_INDENT.match(like)
    ascii_only = like.isascii() and "\\u" in like
    text = json.dumps(content, indent=indent[1] if indent else 2, ensure_ascii=ascii_only)
    if not is_encodable(text):
        text = json.dumps(content, indent=indent[1] if indent else 2)
    if not like.strip() or like.endswith("\n"):
        text += "\n"
    return text.replace("\n", "\r\n") if "\r\n" in like else text


def _merged(old: object, entry: Entry, name: str, path: Path) -> dict[str, object]:
    if old is None:
        return entry.as_json()
    if not isinstance(old, dict) or not is_ours(old):
        raise NameTaken(f'{path} has another server named "{name}"; choose a name for this one with --name.')
    settings = old.get("env", {})
    kept = {
        key: value
        for key, value in (settings.items() if isinstance(settings, dict) else ())
        if not _CREDENTIAL.fullmatch(key)
    }
    return {**old, **entry.as_json(), "env": {**kept, **entry.env}}
