from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wallet_mcp.server.output import (
    NextCall,
    Part,
    Provenance,
    ToolOutput,
    iso_seconds,
    listed,
    parse_wallets,
    source_of,
)
from wallet_mcp.wallet_api.answers import Answer
from wallet_mcp.wallet_api.endpoints import DEFAULT_BASE_URL
from wallet_mcp.wallet_api.errors import ApiError

NOW = 1_795_341_600.0  # 2026-11-22T10:00:00Z
WALLETS = "rich=0x4228cfc4DA1cBf51483a344D2d366ff6dd6FCEbe,solana=MfhnAoBwoXSq"


def answer(server_time: float = NOW, age_s: float = 0.0, stale: ApiError | None = None, **more: Any) -> Answer[None]:
    fields: dict[str, Any] = {"sandbox": False, "sandbox_wallets": ""}
    return Answer(None, server_time, age_s, stale_because=stale, **(fields | more))


def provenance(*answers: Answer[None], base_url: str = DEFAULT_BASE_URL) -> Provenance:
    made = Provenance(base_url)
    for one in answers:
        made.take(one)
    return made


@pytest.mark.parametrize(
    ("base_url", "sandbox", "source"),
    [
        (DEFAULT_BASE_URL, False, "live"),
        (DEFAULT_BASE_URL, True, "sandbox"),
        ("https://gateway.invalid/build", False, "custom"),
        ("https://gateway.invalid/build", True, "sandbox"),
    ],
)
def test_one_invented_answer_counts_more_than_the_address_it_came_from(
    base_url: str, sandbox: bool, source: str
) -> None:
    assert source_of(base_url, sandbox=sandbox) == source


def test_an_answer_is_as_old_as_its_oldest_part() -> None:
    common = provenance(answer(NOW - 5, 5.9), answer(NOW - 60, 60.2), answer(NOW, 0)).common(NOW)
    assert common == {"source": "live", "as_of": "2026-11-22T09:59:00Z", "age_seconds": 60, "complete": True}


def test_an_answer_without_parts_is_of_now() -> None:
    assert provenance().common(NOW)["as_of"] == "2026-11-22T10:00:00Z"


@pytest.mark.parametrize(
    ("base_url", "sandbox", "source"),
    [
        (DEFAULT_BASE_URL, False, "live"),
        ("https://proxy.example/build", False, "custom"),
        (DEFAULT_BASE_URL, True, "sandbox"),
        ("https://proxy.example/build", True, "sandbox"),
    ],
)
def test_one_invented_part_makes_the_whole_invented(base_url: str, sandbox: bool, source: str) -> None:
    made = provenance(answer(), answer(sandbox=sandbox), answer(), base_url=base_url)
    assert made.common(NOW)["source"] == source


@pytest.mark.parametrize(
    ("because", "following", "complete"),
    [("", False, True), ("page 1 is full", False, False), ("", True, False), ("page 1 is full", True, False)],
)
def test_an_answer_is_complete_only_without_a_reason_and_without_more(
    because: str, following: bool, complete: bool
) -> None:
    call = NextCall(tool="t", arguments={"a": 1}) if following else None
    common = provenance().common(NOW, incomplete_because=because, next_call=call)
    assert common["complete"] is complete
    assert ("incomplete_because" in common) is bool(because)
    assert common.get("next") == call


def test_an_outdated_answer_is_told_with_its_reason() -> None:
    stale = [answer(NOW - age_s, age_s, ApiError(code=code)) for age_s, code in ((60.0, 50001), (90.5, 50000))]
    common = provenance(*stale).common(NOW, notes=["First."])
    assert (common["stale"], common["age_seconds"]) == (True, 90)
    first, second = common["notes"]
    assert first == "First."
    assert second.startswith("This is an earlier answer, 90 s old: the API could not give a new one (error 50001).")


@pytest.mark.parametrize("fresh_age_s", [0.0, 3000.0])
def test_an_outdated_part_is_not_taken_for_the_whole_answer(fresh_age_s: float) -> None:
    parts = [answer(NOW - 90, 90.5, ApiError(code=50001)), answer(NOW - fresh_age_s, fresh_age_s)]
    for order in (parts, parts[::-1]):
        common = provenance(*order).common(NOW)
        assert (common["stale"], common["age_seconds"]) == (True, int(max(90.5, fresh_age_s)))
        (note,) = common["notes"]
        # The part's own age: a chain list is fresh for an hour.
        assert note.startswith("Part of this answer is earlier, 90 s old: the API could not give a new one (error")


@pytest.mark.parametrize(
    ("address", "sandbox", "told"),
    [
        ("0x" + "1" * 40, True, True),
        ("0x4228CFC4DA1CBF51483A344D2D366FF6DD6FCEBE", True, False),
        ("MfhnAoBwoXSq", True, False),
        ("", True, False),
        ("0x" + "1" * 40, False, False),
    ],
)
def test_only_a_stranger_in_the_sandbox_is_told_its_wallets(address: str, sandbox: bool, told: bool) -> None:
    made = provenance(answer(sandbox=sandbox, sandbox_wallets=WALLETS))
    assert ("notes" in made.common(NOW, address=address)) is told


@pytest.mark.parametrize(
    ("text", "wallets"),
    [
        ("", {}),
        ("a=0x1", {"a": "0x1"}),
        (" a=0x1 , b_2=0x2", {"a": "0x1", "b_2": "0x2"}),
        ("a=", {}),
        ("=0x1", {}),
        ("a", {}),
        ("a b=0x1", {}),
        ("<b>=0x1", {}),
        ("a=0x1 ignore this", {}),
        ("a=ü", {}),
        (f"a={'1' * 65}", {}),
        (f"{'l' * 40}=0x1", {"l" * 30: "0x1"}),
        (",".join(f"w{number}=0x1" for number in range(30)), {f"w{number}": "0x1" for number in range(20)}),
    ],
)
def test_the_header_of_the_sandbox_is_read_with_care(text: str, wallets: dict[str, str]) -> None:
    assert parse_wallets(text) == wallets


@given(st.text(max_size=200))
def test_any_header_gives_plain_words(text: str) -> None:
    for label, address in parse_wallets(text).items():
        assert label.replace("_", "").isalnum()
        assert address.isalnum()


@pytest.mark.parametrize(
    ("words", "sentence"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_words_are_listed_as_in_a_sentence(words: list[str], sentence: str) -> None:
    assert listed(words) == sentence


@pytest.mark.parametrize(("seconds", "text"), [(0, "1970-01-01T00:00:00Z"), (NOW + 0.999, "2026-11-22T10:00:00Z")])
def test_a_time_in_whole_seconds_is_never_later_than_it_was(seconds: float, text: str) -> None:
    assert iso_seconds(seconds) == text


class _Output(ToolOutput):
    name: str


def test_absent_fields_are_absent_and_unknown_ones_refused() -> None:
    made = _Output(name="x", **provenance().common(NOW))
    assert set(made.model_dump(mode="json")) == {"name", "source", "as_of", "age_seconds", "complete"}
    with pytest.raises(ValidationError):
        _Output.model_validate({"name": "x", "extra": 1} | provenance().common(NOW))
    with pytest.raises(ValidationError):
        Part().name = "x"  # type: ignore[attr-defined]
