from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.server.parties import common_counterparties, is_party_name, labels_of, parties_of
from wallet_mcp.wallet.history import Movement, Transaction
from wallet_mcp.wallet.labels import NO_LABELS, Labels, parse_labels

A, B, C, D = ("0x" + digit * 40 for digit in "abcd")
MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
USDC = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"


def transaction(*counterparties: tuple[str, ...], chain: str = "1") -> Transaction:
    """A transaction of one movement per entry, each with these counterparties."""
    moved = tuple(Movement("out", "1", "amount", "native", "ETH", others, ()) for others in counterparties)
    fields: dict[str, Any] = {"hash": "0x1", "time_ms": 1, "status": "success", "direction": "out"}
    return Transaction(chain=chain, movements=moved, fee="", fee_payer="", flags=(), **fields)


def told(
    *transactions: Transaction, labels: Labels = NO_LABELS, assets: dict[str, dict[str, str]] | None = None
) -> tuple[dict[str, str], list[str]]:
    """The parties listed, and the text of each movement."""
    parties = parties_of(transactions, labels, assets or {})
    texts = [parties.text(each.chain, move.counterparties) for each in transactions for move in each.movements]
    return dict(parties.addresses), texts


def test_what_occurs_twice_is_listed_and_what_occurs_once_stays_whole() -> None:
    assert told(transaction((A,)), transaction((B,)), transaction((A,))) == ({"p1": A}, ["p1", B, "p1"])
    assert told(transaction((A,), (B,)), transaction((B,), (A,))) == (
        {"p1": A, "p2": B},
        ["p1", "p2", "p2", "p1"],
    )
    assert told(transaction((A,))) == ({}, [A])
    assert told(transaction(())) == ({}, [""])


def test_a_transaction_with_one_counterparty_names_it_once() -> None:
    assert told(transaction((A,), (A,))) == ({}, [A, A])
    assert told(transaction((A,), (A,)), transaction((A,))) == ({"p1": A}, ["p1", "p1", "p1"])


def test_what_is_left_out_of_a_transaction_may_be_with_somebody_else() -> None:
    whole = transaction((A,), (A,))
    assert common_counterparties(whole) == (A,)
    assert common_counterparties(replace(whole, more=3)) == ()


def test_an_evm_address_is_the_same_in_any_case_and_a_solana_one_is_not() -> None:
    upper = A.upper().replace("0X", "0x")
    assert told(transaction((upper,)), transaction((A,))) == ({"p1": upper}, ["p1", "p1"])
    assert told(transaction((MINT,)), transaction((MINT.lower(),))) == ({}, [MINT, MINT.lower()])


def test_several_counterparties_are_named_each_for_itself() -> None:
    many = transaction((A, B, A, C, D))
    assert told(many, transaction((B,))) == ({"p1": B}, [f"{A} p1 {C} and 1 more", "p1"])


def test_a_label_is_the_name_even_of_what_occurs_once() -> None:
    labels = parse_labels(f"treasury={A},ops={C},second={A},p1={D}")
    # A label that looks like a number of ours keeps its meaning, and the numbers go round it.
    assert told(transaction((A,)), transaction((B,)), transaction((B,)), labels=labels) == (
        {"treasury": A, "p2": B},
        ["treasury", "p2", "p2"],
    )
    assert told(transaction((D,)), labels=labels) == ({"p1": D}, ["p1"])
    assert labels_of([B, A.upper().replace("0X", "0x"), ""], labels) == {"treasury": "0x" + "A" * 40}
    assert labels_of([A], NO_LABELS) == {}


def test_the_contract_of_a_listed_token_is_named_by_it() -> None:
    assets = {"1": {"USDC": USDC, "ETH": "native", "Visit a.b": B}, "501": {"USDC": MINT}}
    rows = [transaction((USDC,)), transaction((USDC,)), transaction((USDC,), chain="56"), transaction((B,))]
    assert told(*rows, assets=assets) == ({}, ["contract:USDC", "contract:USDC", USDC, B])
    assert told(transaction((MINT,), chain="501"), assets=assets) == ({}, ["contract:USDC"])
    labels = parse_labels(f"stable={USDC}")
    assert told(*rows[:1], assets=assets, labels=labels) == ({"stable": USDC}, ["stable"])


@pytest.mark.parametrize("text", ["p1", "P7", "contract:USDC", "treasury", "Treasury"])
def test_chain_text_that_looks_like_a_name_never_stands_where_a_name_may(text: str) -> None:
    parties, texts = told(transaction((text,)), labels=parse_labels(f"treasury={A}"))
    assert texts == ["p1"]
    assert list(parties) == ["p1"]
    assert parties["p1"].casefold().replace("[:]", ":") == text.casefold()


@pytest.mark.parametrize(
    ("text", "is_name"),
    [
        ("p1", True),
        (" P12 ", True),
        ("contract:USDC", True),
        ("Contract:x", True),
        ("p", False),
        ("p1x", False),
        ("pp1", False),
        (A, False),
        ("", False),
    ],
)
def test_a_name_is_told_from_an_address(text: str, is_name: bool) -> None:
    assert is_party_name(text) is is_name


@pytest.mark.parametrize(
    ("movements", "common"),
    [
        ([(A,)], ()),
        ([(A,), (A.upper().replace("0X", "0x"),)], (A,)),
        ([(A,), (B,)], ()),
        ([(A,), (A, B)], ()),
        ([(A, B), (A, B), (A, B)], (A, B)),
        ([(), ()], ()),
    ],
)
def test_counterparties_are_common_where_all_movements_have_the_same(
    movements: list[tuple[str, ...]], common: tuple[str, ...]
) -> None:
    assert common_counterparties(transaction(*movements)) == common


ADDRESSES = st.sampled_from([A, B, C, D, USDC, MINT, "p1", "p2", "contract:USDC", "ops"])


@given(st.lists(st.lists(st.lists(ADDRESSES, max_size=4).map(tuple), min_size=1, max_size=3), max_size=6))
def test_every_text_leads_back_to_the_addresses_it_stands_for(rows: list[list[tuple[str, ...]]]) -> None:
    assets = {"1": {"USDC": USDC}}
    labels = parse_labels(f"ops={C}")
    transactions = [transaction(*movements) for movements in rows]
    parties, texts = told(*transactions, labels=labels, assets=assets)
    assert len(set(parties.values())) == len(parties)
    moved = [move.counterparties for each in transactions for move in each.movements]
    for others, text in zip(moved, texts, strict=True):
        shown = re.sub(r"(^| )and \d more$", "", text).split()
        back = [
            parties[name] if name in parties else assets["1"][name[9:]] if name.startswith("contract:") else name
            for name in shown
        ]
        # A text of upstream's that is no address comes out cleaned.
        assert [each.replace("[:]", ":") for each in back] == list(dict.fromkeys(others))[:3]
        assert not {"p1", "p2", "ops"} & set(shown) - set(parties)
