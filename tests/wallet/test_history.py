from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.wallet.history import (
    UNTIMED_MS,
    Party,
    Row,
    amount_of,
    digest_of,
    first_parties,
    is_party,
    shown_parties,
    status_of,
    transaction_of,
)

ME = "0x" + "aB" * 20
A, B, C, D = ("0x" + digit * 40 for digit in "1234")
USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"
HASH = "0x" + "7" * 64


def parties(*sides: str | tuple[str, str]) -> tuple[Party, ...]:
    return tuple(Party(side, "") if isinstance(side, str) else Party(*side) for side in sides)


def row(senders: tuple[Party, ...], receivers: tuple[Party, ...], **changes: Any) -> Row:
    fields: dict[str, Any] = {
        "chain": "1",
        "hash": HASH,
        "itype": "0",
        "time_ms": 1_790_000_000_000,
        "contract": "",
        "amount": "5",
        "symbol": "ETH",
        "fee": "0.000500",
        "status": "success",
        "blacklisted": False,
    }
    return Row(senders=senders, receivers=receivers, **(fields | changes))


def token(senders: tuple[Party, ...], receivers: tuple[Party, ...], **changes: Any) -> Row:
    return row(senders, receivers, **({"itype": "2", "contract": USDT.upper(), "symbol": "USDT"} | changes))


OUT, IN = row(parties(ME), parties(A)), row(parties(A), parties(ME))
TOKEN_OUT, TOKEN_IN = token(parties(ME), parties(B)), token(parties(B), parties(ME))
SELF, OTHER = row(parties(ME.lower()), parties(ME)), row(parties(A), parties(B))


@pytest.mark.parametrize(
    ("rows", "direction", "movements"),
    [
        ([OUT], "out", ["out"]),
        ([IN], "in", ["in"]),
        ([SELF], "self", ["self"]),
        ([OTHER], "other", ["other"]),
        ([OUT, TOKEN_IN], "both", ["out", "in"]),
        ([TOKEN_OUT, TOKEN_OUT], "out", ["out", "out"]),
        ([IN, OTHER], "in", ["in", "other"]),
        ([SELF, OUT], "out", ["self", "out"]),
        ([SELF, OTHER], "self", ["self", "other"]),
    ],
)
def test_a_direction_is_that_of_the_address_asked_about(
    rows: list[Row], direction: str, movements: list[str]
) -> None:
    found = transaction_of(rows, ME)
    assert found.direction == direction
    assert [movement.direction for movement in found.movements] == movements


def test_a_transaction_is_told_once_for_all_its_rows() -> None:
    found = transaction_of([OUT, TOKEN_IN], ME.lower())
    assert (found.hash, found.chain, found.time_ms, found.status) == (HASH, "1", 1_790_000_000_000, "success")
    assert (found.fee, found.fee_payer, found.flags) == ("0.0005", ME, ())
    assert [(m.contract, m.symbol, m.counterparties) for m in found.movements] == [
        ("native", "ETH", (A,)),
        (USDT, "USDT", (B,)),
    ]


@pytest.mark.parametrize("amount", ["0", "0.000", "-0"])
def test_a_movement_of_no_coins_is_left_out_beside_others(amount: str) -> None:
    empty = row(parties(ME), parties(USDT), amount=amount)
    assert [m.symbol for m in transaction_of([empty, TOKEN_OUT], ME).movements] == ["USDT"]
    assert [m.symbol for m in transaction_of([empty], ME).movements] == ["ETH"]


@pytest.mark.parametrize(
    ("repeats", "contracts"),
    [
        ([("out", "5", A)], ["native"]),
        ([("out", "5.0", A)], ["native"]),
        ([("out", "5", A), ("out", "5", A)], ["native", "native"]),
        ([("out", "4", A)], ["native", "native"]),
        ([("in", "5", A)], ["native", "native"]),
        ([("out", "5", B)], ["native", "native"]),
    ],
)
def test_a_token_transfer_that_tells_the_coins_over_again_is_left_out(
    repeats: list[tuple[str, str, str]], contracts: list[str]
) -> None:
    coin = row(parties(ME), parties(A), chain="137")
    again = [
        token(
            *((parties(ME), parties(other)) if way == "out" else (parties(other), parties(ME))),
            chain="137",
            contract="0x" + "1010".rjust(40, "0"),
            amount=amount,
        )
        for way, amount, other in repeats
    ]
    assert [moved.contract for moved in transaction_of([coin, *again], ME).movements] == contracts


def test_a_token_transfer_of_nothing_stays_for_it_is_how_poison_looks() -> None:
    found = transaction_of([OUT, token(parties(ME), parties(C), amount="0")], ME)
    assert [m.symbol for m in found.movements] == ["ETH", "USDT"]


@pytest.mark.parametrize("amount", ["many", "", " ", "n/a"])
@pytest.mark.parametrize("itype", ["0", "1"])
def test_an_amount_that_is_not_known_is_not_nothing(amount: str, itype: str) -> None:
    found = transaction_of([row(parties(ME), parties(A), amount=amount, itype=itype), TOKEN_OUT], ME)
    assert [(m.symbol, amount_of(m)) for m in found.movements] == [("ETH", None), ("USDT", 5)]


@pytest.mark.parametrize(
    ("rows", "status", "moved", "flags"),
    [
        # One inside that failed moved nothing; what became of the rest is told by the others.
        (["0 success", "1 fail", "2 success"], "success", 2, ("failed_internal",)),
        (["1 fail", "2 success"], "success", 1, ("failed_internal",)),
        (["1 success", "1 fail"], "success", 1, ("failed_internal",)),
        (["0 pending", "1 success"], "pending", 2, ()),
        (["0 success", "1 pending"], "success", 2, ()),
        (["0 ", "1 fail"], "unknown", 1, ("failed_internal",)),
        # What is blank contradicts nothing.
        (["0 success", "2 "], "success", 2, ()),
        (["0  ", "2 fail"], "failed", 2, ()),
        (["0 ", "2 "], "unknown", 2, ()),
        # Of what failed as a whole all is told that it tried.
        (["0 fail", "1 fail"], "failed", 2, ()),
        (["0 fail", "1 success"], "failed", 2, ()),
        (["1 fail"], "failed", 1, ()),
        (["1 fail", "1 fail"], "failed", 2, ()),
    ],
)
def test_an_internal_transfer_fails_for_itself_alone(
    rows: list[str], status: str, moved: int, flags: tuple[str, ...]
) -> None:
    given_ = [
        (token if kind == "2" else row)(parties(ME), parties(A), itype=kind, status=said)
        for kind, _, said in (text.partition(" ") for text in rows)
    ]
    for order in itertools.permutations(given_):
        found = transaction_of(order, ME)
        assert (found.status, len(found.movements), found.flags) == (status, moved, flags)


@pytest.mark.parametrize(
    ("senders", "receivers", "expected"),
    [
        # Change that comes back is none of what was sent.
        (parties((ME, "10")), parties((B, "7"), (ME, "3")), ("out", "7", "to.amount", (B,))),
        (parties((ME, "10")), parties((B, "7"), (C, "1"), (ME, "2")), ("out", "8", "to.amount", (B, C))),
        (parties((ME, "10")), parties((B, ""), (ME, "2")), ("out", "", "to.amount", (B,))),
        (parties((ME, "1"), (B, "4")), parties((ME, "5")), ("in", "4", "from.amount", (B,))),
        # With others on both sides nobody told whose is what.
        (parties((ME, "1"), (B, "4")), parties((ME, "2"), (C, "3")), ("out", "", "amount", (C,))),
        (parties((ME, "5")), parties((ME, "5")), ("self", "5", "amount", (ME,))),
        (parties(ME), parties(ME, ""), ("self", "5", "to.amount", (ME,))),
    ],
)
def test_an_address_on_both_sides_moved_what_others_have_of_it(
    senders: tuple[Party, ...], receivers: tuple[Party, ...], expected: tuple[str, str, str, tuple[str, ...]]
) -> None:
    (moved,) = transaction_of([row(senders, receivers)], ME).movements
    told = (moved.direction, moved.amount, moved.amount_field, moved.counterparties)
    assert told == expected if expected[0] != "self" else told[::3] == expected[::3]


@pytest.mark.parametrize(
    ("senders", "receivers", "amount", "expected"),
    [
        (parties(ME), parties(A), "5", ("5", "amount")),
        (parties((ME, "3")), parties(A), "5", ("5", "amount")),
        (parties((ME, "3"), (B, "2")), parties(A), "5", ("3", "from.amount")),
        (parties(A), parties((ME, "4"), (B, "1")), "5", ("4", "to.amount")),
        (parties((ME, "3")), parties(A), "", ("3", "from.amount")),
        (parties(A), parties((ME, " 4 ")), " ", ("4", "to.amount")),
        # The whole is not this address's share, and what that is nobody said.
        (parties((ME, ""), (B, "2")), parties(A), "5", ("", "from.amount")),
        (parties(A), parties(ME, B), "10", ("", "to.amount")),
        (parties(A), parties((ME, "3"), (ME, ""), (B, "2")), "10", ("", "to.amount")),
        (parties(A), parties((ME, "4"), (ME, "1")), "5", ("5", "to.amount")),
        (parties(A), parties((ME, "3"), (ME, "2.5"), (B, "5")), "10.5", ("5.5", "to.amount")),
        # No amount is negative.
        (parties(A), parties(ME), "-7", ("", "amount")),
        (parties((f"{B},{ME}", "3"), (C, "2")), parties(A), "5", ("3", "from.amount")),
        (parties((A, "3"), (B, "2")), parties(C), "5", ("5", "amount")),
    ],
)
def test_an_amount_is_the_share_of_the_address_where_a_side_has_several(
    senders: tuple[Party, ...], receivers: tuple[Party, ...], amount: str, expected: tuple[str, str]
) -> None:
    (movement,) = transaction_of([row(senders, receivers, amount=amount)], ME).movements
    assert (movement.amount, movement.amount_field) == expected


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["success", "success"], "success"),
        (["Success ", "SUCCESS"], "success"),
        (["fail", "failed"], "failed"),
        (["pending"], "pending"),
        (["success", "fail"], "unknown"),
        ([""], "unknown"),
        (["2"], "unknown"),
    ],
)
def test_rows_that_disagree_leave_the_status_open(statuses: list[str], expected: str) -> None:
    rows = [row(parties(ME), parties(A), status=status) for status in statuses]
    assert transaction_of(rows, ME).status == expected


def test_a_word_for_a_status_is_read_in_any_case() -> None:
    assert [status_of(text) for text in ("success", "FAIL", " Pending", "done")] == [
        "success",
        "failed",
        "pending",
        "unknown",
    ]


@pytest.mark.parametrize(
    ("row_", "asset"),
    [
        (OUT, "native"),
        (row((), (), itype="1", contract="0x" + "e" * 40), "native"),
        (TOKEN_OUT, USDT),
        (token((), (), contract=""), ""),
        (token((), (), contract="  "), ""),
        (token((), (), contract="0x" + "E" * 40), "native"),
    ],
)
def test_a_token_without_a_contract_is_not_the_coin(row_: Row, asset: str) -> None:
    assert row_.asset == asset


def test_any_row_on_a_blacklist_flags_the_transaction() -> None:
    assert transaction_of([OUT, token(parties(B), parties(ME), blacklisted=True)], ME).flags == ("blacklisted",)
    assert transaction_of([row(parties(ME), parties(A), blacklisted=None)], ME).flags == ()


def test_the_payer_of_the_fee_is_the_sender_of_the_outer_row_alone() -> None:
    assert transaction_of([TOKEN_OUT], ME).fee_payer == ""
    assert transaction_of([TOKEN_IN, row(parties(C), parties(USDT), amount="0")], ME).fee_payer == C
    assert transaction_of([row((), parties(ME))], ME).fee_payer == ""


@pytest.mark.parametrize(("senders", "payer"), [(parties(ME), ME), (parties(ME, B), ""), (parties(f"{ME},{B}"), "")])
def test_of_several_senders_nobody_knows_who_paid_the_fee(senders: tuple[Party, ...], payer: str) -> None:
    assert transaction_of([row(senders, parties(A))], ME).fee_payer == payer


@pytest.mark.parametrize(
    ("chain", "fee", "shown"),
    [
        ("1", "0.00075", "0.00075"),
        ("1", "750000000000000", ""),
        ("CT_501", "5000", "5000"),
        ("777", "75000", "75000"),
    ],
)
def test_a_fee_of_more_coins_than_there_are_is_none(chain: str, fee: str, shown: str) -> None:
    assert transaction_of([row(parties(ME), parties(A), chain=chain, fee=fee)], ME).fee == shown


@pytest.mark.parametrize(("itype", "sender", "inside"), [("0", ME, False), ("1", ME, True), ("1", A, False)])
def test_coins_that_the_address_sent_inside_a_transaction_are_noticed(itype: str, sender: str, inside: bool) -> None:
    assert transaction_of([row(parties(sender), parties(B), itype=itype)], ME).sent_inside is inside


@pytest.mark.parametrize(
    ("rows", "called"),
    [
        ([OUT], (A,)),
        ([row(parties(ME), parties(A), amount="0"), TOKEN_OUT], (A,)),
        ([OUT, OUT, row(parties(ME), parties(B))], (A, B)),
        ([IN, TOKEN_OUT], ()),
        ([row(parties(ME), parties(A), itype="1")], ()),
    ],
)
def test_whom_the_address_called_is_told_even_where_no_coins_went(rows: list[Row], called: tuple[str, ...]) -> None:
    assert transaction_of(rows, ME).called == called


def test_a_negative_fee_is_none() -> None:
    assert transaction_of([row(parties(ME), parties(A), fee="-3")], ME).fee == ""


@pytest.mark.parametrize(
    ("fees", "expected"), [(["", "0.10"], "0.1"), (["x", ""], ""), (["0"], "0"), (["1E-7"], "0.0000001")]
)
def test_the_fee_is_the_first_that_can_be_read(fees: list[str], expected: str) -> None:
    assert transaction_of([row(parties(ME), parties(A), fee=fee) for fee in fees], ME).fee == expected


def test_hostile_texts_come_out_clean() -> None:
    hostile = "<b>\u202e`x`\nhttps://claim.example"
    found = transaction_of([token(parties(hostile), parties(ME), symbol=hostile, hash=hostile, amount="1")], ME)
    (movement,) = found.movements
    for text in (found.hash, movement.symbol, *first_parties(movement.counterparties)[0]):
        assert not set(text) & set("<>`\n\u202e")
        assert "https://" not in text
    assert "url" in movement.flags


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ([], ""),
        (["", " , "], ""),
        ([A], A),
        ([f"{A},{B}", A], f"{A} {B}"),
        ([A, B, C], f"{A} {B} {C}"),
        ([f"{A}, {B}", C, D, ME], f"{A} {B} {C} and 2 more"),
    ],
)
def test_parties_are_shown_whole_and_each_once(texts: list[str], shown: str) -> None:
    assert shown_parties(texts) == shown


@pytest.mark.parametrize(
    ("given_", "found"),
    [
        ([ME], True),
        ([ME.lower()], True),
        ([f"{A}, {ME.upper().replace('0X', '0x')}"], True),
        ([A], False),
        ([ME[:-1] + "c"], False),
        ([], False),
        ([""], False),
    ],
)
def test_an_address_is_a_party_in_full_or_not_at_all(given_: list[str], found: bool) -> None:
    assert is_party(parties(*given_), ME) is found


def test_a_solana_address_is_compared_to_the_letter() -> None:
    assert is_party(parties("MfhnAoBwoXSq"), "MfhnAoBwoXSq")
    assert not is_party(parties("mfhnAoBwoXSq"), "MfhnAoBwoXSq")


def test_a_position_is_newest_first_and_untimed_before_all() -> None:
    newer = transaction_of([row(parties(ME), parties(A), time_ms=2)], ME)
    older = transaction_of([row(parties(ME), parties(A), time_ms=1)], ME)
    untimed = transaction_of([row(parties(ME), parties(A), time_ms=None)], ME)
    assert sorted([older, untimed, newer], key=lambda found: found.position) == [untimed, newer, older]
    assert untimed.position[0] == -UNTIMED_MS


def test_rows_without_a_hash_have_positions_of_their_own() -> None:
    first, second = (transaction_of([row(parties(ME), parties(A), hash="", amount=each)], ME) for each in "12")
    assert first.position != second.position
    assert first.position == transaction_of([row(parties(ME), parties(A), hash="", amount="1")], ME).position


@given(
    st.sampled_from(["1", "56", "CT_501"]),
    st.text(max_size=20),
    st.sampled_from(["1", "56", "CT_501"]),
    st.text(max_size=20),
)
def test_a_digest_stands_for_one_transaction_of_one_chain(chain: str, tx: str, other_chain: str, other: str) -> None:
    assert len(digest_of(chain, tx)) == 8
    same = chain == other_chain and (tx == other or (tx[:2] == other[:2] == "0x" and tx.lower() == other.lower()))
    assert (digest_of(chain, tx) == digest_of(other_chain, other)) is same


def test_a_digest_takes_no_notice_of_the_case_of_an_evm_hash() -> None:
    assert digest_of("1", "0xAB") == digest_of("1", "0xab")
    assert digest_of("CT_501", "AB") != digest_of("CT_501", "ab")


ROWS = st.builds(
    lambda sides, kind, amount, status: (row if kind != "2" else token)(
        parties(sides[0]), parties(sides[1]), itype=kind, amount=amount, status=status
    ),
    st.tuples(st.sampled_from([ME, A, B]), st.sampled_from([ME, A, B])),
    st.sampled_from(["0", "1", "2"]),
    st.sampled_from(["0", "1", "2.5", "", "x"]),
    st.sampled_from(["success", "fail"]),
)


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_the_order_of_rows_changes_neither_direction_nor_status_nor_what_moved(rows: list[Row]) -> None:
    told = set()
    for order in itertools.islice(itertools.permutations(rows), 6):
        found = transaction_of(order, ME)
        moved = tuple(sorted((m.direction, m.amount, m.contract) for m in found.movements if m.amount != "0"))
        told.add((found.status, found.position, moved))
        assert found.movements
    assert len(told) == 1


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_nothing_that_moved_is_dropped_and_nothing_made_up(rows: list[Row]) -> None:
    found = transaction_of(rows, ME)
    assert len(found.movements) <= len(rows)
    held = [r for r in rows if r.itype != "1" or r.status != "fail"]
    told = rows if found.status == "failed" or not held else held
    moved = [r for r in told if r.amount != "0" or r.itype == "2"]
    assert len(found.movements) == (len(moved) or 1)
    assert ("failed_internal" in found.flags) is (len(told) < len(rows))


def test_all_counterparties_are_kept_for_comparing_however_many_are_shown() -> None:
    many = f"{A},{B}, {C} ,,{D}"
    (moved,) = transaction_of([row(parties(many), parties(ME))], ME).movements
    assert moved.counterparties == (A, B, C, D)
    assert first_parties(moved.counterparties) == ((A, B, C), 1)
    assert shown_parties(moved.counterparties) == f"{A} {B} {C} and 1 more"
    (sent,) = transaction_of([row(parties(ME), parties(A, B))], ME).movements
    assert sent.counterparties == (A, B)


@pytest.mark.parametrize(
    ("contract", "symbol", "flags"),
    [(USDT, "USDT", ()), ("0x" + "9" * 40, "USDT", ("lookalike",)), ("0x" + "9" * 40, "OTHER", ())],
)
def test_a_token_that_passes_itself_off_as_another_is_flagged(
    contract: str, symbol: str, flags: tuple[str, ...]
) -> None:
    (moved,) = transaction_of([token(parties(A), parties(ME), contract=contract, symbol=symbol)], ME).movements
    assert (moved.symbol, moved.flags, moved.blacklisted) == (symbol, flags, False)
