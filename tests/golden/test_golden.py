"""Every tool's words on the sandbox's wallets are those that were read and agreed to."""

from __future__ import annotations

import pytest

from tests.golden.answers import CALLS, FOLDER, text_of
from wallet_mcp.server.tools import TOOLS


@pytest.mark.anyio
@pytest.mark.parametrize("name", CALLS)
async def test_the_text_is_the_one_that_was_agreed_to(name: str) -> None:
    # To accept a change: python -m tests.golden, then read the difference.
    assert await text_of(CALLS[name]) == (FOLDER / f"{name}.txt").read_text("utf-8")


def test_there_is_a_text_of_each_tool_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == CALLS.keys()
    assert {asked.tool for asked in CALLS.values()} == {tool.name for tool in TOOLS}
    assert sum(name.startswith("error-") for name in CALLS) >= 6
