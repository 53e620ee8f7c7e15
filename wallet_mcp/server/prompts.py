"""The server's instructions and its MCP prompts, from the Markdown files of `prompts/`.

A file starts with TOML between two `+++` lines and goes on with the text. In a text `{name}` stands for an argument;
it is put in once, as a quoted value, and never read as a template again. Everything is checked when it is loaded.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import mcp_types
from mcp import MCPError

from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.prompt_arguments import check_arguments
from wallet_mcp.server.resources_dir import prompts_dir, read_text
from wallet_mcp.wallet.labels import Labels

INSTRUCTIONS_NAME: Final = "instructions.md"
MAX_ARGUMENT_LENGTH: Final = 200

_FENCE: Final = "+++"
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_HEAD_FIELDS: Final = frozenset({"name", "title", "description", "arguments"})
_ARGUMENT_FIELDS: Final = frozenset({"name", "description", "required", "given", "absent"})
# Section of the instructions -> its placeholder.
_SECTIONS: Final[Mapping[str, str]] = {"sandbox": "wallets", "labels": "names"}


class PromptFileError(Exception):
    """A file of prompts or instructions is wrong; the text names the file and the fault."""


@dataclass(frozen=True, slots=True)
class PromptArgumentSpec:
    """One argument: `given` is its place in the text, with `{value}`, and `absent` stands there without it."""

    name: str
    description: str
    required: bool
    given: str
    absent: str


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """One MCP prompt as its file describes it; `text` is the template."""

    name: str
    title: str
    description: str
    arguments: tuple[PromptArgumentSpec, ...]
    text: str


def load_prompts() -> tuple[PromptSpec, ...]:
    """Every prompt, sorted by name. Raises `PromptFileError`."""
    names = sorted(file.name for file in prompts_dir().iterdir() if file.name.endswith(".md"))
    specs = tuple(parse_prompt(name, read_text(name)) for name in names if name != INSTRUCTIONS_NAME)
    return tuple(sorted(specs, key=lambda spec: spec.name))


@cache
def _prompts() -> Mapping[str, PromptSpec]:
    return {spec.name: spec for spec in load_prompts()}


def list_prompts() -> list[mcp_types.Prompt]:
    """What `prompts/list` answers: every prompt with its described arguments, sorted by name."""
    return [
        mcp_types.Prompt(
            name=spec.name,
            title=spec.title,
            description=spec.description,
            arguments=[
                mcp_types.PromptArgument(
                    name=argument.name, description=argument.description, required=argument.required
                )
                for argument in spec.arguments
            ],
        )
        for spec in _prompts().values()
    ]


def render(
    name: str, arguments: Mapping[str, str] | None = None, *, labels: Labels, now: float
) -> mcp_types.GetPromptResult:
    """What `prompts/get` answers: one message of the user, with the arguments in their places.

    `labels`: the wallets that may stand for addresses; `now`: the API's time in Unix seconds. Raises `MCPError`
    (-32602) for an unknown prompt, for a missing or unknown argument, and for one that is unprintable, longer than
    200 characters, or means nothing to the tools. A blank one that may be left out counts as left out, for forms send
    what nobody has filled in. The message names the argument and the rule, never the value.
    """
    spec = _prompts().get(name)
    if spec is None:
        raise _refused(f"unknown prompt; there are {', '.join(_prompts())}")
    given = _filled_in(spec, arguments or {})
    text = fill(spec, given)
    # A bundle's host puts the value into the finished text, in the place that its manifest marks like this.
    meant = {argument: value for argument, value in given.items() if value != f"${{arguments.{argument}}}"}
    try:
        check_arguments(meant, labels=labels, now=now)
    except ArgumentProblem as problem:
        message = f"prompt {name}: argument {problem.field} was refused. Rule: {problem.rule.rstrip('.')}."
        raise _refused(message) from None
    said = mcp_types.PromptMessage(role="user", content=mcp_types.TextContent(type="text", text=text))
    return mcp_types.GetPromptResult(description=spec.description, messages=[said])


def _filled_in(spec: PromptSpec, given: Mapping[str, str]) -> Mapping[str, str]:
    optional = {argument.name for argument in spec.arguments if not argument.required}
    return {name: value for name, value in given.items() if name not in optional or not _is_blank(value)}


def _is_blank(value: object) -> bool:
    return isinstance(value, str) and not value.strip()


def fill(spec: PromptSpec, given: Mapping[str, str]) -> str:
    """The text of a prompt with its arguments, whatever they mean. Raises `MCPError` for what is no line of text."""
    if given.keys() - {argument.name for argument in spec.arguments}:
        known = ", ".join(argument.name for argument in spec.arguments) or "none"
        raise _refused(f"prompt {spec.name}: unknown argument; its arguments: {known}")
    places: dict[str, str] = {}
    for argument in spec.arguments:
        value = given.get(argument.name)
        if value is not None:
            quoted = _quoted(f"prompt {spec.name}: argument {argument.name}", value)
            places[argument.name] = argument.given.replace("{value}", quoted)
        elif argument.required:
            raise _refused(f"prompt {spec.name}: argument {argument.name} is missing")
        else:
            places[argument.name] = argument.absent
    return _PLACEHOLDER.sub(lambda match: places[match[1]], spec.text)


def load_instructions(*, sandbox_wallets: Mapping[str, str] | None = None, labels: Sequence[str] = ()) -> str:
    """The server's instructions.

    `sandbox_wallets`: label -> address, in sandbox mode. `labels`: the configured wallet labels. A section without
    content leaves no trace. Raises `PromptFileError`.
    """
    wallets = ", ".join(f"{label} {address}" for label, address in (sandbox_wallets or {}).items())
    return fill_instructions(read_text(INSTRUCTIONS_NAME), wallets=wallets, names=", ".join(labels))


def fill_instructions(content: str, *, wallets: str = "", names: str = "") -> str:
    """The text of an instructions file with its sections filled in. Raises `PromptFileError`."""
    head, text = _split(INSTRUCTIONS_NAME, content)
    if head.keys() != _SECTIONS.keys():
        raise PromptFileError(f"{INSTRUCTIONS_NAME}: its sections must be {', '.join(_SECTIONS)}")
    sections: dict[str, str] = {}
    for section, placeholder in _SECTIONS.items():
        template = _line(INSTRUCTIONS_NAME, head, section)
        if _PLACEHOLDER.findall(template) != [placeholder]:
            raise PromptFileError(f"{INSTRUCTIONS_NAME}: {section} must hold {{{placeholder}}} once")
        value = {"wallets": wallets, "names": names}[placeholder]
        sections[section] = f"\n{template.replace(f'{{{placeholder}}}', value)}" if value else ""
    if sorted(_PLACEHOLDER.findall(text)) != sorted(_SECTIONS):
        raise PromptFileError(f"{INSTRUCTIONS_NAME}: the text must hold each section once and no other placeholder")
    return _PLACEHOLDER.sub(lambda match: sections[match[1]], text.replace("\n{", "{")).strip()


def parse_prompt(file: str, content: str) -> PromptSpec:
    """The prompt that a file describes. `file`: its name. Raises `PromptFileError` for any other field."""
    head, text = _split(file, content)
    _only(file, head, _HEAD_FIELDS)
    raw = head.get("arguments", [])
    if not isinstance(raw, list):
        raise PromptFileError(f"{file}: arguments must be tables")
    arguments = tuple(_argument(file, item) for item in raw)
    spec = PromptSpec(
        name=_name(file, head),
        title=_line(file, head, "title"),
        description=_line(file, head, "description"),
        arguments=arguments,
        text=text,
    )
    if file != f"{spec.name}.md":
        raise PromptFileError(f"{file}: the file must be called {spec.name}.md")
    names = [argument.name for argument in arguments]
    if len(set(names)) < len(names):
        raise PromptFileError(f"{file}: an argument is described twice")
    used = set(_PLACEHOLDER.findall(text))
    if used != set(names):
        raise PromptFileError(f"{file}: text and arguments differ in {', '.join(sorted(used ^ set(names)))}")
    return spec


def _argument(file: str, item: object) -> PromptArgumentSpec:
    if not isinstance(item, dict):
        raise PromptFileError(f"{file}: arguments must be tables")
    _only(file, item, _ARGUMENT_FIELDS)
    required = item.get("required")
    if not isinstance(required, bool):
        raise PromptFileError(f"{file}: required must be true or false")
    if required == ("absent" in item):
        raise PromptFileError(f"{file}: absent goes with an argument that may be left out, and only with it")
    given = _line(file, item, "given")
    if _PLACEHOLDER.findall(given) != ["value"]:
        raise PromptFileError(f"{file}: given must hold {{value}} once")
    return PromptArgumentSpec(
        name=_name(file, item),
        description=_line(file, item, "description"),
        required=required,
        given=given,
        absent="" if required else _line(file, item, "absent"),
    )


def _split(file: str, content: str) -> tuple[dict[str, object], str]:
    lines = content.split("\n")
    if lines[0] != _FENCE or _FENCE not in lines[1:]:
        raise PromptFileError(f"{file}: must begin with TOML between two lines of {_FENCE}")
    end = lines.index(_FENCE, 1)
    try:
        head = tomllib.loads("\n".join(lines[1:end]))
    except tomllib.TOMLDecodeError as error:
        raise PromptFileError(f"{file}: {error}") from None
    text = "\n".join(lines[end + 1 :]).strip()
    if not text:
        raise PromptFileError(f"{file}: the text is missing")
    return head, text


def _only(file: str, table: Mapping[str, object], fields: frozenset[str]) -> None:
    for key in sorted(table.keys() - fields):
        raise PromptFileError(f"{file}: unknown field {key}")


def _line(file: str, table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise PromptFileError(f"{file}: {key} must be one line of text")
    return value


def _name(file: str, table: Mapping[str, object]) -> str:
    name = _line(file, table, "name")
    if not _NAME.fullmatch(name):
        raise PromptFileError(f"{file}: name must be lower-case letters, digits and underscores")
    return name


def _quoted(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise _refused(f"{what} must be text")
    if _is_blank(value):
        raise _refused(f"{what} is blank")
    if len(value) > MAX_ARGUMENT_LENGTH:
        raise _refused(f"{what} has more than {MAX_ARGUMENT_LENGTH} characters")
    if not value.isprintable():
        raise _refused(f"{what} holds a line break, a control character or an invisible one")
    # Quotes show the model where the value ends.
    return json.dumps(value.strip(), ensure_ascii=False)


def _refused(message: str) -> MCPError:
    return MCPError(mcp_types.INVALID_PARAMS, message)
