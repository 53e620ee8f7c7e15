"""Resources and completions: the chain list and the errors as a person reads them, and words a client can offer."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import mcp_types as types
from mcp.shared.exceptions import MCPError

from wallet_mcp.server.prompts import list_prompts
from wallet_mcp.server.remediation import API_CODES, CatalogRow, error_catalog, remedy_for
from wallet_mcp.wallet.chain_text import clean
from wallet_mcp.wallet.chains import KNOWN_CHAINS, Chain

_SCHEME: Final = "wallet://"
CHAINS_URI: Final = "wallet://chains"
ERRORS_URI: Final = "wallet://errors"
ERROR_TEMPLATE: Final = "wallet://errors/{code}"
_MARKDOWN: Final = "text/markdown"
_MAX_COMPLETIONS: Final = 100
_SHOWN: Final = 80
_API_CODE: Final = re.compile(r"[1-9][0-9]{4}")

RESOURCES: Final = (
    types.Resource(
        uri=CHAINS_URI,
        name="chains",
        title="Supported chains",
        description="The chains that can be asked about: ids, names, short names, native coins.",
        mime_type=_MARKDOWN,
    ),
    types.Resource(
        uri=ERRORS_URI,
        name="errors",
        title="Errors and remedies",
        description="Every error code: what happened, who acts, what to do.",
        mime_type=_MARKDOWN,
    ),
)
TEMPLATES: Final = (
    types.ResourceTemplate(
        uri_template=ERROR_TEMPLATE,
        name="error",
        title="One error and its remedy",
        description="What one error code means and what to do, such as wallet://errors/40102.",
        mime_type=_MARKDOWN,
    ),
)

ServedChains = Callable[[], Awaitable[Sequence[Chain]]]


async def read_resource(uri: str, served: ServedChains) -> types.ReadResourceResult:
    """The text of a resource. Raises `MCPError` for a URI that is none."""
    if uri == CHAINS_URI:
        text = chains_page(await served())
    elif uri == ERRORS_URI:
        text = errors_page(error_catalog())
    else:
        text = _error_page(uri.removeprefix(f"{ERRORS_URI}/")) if uri.startswith(f"{ERRORS_URI}/") else ""
        if not text:
            raise MCPError(types.INVALID_PARAMS, _unknown(uri), {"uri": uri[:200]})
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=_MARKDOWN, text=text)])


def _error_page(code: str) -> str:
    """What one code means and what to do, by its family where nobody has seen the code; empty for what is no code."""
    name, head = code, ""
    if _API_CODE.fullmatch(code) and code not in API_CODES:
        name = remedy_for(int(code)).name
        head = f"This server does not know this code: this is its advice for codes that nobody has seen ({name}).\n\n"
    row = next((row for row in error_catalog() if row.code == name), None)
    if row is None:
        return ""
    return f"# Error {code}\n\n{head}{row.summary}. Who acts: {row.actor}.\n\n{row.next_step}\n"


def _unknown(uri: str) -> str:
    # Our own scheme leads nowhere; cleaned, it would look like another one.
    own, rest = (_SCHEME, uri[len(_SCHEME) :]) if uri.startswith(_SCHEME) else ("", uri)
    known = f"{CHAINS_URI}, {ERRORS_URI} and {ERROR_TEMPLATE}"
    return f"Unknown resource: {own}{clean(rest, _SHOWN).text}. There are {known}."


def chains_page(chains: Iterable[Chain]) -> str:
    """The chains as a Markdown table."""
    rows = ["| id | name | short name | coin | honeypots checked |", "| --- | --- | --- | --- | --- |"]
    rows += [
        f"| {chain.id} | {chain.name} | {chain.short_name} | {chain.native_symbol or 'unknown'} "
        f"| {'yes' if chain.honeypot_checked else 'no'} |"
        for chain in chains
    ]
    return "\n".join(["# Supported chains", "", *rows, ""])


def errors_page(catalog: Iterable[CatalogRow]) -> str:
    """The remediation table as a person reads it."""
    rows = ["| code | what happened | who acts | what to do |", "| --- | --- | --- | --- |"]
    rows += [f"| `{row.code}` | {row.summary} | {row.actor} | {row.next_step} |" for row in catalog]
    return "\n".join(["# Errors and remedies", "", *rows, ""])


def complete(
    ref: types.PromptReference | types.ResourceTemplateReference, argument: str, value: str, labels: Iterable[str]
) -> types.CompleteResult:
    """What an argument of a prompt or of the error template may go on with: chains, wallet labels, error codes.

    An argument that a prompt or resource does not have goes on with nothing. Raises `MCPError` (-32602) for a prompt
    or resource that does not exist.
    """
    words: list[str] = []
    if argument not in _arguments_of(ref):
        pass
    elif argument in ("chain", "chains"):
        words = [word for chain in KNOWN_CHAINS for word in (chain.short_name.lower(), chain.name, chain.id)]
    elif argument == "address":
        words = list(labels)
    elif argument == "code":
        words = [row.code for row in error_catalog()]
    # In a list the last word is the one being written; all other arguments are one word.
    head, separator, last = value.rpartition(",") if argument == "chains" else ("", "", value)
    start = last.strip().casefold()
    kept = f"{head}{separator} " if separator else ""
    unique: dict[str, str] = {}
    for word in words:
        unique.setdefault(word.casefold(), word)
    found = [f"{kept}{word}" for folded, word in unique.items() if folded.startswith(start)]
    shown = found[:_MAX_COMPLETIONS]
    return types.CompleteResult(
        completion=types.Completion(values=shown, total=len(found), has_more=len(found) > len(shown))
    )


def _arguments_of(ref: types.PromptReference | types.ResourceTemplateReference) -> frozenset[str]:
    """The arguments of what a completion is asked for."""
    if isinstance(ref, types.PromptReference):
        prompts = {prompt.name: prompt.arguments or [] for prompt in list_prompts()}
        if ref.name not in prompts:
            known = ", ".join(prompts)
            raise MCPError(
                types.INVALID_PARAMS, f"Unknown prompt: {clean(ref.name, _SHOWN).text}. There are {known}."
            )
        return frozenset(argument.name for argument in prompts[ref.name])
    if ref.uri == ERROR_TEMPLATE:
        return frozenset({"code"})
    if ref.uri not in (CHAINS_URI, ERRORS_URI):
        raise MCPError(types.INVALID_PARAMS, _unknown(ref.uri), {"uri": ref.uri[:200]})
    return frozenset()
