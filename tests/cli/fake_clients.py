"""Stand-ins for the commands of MCP clients: small programs that note how they were called."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python}
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
name = os.path.basename(__file__)
settings = sorted(key for key in os.environ if key.startswith("WALLET_MCP_"))
with open(os.path.join(here, name + ".calls"), "a") as file:
    file.write(json.dumps({{"words": sys.argv[1:], "settings": settings, "stdin": sys.stdin.read()}}) + "\\n")
for words, status, out, err in json.load(open(os.path.join(here, name + ".replies"))):
    if sys.argv[1:1 + len(words)] == words:
        print(out)
        print(err, file=sys.stderr)
        sys.exit(status)
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a stand-in says when its command line begins with `words`."""

    words: list[str]
    status: int = 0
    out: str = ""
    err: str = ""


@dataclass
class FakeClient:
    """A stand-in `name` in `folder`; it succeeds in silence where no reply fits."""

    folder: Path
    name: str
    replies: list[Reply] = field(default_factory=list)

    def __post_init__(self) -> None:
        program = self.folder / self.name
        program.write_text(_PROGRAM.format(python=sys.executable))
        program.chmod(0o755)
        replies = [[reply.words, reply.status, reply.out, reply.err] for reply in self.replies]
        (self.folder / f"{self.name}.replies").write_text(json.dumps(replies))

    @property
    def calls(self) -> list[dict[str, Any]]:
        """How it was called so far."""
        noted = self.folder / f"{self.name}.calls"
        return [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []
