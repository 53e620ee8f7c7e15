"""The MCP clients that `wallet-mcp install` knows: where each keeps its servers, and how one is added to it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

Kind = Literal["program", "file", "paste"]


@dataclass(frozen=True, slots=True)
class Client:
    """A client. `kind` tells how a server is added: by its own `program`, in its JSON `file`, or by pasting."""

    name: str
    title: str
    kind: Kind
    program: str = ""
    servers_key: str = "mcpServers"
    afterwards: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """How a client starts a server. `env` holds settings and paths of key files, never a key."""

    command: str
    args: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The entry as the JSON files of clients hold it."""
        return {"command": self.command, "args": list(self.args), "env": dict(self.env)}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the places of files depend on: environment, home folder and `sys.platform`."""

    environment: Mapping[str, str]
    home: Path
    platform: str

    @classmethod
    def of_this_process(cls) -> Surroundings:
        """Those of this process."""
        return cls(os.environ, Path.home(), sys.platform)


CLAUDE_CODE: Final = Client(
    "claude-code", "Claude Code", "program", "claude", afterwards="A session that is running sees it after /mcp."
)
CLAUDE_DESKTOP: Final = Client(
    "claude-desktop", "Claude Desktop", "file", afterwards="Quit Claude Desktop and start it again."
)
CODEX: Final = Client("codex", "Codex CLI", "program", "codex", "mcp_servers", "New sessions of Codex have it.")
CURSOR: Final = Client("cursor", "Cursor", "file", afterwards="Switch it on in Cursor under Settings, MCP.")
VSCODE: Final = Client(
    "vscode", "VS Code", "program", "code", "servers", "In VS Code, run MCP: List Servers to start it."
)
OTHER: Final = Client("other", "another client", "paste", afterwards="Then restart the client.")

CLIENTS: Final = (CLAUDE_CODE, CLAUDE_DESKTOP, CODEX, CURSOR, VSCODE, OTHER)

_ALIASES: Final = {"codex-cli": "codex", "vs-code": "vscode", "code": "vscode", "visual-studio-code": "vscode"}


def find_client(word: str) -> Client | None:
    """The client that a word means; case, blanks and underscores do not matter. None for an unknown one."""
    name = "-".join(word.lower().replace("_", " ").replace("-", " ").split())
    name = _ALIASES.get(name, name)
    return next((client for client in CLIENTS if client.name == name), None)


def config_home(here: Surroundings) -> Path:
    """The folder of the user's configuration: of the platform, or `XDG_CONFIG_HOME` where that is set.

    A relative `XDG_CONFIG_HOME` is ignored, as its specification wants.
    """
    given = here.environment.get("XDG_CONFIG_HOME", "")
    if given and Path(given).is_absolute():
        return Path(given)
    return _application_data(here)


def client_file(client: Client, here: Surroundings) -> Path | None:
    """The file in which a client keeps the servers of its user; None where there is no such place."""
    match client.name:
        case "claude-code":
            folder = here.environment.get("CLAUDE_CONFIG_DIR", "")
            return (Path(folder) if folder else here.home) / ".claude.json"
        case "claude-desktop":
            # There is no Linux version; builds of others keep to the place that Electron gives them.
            folder_ = config_home(here) if here.platform == "linux" else _application_data(here)
            return folder_ / "Claude" / "claude_desktop_config.json"
        case "codex":
            folder = here.environment.get("CODEX_HOME", "")
            return (Path(folder) if folder else here.home / ".codex") / "config.toml"
        case "cursor":
            return here.home / ".cursor" / "mcp.json"
        case "vscode":
            folder_ = config_home(here) if here.platform == "linux" else _application_data(here)
            return folder_ / "Code" / "User" / "mcp.json"
        case _:
            return None


def adding_command(client: Client, program: str, name: str, entry: Entry) -> list[str]:
    """The command line that adds a server to a client of the kind `program`, for all projects of the user."""
    settings = [word for setting in entry.env.items() for word in ("--env", "=".join(setting))]
    match client.name:
        case "claude-code":
            # --env takes every word up to the next option, so one has to stand between it and the name.
            options = ["--scope", "user", *settings, "--transport", "stdio"]
            return [program, "mcp", "add", *options, name, "--", entry.command, *entry.args]
        case "codex":
            return [program, "mcp", "add", name, *settings, "--", entry.command, *entry.args]
        case "vscode":
            return [program, "--add-mcp", json.dumps({"name": name, **entry.as_json()})]
        case _:
            raise ValueError(f"{client.name} has no program")


def showing_command(client: Client, program: str, name: str) -> list[str] | None:
    """The command line that shows a client's server of this name and fails without one; None where there is none."""
    return [program, "mcp", "get", name] if client.program in ("claude", "codex") else None


def removing_command(client: Client, program: str, name: str) -> list[str] | None:
    """The command line that takes a server away before it is added anew; None where adding replaces it."""
    return [program, "mcp", "remove", "--scope", "user", name] if client is CLAUDE_CODE else None


def block(client: Client, name: str, entry: Entry) -> str:
    """What to paste into the client's file: TOML for Codex CLI, JSON for all others."""
    if client is not CODEX:
        return json.dumps({client.servers_key: {name: entry.as_json()}}, indent=2, ensure_ascii=False)
    settings = ", ".join(f"{key} = {_toml(value)}" for key, value in entry.env.items())
    args = ", ".join(_toml(word) for word in entry.args)
    return "\n".join(
        [
            f"[{client.servers_key}.{name}]",
            f"command = {_toml(entry.command)}",
            f"args = [{args}]",
            f"env = {{ {settings} }}",
        ]
    )


def _toml(text: str) -> str:
    # The escapes of a JSON string are among those of TOML, save that DEL stays as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _application_data(here: Surroundings) -> Path:
    if here.platform == "darwin":
        return here.home / "Library" / "Application Support"
    if here.platform == "win32":
        given = here.environment.get("APPDATA", "")
        return Path(given) if given else here.home / "AppData" / "Roaming"
    return here.home / ".config"
