"""A wallet in figures: holdings in value order, totals that reconcile to the last digit, and what they leave out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from .holdings import NATIVE, Holding
from .known_tokens import known_token
from .money import total

_ZERO = Decimal(0)
_MILLIONTH = Decimal("0.000001")
_WIDE = Context(prec=400, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])


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
    which are in `listed`, and `below_minimum`. Unpriced and risk holdings are in no total. `listed` is in value order
    and ends with the risk holdings where these were asked for.
    """

    total_usd: Decimal
    by_chain: tuple[tuple[str, Decimal], ...]
    listed: tuple[Holding, ...]
    below_minimum: Group
    unpriced: Group
    risk: Group
    dominant: Dominant | None


def portfolio_of(
    holdings: Iterable[Holding], chains: Sequence[str], *, minimum_usd: Decimal, include_risk: bool
) -> Portfolio:
    """The portfolio of holdings on `chains`; holdings of nothing are left out everywhere."""
    kept = [holding for holding in holdings if not _is_nothing(holding)]
    risky = [holding for holding in kept if holding.risk]
    trusted = [holding for holding in kept if not holding.risk]
    priced = [holding for holding in trusted if holding.value_usd is not None]
    big = sorted((holding for holding in priced if worth(holding) >= minimum_usd), key=value_order)
    small = [holding for holding in priced if worth(holding) < minimum_usd]
    total_usd = total(worth(holding) for holding in priced)
    shown_risk = sorted(risky, key=value_order) if include_risk else []
    return Portfolio(
        total_usd=total_usd,
        by_chain=tuple(
            (chain, total(worth(holding) for holding in priced if holding.chain == chain)) for chain in chains
        ),
        listed=(*big, *shown_risk),
        below_minimum=_group(small),
        unpriced=_group([holding for holding in trusted if holding.value_usd is None]),
        risk=_group(risky),
        dominant=_dominant(big, total_usd),
    )


def worth(holding: Holding) -> Decimal:
    """The value in USD to a millionth, 0 where there is no price; what all sums are made of.

    Balance times price has 40 digits and more, of which nobody needs the most; rounded before it is added, a total is
    to the last digit the sum of what is listed. A value that is not zero never reads as zero.
    """
    if holding.value_usd is None:
        return _ZERO
    rounded = holding.value_usd.quantize(_MILLIONTH, context=_WIDE)
    return max(rounded, _MILLIONTH) if holding.value_usd else _ZERO


def value_order(holding: Holding) -> tuple[Decimal, str, str]:
    """Sort key: dearest first, then by chain and contract, so that an order is the same each time."""
    return (-worth(holding), holding.chain, holding.contract)


def _group(holdings: Sequence[Holding]) -> Group:
    values = [worth(holding) for holding in holdings if holding.value_usd is not None]
    return Group(len(holdings), total(values) if values else None)


def _dominant(big: Sequence[Holding], total_usd: Decimal) -> Dominant | None:
    if not big or worth(big[0]) * 2 <= total_usd:
        return None
    first = big[0]
    # A chain's own coin and the well-known tokens may well be most of a wallet.
    if first.contract == NATIVE or known_token(first.chain, first.contract) is not None:
        return None
    value = worth(first)
    return Dominant(first, value, total([total_usd, -value]))


def _is_nothing(holding: Holding) -> bool:
    return holding.balance == 0 or (holding.balance is None and holding.raw == 0)
