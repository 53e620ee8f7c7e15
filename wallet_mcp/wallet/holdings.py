"""What a token row of the balance endpoints means: which asset, how much of it, what it is worth."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from .chain_text import clean
from .chains import KNOWN_CHAINS
from .known_tokens import clean_symbol, known_token
from .money import BadNumber, derive_decimals, parse_amount, plain, usd_value

NATIVE: Final = "native"
"""How the native coin of a chain is spelled here, in questions and answers."""

AMOUNTS_DISAGREE: Final = "amounts_disagree"
"""The flag of a row whose balance and raw balance are not the same amount at any number of decimals."""

UNREADABLE_NUMBER: Final = "unreadable_number"
"""The flag of a row with a balance, raw balance or price that is no plain, non-negative number."""

_EVM_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
_CONTRACT_LIMIT: Final = 100

# Spellings of the native coin in answers: contract §3.2 and §3.3; the last two are Solana's customary ones.
_NATIVE_SPELLINGS: Final = frozenset(
    {
        "",
        NATIVE,
        "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
        "0x0000000000000000000000000000000000000000",
        "11111111111111111111111111111111",
        "So11111111111111111111111111111111111111111",
    }
)

# Contracts that are the coin of their chain over again: a balance of one is the balance of the other.
_COIN_CONTRACTS: Final = frozenset({("137", "0x0000000000000000000000000000000000001010")})


@dataclass(frozen=True, slots=True)
class Holding:
    """An asset that an address holds, identified by chain and contract; the symbol is only a label.

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
    def value_usd(self) -> Decimal | None:
        """Balance times price to a millionth of a dollar (`usd_value`); None when either is unknown."""
        if self.balance is None or self.price_usd is None:
            return None
        return usd_value(self.balance, self.price_usd)


def asset_of(contract: str) -> str:
    """The canonical spelling of a contract, cleaned: `native`, lower case for EVM, as given for all others."""
    trimmed = contract.strip()
    if trimmed.lower() in _NATIVE_SPELLINGS or trimmed in _NATIVE_SPELLINGS:
        return NATIVE
    # Upstream text like any other: a real contract comes out of the cleaning as it went in.
    shown = clean(trimmed, _CONTRACT_LIMIT).text
    return shown.lower() if _EVM_ADDRESS.fullmatch(shown) else shown


def asset_on(chain: str, contract: str) -> str:
    """`asset_of` on a chain: `native` also for a contract that is the coin of this chain (POL on Polygon)."""
    asset = asset_of(contract)
    return NATIVE if (chain, asset) in _COIN_CONTRACTS else asset


def read_holding(
    *, chain: str, contract: str, symbol: str, balance: str, raw: str, price: str, risk: bool | None
) -> Holding:
    """The holding that a row of texts describes.

    A balance, raw balance or price that is neither blank nor a plain, non-negative number is left unknown and the
    row flagged: what cannot be read exactly must not become an amount, and one odd token must not hide the others.
    """
    amount, base, rate = _number(balance), _number(raw, whole=True), _number(price)
    asset = asset_on(chain, contract)
    decimals = derive_decimals(balance, raw) if amount and base else None
    if amount and not raw.strip():
        decimals = _table_decimals(chain, asset, amount)
    shown = clean_symbol(chain, asset, symbol)
    flags = shown.flags
    if decimals is None and amount is not None and base is not None and (amount or base):
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


def _table_decimals(chain: str, asset: str, balance: Decimal) -> int | None:
    """The decimals of a well-known asset, where the balance has no more places than that."""
    token = known_token(chain, asset)
    decimals = None if token is None else token.decimals
    if asset == NATIVE:
        decimals = next((known.native_decimals for known in KNOWN_CHAINS if known.id == chain), None)
    if decimals is None or len(plain(balance).partition(".")[2]) > decimals:
        return None
    return decimals


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
