from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that others may pass, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The commands set up the process's logging; other tests should not see that."""
    root, ours = logging.getLogger(), logging.getLogger("wallet_mcp")
    before = (root.handlers[:], root.level, ours.level)
    # `force` closes the handlers that it takes away.
    root.handlers[:] = []
    yield
    root.handlers[:], level, own_level = before
    root.setLevel(level)
    ours.setLevel(own_level)
