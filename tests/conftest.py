"""Shared fixtures. Asynchronous tests run on virtual time unless they ask for the real loop."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

from tests.support.virtual_time import VirtualTimeLoop

settings.register_profile("gate", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("gate")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Virtual time. A module that needs real sockets overrides this fixture with `"asyncio"`."""
    return ("asyncio", {"loop_factory": VirtualTimeLoop})
