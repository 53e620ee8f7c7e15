"""What a probe writes: a report to show, and the answers as fixtures in which nothing points to a person."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from wallet_mcp import __version__
from wallet_mcp.cli.anonymise import Anonymiser
from wallet_mcp.cli.probe_findings import Fact, Verdict
from wallet_mcp.cli.probe_plan import Question
from wallet_mcp.server.setup.asking import Asked
from wallet_mcp.wallet_api.envelope import parse_json

REPORT: Final = "report.md"
FIXTURES: Final = "fixtures"
_KEPT_HEADERS: Final = (
    "content-type",
    "retry-after",
    "x-oc-blocked-by",
    "x-oc-ratelimit-limit",
    "x-oc-ratelimit-remaining",
    "x-oc-server-time",
    "x-oc-used-weight",
)
"""All others are left out: trace ids and cookies point to a key or a person."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands at the head of a report. `source` is live, custom or sandbox; `requests` were really sent."""

    source: str
    algorithm: str
    family: str
    chain: str
    day: str
    requests: int
    usual_s: float
    longest_s: float


def report(summary: Summary, facts: Iterable[Fact], settings: Iterable[str], incomplete: str = "") -> str:
    """The report as Markdown. Nothing in it points to a wallet or a key.

    `incomplete`: a sentence on what is missing, empty where all was asked.
    """
    listed = list(facts)
    counts = Counter(fact.verdict for fact in listed)
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict))
    lines = [
        "# Probe of the Wallet API",
        "",
        f"wallet-mcp {__version__}, {summary.day}, source {summary.source}, {summary.algorithm}, an address of the "
        f"family {summary.family} on chain {summary.chain}.",
        f"{summary.requests} requests; an answer took {summary.usual_s:.2f} s in the median and "
        f"{summary.longest_s:.2f} s at most.",
        f"{len(listed)} facts: {verdicts}.",
        *((f"**Incomplete:** {incomplete}",) if incomplete else ()),
        "",
        "## Facts",
        "",
        "`§` is a section of the API contract that wallet-mcp was written from; A to C is how sure it is, U unknown.",
        "",
        "| fact | § | mark | expected | observed | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for fact in listed:
        cells = (fact.title, fact.section, fact.mark, fact.expected, fact.observed, fact.verdict)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    lines += ["", "## Settings that follow", "", *(f"- {line}" for line in settings), ""]
    return "\n".join(lines)


def fixture(question: Question, asked: Asked, anonymiser: Anonymiser) -> dict[str, object] | None:
    """A request and its answer as JSON; None where no JSON answer came, for a page could hold anything.

    `varied` marks a request that was not signed as the client signs, which a replay leaves out.
    """
    if asked.received is None:
        return None
    try:
        # Decimals become texts below; the API's own numbers are whole.
        body = parse_json(asked.received.body)
    except ValueError:
        return None
    call = asked.call
    headers = {name: asked.received.headers[name] for name in _KEPT_HEADERS if name in asked.received.headers}
    return {
        "name": question.name,
        "varied": question.varied,
        "request": {
            "method": call.method,
            "path": call.path,
            "query": [[name, _parameter(name, value, anonymiser)] for name, value in call.query],
            "body": None if call.body is None else anonymiser.value(json.loads(call.body)),
        },
        "response": {
            "status": asked.received.status,
            "headers": {name: anonymiser.text(value) for name, value in headers.items()},
            "body": anonymiser.value(body),
        },
    }


class ProbeFolder:
    """The folder that a probe writes into: fixtures one by one as the answers come, the report at the end.

    Making it makes the folder where it is missing, and shows that it can be written. Raises `OSError`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fixtures = 0
        self._made = [each for each in (folder / FIXTURES, folder, *folder.parents) if not each.exists()]
        try:
            (folder / FIXTURES).mkdir(parents=True, exist_ok=True)
            self.write_report("")
            (folder / REPORT).unlink()
        except OSError:
            self.give_up()
            raise

    def add(self, one: Mapping[str, object]) -> None:
        """Write a fixture, numbered in the order of adding."""
        name = self._folder / FIXTURES / f"{self._fixtures + 1:02d}-{one['name']}.json"
        name.write_text(json.dumps(one, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")
        self._fixtures += 1

    def write_report(self, text: str) -> None:
        """Write the report."""
        (self._folder / REPORT).write_text(text, encoding="utf-8")

    def give_up(self) -> None:
        """Remove the folders that were made, as far as nothing is in them."""
        with suppress(OSError):
            for folder in self._made:
                folder.rmdir()


def _parameter(name: str, value: str, anonymiser: Anonymiser) -> str:
    return anonymiser.cursor(value) if name == "cursor" else anonymiser.text(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "¦")
