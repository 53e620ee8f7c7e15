"""The chains of the wallet API, and which of them a person means.

The table is the live list of contract §3.1. It serves when that list cannot be had, and adds what the list does
not tell: the native coin and the names people use. A spelling either means exactly one chain or is refused:
nothing is guessed and nothing has a default.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final, Literal, TypeAlias

from .chain_text import NAME_LIMIT, SYMBOL_LIMIT, clean

Family: TypeAlias = Literal["evm", "solana", "other"]

NATIVE: Final = "native"
"""What stands in the place of a contract for the coin of a chain, in questions and answers."""

ASKED_LIMIT: Final = 40


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain: `id` as upstream spells it (`binanceChainId`), its names, its native coin where known.

    `honeypot_checked` says whether upstream looks for honeypots there (contract §3.2): elsewhere a token that is
    not flagged was not examined either.
    """

    id: str
    name: str
    short_name: str
    family: Family
    native_symbol: str | None
    native_decimals: int | None
    honeypot_checked: bool


KNOWN_CHAINS: Final[tuple[Chain, ...]] = (
    Chain("1", "Ethereum", "ETH", "evm", "ETH", 18, True),
    Chain("56", "BNB Chain", "BSC", "evm", "BNB", 18, True),
    Chain("137", "Polygon", "MATIC", "evm", "POL", 18, False),
    Chain("8453", "Base", "BASE", "evm", "ETH", 18, True),
    Chain("42161", "Arbitrum One", "ARB", "evm", "ETH", 18, False),
    Chain("10", "Optimism", "OP", "evm", "ETH", 18, False),
    Chain("59144", "Linea", "LINEA", "evm", "ETH", 18, False),
    Chain("143", "Monad", "MONAD", "evm", "MON", 18, False),
    Chain("9745", "Plasma", "PLASMA", "evm", "XPL", 18, False),
    Chain("CT_501", "Solana", "SOL", "solana", "SOL", 9, True),
)
"""The live list of 2026-10-02, in its order (contract §3.1; honeypot checks: §3.2)."""

# Names, tickers and common misspellings beside the id, name and short name of the table. `erc20`, `evm`,
# `mainnet` and `l2` are absent on purpose: each fits several chains.
_ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "1": (
        "ether, ethereum mainnet, eth mainnet, ethereum main net, ethereum l1, ethereum 1, eth1, eth l1, homestead",
        "ethereum erc20, eth erc20",
        "etherium, etherum, ethereium, ethreum, etheruem, ethereun, etheruim, etherem, ehtereum, eherium, etheriun",
    ),
    "56": (
        "bnb, bnb smart chain, bnb smartchain, binance smart chain, binance smartchain, binance chain, binance",
        "bep20, bnb bsc, bsc bnb, bsc bep20, bnb bep20, smart chain, smartchain, bnbchain, bscchain, bnb mainnet",
        "binnance smart chain, binace smart chain, binanse smart chain, binance smart chian, bnb smart chian, bsc20",
    ),
    "137": (
        "pol, polygon pos, polygon proof of stake, matic network, polygon matic, polygon mainnet, matic pos",
        "poligon, polygone, polgon, polygn, ploygon, polygom, pollygon, poly gon",
    ),
    "8453": ("base l2, base mainnet, coinbase base, base chain, base network, basechain, base eth",),
    "42161": (
        "arbitrum, arb1, arb one, arbitrum 1, arbitrum mainnet, arbitrum l2, arbone",
        "arbitrium, aribtrum, abitrum, arbitum, arbritrum, arbitrun, arbirtum, arbitrom, arbitrum on",
    ),
    "10": (
        "op mainnet, optimism mainnet, optimistic ethereum, optimism l2, op optimism, oeth",
        "optimisim, optimisum, optimsm, optimizm, optimisn, optimism op, otimism, optimisme",
    ),
    "59144": ("linea mainnet, linea l2, line a, consensys linea, linia, lineaa, linnea",),
    "143": ("mon, monad mainnet, monad l1, mondad, monand, monadd",),
    "9745": ("xpl, plasma mainnet, plasma l1, plasm, plazma, plasma xpl",),
    "CT_501": (
        "501, spl, solana mainnet, solana mainnet beta, sol mainnet, solana spl, solana sol",
        "solona, salana, solanna, solan, soalna, sloana, solanaa",
    ),
}

# Chains that people ask for and upstream's wallet module does not list (contract §3.1 names Tron).
_NOT_SERVED: Final[dict[str, str]] = {
    "Tron": "trx, trc20, ct195, tron mainnet, 728126428",
    "Bitcoin": "btc, ct0, bitcoin mainnet, lightning",
    "Avalanche": "avax, avalanche c, avax c, c chain, 43114",
    "opBNB": "op bnb, opbnb mainnet, 204",
    "BNB Beacon Chain": "bep2, beacon, ct714",
    "zkSync Era": "zksync, zk sync, era, zksync2, 324",
    "Polygon zkEVM": "polygonzkevm, 1101",
    "Arbitrum Nova": "nova, arb nova, 42170",
    "Sui": "sui mainnet, ct784",
    "Aptos": "apt, ct637",
    "TON": "the open network, toncoin, ct607, telegram open",
    "Fantom": "ftm, fantom opera, 250",
    "Sonic": "sonic mainnet, 146",
    "Scroll": "534352",
    "Blast": "81457",
    "Mantle": "mnt, 5000",
    "Gnosis": "xdai, gno, 100",
    "Celo": "42220",
    "Cronos": "cro, 25",
    "Moonbeam": "glmr, 1284",
    "Manta Pacific": "manta, 169",
    "Mode": "34443",
    "Metis": "andromeda, 1088",
    "Berachain": "bera, 80094",
    "Unichain": "130",
    "World Chain": "world, 480",
    "Ink": "57073",
    "Abstract": "2741",
    "HyperEVM": "hyperliquid, hype, 999",
    "Sei": "sei evm, 1329",
    "Ronin": "2020",
    "Kaia": "klaytn, 8217",
    "Merlin": "4200",
    "X Layer": "okx, okb, 196",
    "Zora": "7777777",
    "Taiko": "167000",
    "Starknet": "strk",
    "NEAR": "near protocol",
    "Cardano": "ada",
    "Polkadot": "dot",
    "Cosmos": "atom, cosmos hub",
    "XRP Ledger": "xrp, ripple, xrpl",
    "Litecoin": "ltc, ct2",
    "Dogecoin": "doge, ct3",
    "Ethereum Classic": "etc, 61",
    "Bitcoin Cash": "bch, ct145",
}
# Words for many chains at once: refused, with the first EVM chains of the list to choose from.
_SEVERAL = frozenset({"erc20", "evm", "mainnet", "l1", "l2", "layer1", "layer2", "rollup"})
_TEST_NETWORK: Final = "a test network"
_TEST_WORDS = re.compile(r"testnet|devnet|sepolia|holesky|hoodi|goerli|amoy|mumbai|fuji|chapel|rinkeby|ropsten|kovan")
_TEST_IDS = frozenset({"97", "11155111", "17000", "560048", "80002", "84532", "421614", "11155420", "59141", "10143"})

_DECORATION = re.compile(
    r"(?:chainid|networkid|chain|network|eip155)(?=[0-9]+$)|(?:mainnet|blockchain|network|chain)$"
)
# `56.0` is what becomes of 56 where it passes through a float.
_NUMERIC_ID = re.compile(r"([0-9]+)(?:\.0)?", re.ASCII)
_HEX_ID = re.compile(r"0x[0-9a-f]{1,8}", re.ASCII)
_NAMESPACE = re.compile(r"^\s*eip155\s*:\s*(?=[0-9])")
_PARTED_DIGITS = re.compile(r"[0-9][^a-z0-9]+[0-9]", re.ASCII)
_TWO_NAMES = re.compile(r"([^()]+)\(([^()]+)\)\s*")
_FOREIGN_ID_CHARS = re.compile(r"[^A-Za-z0-9_-]")
_ID_LIMIT = 32
_LONGEST_SPELLING = 200
_NEAREST = 3


class ChainUnresolved(ValueError):
    """A chain name that means none of the served chains, or more than one.

    `asked` is the text, cleaned and at most 40 characters (a longer text is not repeated: it may be a key);
    `nearest` are the most similar served chains, most similar first; `not_served` is the name of a chain that
    exists but is not on the wallet API's list.
    """

    def __init__(self, asked: str, nearest: tuple[Chain, ...], not_served: str | None = None) -> None:
        self.asked = asked
        self.nearest = nearest
        self.not_served = not_served
        what = f"{not_served} is not served by the wallet API" if not_served else f"unknown chain '{asked}'"
        near = ", ".join(f"{chain.name} ({chain.id})" for chain in nearest)
        super().__init__(f"{what}; nearest: {near}" if near else what)


def chain_from_listing(id: str, name: str, short_name: str) -> Chain:
    """The chain that one row of the live list describes, even one that the table does not know.

    Names are upstream text and come out cleaned; where blank, the table's or the id stand in. The family follows
    from the id: digits are EVM, `CT_501` is Solana, all else is `other` (contract §1.12). Of an unknown chain
    the native coin stays unknown. Characters that no id has become `_`, so that an id never reads as two.
    """
    shown_id = _FOREIGN_ID_CHARS.sub("_", id.strip())[:_ID_LIMIT]
    shown_name = clean(name, NAME_LIMIT).text
    shown_short = clean(short_name, SYMBOL_LIMIT).text
    known = _BY_ID.get(shown_id)
    if known is not None:
        return replace(known, name=shown_name or known.name, short_name=shown_short or known.short_name)
    family: Family = "evm" if shown_id.isascii() and shown_id.isdigit() else "other"
    fallback = shown_short or shown_name or shown_id
    return Chain(shown_id, shown_name or fallback, fallback, family, None, None, False)


def is_own_name(chain: Chain) -> bool:
    """Whether a chain is called as in the table: other names are upstream text."""
    known = _BY_ID.get(chain.id)
    return known is not None and (known.name, known.short_name) == (chain.name, chain.short_name)


def resolve_chain(text: str, served: Sequence[Chain] = KNOWN_CHAINS) -> Chain:
    """The served chain that the text names: its id, name, short name or a common alias or misspelling.

    Case, white space and punctuation do not count, except that they part digits: `5.6` is not 56. What holds no
    letter is an id as it stands, or one with `.0`. `chain id 56`, `eip155:56`, `0x38`, a trailing `chain`,
    `network` or `mainnet`, and two names that agree, `BNB Chain (56)`, are understood. Raises `ChainUnresolved` for
    everything else, also where a spelling fits two served chains, or name and id are of two.
    """
    exact = text.strip()
    for chain in served:
        if chain.id and chain.id == exact:
            return chain
    named = [chain for chain in served if exact.casefold() in (chain.name.casefold(), chain.short_name.casefold())]
    if len(named) == 1 and _PARTED_DIGITS.search(exact):
        # A name such as `Chain 2.0`, in full.
        return named[0]
    pair = _TWO_NAMES.fullmatch(text[:_LONGEST_SPELLING])
    ids = {chain.id.casefold() for chain in served}
    if pair is not None and any(part.strip().casefold() in ids for part in pair.groups()):
        return _agreed(text, pair, served)
    for key in _spellings(text):
        found = [chain for chain in served if key in _keys(chain)]
        by_id = [chain for chain in found if key == _key(chain.id)]
        if len(by_id or found) == 1:
            return (by_id or found)[0]
        if found:
            raise ChainUnresolved(_asked(text), tuple(found[:_NEAREST]))
        # The list may have grown: a chain that the table calls not served has names there, too.
        names = _NOT_SERVED_NAMES.get(_NOT_SERVED_KEYS.get(key, ""), frozenset())
        grown = [chain for chain in served if names & _own_keys(chain)]
        if len(grown) == 1:
            return grown[0]
    not_served = _not_served(text, served)
    if pair is not None and not_served is None:
        return _agreed(text, pair, served)
    raise ChainUnresolved(_asked(text), _nearest(_key(text), served), not_served)


def chains_of_family(family: Family, served: Sequence[Chain] = KNOWN_CHAINS) -> tuple[Chain, ...]:
    """The served chains of one family, in the order of the list."""
    return tuple(chain for chain in served if chain.family == family)


def _agreed(text: str, pair: re.Match[str], served: Sequence[Chain]) -> Chain:
    """The chain that two names mean, as our own answers and others write them. Raises `ChainUnresolved`.

    It is told as not served where one name says so and the other means no other chain that is not served.
    """
    found: dict[str, Chain] = {}
    unresolved: list[ChainUnresolved] = []
    for part in pair.groups():
        try:
            chain = resolve_chain(part, served)
            found[chain.id] = chain
        except ChainUnresolved as error:
            unresolved.append(error)
    if unresolved:
        named = {error.not_served for error in unresolved}
        not_served = named.pop() if len(named) == 1 else None
        raise ChainUnresolved(_asked(text), unresolved[0].nearest, not_served)
    if len(found) > 1:
        raise ChainUnresolved(_asked(text), tuple(found.values()))
    return next(iter(found.values()))


def _folded(text: str) -> str:
    """Case and full-width forms folded. Empty for a long text."""
    return "" if len(text) > _LONGEST_SPELLING else unicodedata.normalize("NFKC", text).casefold()


def _key(text: str) -> str:
    """What is compared: letters and digits only, case and full-width forms folded. Empty for a long text."""
    return "".join(char for char in _folded(text) if char.isalnum())


def _listed(names: Iterable[str]) -> Iterable[str]:
    return (_key(name) for line in names for name in line.split(","))


_BY_ID: Final = {chain.id: chain for chain in KNOWN_CHAINS}
_KEYS: Final = {
    chain.id: frozenset(_listed((chain.id, chain.name, chain.short_name, *_ALIASES[chain.id])))
    for chain in KNOWN_CHAINS
}
_NOT_SERVED_NAMES: Final = {name: frozenset(_listed((name, others))) for name, others in _NOT_SERVED.items()}
_NOT_SERVED_KEYS: Final = {key: name for name, keys in _NOT_SERVED_NAMES.items() for key in keys}


def _own_keys(chain: Chain) -> frozenset[str]:
    return frozenset(key for key in (_key(chain.id), _key(chain.name), _key(chain.short_name)) if key)


def _keys(chain: Chain) -> frozenset[str]:
    return _own_keys(chain) | _KEYS.get(chain.id, frozenset())


def _spellings(text: str) -> Iterable[str]:
    """The key of the text, then what is left of it without the words that people put around a name.

    None at all where digits would have to be joined or a sign be dropped to make one: `5.6` and `-56` are not 56.
    """
    folded = _NAMESPACE.sub("eip155", _folded(text)).strip()
    if not any(char.isalpha() for char in folded):
        number = _NUMERIC_ID.fullmatch(folded)
        if number is not None:
            yield number[1]
        return
    if _PARTED_DIGITS.search(folded):
        return
    key = str(int(folded, 16)) if _HEX_ID.fullmatch(folded) else _key(folded)
    while key:
        yield key
        shorter = _DECORATION.sub("", key, count=1)
        if shorter == key:
            break
        key = shorter


def _not_served(text: str, served: Sequence[Chain]) -> str | None:
    key = _key(text)
    if _TEST_WORDS.search(key):
        return _TEST_NETWORK
    for spelling in _spellings(text):
        if spelling in _TEST_IDS:
            return _TEST_NETWORK
        if spelling in _NOT_SERVED_KEYS:
            return _NOT_SERVED_KEYS[spelling]
        # The served list may be shorter than the table: a chain that upstream dropped is known by name, too.
        for chain in KNOWN_CHAINS:
            if spelling in _KEYS[chain.id] and all(other.id != chain.id for other in served):
                return chain.name
    return None


def _nearest(key: str, served: Sequence[Chain]) -> tuple[Chain, ...]:
    if key in _SEVERAL:
        return chains_of_family("evm", served)[:_NEAREST]

    def likeness(chain: Chain) -> float:
        return max((SequenceMatcher(None, key[:ASKED_LIMIT], own).ratio() for own in _keys(chain)), default=0)

    return tuple(sorted(served, key=likeness, reverse=True)[:_NEAREST])


def _asked(text: str) -> str:
    stripped = text.strip()
    if len(stripped) > ASKED_LIMIT:
        return "(a long text, not repeated)"
    return clean(stripped, ASKED_LIMIT).text
