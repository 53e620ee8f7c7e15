"""The generated parts of the documentation. `python -m tests.support.readme` writes them anew."""

from __future__ import annotations

from pathlib import Path

from wallet_mcp.server.guidance import error_catalog

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- errors:begin -->\n", "\n<!-- errors:end -->"


def error_table() -> str:
    """The remediation table as a person reads it."""
    rows = ["| code | what happened | who acts | what to do |", "| --- | --- | --- | --- |"]
    rows += [f"| `{row.code}` | {row.summary} | {row.actor} | {row.next_step} |" for row in error_catalog()]
    return "\n".join(rows)


ERRORS_PAGE = README.parent / "docs" / "errors.md"


def errors_page() -> str:
    """The page of all errors, from `prompts/remediation.toml`."""
    return f"""# Errors

Every failure of a tool has this form, and the same facts under `_meta["wallet-mcp/error"]`:

```
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
    """The README with its generated parts made anew."""
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}{error_table()}{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
    ERRORS_PAGE.write_text(errors_page(), encoding="utf-8")
