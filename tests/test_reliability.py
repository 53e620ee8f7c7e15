"""docs/reliability.md names the policy's numbers; they are the code's."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from wallet_mcp.settings import Settings
from wallet_mcp.wallet_api import cooldown, patience, retry, transport
from wallet_mcp.wallet_api.answers import DEGRADABLE, MEMORY_PER_BODY_BYTE
from wallet_mcp.wallet_api.pacing import DEFAULT_LIMIT

PAGE = (Path(__file__).parents[1] / "docs" / "reliability.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())


def test_the_table_of_retries_is_the_codes() -> None:
    between = PAGE.split("<!-- retries:begin -->")[1].split("<!-- retries:end -->")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\d+|until the deadline) \|", between, re.MULTILINE)
    documented = {name: int(count) if count.isdigit() else math.inf for name, count in rows}
    assert documented == {str(code): count for code, count in retry.RETRIES.items()} | {
        "duplicate": retry.DUPLICATE_RETRIES
    }


@pytest.mark.parametrize(
    "sentence",
    [
        f"`WALLET_MCP_DEADLINE_S` ({Settings().deadline_s:g} s)",
        f"One attempt has at most {transport.ATTEMPT_TIMEOUT_S:g} s",
        f"allows {DEFAULT_LIMIT} requests in any sliding second",
        f"the same call is held for {patience.PROVIDER_PAUSE_S:g} s",
        f"{patience.REFUSED_PAUSE_S:g} s without one",
        f"within {cooldown.WITHIN_S:g} s, without an answer in between",
        f"left in peace for {cooldown.FIRST_PAUSE_S:g} s",
        f"up to {cooldown.LONGEST_PAUSE_S:g} s. Other chains",
        f"when {patience.ROOM_S:g} s of its deadline are left",
        f"when {patience.ROOM_S:g} s of their deadline are left",
        f"beyond {patience._MAX_KEPT:,} calls held at a time",
        f"`WALLET_MCP_CACHE_MB` ({Settings().cache_mb}) of memory, counted as {MEMORY_PER_BODY_BYTE} bytes for each",
        f"`WALLET_MCP_MAX_STALE_S` ({Settings().max_stale_s:g} s)",
        f"At most {transport.MAX_BODY // 1024 // 1024} MiB of an answer",
    ],
)
def test_the_numbers_are_the_codes(sentence: str) -> None:
    assert sentence in TEXT


def test_the_failures_that_an_old_answer_makes_up_for_are_the_codes() -> None:
    (listed,) = re.findall(r"\*\*Old answers\.\*\* When (.*?) is final", TEXT)
    assert set(re.findall(r"\w+", listed)) & {str(code) for code in DEGRADABLE} == {str(code) for code in DEGRADABLE}
    assert set(re.findall(r"`(\w+)`|(\d{5})", listed)) == {
        ("", str(code)) if isinstance(code, int) else (code, "") for code in DEGRADABLE
    }


def test_addresses_of_the_cool_down_are_three() -> None:
    assert cooldown.ADDRESSES == 3
    assert "A 50001 from three addresses" in TEXT


@pytest.mark.parametrize("path", re.findall(r"`(tests/[\w/]+\.py)`", PAGE))
def test_the_proofs_exist(path: str) -> None:
    assert (Path(__file__).parents[1] / path).is_file()
