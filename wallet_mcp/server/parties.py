"""Counterparties by short names, so that no address stands in an answer twice.

A label of WALLET_MCP_WALLETS; `contract:USDC` for the contract of a token in the answer's assets; `p1` for what else
occurs more than once. All others stay whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from wallet_mcp.wallet.history import Transaction, first_parties, party_text
from wallet_mcp.wallet.labels import Labels

Assets: TypeAlias = Mapping[str, Mapping[str, str]]
"""Chain -> symbol -> contract, for each symbol that means one contract only in an answer."""

_NUMBERED: Final = re.compile(r"p[0-9]{1,4}", re.IGNORECASE | re.ASCII)
_OF_TOKEN: Final = "contract:"
# Several names stand side by side, and a symbol is chain text: only a plain one can be part of a name.
_PLAIN_SYMBOL: Final = re.compile(r"[A-Za-z0-9]{1,20}", re.ASCII)
_EVM: Final = re.compile(r"0x[0-9a-f]{40}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Parties:
    """The names of an answer: `addresses` tells which of those without a contract means whom, as first met."""

    addresses: Mapping[str, str]
    _names: Mapping[str, str]
    _tokens: Mapping[tuple[str, str], str]

    def text(self, chain: str, counterparties: Sequence[str]) -> str:
        """The counterparties of a movement as its row shows them: names, else whole addresses."""
        shown, more = first_parties(counterparties)
        return party_text([self._name(chain, address) for address in shown], more)

    def _name(self, chain: str, address: str) -> str:
        key = party_key(address)
        return self._names.get(key) or self._tokens.get((chain, key)) or address


def is_party_name(text: str) -> bool:
    """Whether a text has the form of a name that means something inside one answer only."""
    given = text.strip().casefold()
    return given.startswith(_OF_TOKEN) or _NUMBERED.fullmatch(given) is not None


def parties_of(transactions: Iterable[Transaction], labels: Labels, assets: Assets) -> Parties:
    """The names of the parties of these transactions; `assets` are those that the answer lists."""
    tokens = {
        (chain, party_key(contract)): f"{_OF_TOKEN}{symbol}"
        for chain, contracts in assets.items()
        for symbol, contract in contracts.items()
        if _PLAIN_SYMBOL.fullmatch(symbol)
    }
    labelled = _labels_by_key(labels)
    taken = {label.casefold() for label in labels.addresses}
    mentions: Counter[str] = Counter()
    shown: dict[str, str] = {}
    for chain, address in _mentions(transactions):
        key = party_key(address)
        if key in labelled or (chain, key) not in tokens:
            mentions[key] += 1
            shown.setdefault(key, address)
    names: dict[str, str] = {}
    number = 0
    for key, count in mentions.items():
        # Upstream's text could look like a name of ours: then it must not stand where one may stand.
        if key in labelled:
            names[key] = labelled[key]
        elif count > 1 or is_party_name(key) or key.casefold() in taken:
            number += 1
            while f"p{number}" in taken:
                number += 1
            names[key] = f"p{number}"
    return Parties({name: shown[key] for key, name in names.items()}, names, tokens)


def common_counterparties(transaction: Transaction) -> tuple[str, ...]:
    """The counterparties that all movements of a transaction share; none where there is one movement only."""
    # Of those that are left out nobody could tell.
    if len(transaction.movements) < 2 or transaction.more:
        return ()
    first, *others = (movement.counterparties for movement in transaction.movements)
    keys = list(map(party_key, first))
    return first if all(list(map(party_key, other)) == keys for other in others) else ()


def labels_of(addresses: Iterable[str], labels: Labels) -> dict[str, str]:
    """Label -> address for those of the addresses that have one."""
    labelled = _labels_by_key(labels)
    return {labelled[party_key(address)]: address for address in addresses if party_key(address) in labelled}


def _mentions(transactions: Iterable[Transaction]) -> Iterator[tuple[str, str]]:
    """Chain and address wherever a row would show one."""
    for transaction in transactions:
        common = common_counterparties(transaction)
        for place in [common] if common else [movement.counterparties for movement in transaction.movements]:
            for address in first_parties(place)[0]:
                yield transaction.chain, address


def _labels_by_key(labels: Labels) -> dict[str, str]:
    # Of several labels of one address the first counts, as for the wallet asked about.
    return {address.key: label for label, address in reversed(list(labels.addresses.items()))}


def party_key(address: str) -> str:
    """What is the same of two spellings of one address: an EVM one is the same in any case."""
    return address.lower() if _EVM.fullmatch(address) else address
