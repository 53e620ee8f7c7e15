from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.wallet.chains import NATIVE
from wallet_mcp.wallet.holdings import DECIMALS_DISAGREE, Holding
from wallet_mcp.wallet.portfolio import Dominant, Group, Portfolio, portfolio_of, value_order, worth

USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"


def holding(
    price: str | None = "1",
    balance: str | None = "1",
    contract: str = "0x" + "1" * 40,
    *,
    chain: str = "1",
    raw: int | None = None,
    risk: bool | None = None,
) -> Holding:
    amount, rate = (None if text is None else Decimal(text) for text in (balance, price))
    return Holding(chain, contract, "AAA", amount, raw, None, rate, risk, ())


def made(*holdings: Holding, minimum: str = "1", risk: bool = False, unpriced: bool = False) -> Portfolio:
    return portfolio_of(
        holdings, ["1", "56"], minimum_usd=Decimal(minimum), include_risk=risk, include_unpriced=unpriced
    )


def test_each_holding_counts_where_it_belongs() -> None:
    big, small = holding("2", contract="0xb"), holding("0.5", contract="0xs")
    coin, unpriced = holding("3", contract=NATIVE, chain="56"), holding(None, contract="0xu")
    scam, unpriced_scam = holding("900", contract="0xr", risk=True), holding(None, contract="0xq", risk=True)
    found = made(big, small, coin, unpriced, scam, unpriced_scam)
    assert found == Portfolio(
        total_usd=Decimal("5.5"),
        by_chain=(("1", Decimal("2.5")), ("56", Decimal(3))),
        listed=(coin, big),
        below_minimum=Group(1, Decimal("0.5")),
        unpriced=Group(1, None),
        unclear=0,
        risk=Group(2, Decimal(900)),
        dominant=None,
    )


def test_flagged_holdings_are_listed_last_where_asked_for_and_still_in_no_total() -> None:
    first, scam, dearer = (
        holding("2"),
        holding("5", contract="0xr", risk=True),
        holding("9", contract="0xd", risk=True),
    )
    assert made(scam, first, dearer, risk=True).listed == (first, dearer, scam)
    assert made(scam, first, dearer, risk=True).total_usd == 2
    assert made(scam, first, dearer).listed == (first,)


def test_unpriced_holdings_are_listed_before_the_flagged_where_asked_for() -> None:
    coin, odd, nothing = holding("2"), holding(None, contract="0xu"), holding(None, "0", contract="0xz")
    scam, odd_scam = holding("5", contract="0xr", risk=True), holding(None, contract="0xq", risk=True)
    found = made(odd_scam, scam, nothing, odd, coin, risk=True, unpriced=True)
    assert found.listed == (coin, odd, scam, odd_scam)
    assert made(odd_scam, scam, nothing, odd, coin, unpriced=True).listed == (coin, odd)


@pytest.mark.parametrize(
    ("holdings_", "total", "chains"),
    [
        ([], "0", (None, None)),
        ([holding(None)], None, (None, None)),
        ([holding(None), holding("0", contract="0xb")], "0", ("0", None)),
        ([holding(None), holding("3", chain="56")], "3", (None, "3")),
        ([holding(None, risk=True)], "0", (None, None)),
        ([holding("900", risk=True), holding(None, contract="0xb")], None, (None, None)),
        ([holding(None, "0")], "0", (None, None)),
        ([holding("1", None)], None, (None, None)),
    ],
)
def test_what_has_no_price_is_unknown_and_not_worth_nothing(
    holdings_: list[Holding], total: str | None, chains: tuple[str | None, str | None]
) -> None:
    found = made(*holdings_)
    assert found.total_usd == (None if total is None else Decimal(total))
    parts = tuple(None if text is None else Decimal(text) for text in chains)
    assert tuple(value for _, value in found.by_chain) == parts


@pytest.mark.parametrize(("minimum", "count"), [("0", 3), ("1", 2), ("1.000001", 1), ("2", 1), ("2.1", 0)])
def test_the_minimum_itself_is_listed(minimum: str, count: int) -> None:
    values = (holding("2", contract="0xa"), holding("1", contract="0xb"), holding("0", contract="0xc"))
    found = made(*values, minimum=minimum)
    assert len(found.listed) == count
    assert found.below_minimum.count == 3 - count


@pytest.mark.parametrize(
    ("nothing", "counted"),
    [
        (holding(balance="0"), 0),
        (holding(balance="0.000"), 0),
        (holding(balance="0", price=None, risk=True), 0),
        (holding(balance=None, raw=0, price=None), 0),
        (holding(balance=None, raw=5, price=None), 1),
        (holding(balance=None, raw=None, price=None), 1),
        (holding(balance="0", raw=5, price=None), 1),
        (holding(balance="0", raw=5, risk=True), 2),
    ],
)
def test_a_holding_of_nothing_is_in_no_group(nothing: Holding, counted: int) -> None:
    found = made(nothing, minimum="0", risk=True)
    assert found.unpriced.count + found.risk.count + len(found.listed) == counted


@pytest.mark.parametrize(
    ("found", "unpriced", "unclear"),
    [
        (holding("2"), 0, 0),
        (holding(None), 1, 0),
        (holding("2", balance=None), 1, 1),
        (holding("2", balance="0", raw=5), 1, 1),
        (holding("2", balance=None, risk=True), 0, 0),
    ],
)
def test_a_price_without_an_amount_is_counted_as_unclear(found: Holding, unpriced: int, unclear: int) -> None:
    told = made(found, minimum="0")
    assert (told.unpriced.count, told.unclear) == (unpriced, unclear)
    assert told.total_usd == (None if unpriced else 2 if not found.risk else 0)


@pytest.mark.parametrize(
    ("contract", "price", "others", "dominant"),
    [
        ("0x" + "1" * 40, "10.000001", "10", True),
        ("0x" + "1" * 40, "10", "10", False),
        (NATIVE, "99", "10", False),
        (USDT, "99", "10", False),
        (USDT.upper().replace("0X", "0x"), "99", "10", False),
        ("0x" + "1" * 40, "0", "0", False),
    ],
)
def test_only_an_unknown_token_of_more_than_half_is_dominant(
    contract: str, price: str, others: str, dominant: bool
) -> None:
    first = holding(price, contract=contract)
    found = made(holding(others, contract="0x" + "2" * 40, chain="56"), first, minimum="0")
    wanted = Dominant(first, Decimal(price), Decimal(others)) if dominant else None
    assert found.dominant == wanted


@pytest.mark.parametrize(
    ("balance", "others", "rest"),
    [
        # Beyond the 28 digits of Python's default context, in which the rest would come out wrong, even negative.
        ("97545779216871219999999.99999", "5", "5"),
        ("1e30", "0.000001", "0.000001"),
        ("100000000000000000000000.000002", "100000000000000000000000.000001", "100000000000000000000000.000001"),
    ],
)
def test_the_total_without_the_dominant_token_is_exact(balance: str, others: str, rest: str) -> None:
    big = holding(balance=balance, contract="0x" + "2" * 40)
    small = holding(balance=others, contract="0x" + "1" * 40)
    found = made(small, big, minimum="0")
    assert found.listed == (big, small)
    assert found.dominant == Dominant(big, Decimal(balance), Decimal(rest))


def test_what_differs_in_the_last_digit_only_is_in_value_order_and_no_half_is_more_than_half() -> None:
    values = [f"100000000000000000000000.00000{digit}" for digit in (1, 3, 2)]
    found = made(*(holding(balance=value, contract=f"0x{at}") for at, value in enumerate(values)), minimum="0")
    assert [str(one.balance) for one in found.listed] == [values[1], values[2], values[0]]
    half = [holding(balance=values[0], contract=f"0x{at}") for at in range(2)]
    assert made(*half).dominant is None


def test_an_amount_of_uncertain_decimals_is_counted_as_unclear() -> None:
    odd = replace(holding(contract="0xb"), flags=(DECIMALS_DISAGREE,))
    found = made(odd, holding("3"))
    assert (found.total_usd, found.unpriced, found.unclear) == (Decimal(3), Group(1, None), 1)


def test_nothing_is_a_portfolio_too() -> None:
    nothing = Group(0, None)
    zero = Decimal(0)
    assert made() == Portfolio(zero, (("1", None), ("56", None)), (), nothing, nothing, 0, nothing, None)


NUMBERS = st.one_of(
    st.none(),
    st.decimals(0, 10**9, places=18),
    st.decimals(0, 1, places=24),
    st.sampled_from([Decimal(0), Decimal("1e-30"), Decimal("1e40")]),
)


@st.composite
def holdings(draw: st.DrawFn) -> list[Holding]:
    kinds = draw(
        st.lists(st.tuples(NUMBERS, NUMBERS, st.sampled_from([None, False, True]), st.sampled_from(["1", "56"])))
    )
    return [
        Holding(chain, f"0x{number}", "", balance, None, None, price, risk, ())
        for number, (balance, price, risk, chain) in enumerate(kinds)
    ]


@given(holdings(), st.decimals(0, 100, places=6), st.booleans())
def test_every_total_reconciles_to_the_last_digit(found: list[Holding], minimum: Decimal, risk: bool) -> None:
    portfolio = portfolio_of(found, ["1", "56"], minimum_usd=minimum, include_risk=risk)
    trusted = [one for one in portfolio.listed if not one.risk]
    # Fractions: the precision of no context can hide a digit.
    total = Fraction(portfolio.total_usd or 0)
    small = Fraction(portfolio.below_minimum.value_usd or 0)
    assert sum(Fraction(worth(one)) for one in trusted) + small == total
    assert sum(Fraction(value or 0) for _, value in portfolio.by_chain) == total
    assert (portfolio.total_usd is None) <= (total == 0 and portfolio.unpriced.count > 0)
    kept = [one for one in found if one.balance != 0]
    hidden = 0 if risk else portfolio.risk.count
    listed_risk = len(portfolio.listed) - len(trusted)
    assert listed_risk == (portfolio.risk.count if risk else 0)
    assert len(trusted) + portfolio.below_minimum.count + portfolio.unpriced.count + listed_risk + hidden == len(kept)
    assert all(value_order(earlier) <= value_order(later) for earlier, later in pairwise(trusted))
    assert all(worth(one) >= minimum for one in trusted)
    if portfolio.dominant is not None:
        assert portfolio.dominant.value_usd > portfolio.dominant.rest_usd
        assert Fraction(portfolio.dominant.value_usd) + Fraction(portfolio.dominant.rest_usd) == total
