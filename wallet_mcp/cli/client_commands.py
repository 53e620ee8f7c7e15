"""What a client's entry starts: this server, a container of it, or something of somebody else's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

_OUR_COMMAND = re.compile(r"wallet-mcp(\.exe)?")
_OUR_IMAGE = re.compile(r"([\w.-]+(:\d+)?/)*wallet-mcp(:[\w.-]+)?(@[\w:]+)?", re.ASCII)
_CONTAINERS: Final = ("docker", "docker.exe", "podman", "podman.exe")
_SWITCHES = re.compile(
    r"-[ditqP]+|--(detach|init|interactive|no-healthcheck|privileged|publish-all|quiet|read-only|rm|tty)"
)
"""Options of `docker run` that take no value."""

_SHOWN_LINE = re.compile(r"\s*(command|args)\s*:\s*(.*?)\s*", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(r"[\s\"',\[\]]+")


def starts_us(command: str, args: Sequence[str]) -> bool:
    """Whether a command line is that of this server: its program `wallet-mcp`, or `-m wallet_mcp` for a Python.

    A folder, a package or another program of a like name is somebody else's.
    """
    if _OUR_COMMAND.fullmatch(_last_part(command)):
        return True
    return any(pair == ("-m", "wallet_mcp") for pair in pairwise(args))


def shown_is_ours(shown: str) -> bool:
    """Whether what a client's own command shows of an entry is this server; False where that is in doubt.

    Only the lines `Command:` and `Args:` count (or those keys of a JSON object): the name of an entry and its
    settings can hold any words.
    """
    try:
        told: object = json.loads(shown)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict):
        return is_ours(told)
    lines = [match.groups() for match in map(_SHOWN_LINE.fullmatch, shown.splitlines()) if match]
    said = {key.lower(): text for key, text in lines}
    if len(said) != len(lines):
        return False
    return starts_us(said.get("command", "").strip("\"'"), _BETWEEN_WORDS.split(said.get("args", "")))


def is_ours(entry: Mapping[str, object]) -> bool:
    """Whether an entry of a client's file starts this server."""
    command, args = entry.get("command", ""), entry.get("args", [])
    if not isinstance(command, str):
        return False
    return starts_us(command, [word for word in args if isinstance(word, str)] if isinstance(args, list) else [])


def starts_our_container(command: str, args: Sequence[str]) -> bool:
    """Whether a command line runs a container from an image that is called `wallet-mcp`."""
    image, _ = _container(command, args)
    return image is not None


def chosen_settings(command: str, args: Sequence[str], env: Mapping[str, str]) -> dict[str, str]:
    """The settings that the started server will see of an entry: of a container only those that are handed in.

    `--sandbox` among its words counts as the setting that it stands for.
    """
    words: Sequence[str] = args
    settings = dict(env)
    if starts_our_container(command, args):
        image, options = _container(command, args)
        words = args[image:]
        settings = {}
        for name, separator, value in options:
            if separator:
                settings[name] = value
            elif name in env:
                settings[name] = env[name]
    if "--sandbox" in words:
        settings["WALLET_MCP_SANDBOX"] = "1"
    return settings


def _container(command: str, args: Sequence[str]) -> tuple[int | None, list[tuple[str, str, str]]]:
    """Where the image of ours stands in the words of `docker run`, and its settings as name, "=" or "", value."""
    if _last_part(command).lower() not in _CONTAINERS or "run" not in args:
        return None, []
    settings: list[tuple[str, str, str]] = []
    at = args.index("run") + 1
    while at < len(args) and args[at].startswith("-"):
        word = args[at]
        option, given, value = word.partition("=")
        at += 1
        if word.startswith("-e") and word != "-e":
            settings.append(word[2:].partition("="))
            continue
        if _SWITCHES.fullmatch(option):
            continue
        if not given and at < len(args):
            value = args[at]
            at += 1
        if option in ("-e", "--env"):
            settings.append(value.partition("="))
    ours = at < len(args) and _OUR_IMAGE.fullmatch(args[at]) is not None
    return (at, settings) if ours else (None, [])


def _last_part(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]
