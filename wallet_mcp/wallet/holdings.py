"""What a token row of the balance endpoints means: which asset, how much of it, what it is worth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from .assets import asset_named, contract_flags, decimals_of
from .chain_text import FLAGS
from .known_tokens import clean_symbol
from .money import MAX_DECIMALS, BadNumber, derive_decimals, parse_amount, plain, scale, total, usd_value

AMOUNTS_DISAGREE: Final = "amounts_disagree"
"""The flag of a row whose balance and raw balance are not the same amount at any number of decimals."""

DECIMALS_DISAGREE: Final = "decimals_disagree"
"""The flag of a row whose balances differ by other decimals than its well-known asset has: one is wrong by far."""

CONTRACT_MISSING: Final = "contract_missing"
"""The flag of a row without a contract whose symbol is not that of its chain's coin: a token, nobody knows which."""

UNREADABLE_NUMBER: Final = "unreadable_number"
"""The flag of a row with a balance, raw balance or price that is no plain, non-negative number."""


@dataclass(frozen=True, slots=True)
class Holding:
    """An asset that an address holds, identified by chain and contract ("" where missing); the symbol is a label.

    `balance` is in whole coins, `raw` in base units; None where upstream gave none. `price_usd` is None when the
    token is unpriced, which is not a price of zero. `risk` is upstream's flag: None means it said nothing.
    """

    chain: str
    contract: str
    symbol: str
    balance: Decimal | None
    raw: int | None
    decimals: int | None
    price_usd: Decimal | None
    risk: bool | None
    flags: tuple[str, ...]

    @property
    def is_amount_known(self) -> bool:
        """Whether the balance can be counted with: as far as it is told, it is what the raw balance says."""
        if self.balance is None or DECIMALS_DISAGREE in self.flags or (self.balance == 0 and self.raw):
            return False
        if AMOUNTS_DISAGREE not in self.flags or self.raw is None:
            return True
        return _is_cut_off(self.balance, self.raw, decimals_of(self.chain, self.contract))

    @property
    def value_usd(self) -> Decimal | None:
        """Balance times price to a millionth of a dollar (`usd_value`); None when either is unknown."""
        if self.balance is None or self.price_usd is None or not self.is_amount_known:
            return None
        return usd_value(self.balance, self.price_usd)

    @property
    def is_nothing(self) -> bool:
        """Whether the row is one of no coins at all."""
        return not self.raw and (self.balance == 0 or (self.balance is None and self.raw == 0))


def read_holding(
    *, chain: str, contract: str | None, symbol: str, balance: str, raw: str, price: str, risk: bool | None
) -> Holding:
    """The holding that a row of texts describes.

    A balance, raw balance or price that is neither blank nor a plain, non-negative number is left unknown and the
    row flagged: what cannot be read exactly must not become an amount, and one odd token must not hide the others.
    Where only the raw balance is told, the decimals of a well-known asset make the balance of it; where both are
    told and make other decimals or none, neither is an amount, save a balance that was only cut off.
    """
    amount, base, rate = _number(balance), _number(raw, whole=True), _number(price)
    asset = asset_named(chain, contract, symbol)
    decimals, known = derive_decimals(amount, base), decimals_of(chain, asset)
    if amount and not raw.strip() and _fits(amount, known):
        decimals = known
    if base and not balance.strip() and known is not None:
        amount, decimals = scale(base, known), known
    # Without a contract nothing shows that a symbol is borne rightly.
    shown = clean_symbol(chain, asset or "?", symbol)
    found = {*shown.flags, *contract_flags(contract or "")}
    flags: tuple[str, ...] = tuple(flag for flag in FLAGS if flag in found)
    if not asset:
        flags = (*flags, CONTRACT_MISSING)
    if None not in (decimals, known) and decimals != known:
        flags, decimals = (*flags, DECIMALS_DISAGREE), None
    elif decimals is None and amount is not None and base is not None and (amount or base):
        flags = (*flags, AMOUNTS_DISAGREE)
    if any(text.strip() and number is None for text, number in ((balance, amount), (raw, base), (price, rate))):
        flags = (*flags, UNREADABLE_NUMBER)
    return Holding(
        chain=chain,
        contract=asset,
        symbol=shown.text,
        balance=amount,
        raw=None if base is None else int(base),
        decimals=decimals,
        price_usd=rate,
        risk=risk,
        flags=flags,
    )


def _fits(balance: Decimal, decimals: int | None) -> bool:
    """Whether a balance has no more places than an asset of so many decimals can have."""
    return decimals is not None and len(plain(balance).partition(".")[2]) <= decimals


def _is_cut_off(balance: Decimal, raw: int, known: int | None) -> bool:
    """Whether a balance is the raw one less its last digits; of one of 0 nothing was left."""
    if not balance or not raw:
        return False
    # Rounding up to a power of ten, or down from one, moves the first digit by a place.
    likely = Decimal(raw).adjusted() - balance.adjusted()
    tried = (likely, likely - 1, likely + 1) if known is None else (known,)
    unit = scale(1, len(plain(balance).partition(".")[2]))
    return any(
        total([scale(raw, decimals), balance.copy_negate()]).copy_abs() < unit
        for decimals in tried
        if 0 <= decimals <= MAX_DECIMALS
    )


def _number(text: str, *, whole: bool = False) -> Decimal | None:
    try:
        number = parse_amount(text)
    except BadNumber:
        return None
    if number is None or number < 0 or (whole and number != number.to_integral_value()):
        return None
    return number


def visible(holdings: Iterable[Holding], *, include_risk: bool) -> tuple[list[Holding], int]:
    """The holdings to show, in their order, and how many were hidden for upstream's risk flag."""
    kept = list(holdings)
    shown = [holding for holding in kept if include_risk or not holding.risk]
    return shown, len(kept) - len(shown)
