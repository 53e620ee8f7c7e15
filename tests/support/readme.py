"""The generated parts of the README. `python -m tests.support.readme` writes them anew."""

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


def filled(text: str) -> str:
    """The README with its generated parts made anew."""
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}{error_table()}{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
