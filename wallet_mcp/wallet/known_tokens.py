"""Well-known tokens by contract and by symbol, and tokens that only pretend to be one of them.

A symbol proves nothing: anybody can deploy a token called USDT. What a wallet holds is identified by its
contract, and the bundled table (`known_tokens.toml`) says which contracts the well-known symbols belong to.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from .addresses import NATIVE_PLACEHOLDER
from .chain_text import LOOKALIKE, SYMBOL_LIMIT, Cleaned, clean
from .chains import KNOWN_CHAINS, NATIVE, Chain

_NATIVE_CONTRACTS: Final = frozenset({"", NATIVE, NATIVE_PLACEHOLDER, "0x" + "0" * 40})
_EVM_ADDRESS_LENGTH: Final = 42
_KEPT_LENGTH: Final = 64

_FORMER_COIN_SYMBOLS: Final = {"137": "MATIC"}
"""Symbols that the coin of a chain bore, and that people and providers still use (Polygon's until 2024)."""

_BY_NAME: Final[dict[str, tuple[str, ...]]] = {
    "tether": ("USDT",),
    "tetherusd": ("USDT",),
    "usdcoin": ("USDC",),
    "bitcoin": ("WBTC", "cbBTC", "BTCB"),
    "btc": ("WBTC", "cbBTC", "BTCB"),
    "ether": ("ETH",),
    "ethereum": ("ETH",),
    "wrappedether": ("WETH",),
    "wrappedbitcoin": ("WBTC",),
    "binancecoin": ("BNB",),
    "bnbchain": ("BNB",),
    "polygon": ("POL",),
    "solana": ("SOL",),
    "monad": ("MON",),
    "plasma": ("XPL",),
    "arbitrum": ("ARB",),
    "optimism": ("OP",),
    "chainlink": ("LINK",),
    "uniswap": ("UNI",),
    "lido": ("LDO", "stETH"),
    "curve": ("CRV",),
    "pancakeswap": ("CAKE",),
    "shibainu": ("SHIB",),
    "dogecoin": ("DOGE",),
    "cardano": ("ADA",),
    "ripple": ("XRP",),
    "jupiter": ("JUP",),
    "raydium": ("RAY",),
    "dogwifhat": ("WIF",),
    "aerodrome": ("AERO",),
}

# Letters of other scripts that look like a Latin one (upper and lower case alike after case folding), Latin ones
# whose Unicode name does not tell, and the symbols that tokens use for letters. After NFKC, so styled Latin
# letters are plain already.
_SHAPES: Final[dict[str, str]] = {
    "a": "ᎪꓮаαɑꭺᗅᗩᐱɅΛ",
    "b": "ꓐᏴ₿вβьƅᗷᗸᗹ",
    "c": "Ꮯꓚсϲⲥꮯ¢ᑕᑢᒼ",
    "d": "ᎠꓓԁꭰÐƉᗞᗟᗠᗡᗪ",
    "e": "ᎬꓰΞеєεҽℯꭼ€ƐƎᗴᗕᕮ",
    "f": "ꓝϝꞙᖴ",
    "g": "Ꮆꓖɡցԍᘜ",
    "h": "Ꮋꓧнһηհᕼ",
    "i": "Ꮖꓲ¦іιıɩӏ|ǀ!ᛁ",
    "j": "Ꭻꓙјϳյᒍ",
    "k": "Ꮶꓗкκқⲕᛕ",
    "l": "ꓡⅼլᏞꮮ£ᒪ",
    "m": "Ꮇꓟмμϻⲙᗰ",
    "n": "ꓠпոνᑎиᴎŋ",
    "o": "ꓳоοσօⲟᗝ",
    "p": "Ꮲꓑрρⲣᑭƿ",
    "q": "ԛգᑫ",
    "r": "Ꮢꓣгᴦᖇяᴙ",
    "s": "Ꮪꓢѕտ$ᔕᔖ",
    "t": "Ꭲꓔтτⲧ₮₸",
    "u": "ꓴυսцᑌ",
    "v": "Ꮩꓦѵⅴᐯᐺ",
    "w": "Ꮃꓪѡԝωաᗯ",
    "x": "ꓫхχⲭ×᙭᙮",
    "y": "ꓬуүγ¥",
    "z": "Ꮓꓜⲍᘔ",
}
_LATIN_BLOCKS: Final = (
    (0xC0, 0x250),
    (0x250, 0x2B0),
    (0x1D00, 0x1DC0),
    (0x2C60, 0x2C80),
    (0xA720, 0xA800),
    (0xAB30, 0xAB70),
)
# Small capitals, and letters with a stroke, a hook and the like; marks that NFKD parts from a letter are gone.
_LATIN_NAME = re.compile(
    r"LATIN (?:LETTER SMALL CAPITAL|(?:CAPITAL|SMALL) LETTER) (?:BARRED |DOTLESS )?([A-Z])(?: (?:WITH|BAR)\b.*)?"
)


@dataclass(frozen=True, slots=True)
class KnownToken:
    """One token of the table. `contract` is the form to compare and send: EVM lower case, Solana as written."""

    chain: str
    contract: str
    symbol: str
    decimals: int


@dataclass(frozen=True, slots=True)
class _Table:
    by_contract: dict[tuple[str, str], KnownToken]
    by_symbol: dict[tuple[str, str], tuple[KnownToken, ...]]
    by_shape: dict[tuple[str, str], KnownToken]


def known_token(chain_id: str, contract: str) -> KnownToken | None:
    """The well-known token under this contract, EVM in any case, or None. Native coins are not in the table."""
    return _table().by_contract.get((chain_id, _canonical(contract)))


def tokens_by_symbol(chain_id: str, symbol: str) -> tuple[KnownToken, ...]:
    """The well-known tokens that a symbol means on a chain, case aside; none for native coins.

    Bridged copies that bear the symbol of another contract are not among them.
    """
    return _table().by_symbol.get((chain_id, symbol.strip().casefold()), ())


def is_coin_symbol(chain: Chain, symbol: str) -> bool:
    """Whether a symbol is that of the chain's own coin, or one that the coin bore before; case aside."""
    own = (chain.native_symbol, _FORMER_COIN_SYMBOLS.get(chain.id))
    return symbol.strip().casefold() in (name.casefold() for name in own if name)


def symbols_of_name(name: str) -> tuple[str, ...]:
    """The symbols that a well-known token's name may stand for (`tether`: USDT), to offer; none for all others."""
    return _BY_NAME.get("".join(char for char in name.casefold() if char.isalnum()), ())


def is_well_known(chain_id: str, contract: str, symbol: str) -> bool:
    """Whether a symbol is the one that its contract, or the coin of the chain, is well known by, case aside.

    Such a symbol is no foreign text: what it says stands in our own tables.
    """
    table, given = _table(), symbol.casefold()
    if _canonical(contract) in _NATIVE_CONTRACTS:
        return any(chain.id == chain_id and is_coin_symbol(chain, symbol) for chain in KNOWN_CHAINS)
    token = table.by_contract.get((chain_id, _canonical(contract)))
    if token is None:
        return False
    return token.symbol.casefold() == given or token in table.by_symbol.get((chain_id, given), ())


def imitates(chain_id: str, contract: str, symbol: str) -> KnownToken | None:
    """The token that this one passes itself off as, or None.

    That is one of the same chain, or its native coin (`contract` is then `native`), whose symbol reads the same
    once case, punctuation, hidden characters and look-alike letters are taken away, while the contract is
    another. A contract of the table imitates nothing, nor does the native coin itself.
    """
    key = _canonical(contract)
    table = _table()
    if key in _NATIVE_CONTRACTS or (chain_id, key) in table.by_contract:
        return None
    for shape in _shapes(symbol):
        original = table.by_shape.get((chain_id, shape))
        if original is not None:
            return original
    return None


def clean_symbol(chain_id: str, contract: str, symbol: object) -> Cleaned:
    """The cleaned text of a token's symbol with its flags, `lookalike` among them where it imitates another."""
    # A wallet holds few symbols many times over, and each is asked for again with every page.
    if isinstance(symbol, str) and len(symbol) <= _KEPT_LENGTH:
        return _kept(chain_id, contract, symbol)
    return _cleaned(chain_id, contract, symbol)


@lru_cache(8192)
def _kept(chain_id: str, contract: str, symbol: str) -> Cleaned:
    return _cleaned(chain_id, contract, symbol)


def _cleaned(chain_id: str, contract: str, symbol: object) -> Cleaned:
    cleaned = clean(symbol, SYMBOL_LIMIT)
    # The cleaned text, for what a reader sees of it is what can deceive; hidden characters are gone from it.
    if imitates(chain_id, contract, cleaned.text) is None:
        return cleaned
    return Cleaned(cleaned.text, (*cleaned.flags, LOOKALIKE))


def _canonical(contract: str) -> str:
    given = contract.strip()
    is_evm = len(given) == _EVM_ADDRESS_LENGTH and given[:2] in ("0x", "0X")
    return given.lower() if is_evm or given.casefold() == NATIVE else given


def _shapes(symbol: str) -> tuple[str, ...]:
    """What a reader sees: once with case folded, once with the look-alikes of `i`, `o` and `s` made equal too.

    Only a lower-case `l` looks like `I`, so the second form is made before case is folded: `UNl` reads as `UNI`,
    `UNL` does not. A `$` is an `s` within a word and decoration at its start.
    """
    visible = unicodedata.normalize("NFKD", symbol)
    visible = "".join(c for c in visible if unicodedata.category(c) not in ("Mn", "Me", "Cf", "Cc", "Co"))
    visible = visible.strip().lstrip("$")
    by_case = visible.casefold().translate(_letters())
    by_look = visible.translate(_LOOKS).casefold().translate(_letters())
    shapes = ("".join(c for c in text if c.isalnum()) for text in (by_case, by_look))
    return tuple(dict.fromkeys(shape for shape in shapes if shape))


@cache
def _letters() -> dict[int, str]:
    """Every look-alike, and the squared, circled and regional capitals that NFKC leaves as they are."""
    table: dict[int, str] = {}
    for code in (code for block in _LATIN_BLOCKS for code in range(*block)):
        named = _LATIN_NAME.fullmatch(unicodedata.name(chr(code), ""))
        if named is not None:
            table[code] = named[1].lower()
    table |= {ord(char): latin for latin, chars in _SHAPES.items() for folded in chars for char in folded.casefold()}
    for start in (0x1F150, 0x1F170, 0x1F1E6):
        table.update({start + offset: chr(ord("a") + offset) for offset in range(26)})
    return table


_LOOKS: Final = str.maketrans({"l": "i", "1": "i", "0": "o", "5": "s"})


@cache
def _table() -> _Table:
    text = resources.files(__package__).joinpath("known_tokens.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)
    by_contract: dict[tuple[str, str], KnownToken] = {}
    by_symbol: dict[tuple[str, str], tuple[KnownToken, ...]] = {}
    by_shape: dict[tuple[str, str], KnownToken] = {}
    for row in rows["tokens"]:
        token = KnownToken(row["chain"], _canonical(row["contract"]), row["symbol"], row["decimals"])
        by_contract[token.chain, token.contract] = token
        for symbol in (token.symbol, *row.get("also", ())):
            key = (token.chain, symbol.casefold())
            by_symbol[key] = (*by_symbol.get(key, ()), token)
            for shape in _shapes(symbol):
                by_shape.setdefault((token.chain, shape), token)
    for row in rows["variants"]:
        token = KnownToken(row["chain"], _canonical(row["contract"]), row["symbol"], row["decimals"])
        by_contract[token.chain, token.contract] = token
    for chain in KNOWN_CHAINS:
        if chain.native_symbol and chain.native_decimals is not None:
            coin = KnownToken(chain.id, NATIVE, chain.native_symbol, chain.native_decimals)
            for symbol in filter(None, (chain.native_symbol, _FORMER_COIN_SYMBOLS.get(chain.id))):
                for shape in _shapes(symbol):
                    by_shape[chain.id, shape] = coin
    return _Table(by_contract, by_symbol, by_shape)
