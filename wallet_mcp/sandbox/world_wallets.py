"""The wallets of the sandbox and what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Final

from wallet_mcp.sandbox.world_chains import CHAIN_BY_ID
from wallet_mcp.sandbox.world_model import (
    SOLANA,
    Holding,
    Token,
    canonical,
    made_address,
    made_number,
    scaled,
)
from wallet_mcp.sandbox.world_tokens import HOSTILE, known

WALLETS: Final[Mapping[str, str]] = {
    "rich": "0x4228cfc4DA1cBf51483a344D2d366ff6dd6FCEbe",
    "solana": "MfhnAoBwoXSqSWct9ZiKUYz3rqLr1LWApwhmd9jYkif",
    "empty": "0x18b6f29E72537872dc0aBA0cB31553a866ee51C9",
    "whale": "0x660FFB70C3093397A18F640DCb848D0E6E321749",
    "history": "0x262c439FBc6C2e2207407031C4245c95a954C405",
    "unavailable": "0xA955E27CA5d17eF4389f2346e5e3Df29F9c3Be6E",
    "broken_history": "0xD9fd3A91F00524c48c6fA025A032F1b49422869d",
}
"""Label -> address: the first 20 bytes (Solana: all 32) of SHA-256 of `wallet-mcp sandbox wallet: <label>`."""

WHALE_TOKENS: Final = 2_143

NATIVE: Final = ""

# Label of the wallet -> chain -> (symbol of a known token or "" for the coin, balance in base units).
_KNOWN_HOLDINGS: Final[Mapping[str, Mapping[str, tuple[tuple[str, int], ...]]]] = {
    "rich": {
        "1": (
            (NATIVE, 4_218375190246813579),
            ("USDT", 12_500_250000),
            ("USDC", 8_421_073311),
            ("WETH", 1_500000000000000000),
            ("WBTC", 35012345),
            ("DAI", 1_520_004200000000000017),
            ("LINK", 240_500000000000000000),
            ("UNI", 88_000000000000000000),
            ("AAVE", 12_750000000000000000),
            ("stETH", 2_000000000000000001),
            ("wstETH", 750000000000000000),
            ("SHIB", 15_250_000_000000000000000000),
            ("PEPE", 120_000_000_123456789012345678),
            ("LDO", 410_000000000000000000),
            ("CRV", 900_250000000000000000),
            ("ENS", 25_000000000000000000),
            ("GUSD", 75_50),
        ),
        "56": (
            (NATIVE, 6_420918273645019283),
            ("USDT", 3_310_500000000000000000),
            ("USDC", 950_000000000000000000),
            ("Cake", 512_340000000000000000),
            ("BTCB", 80000000000000000),
            ("ETH", 900000000000000000),
            ("DOGE", 4_200_12345678),
            ("XRP", 350_000000000000000000),
            ("ADA", 610_500000000000000000),
            ("NVDAB", 25957237393326391),
        ),
        "8453": (
            (NATIVE, 612345678901234567),
            ("USDC", 5_020_110000),
            ("WETH", 250000000000000000),
            ("cbBTC", 4210000),
            ("AERO", 800_000000000000000000),
            ("DEGEN", 25_000_000000000000000000),
        ),
        "42161": (
            (NATIVE, 330000000000000000),
            ("USDC", 1_200_000000),
            ("USDC.e", 75_000001),
            ("USDT", 640_400000),
            ("ARB", 1_500_000000000000000000),
            ("GMX", 20_000000000000000000),
            ("WBTC", 1000000),
        ),
        "137": (
            (NATIVE, 820_400000000000000000),
            ("USDC", 300_000000),
            ("USDC.e", 12_340000),
            ("USDT", 44_100000),
            ("WETH", 50000000000000000),
            ("AAVE", 1_500000000000000000),
        ),
        "10": (
            (NATIVE, 120000000000000001),
            ("OP", 300_000000000000000000),
            ("USDC", 40_250000),
        ),
    },
    "solana": {
        SOLANA: (
            (NATIVE, 38_512345678),
            ("USDC", 2_740_019283),
            ("USDT", 150_000000),
            ("Bonk", 18_250_000_12345),
            ("JUP", 1_420_500000),
            ("mSOL", 5_250000001),
            ("JitoSOL", 3_000000000),
            ("RAY", 96_000000),
            ("$WIF", 310_250000),
            ("PYTH", 2_000_000000),
        ),
    },
    "history": {
        "1": ((NATIVE, 1_904817263540918273), ("USDT", 2_048_160000), ("USDC", 731_450000)),
        "56": ((NATIVE, 3_075000000000000000), ("USDT", 412_000000000000000000)),
        "8453": ((NATIVE, 90817263540918273), ("USDC", 64_500000)),
    },
    "broken_history": {
        "1": ((NATIVE, 500000000000000000), ("USDC", 100_000000)),
        "56": ((NATIVE, 2_000000000000000000),),
    },
    "whale": {
        "56": (
            (NATIVE, 18_204_918273645019283746),
            ("USDT", 4_150_000_000000000000000000),
            ("USDC", 1_225_000_500000000000000000),
            ("WBNB", 2_500_000000000000000000),
            ("Cake", 310_000_000000000000000000),
            ("BTCB", 42_000000000000000000),
            ("ETH", 815_250000000000000000),
            ("DOGE", 9_500_000_00000000),
        ),
    },
}

_HOSTILE_HOLDINGS: Final[Mapping[str, Mapping[str, int]]] = {
    "rich": {
        "fake_usdt": 250_000_000000,
        "cyrillic_usdt": 48_000_000000,
        "url": 5_000_000000000000000000,
        "bidi": 1_000_000000,
        "dust": 1,
        "zero_width": 777_000000000000000000,
        "instruction": 1_000000000,
        "telegram": 3_000_000000000000000000,
        "markup": 42_000000000000000000,
        "system": 1_000000000000000000,
        "honeypot": 1_000_000000000000000000,
        "tags": 250_000000000000000000,
        "long": 9_000000000000000000,
    },
    "solana": {"solana_url": 100_000000, "solana_newline": 1_000000},
}

# Where the provider exposes no balance in base units (contract §3.2: `rawBalance` "").
_WITHOUT_RAW: Final = frozenset({("rich", "137", "WETH"), ("rich", "137", "AAVE"), ("solana", SOLANA, "PYTH")})

_SYLLABLES: Final = ("BA", "CO", "DO", "ELO", "FI", "GU", "HY", "INU", "KA", "LU", "MEO", "NO", "PU", "RA", "ZU")
_SPAM: Final = (
    "Claim at bnb-{n}.example",
    "{n} BNB airdrop: t.me/drop{n}",
    "Voucher {n} https://gift{n}.example",
)


@cache
def holdings(label: str, chain: str) -> tuple[Holding, ...]:
    """What the wallet of that label holds on that chain: the native coin first, then by contract."""
    return tuple(sorted(_held(label, chain), key=lambda holding: holding.contract))


def _held(label: str, chain: str) -> Iterator[Holding]:
    for symbol, raw in _KNOWN_HOLDINGS.get(label, {}).get(chain, ()):
        token = known(chain, symbol) if symbol else _coin(chain)
        yield _holding(token, raw, has_raw=(label, chain, symbol) not in _WITHOUT_RAW)
    for name, raw in _HOSTILE_HOLDINGS.get(label, {}).items():
        if (token := HOSTILE[name]).chain == chain:
            yield _holding(token, raw)
    if label == "whale" and chain == "56":
        for index in range(WHALE_TOKENS - len(_KNOWN_HOLDINGS["whale"]["56"])):
            yield _junk(index)


def _coin(chain: str) -> Token:
    coin = CHAIN_BY_ID[chain]
    return Token(chain, NATIVE, coin.native_symbol, coin.native_decimals, coin.native_price)


def _holding(token: Token, raw: int, *, has_raw: bool = True) -> Holding:
    return Holding(
        contract=canonical(token.contract),
        symbol=token.symbol,
        balance=scaled(raw, token.decimals),
        raw=raw if has_raw else None,
        decimals=token.decimals,
        price=Decimal(token.price) if token.price else None,
        risk=token.risk,
    )


def _junk(index: int) -> Holding:
    """One of the whale's made-up tokens: of 20, twelve unpriced, five risky, three priced."""
    name = f"junk {index}"
    lot = made_number(name + " lot", 0, 19)
    decimals = (6, 8, 9, 18)[index % 4]
    symbol = "".join(_SYLLABLES[made_number(f"{name} {part}", 0, len(_SYLLABLES) - 1)] for part in range(2))
    price = ""
    if 12 <= lot < 17:
        symbol = _SPAM[index % len(_SPAM)].format(n=index)
        price = "" if lot < 15 else "0.5"
    elif lot >= 17:
        # Prices below a cent with 24 decimals, as thin pools produce them.
        price = f"0.00{made_number(name + ' price', 1, 10**22 - 1):022d}"
    token = Token("56", made_address("56", name), symbol, decimals, price, 12 <= lot < 17)
    return _holding(token, made_number(name + " raw", 1, 10 ** min(decimals + 4, 18)))
