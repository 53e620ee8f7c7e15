"""What a client sees changes only in review: each tool, prompt and resource against its file, in both eras."""

from __future__ import annotations

import pytest

from tests.support.mcp import ERAS, Era
from tests.support.snapshots import kept, seen

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_sees_what_the_snapshots_hold(era: Era) -> None:
    assert await seen(era) == kept(), "look at the difference, then run: python -m tests.support.snapshots"
