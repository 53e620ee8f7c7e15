"""The generated parts of the documentation. `python -m tests.support.readme` writes them anew."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from tests.golden.answers import Asked, text_of
from tests.support.virtual_time import VirtualTimeLoop
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.server.remediation import error_catalog

README: Final = Path(__file__).parents[2] / "README.md"
ERRORS_PAGE: Final = README.parent / "docs" / "errors.md"


Argument: TypeAlias = str | int | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A person's question, and the call that answers it on the sandbox."""

    question: str
    tool: str
    arguments: tuple[tuple[str, Argument], ...] = ()

    @property
    def command(self) -> str:
        """The call as it is typed."""
        pairs = [f"{name}={','.join(given) if isinstance(given, tuple) else given}" for name, given in self.arguments]
        return shlex.join(["wallet-mcp", "call", self.tool, *pairs, "--sandbox"])


@cache
def answer(example: Example) -> str:
    """What a model reads for an example, on a fresh sandbox at a fixed time."""
    arguments = {name: list(given) if isinstance(given, tuple) else given for name, given in example.arguments}
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(text_of(Asked(example.tool, arguments))).rstrip("\n")


RICH, SOLANA = WALLETS["rich"], WALLETS["solana"]
TRANSFER: Final = "0x5b8071c5eef4b4c5c335f4dd04cf904024c43de701c7e6c0d5f8fa0ddbdfdb8e"
"""One of the transfers that the listing among the examples has; hashes of the sandbox never change."""

EXAMPLES: Final = (
    Example("What is this wallet worth?", "wallet_get_portfolio", (("address", RICH), ("limit", 3))),
    Example("Can you look at BNB Chain?", "wallet_list_chains", (("chain", "bnb"),)),
    Example(
        "What is in my Solana wallet?",
        "wallet_list_balances",
        (("address", SOLANA), ("chain", "solana"), ("page_size", 4)),
    ),
    Example(
        "How much USDC is there on Ethereum, USDT on BNB Chain, ETH on Linea?",
        "wallet_get_token_balances",
        (("address", RICH), ("tokens", ("eth:USDC", "bsc:USDT", "linea:native"))),
    ),
    Example(
        "What left this wallet on BNB Chain in the last 24 hours?",
        "wallet_list_transactions",
        (("address", RICH), ("chains", ("bsc",)), ("direction", "out"), ("begin", "24h")),
    ),
    Example(
        "Did the transfer of the BNB go through?",
        "wallet_get_transaction",
        (("tx_hash", TRANSFER), ("chain", "bsc")),
    ),
    Example("Is everything set up?", "wallet_check_setup"),
)
REFUSED: Final = Example(
    "Show everything on Base, 500 tokens at once.",
    "wallet_list_balances",
    (("address", RICH), ("chain", "base"), ("page_size", 500)),
)
"""A call that is refused, and whose answer holds the corrected one."""


def answers() -> str:
    """One question, call and answer of each tool; the first one is open."""
    return "\n\n".join(
        f"<details{'' if number else ' open'}>\n"
        f"<summary><code>{example.tool}</code>: “{example.question}”</summary>\n\n"
        f"```sh\n{example.command}\n```\n\n```text\n{answer(example)}\n```\n\n</details>"
        for number, example in enumerate(EXAMPLES)
    )


def refused_call() -> str:
    """A call that a model got wrong, and what it is told."""
    return f"```sh\n{REFUSED.command}\n```\n\n```text\n{answer(REFUSED)}\n```"


def error_table() -> str:
    """The remediation table as a person reads it."""
    rows = ["| code | what happened | who acts | what to do |", "| --- | --- | --- | --- |"]
    rows += [f"| `{row.code}` | {row.summary} | {row.actor} | {row.next_step} |" for row in error_catalog()]
    return "\n".join(rows)


def errors_page() -> str:
    """The page of all errors, from `prompts/remediation.toml`."""
    return f"""# Errors

Every failure of a tool has this form, and the same facts under `_meta["wallet-mcp/error"]`:

```text
Error CODE: what happened.
Next step: what the reader does now.
Retry: no | after N s | with corrected arguments
Upstream said: "..."   (where it adds something)
Trace: id at time      (where something was sent)
```

"Who acts" is the model (it corrects its call), the operator (whoever runs the server) or nobody (only time helps).
This page is generated from `prompts/remediation.toml`; families such as `401xx` stand for codes not seen yet.

{error_table()}
"""


def filled(text: str) -> str:
    """The README with its generated parts made anew. Raises `ValueError` where one has lost its marks."""
    for name, made in (("answers", answers()), ("refused", refused_call()), ("errors", error_table())):
        begin, end = f"<!-- {name}:begin -->\n", f"\n<!-- {name}:end -->"
        head, mark, rest = text.partition(begin)
        _, closing, tail = rest.partition(end)
        if not mark or not closing:
            raise ValueError(f"the README has no marks of {name}")
        text = f"{head}{begin}{made}{end}{tail}"
    return text


def main() -> None:
    """Write the README's generated parts and the page of errors anew."""
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
    ERRORS_PAGE.write_text(errors_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
