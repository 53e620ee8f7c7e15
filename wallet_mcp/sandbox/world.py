"""The sandbox's world: fixed wallets, holdings and transactions, and the exact truth about them for tests.

Times hang on midnight UTC of the server's day on which the sandbox was made: hashes and amounts never change, nothing
lies in the future.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Final, NamedTuple

from wallet_mcp.sandbox import world_history, world_wallets
from wallet_mcp.sandbox.world_chains import CHAINS
from wallet_mcp.sandbox.world_history import DAY_S, HORIZON_DAYS
from wallet_mcp.sandbox.world_model import Chain, Holding, Movement, Transaction, canonical
from wallet_mcp.sandbox.world_wallets import WALLETS

__all__ = ["SETTLES_AFTER_S", "Chain", "Example", "Holding", "Movement", "Transaction", "World"]

SETTLES_AFTER_S: Final = 20
"""Seconds of event-loop time from the first question for a pending transaction to its success."""

_SETTLES_AFTER_NS: Final = SETTLES_AFTER_S * 1_000_000_000


class Example(NamedTuple):
    """A transaction worth asking about."""

    chain: str
    hash: str


class World:
    """What the sandbox knows, anchored at midnight UTC of the day of `now_ms` (milliseconds since 1970).

    Addresses, contracts and hashes are found in any letter case on EVM. Unknown ones have nothing: no error.
    """

    def __init__(self, now_ms: int) -> None:
        self.midnight_ms = now_ms - now_ms % (DAY_S * 1000)
        self.chains: tuple[Chain, ...] = CHAINS
        self.wallets: Mapping[str, str] = WALLETS
        self._labels = {canonical(address): label for label, address in WALLETS.items()}
        self._everything: dict[tuple[str, str], tuple[Transaction, ...]] = {}
        self._listed: dict[tuple[str, str], tuple[Transaction, ...]] = {}
        self._final: dict[str, Transaction] = {}
        self._first_asked_ns: dict[str, int] = {}

    def holdings(self, address: str, chain: str) -> tuple[Holding, ...]:
        """Everything the wallet holds on that chain, risk tokens included, in the order all-balances serves it."""
        label = self._labels.get(canonical(address))
        return () if label is None else world_wallets.holdings(label, chain)

    def transactions(self, address: str, chain: str, *, beyond_horizon: bool = False) -> tuple[Transaction, ...]:
        """The wallet's transactions on that chain as they stand at the start, newest first.

        Those older than six months are not served and come only with `beyond_horizon`.
        """
        label = self._labels.get(canonical(address))
        if label is None:
            return ()
        if (label, chain) not in self._listed:
            self._write(label, chain)
        return (self._everything if beyond_horizon else self._listed)[label, chain]

    def _write(self, label: str, chain: str) -> None:
        written = world_history.write(label, chain, self.midnight_ms)
        self._final |= {tx.hash: replace(tx, pending=None) for tx in written if tx.pending}
        everything = tuple(_as_pending(tx) if tx.pending else tx for tx in written)
        self._everything[label, chain] = everything
        self._listed[label, chain] = tuple(tx for tx in everything if tx.time_ms >= self.horizon_ms)

    @property
    def horizon_ms(self) -> int:
        """The time of the oldest transaction that may be listed, milliseconds since 1970."""
        return self.midnight_ms - HORIZON_DAYS * DAY_S * 1000

    def refusal(self, address: str, *, history: bool = False) -> int | None:
        """The code that every question about this address gets (`history`: about its history), or None."""
        label = self._labels.get(canonical(address))
        if label == "unavailable":
            return 50001
        return 50000 if label == "broken_history" and history else None

    def transaction(self, chain: str, tx_hash: str) -> Transaction | None:
        """The transaction as it stands at the start, whatever its age; None where chain or hash are unknown."""
        return self._by_hash.get((chain, canonical(tx_hash)))

    def ask(self, chain: str, tx_hash: str, loop_ns: int) -> Transaction | None:
        """As `transaction`, at that event-loop time; the first question starts the clock of one that settles."""
        tx = self.transaction(chain, tx_hash)
        if tx is None:
            return None
        if tx.pending == "settles":
            self._first_asked_ns.setdefault(tx.hash, loop_ns)
        return self.as_of(tx, loop_ns)

    def as_of(self, tx: Transaction, loop_ns: int) -> Transaction:
        """`tx` as it stands at that event-loop time."""
        asked = self._first_asked_ns.get(tx.hash)
        if asked is None or loop_ns - asked < _SETTLES_AFTER_NS:
            return tx
        return self._final[tx.hash]

    @cached_property
    def examples(self) -> Mapping[str, Example]:
        """Label -> a transaction worth asking about: the newest of each kind, and `old` beyond the horizon."""
        found: dict[str, Example] = {}
        for label in ("history", "solana"):
            for chain in CHAINS:
                for tx in self.transactions(WALLETS[label], chain.id, beyond_horizon=True):
                    kind = "old" if tx.time_ms < self.horizon_ms else tx.kind
                    name = kind if label == "history" else f"solana_{kind}"
                    found.setdefault(name, Example(chain.id, tx.hash))
        return found

    @cached_property
    def _by_hash(self) -> Mapping[tuple[str, str], Transaction]:
        return {
            (chain, canonical(tx.hash)): tx
            for label, chain in world_history.PLANS
            for tx in self.transactions(WALLETS[label], chain, beyond_horizon=True)
        }


def _as_pending(tx: Transaction) -> Transaction:
    return replace(tx, status="pending", height=None, gas_used=None, fee=None)
