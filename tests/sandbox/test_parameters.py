"""Reading of query parameters and JSON fields."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.sandbox import parameters
from wallet_mcp.sandbox.parameters import ParameterError


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_a_query_is_decoded(fields: dict[str, str]) -> None:
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in fields.items())
    assert parameters.parse_query(query.encode()) == fields


@given(st.binary())
def test_no_query_breaks_the_parser(query: bytes) -> None:
    assert isinstance(parameters.parse_query(query), dict)


def test_of_a_repeated_parameter_the_first_counts() -> None:
    assert parameters.parse_query(b"chains=1&chains=56&x=") == {"chains": "1", "x": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 20), (" ", 20), ("1", 1), ("100", 100), ("007", 7), (" 5 ", 5)],
)
def test_integer(text: str, expected: int) -> None:
    assert parameters.integer({"n": text}, "n", 20, 1, 100) == expected
    assert parameters.integer({}, "n", 20, 1, 100) == 20


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0", "must be between 1 and 100"),
        ("101", "must be between 1 and 100"),
        ("-1", "must be between 1 and 100"),
        ("1.0", "must be an integer"),
        ("1e2", "must be an integer"),
        ("ten", "must be an integer"),
        ("٣", "must be an integer"),
        ("9" * 5_000, "must be an integer"),
    ],
)
def test_bad_integer(text: str, reason: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parameters.integer({"n": text}, "n", 20, 1, 100)
    assert str(caught.value) == f"Parameter [n] error: {reason}"


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("false", False), ("", False)])
def test_boolean(text: str, expected: bool) -> None:
    assert parameters.boolean({"b": text}, "b", default=False) is expected


@pytest.mark.parametrize("text", ["1", "0", "True", "yes"])
def test_bad_boolean(text: str) -> None:
    with pytest.raises(ParameterError, match=r"Parameter \[b\] error: must be true or false"):
        parameters.boolean({"b": text}, "b", default=False)


@pytest.mark.parametrize(
    ("text", "ids"), [("", ()), (",", ()), ("1", ("1",)), (" 1 ,56,1,", ("1", "56")), ("CT_501", ("CT_501",))]
)
def test_chain_ids(text: str, ids: tuple[str, ...]) -> None:
    assert parameters.chain_ids(text) == ids


EVM = "0x4228cfc4DA1cBf51483a344D2d366ff6dd6FCEbe"
SOLANA = "MfhnAoBwoXSqSWct9ZiKUYz3rqLr1LWApwhmd9jYkif"


@pytest.mark.parametrize(
    ("address", "chains", "accepted"),
    [
        (EVM, ("1", "56"), True),
        (EVM.lower(), (), True),
        # The checksum is not looked at.
        (EVM.upper().replace("0X", "0x"), ("1",), True),
        (SOLANA, ("CT_501",), True),
        (EVM, ("CT_195",), True),
        (EVM, ("CT_501",), False),
        (EVM, ("1", "CT_501"), False),
        (SOLANA, ("1",), False),
        (EVM[:-1], ("1",), False),
        (EVM[2:], ("1",), False),
        ("vitalik.eth", ("1",), False),
        ("vitalik.eth", (), False),
        (SOLANA + "0", ("CT_501",), False),
    ],
)
def test_address(address: str, chains: tuple[str, ...], accepted: bool) -> None:
    if accepted:
        parameters.check_address(address, chains)
        return
    with pytest.raises(ParameterError, match=r"Parameter \[address\] error: invalid address"):
        parameters.check_address(address, chains)
