"""Which asset a contract is: the coin of its chain, a well-known token, or what anybody can have made."""

from __future__ import annotations

import re
from typing import Final

from .chain_text import clean
from .chains import KNOWN_CHAINS, NATIVE, Chain
from .known_tokens import is_coin_symbol, known_token

_EVM_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
_ADDRESS = re.compile(r"0x[0-9a-f]{40}|[1-9A-HJ-NP-Za-km-z]{32,44}")
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


def asset_named(chain: str, contract: str | None, symbol: str) -> str:
    """`asset_on` of a row; "" where upstream left out the contract of what no symbol shows to be the coin."""
    if contract is None and symbol.strip():
        coin = _known_chain(chain)
        # Of a chain that the table does not know nobody can tell which symbol its coin has.
        if coin is None or not is_coin_symbol(coin, symbol):
            return ""
    return asset_on(chain, contract or "")


def is_contract(asset: str) -> bool:
    """Whether an asset's name has the form of a contract, is `native` or is missing: all else is foreign text."""
    return asset in ("", NATIVE) or _ADDRESS.fullmatch(asset) is not None


def contract_flags(contract: str) -> tuple[str, ...]:
    """What the cleaning of a contract found."""
    return clean(contract.strip(), _CONTRACT_LIMIT).flags


def coin_rank(chain: str, symbol: str) -> int:
    """How well a symbol fits the coin of a chain: 0 for its own, 1 for none, 2 for another one."""
    coin = _known_chain(chain)
    if coin is not None and is_coin_symbol(coin, symbol):
        return 0
    return 2 if symbol.strip() else 1


def _known_chain(chain: str) -> Chain | None:
    return next((known for known in KNOWN_CHAINS if known.id == chain), None)


def is_known(chain: str, asset: str) -> bool:
    """Whether an asset is a chain's coin or a well-known token: what nobody else can issue."""
    return asset == NATIVE or known_token(chain, asset) is not None


def decimals_of(chain: str, asset: str) -> int | None:
    """The decimals of a chain's coin or of a well-known token; None for all others, whose contract alone knows."""
    if asset == NATIVE:
        coin = _known_chain(chain)
        return coin.native_decimals if coin else None
    token = known_token(chain, asset) if asset else None
    return token.decimals if token else None


def symbol_of(symbol: str, asset: str, chain: Chain) -> str:
    """The symbol to show: upstream's, or the coin's own where upstream gave none."""
    return symbol or (chain.native_symbol or "" if asset == NATIVE else "")
