"""The documentation as a test reads it: pages, fenced blocks, command lines, spans of code, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = tuple(
    sorted((*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")), key=lambda path: path.relative_to(ROOT))
)
"""Every page of the documentation."""

_FENCED = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: `page` by its path from the project's folder, `kind` as it stands after the fence."""

    page: str
    kind: str
    text: str

    @property
    def is_script(self) -> bool:
        """Whether it is meant to be run as a whole."""
        return self.text.startswith("#!")


@cache
def text_of(page: Path) -> str:
    """The text of a page."""
    return page.read_text(encoding="utf-8")


@cache
def blocks() -> tuple[Block, ...]:
    """All fenced blocks of all pages."""
    return tuple(
        Block(page.relative_to(ROOT).as_posix(), match["kind"], dedent(match["text"]))
        for page in PAGES
        for match in _FENCED.finditer(text_of(page))
    )


def blocks_of(kind: str, page: str = "") -> list[Block]:
    """The blocks of a kind, of one page where it is named."""
    return [block for block in blocks() if block.kind == kind and page in ("", block.page)]


def command_lines() -> list[str]:
    """The lines of all shell blocks, each once, without comments; scripts are left out."""
    lines = [
        words
        for block in blocks_of("sh")
        if not block.is_script
        for line in block.text.splitlines()
        if (words := without_comment(line))
    ]
    return list(dict.fromkeys(lines))


def without_comment(line: str) -> str:
    """The line up to a comment of the shell."""
    return line if " #" not in f" {line}" else re.split(r"(?:^|\s)#", line, maxsplit=1)[0].rstrip()


def words_of(line: str) -> list[str]:
    """The words of a command line as a shell reads them."""
    return shlex.split(line)


def spans(page: Path) -> Iterator[str]:
    """What stands between single back quotes outside of fenced blocks."""
    for match in _SPAN.finditer(_FENCED.sub("", text_of(page))):
        yield match[1]


def links(page: Path) -> Iterator[str]:
    """The targets of all links."""
    for match in _LINK.finditer(_FENCED.sub("", text_of(page))):
        yield match[1]


def anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be linked to."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table_after(page: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without the table's own: each the text of its cells."""
    rest = f"\n{text_of(ROOT / page)}".split(f"\n{heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\|\n)+", rest, re.MULTILINE)
    assert table, f"{page} has no table below {heading}"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()]
    return rows[2:]
