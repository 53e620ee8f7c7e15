"""The entries of this server in the user's own client files, read as the clients read them; nothing is changed.

Files of a project folder are left alone: they start what somebody else wrote, and a client asks before it does.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wallet_mcp.cli.client_commands import chosen_settings, starts_our_container, starts_us
from wallet_mcp.cli.clients import CLAUDE_CODE, CLIENTS, CODEX, Client, Surroundings, client_file

MAX_BYTES: Final = 16 * 1024 * 1024
_VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
# A string, or else a comment or a comma before a closing bracket: what VS Code allows beyond JSON.
_JSONC = re.compile(
    r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/|,(?=\s*(?:(?://[^\n]*\n|/\*.*?\*/)\s*)*[}\]])', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """An entry that starts this server. `env` may hold keys, so it stays out of every text."""

    client: Client
    file: Path
    name: str
    command: str
    args: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)

    @property
    def in_container(self) -> bool:
        """Whether it runs in a container, where other files and variables are."""
        return starts_our_container(self.command, self.args)

    @property
    def settings(self) -> Mapping[str, str]:
        """What the server sees of the entry's variables and words; may hold keys."""
        return chosen_settings(self.command, self.args, self.env)


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A client's file that cannot be read; `reason` holds nothing of its content."""

    client: Client
    file: Path
    reason: str


def find_entries(here: Surroundings) -> list[FoundEntry | UnreadableFile]:
    """The entries of this server in the files of all known clients, and the files that cannot be read."""
    found: list[FoundEntry | UnreadableFile] = []
    for client in CLIENTS:
        file = client_file(client, here)
        if file is None:
            continue
        try:
            content = _read(client, file)
        except ValueError as error:
            found.append(UnreadableFile(client, file, str(error)))
            continue
        for name, entry in _servers(client, content):
            read = _entry(client, file, name, entry, here.environment)
            if read is not None and read not in found:
                found.append(read)
    return found


def _read(client: Client, file: Path) -> object:
    """The parsed file; an empty object where there is none. Raises `ValueError` with the reason."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError:
        raise ValueError("it cannot be read by this user") from None
    if len(content) > MAX_BYTES:
        raise ValueError("it is too large for a configuration")
    try:
        text = content.decode("utf-8-sig")
        if client is CODEX:
            return tomllib.loads(text)
        return json.loads(without_comments(text)) if text.strip() else {}
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except tomllib.TOMLDecodeError:
        raise ValueError("it is not TOML") from None
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None


def without_comments(text: str) -> str:
    """JSON text without the comments and trailing commas that editors allow in their own files."""
    return _JSONC.sub(lambda match: match[0] if match[0].startswith('"') else "", text)


def _servers(client: Client, content: object) -> Iterator[tuple[str, object]]:
    if not isinstance(content, dict):
        return
    holders = [content]
    projects = content.get("projects")
    if client is CLAUDE_CODE and isinstance(projects, dict):
        # What a user added for one project stands in the same file.
        holders += [project for project in projects.values() if isinstance(project, dict)]
    for holder in holders:
        servers = holder.get(client.servers_key)
        if isinstance(servers, dict):
            yield from servers.items()


def _entry(client: Client, file: Path, name: str, entry: object, variables: Mapping[str, str]) -> FoundEntry | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("command"), str):
        return None
    given, env = entry.get("args", []), entry.get("env", {})
    words = given if isinstance(given, list) else []
    args = tuple(_filled(word, variables) for word in words if isinstance(word, str))
    command = _filled(entry["command"], variables)
    if not starts_us(command, args) and not starts_our_container(command, args):
        return None
    settings = {
        key: _filled(value, variables)
        for key, value in (env.items() if isinstance(env, dict) else ())
        if isinstance(value, str)
    }
    return FoundEntry(client, file, name, command, args, settings)


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """The text with `${NAME}` and `${env:NAME}` replaced, as clients do; an unknown one stays as it is."""
    return _VARIABLE.sub(lambda match: variables.get(match[1], match[2] if match[2] is not None else match[0]), text)
