"""Fixtures of the MCP face: each test that takes one runs in both protocol eras."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.mcp import ERAS, Era, Face, connect


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> Era:
    """2026-07-28 (`auto`) and 2025-11-25 (`legacy`)."""
    chosen: Era = request.param
    return chosen


@pytest.fixture
async def face(era: Era) -> AsyncIterator[Face]:
    """A client of a server on a sandbox without faults."""
    async with connect(era) as connected:
        yield connected
