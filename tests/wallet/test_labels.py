"""Labels of wallets, and what is said of a list that cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.wallet.addresses import parse_address
from wallet_mcp.wallet.labels import MAX_LABELS, BadLabels, parse_labels

EVM = "0x" + "ab" * 20
SOLANA = "MfhnAoBwoXSqSWct9ZiKUYz3rqLr1LWApwhmd9jYkif"


def test_labels_name_addresses_in_any_case() -> None:
    labels = parse_labels(f" treasury = {EVM} , Ops-1={SOLANA},")
    assert {label: address.key for label, address in labels.addresses.items()} == {"treasury": EVM, "Ops-1": SOLANA}
    found = labels.find(" TREASURY ")
    assert found is not None
    assert found[0] == "treasury"
    assert labels.find("nobody") is None
    assert labels.label_of(parse_address(SOLANA)) == "Ops-1"
    assert labels.label_of(parse_address("0x" + "11" * 20)) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("treasury", "entry 1 is no label=address"),
        (f"a={EVM},=0x1", "entry 2 is no label=address"),
        (f"1st={EVM}", "entry 1 is no label=address"),
        (f"a={EVM},A={EVM}", "the label A stands there twice"),
        ("a=0x12", "the label a has no usable address"),
        ("a=" + "ab" * 32, "the label a has no usable address"),
        (",".join(f"a{number}={EVM}" for number in range(MAX_LABELS + 1)), f"more than {MAX_LABELS} labels"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(BadLabels, match=said) as raised:
        parse_labels(text)
    assert "ab" * 32 not in str(raised.value)


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser_or_is_repeated_whole(text: str) -> None:
    try:
        parse_labels(text)
    except BadLabels as bad:
        assert len(text) < 30 or text not in str(bad)
