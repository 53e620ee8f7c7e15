"""A wallet in figures: holdings in value order, totals that reconcile to the last digit, and what they leave out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from .assets import is_known
from .holdings import Holding
from .money import total

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Group:
    """Holdings that are counted but not listed. `value_usd` is None where none of them has a price."""

    count: int
    value_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Dominant:
    """A holding of an unknown token that makes up more than half of the total, and the total without it."""

    holding: Holding
    value_usd: Decimal
    rest_usd: Decimal


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A wallet in figures.

    `total_usd` is the sum of all priced holdings without a risk flag: those of at least the minimum value, all of
    which are in `listed`, and `below_minimum`. It is 0 where nothing counts, and None where what counts has no price:
    that is not worthless. `by_chain` holds its parts, None where nothing on the chain is priced. Unpriced and risk
    holdings are in no total; `unclear` of the unpriced have a price, but no amount that is certain. `listed` is in
    value order and ends with the unpriced and then the risk holdings, each where they were asked for.
    """

    total_usd: Decimal | None
    by_chain: tuple[tuple[str, Decimal | None], ...]
    listed: tuple[Holding, ...]
    below_minimum: Group
    unpriced: Group
    unclear: int
    risk: Group
    dominant: Dominant | None


def portfolio_of(
    holdings: Iterable[Holding],
    chains: Sequence[str],
    *,
    minimum_usd: Decimal,
    include_risk: bool = False,
    include_unpriced: bool = False,
) -> Portfolio:
    """The portfolio of holdings on `chains`; holdings of nothing are left out everywhere."""
    kept = sorted((holding for holding in holdings if not holding.is_nothing), key=value_order)
    risky = [holding for holding in kept if holding.risk]
    trusted = [holding for holding in kept if not holding.risk]
    priced = [holding for holding in trusted if holding.value_usd is not None]
    unpriced = [holding for holding in trusted if holding.value_usd is None]
    big = [holding for holding in priced if worth(holding) >= minimum_usd]
    total_usd = _sum(priced)
    return Portfolio(
        total_usd=total_usd if priced or unpriced else _ZERO,
        by_chain=tuple((chain, _sum([holding for holding in priced if holding.chain == chain])) for chain in chains),
        listed=(*big, *(unpriced if include_unpriced else ()), *(risky if include_risk else ())),
        below_minimum=_group([holding for holding in priced if worth(holding) < minimum_usd]),
        unpriced=_group(unpriced),
        unclear=sum(holding.price_usd is not None for holding in unpriced),
        risk=_group(risky),
        dominant=_dominant(priced, total_usd),
    )


def worth(holding: Holding) -> Decimal:
    """The value in USD to a millionth, 0 where there is no price; what all sums are made of."""
    return holding.value_usd or _ZERO


def value_order(holding: Holding) -> tuple[Decimal, str, str]:
    """Sort key: dearest first, then by chain and contract, so that an order is the same each time."""
    # Unary minus would round to the 28 digits of Python's default context.
    return (worth(holding).copy_negate(), holding.chain, holding.contract)


def _group(holdings: Sequence[Holding]) -> Group:
    return Group(len(holdings), _sum(holdings))


def _sum(holdings: Sequence[Holding]) -> Decimal | None:
    """What these are worth together, None where none of them has a price."""
    values = [holding.value_usd for holding in holdings if holding.value_usd is not None]
    return total(values) if values else None


def _dominant(priced: Sequence[Holding], total_usd: Decimal | None) -> Dominant | None:
    if not priced or total_usd is None:
        return None
    first, value = priced[0], worth(priced[0])
    rest = total([total_usd, value.copy_negate()])
    # A chain's own coin and the well-known tokens may well be most of a wallet.
    if value <= rest or is_known(first.chain, first.contract):
        return None
    return Dominant(first, value, rest)
