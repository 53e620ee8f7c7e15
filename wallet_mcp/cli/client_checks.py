"""Whether the entries in the client files start this server, and whether it speaks clean JSON on stdout there.

The SDK's own client overlooks lines that are no messages; other clients break on them. So the pipe is read by hand.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Final

import anyio
from anyio.abc import Process

from wallet_mcp.cli.client_places import FoundEntry, UnreadableFile
from wallet_mcp.server.setup.checks import Check, Culprit, failed, ok, skipped
from wallet_mcp.settings import given, load_settings

PATIENCE_S: Final = 20.0
"""Seconds for start, handshake and list of tools; clients allow 30 or more."""

END_S: Final = 2.0
"""Seconds that a server gets to end by itself once its input is closed."""

_PASSED_ON: Final = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER")
_PASSED_ON_WINDOWS: Final = ("APPDATA", "LOCALAPPDATA", "PATH", "PATHEXT", "SYSTEMROOT", "TEMP", "USERPROFILE")
_SECRETS: Final = ("WALLET_MCP_SECRET_KEY", "WALLET_MCP_PRIVATE_KEY", "WALLET_MCP_PRIVATE_KEY_PASSPHRASE")
_MAX_LINE: Final = 4 * 1024 * 1024

Message = dict[str, object]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a started server said: its tools, lines that were no messages, whether it ended or stayed silent."""

    tools: int | None
    stray_lines: int
    ended: bool = False


class NotStarted(Exception):
    """The command could not be started."""


async def check_clients(found: Sequence[FoundEntry | UnreadableFile], environment: Mapping[str, str]) -> list[Check]:
    """One line per entry or unreadable file; a skipped one where there are none."""
    if not found:
        return [
            skipped("client", "no client on this machine has an entry for wallet-mcp; `wallet-mcp install` adds one.")
        ]
    checks: list[Check] = []
    for one in found:
        if isinstance(one, UnreadableFile):
            checks.append(failed("client", f"{one.client.title}: {one.file}: {one.reason}.", "client_file"))
        else:
            checks += await check_entry(one, environment)
    return checks


async def check_entry(entry: FoundEntry, environment: Mapping[str, str]) -> list[Check]:
    """Start an entry as its client would, list its tools, and look for secrets in the client's file."""
    title = f"{entry.client.title}, entry {entry.name[:40]!r}"
    checks: list[Check] = []
    chosen = entry.settings
    secrets = [name for name in _SECRETS if _holds_secret(entry.env, name) or _holds_secret(chosen, name)]
    if secrets:
        checks.append(failed("client", f"{title}: {' and '.join(secrets)} stand in {entry.file}.", "client_secret"))
    try:
        spoken = await speak(entry.command, entry.args, entry.env, environment, entry.file.parent)
    except NotStarted:
        return [*checks, failed("client", f"{title}: its command cannot be started.", "client_command")]
    said, culprit = _verdict(spoken)
    if culprit is not None:
        return [*checks, failed("client", f"{title}: {said}", culprit)]
    settings = load_settings(chosen)
    # Files that a container reads are not to be found under their names out here.
    elsewhere = entry.in_container and any(name.endswith("_FILE") for name in chosen)
    wrong = [*(() if elsewhere else settings.bad_credentials), *settings.problems]
    if wrong and not settings.sandbox:
        return [*checks, *(failed("client", f"{title}: {sentence}", "setting") for sentence in wrong)]
    if settings.missing and not settings.sandbox and not _has_more_settings(entry, environment):
        return [
            *checks,
            failed("client", f"{title}: it starts, but {' '.join(settings.missing)}", "credentials_missing"),
        ]
    return [*checks, ok("client", f"{title}: {said}")]


async def speak(
    command: str, args: Sequence[str], env: Mapping[str, str], environment: Mapping[str, str], folder: Path
) -> Spoken:
    """Start a server with the few variables that clients pass on, and list its tools.

    Raises `NotStarted` where there is no such command.
    """
    names = _PASSED_ON_WINDOWS if os.name == "nt" else _PASSED_ON
    variables = {name: environment[name] for name in names if name in environment} | dict(env)
    program = shutil.which(command, path=variables.get("PATH", os.defpath))
    if program is None:
        raise NotStarted
    try:
        process = await anyio.open_process(
            [program, *args], stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=variables, cwd=folder
        )
    except (OSError, ValueError):
        raise NotStarted from None
    try:
        with anyio.move_on_after(PATIENCE_S):
            return await _talk(process)
        return Spoken(None, 0)
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _talk(process: Process) -> Spoken:
    opening: list[Message] = [
        {
            "jsonrpc": "2.0",
            "id": 0,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "wallet-mcp doctor", "version": "0"},
            },
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}},
    ]
    if process.stdin is None or process.stdout is None:
        raise NotStarted
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await process.stdin.send(b"".join(json.dumps(message).encode() + b"\n" for message in opening))
    stray = 0
    rest = b""
    while True:
        try:
            rest += await process.stdout.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError, OSError):
            return Spoken(None, stray + bool(rest.strip()), ended=True)
        *lines, rest = rest.split(b"\n")
        for line in lines:
            message = _message(line)
            if message is None:
                stray += 1
            elif message.get("id") == 1:
                return Spoken(_tools(message), stray)
        if len(rest) > _MAX_LINE:
            return Spoken(None, stray + 1)


async def _end(process: Process) -> None:
    """Close the input, as clients do, and end what does not end by itself."""
    if process.stdin is not None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            await process.stdin.aclose()
    with anyio.move_on_after(END_S):
        await process.wait()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.stdout is not None:
        # asyncio closes the pipe at its end only, and a full one is not read on by itself.
        with anyio.move_on_after(END_S), suppress(anyio.EndOfStream, anyio.BrokenResourceError, OSError):
            while True:
                await process.stdout.receive()
        await process.stdout.aclose()


def _message(line: bytes) -> Message | None:
    try:
        message: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and message.get("jsonrpc") == "2.0" else None


def _tools(message: Message) -> int | None:
    result = message.get("result")
    tools = result.get("tools") if isinstance(result, dict) else None
    return len(tools) if isinstance(tools, list) and tools else None


def _verdict(spoken: Spoken) -> tuple[str, Culprit | None]:
    if spoken.stray_lines:
        lines = "1 line" if spoken.stray_lines == 1 else f"{spoken.stray_lines} lines"
        return f"it wrote {lines} to stdout that are no messages.", "client_output"
    if spoken.ended:
        return "it ended before it answered.", "client_answer"
    if spoken.tools is None:
        return "it did not list its tools in time.", "client_answer"
    return f"it starts, lists {spoken.tools} tools and writes nothing else to stdout.", None


def _has_more_settings(entry: FoundEntry, environment: Mapping[str, str]) -> bool:
    """Whether what is missing can come from elsewhere: the client asks for it, or passes on what the shell has."""
    in_a_file = entry.in_container and any(word.startswith("--env-file") for word in entry.args)
    asked_for = any("${" in value for value in (*entry.env.values(), *entry.settings.values()))
    return in_a_file or asked_for or load_settings(environment).api_key_present


def _holds_secret(env: Mapping[str, str], name: str) -> bool:
    """Whether a setting holds a value of its own, without a client's placeholder anywhere in it."""
    value = given(env, name)
    return bool(value) and "${" not in value
