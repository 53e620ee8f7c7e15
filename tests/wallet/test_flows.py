from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wallet_mcp.wallet.flows import (
    SUSPECTED_POISONING,
    ZERO_VALUE,
    Flow,
    FlowTotal,
    fees_paid,
    suspicions,
    totals_of,
)
from wallet_mcp.wallet.history import Movement, Transaction

ME = "0x" + "a" * 40
USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"
REAL = "0xabc" + "1" * 34 + "def"
FORGED = "0xABC" + "2" * 34 + "DEF"
STRANGE = "0xabc" + "3" * 34 + "dee"
MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
MIMIC = "EPj" + "8" * 38 + "t1v"
USDC = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"


def flow(amount: str, direction: str = "in", **changes: Any) -> Flow:
    fields: dict[str, Any] = {"chain": "1", "contract": USDT, "symbol": "USDT", "unit": "coins", "decimals": 6}
    return Flow(direction=direction, amount=Decimal(amount), **(fields | changes))  # type: ignore[arg-type]


def test_flows_are_summed_by_asset_and_unit_in_the_order_of_meeting() -> None:
    flows = [
        flow("1.5"),
        flow("7", "out", contract="native", symbol="ETH"),
        flow("0.25", "out"),
        flow("2"),
        flow("3", unit="undecided"),
        flow("4", chain="56"),
    ]
    zero = Decimal(0)
    assert totals_of(flows) == (
        FlowTotal("1", USDT, "USDT", "coins", 6, Decimal("3.5"), Decimal("0.25")),
        FlowTotal("1", "native", "ETH", "coins", 6, zero, Decimal(7)),
        FlowTotal("1", USDT, "USDT", "undecided", 6, Decimal(3), zero),
        FlowTotal("56", USDT, "USDT", "coins", 6, Decimal(4), zero),
    )
    assert totals_of([]) == ()


def test_a_total_has_the_flags_of_all_its_flows_and_nameless_tokens_stay_apart() -> None:
    flows = [
        flow("1", flags=("url",)),
        flow("2", flags=("lookalike", "url")),
        flow("3", contract="", symbol="A"),
        flow("4", contract="", symbol="B"),
    ]
    told = [(each.symbol, int(each.incoming), each.flags) for each in totals_of(flows)]
    assert told == [("USDT", 3, ("url", "lookalike")), ("A", 3, ()), ("B", 4, ())]


@pytest.mark.parametrize(("amounts", "decimals"), [(["1", "2"], 6), (["0.5", "0.5"], None), (["0", "3"], 6)])
def test_a_sum_is_of_base_units_only_where_all_its_parts_can_be(amounts: list[str], decimals: int | None) -> None:
    (total,) = totals_of([flow(amount, unit="undecided") for amount in amounts])
    assert total.decimals == decimals
    (coins,) = totals_of([flow(amount) for amount in amounts])
    assert coins.decimals == 6


def test_undecided_amounts_are_added_field_by_field() -> None:
    flows = [flow("1", unit="undecided", field=name) for name in ("a", "b", "a")]
    assert [int(total.incoming) for total in totals_of(flows)] == [2, 1]


@given(
    st.lists(
        st.builds(
            flow,
            st.decimals(0, 10**30, places=18).map(str),
            st.sampled_from(["in", "out"]),
            chain=st.sampled_from(["1", "56"]),
            contract=st.sampled_from([USDT, "native"]),
            unit=st.sampled_from(["coins", "base_units", "undecided"]),
        )
    )
)
def test_no_flow_is_lost_counted_twice_or_added_to_another_unit(flows: list[Flow]) -> None:
    totals = totals_of(flows)
    keys = [(total.chain, total.contract, total.unit) for total in totals]
    assert len(set(keys)) == len(keys)
    for total in totals:
        same = [
            one for one in flows if (one.chain, one.contract, one.unit) == (total.chain, total.contract, total.unit)
        ]
        for amount, direction in ((total.incoming, "in"), (total.outgoing, "out")):
            assert Fraction(amount) == sum(Fraction(one.amount) for one in same if one.direction == direction)
    assert {(one.chain, one.contract, one.unit) for one in flows} == set(keys)


def movement(amount: str, counterparty: str, contract: str = USDT, direction: str = "in") -> Movement:
    return Movement(direction, amount, "amount", contract, "USDT", (counterparty,), ())  # type: ignore[arg-type]


def transaction(*movements: Movement, **changes: Any) -> Transaction:
    fields: dict[str, Any] = {
        "chain": "1",
        "hash": "0x1",
        "time_ms": 1_795_341_600_123,
        "status": "success",
        "direction": "out",
        "fee": "0.001",
        "fee_payer": ME,
        "flags": (),
    }
    return Transaction(movements=movements, **(fields | changes))


@pytest.mark.parametrize(
    ("changes", "paid"),
    [
        ({}, "0.001"),
        ({"status": "failed"}, "0.001"),
        ({"status": "unknown"}, "0.001"),
        ({"fee_payer": ME.upper().replace("0X", "0x")}, "0.001"),
        ({"status": "pending"}, None),
        ({"fee": ""}, None),
        ({"fee_payer": ""}, None),
        ({"fee_payer": REAL}, None),
        ({"fee_payer": f"{ME} {REAL}"}, None),
    ],
)
def test_only_what_the_address_paid_counts(changes: dict[str, Any], paid: str | None) -> None:
    assert fees_paid([transaction(**changes)], ME) == ((("1", Decimal(paid)),) if paid else ())


@given(st.lists(st.tuples(st.sampled_from(["1", "56", "8453"]), st.decimals(0, 10, places=18), st.booleans())))
def test_fees_add_up_by_chain(paid: list[tuple[str, Decimal, bool]]) -> None:
    found = [transaction(chain=chain, fee=str(fee), fee_payer=ME if own else REAL) for chain, fee, own in paid]
    fees = fees_paid(found, ME)
    assert len({chain for chain, _ in fees}) == len(fees)
    for chain, amount in fees:
        assert Fraction(amount) == sum(Fraction(fee) for where, fee, own in paid if own and where == chain)
    assert {chain for chain, _ in fees} == {chain for chain, _, own in paid if own}


@pytest.mark.parametrize(
    ("dust", "flags"),
    [
        # Forged ends, nothing moved: the classic; of a coin as well as of a token.
        (movement("0", FORGED), (SUSPECTED_POISONING, ZERO_VALUE)),
        (movement("0", FORGED, "native"), (SUSPECTED_POISONING,)),
        (movement("0", FORGED, "0x" + "9" * 40), (SUSPECTED_POISONING, ZERO_VALUE)),
        # A thousandth of the real amount is still dust, more is not, and of another token it says nothing.
        (movement("1", FORGED), (SUSPECTED_POISONING,)),
        (movement("1.000001", FORGED), ()),
        (movement("0.5", FORGED, "native"), ()),
        # Next to nothing of a coin is dust whatever else moved, and so are cents of a dollar.
        (movement("0.001", FORGED, "native"), (SUSPECTED_POISONING,)),
        (movement("0.0011", FORGED, "native"), ()),
        (movement("0.1", FORGED, USDC), (SUSPECTED_POISONING,)),
        (movement("0.11", FORGED, USDC), ()),
        # What anybody can have made costs nothing in any amount, coming or seeming to go.
        (movement("1000", FORGED, "0x" + "9" * 40), (SUSPECTED_POISONING,)),
        (movement("1000", FORGED, "0x" + "9" * 40, "out"), (SUSPECTED_POISONING,)),
        (movement("1000", FORGED, ""), (SUSPECTED_POISONING,)),
        (movement("1000", STRANGE, "0x" + "9" * 40), ()),
        (movement("0.001", FORGED, "native", "out"), ()),
        # A transfer of nothing with the real counterparty, or one of other ends, is only that.
        (movement("0", REAL), (ZERO_VALUE,)),
        (movement("0", REAL.upper().replace("0X", "0x")), (ZERO_VALUE,)),
        (movement("0", STRANGE), (ZERO_VALUE,)),
        (movement("0", ""), (ZERO_VALUE,)),
        (movement("0", MINT), (ZERO_VALUE,)),
        # An amount that is not known is not zero.
        (movement("", STRANGE), ()),
        (movement("", FORGED), ()),
        (movement("many", FORGED), ()),
        (movement("", FORGED, "0x" + "9" * 40), (SUSPECTED_POISONING,)),
        (movement("0", STRANGE, "native"), ()),
        (movement("1", STRANGE), ()),
    ],
)
def test_a_transfer_of_next_to_nothing_with_a_forged_address_is_suspected(
    dust: Movement, flags: tuple[str, ...]
) -> None:
    found = [transaction(dust, hash="0xd"), transaction(movement("1000", REAL, direction="out"), hash="0xr")]
    expected = {found[0]: flags} if flags else {}
    assert suspicions(found) == suspicions(found[::-1]) == expected


@pytest.mark.parametrize(
    "real",
    [
        [],
        [transaction(movement("1000", REAL), hash="0xr", status="failed")],
        [transaction(movement("0", REAL, "native"), hash="0xr")],
        [transaction(movement("many", REAL, "native"), hash="0xr")],
    ],
    ids=["none", "failed", "nothing", "unreadable"],
)
def test_without_a_real_counterparty_nothing_is_forged(real: Sequence[Transaction]) -> None:
    forged = transaction(movement("0", FORGED), hash="0xd")
    assert suspicions([forged, *real])[forged] == (ZERO_VALUE,)


@pytest.mark.parametrize(
    ("payer", "amount", "real", "forged"),
    [
        # Whom the wallet itself paid is real, whatever it paid with; nobody can make it sign.
        (ME, "5000", (), ()),
        (ME.upper().replace("0X", "0x"), "5000", (), ()),
        (REAL, "5000", (SUSPECTED_POISONING,), ()),
        ("", "5000", (SUSPECTED_POISONING,), ()),
        (ME, "0", (SUSPECTED_POISONING, ZERO_VALUE), ()),
    ],
)
def test_what_the_wallet_signed_is_never_taken_for_poison(
    payer: str, amount: str, real: tuple[str, ...], forged: tuple[str, ...]
) -> None:
    paid = transaction(movement(amount, REAL, "0x" + "9" * 40, "out"), hash="0xr", fee_payer=payer)
    bait = transaction(movement("0.5", FORGED, USDT), hash="0xd", fee_payer=FORGED)
    flags = suspicions([paid, bait], address=ME)
    assert (flags.get(paid, ()), flags.get(bait, ())) == (real, forged)


def test_dust_from_a_double_of_whom_the_wallet_paid_an_unknown_token_is_poison() -> None:
    paid = transaction(movement("5000", REAL, "0x" + "9" * 40, "out"), hash="0xr")
    bait = transaction(movement("0.05", FORGED, USDT), hash="0xd", fee_payer=FORGED)
    assert suspicions([paid, bait], address=ME) == {bait: (SUSPECTED_POISONING,)}


def test_a_flag_is_told_once_for_all_movements_of_a_transaction() -> None:
    real = transaction(movement("1000", REAL), hash="0xr")
    batch = transaction(movement("0", FORGED), movement("0", FORGED), movement("5", STRANGE), hash="0xd")
    assert suspicions([real, batch]) == {batch: (SUSPECTED_POISONING, ZERO_VALUE)}


@pytest.mark.parametrize(
    ("forged", "flags"),
    [
        (MIMIC, (SUSPECTED_POISONING,)),
        (MIMIC.swapcase(), ()),
        (MINT[:2] + "z" + MIMIC[3:], ()),
        # Base58 has no 0: that is no address.
        (MIMIC[:20] + "0" + MIMIC[21:], ()),
    ],
)
def test_a_forged_solana_address_is_seen_by_its_ends(forged: str, flags: tuple[str, ...]) -> None:
    coin = "CT_501"
    real = transaction(movement("1000", MINT, "native", "out"), chain=coin, hash="r")
    dust = transaction(movement("0.00001", forged, "native"), chain=coin, hash="d")
    assert suspicions([dust, real]) == ({dust: flags} if flags else {})


def test_rows_without_a_hash_are_judged_each_for_itself() -> None:
    real = transaction(movement("1000", REAL, direction="out"), hash="")
    dust, plain = transaction(movement("0", FORGED), hash=""), transaction(movement("5", STRANGE), hash="")
    assert suspicions([real, dust, plain]) == {dust: (SUSPECTED_POISONING, ZERO_VALUE)}


def test_a_token_that_is_not_known_makes_a_partner_where_nothing_better_is_known() -> None:
    token = "0x" + "9" * 40
    real = transaction(movement("1000", REAL, token, "out"), hash="0xr")
    dust = transaction(movement("0", FORGED, token), hash="0xd")
    assert suspicions([real, dust])[dust] == (SUSPECTED_POISONING, ZERO_VALUE)
    fake = replace(real, movements=(replace(real.movements[0], flags=("lookalike",)),))
    assert suspicions([fake, dust])[dust] == (ZERO_VALUE,)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([REAL, FORGED, STRANGE, MINT, MIMIC]),
            st.sampled_from(["0", "0.0001", "5", "1000", "", "x"]),
            st.sampled_from([USDT, USDC, "native", "0x" + "9" * 40, ""]),
            st.sampled_from(["in", "out", "other"]),
            st.sampled_from(["success", "failed", "pending"]),
        ),
        max_size=12,
    ),
    st.randoms(),
)
@example([(REAL, "1000", USDT, "out", "success"), (FORGED, "0.0001", "native", "out", "success")], Random(1))
def test_whom_the_wallet_paid_is_never_suspected_nor_who_resembles_nobody(
    moves: list[tuple[str, str, str, str, str]], random: Random
) -> None:
    found = [
        transaction(movement(amount, party, contract, way), hash=f"0x{number}", status=status)
        for number, (party, amount, contract, way, status) in enumerate(moves)
    ]
    flags = suspicions(found)
    shuffled = random.sample(found, len(found))
    assert suspicions(shuffled) == flags
    real = {USDT, USDC, "native"}
    paid = {
        party
        for party, amount, contract, way, status in moves
        if way == "out" and status == "success" and contract in real and amount not in ("0", "", "x")
    }
    for each, told in flags.items():
        (party,) = each.movements[0].counterparties
        if SUSPECTED_POISONING in told:
            assert party not in (*paid, STRANGE)
            twin = {REAL: FORGED, FORGED: REAL, MINT: MIMIC, MIMIC: MINT}[party]
            assert any(other == twin and status == "success" for other, _, _, _, status in moves)
