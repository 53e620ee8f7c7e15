"""The figures of the questions, worked out from the sandbox's world alone: no line of the server is used here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from tests.support.mcp import START
from wallet_mcp.sandbox.world import Holding, Transaction, World
from wallet_mcp.sandbox.world_model import canonical, plain, scaled
from wallet_mcp.sandbox.world_scripts import Setting

_WIDE: Final = Context(prec=200, rounding=ROUND_HALF_EVEN)
_MILLIONTH: Final = Decimal("0.000001")


def worth(holding: Holding) -> Decimal:
    """Balance times price in USD, to a millionth."""
    assert holding.price is not None
    return _WIDE.multiply(holding.balance, holding.price).quantize(_MILLIONTH, context=_WIDE)


def sum_of(values: Iterator[Decimal]) -> Decimal:
    """An exact sum."""
    total = Decimal(0)
    for value in values:
        total = _WIDE.add(total, value)
    return total


def party(label: str, chain: str, number: str) -> str:
    """The address of a wallet's counterparty of that number."""
    return Setting(label, chain).party(int(number))


class Figures:
    """Works out `figures` such as `balance rich 56 USDT`: a name and its arguments, apart by spaces."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._by_name: Mapping[str, Callable[..., list[str]]] = {
            "balance": self.balance,
            "balances": self.balances,
            "contract": self.contract,
            "value": self.value,
            "worth": self.worth,
            "worth-of": self.worth_of,
            "risk": self.risk,
            "received": self.received,
            "sent": self.sent,
            "fees": self.fees,
            "fees-unclear": self.fees_unclear,
            "fee": self.fee,
            "moved": self.moved,
            "last-sent": self.last_sent,
        }

    def of(self, figure: str) -> list[str]:
        """The texts that a figure stands for, at least one."""
        name, *arguments = figure.split()
        texts = self._by_name[name](*arguments)
        assert texts, figure
        return texts

    def balance(self, label: str, chain: str, symbol: str) -> list[str]:
        """The balance of the genuine token of that symbol."""
        return [plain(self._genuine(label, chain, symbol).balance)]

    def balances(self, label: str, chain: str) -> list[str]:
        """Every balance on a chain."""
        return [plain(held.balance) for held in self._held(label, chain)]

    def contract(self, label: str, chain: str, symbol: str) -> list[str]:
        """The contract of the token of that symbol, whatever it is worth."""
        return [held.contract for held in self._held(label, chain) if held.symbol == symbol]

    def value(self, label: str, chain: str, symbol: str) -> list[str]:
        """The value of the genuine token of that symbol in USD."""
        return [plain(worth(self._genuine(label, chain, symbol)))]

    def worth(self, label: str, chain: str = "") -> list[str]:
        """The value of what is priced and not flagged, on one chain or on all, in USD."""
        return [plain(sum_of(worth(held) for held in self._held(label, chain) if held.price and not held.risk))]

    def worth_of(self, label: str, symbol: str) -> list[str]:
        """The value of a token on all chains, in USD."""
        chains = [chain.id for chain in self._world.chains]
        return [
            plain(
                sum_of(
                    worth(held)
                    for chain in chains
                    for held in self._held(label, chain)
                    if held.symbol == symbol and held.price and not held.risk
                )
            )
        ]

    def risk(self, label: str) -> list[str]:
        """The value of what is flagged, in USD."""
        return [plain(sum_of(worth(held) for held in self._held(label, "") if held.price and held.risk))]

    def received(self, label: str, since: str, chain: str, symbol: str) -> list[str]:
        """What came in of an asset; `since` is a date or a number of days."""
        return self._flow(label, since, chain, symbol, incoming=True)

    def sent(self, label: str, since: str, chain: str, symbol: str) -> list[str]:
        """What went out of an asset; `since` is a date or a number of days."""
        return self._flow(label, since, chain, symbol, incoming=False)

    def fees(self, label: str, since: str, chain: str) -> list[str]:
        """The fees that the wallet paid itself."""
        me = canonical(self._world.wallets[label])
        paid = (
            tx.fee
            for tx in self._since(label, since, chain)
            if tx.fee is not None and any(move.itype == "0" and move.sender == me for move in tx.movements)
        )
        return [plain(sum_of(paid))]

    def fees_unclear(self, label: str, since: str, chain: str) -> list[str]:
        """The fees of what the wallet sent, where no row names who paid them."""
        me = canonical(self._world.wallets[label])
        unclear = (
            tx.fee
            for tx in self._since(label, since, chain)
            if tx.fee is not None
            and tx.status != "pending"
            and any(move.sender == me for move in tx.movements)
            and not any(move.itype == "0" for move in tx.movements)
        )
        return [plain(sum_of(unclear))]

    def fee(self, example: str) -> list[str]:
        """The fee of one transaction."""
        tx = self._example(example)
        assert tx.fee is not None
        return [plain(tx.fee)]

    def moved(self, example: str) -> list[str]:
        """The amounts that one transaction moved."""
        return [plain(scaled(move.raw, move.decimals)) for move in self._example(example).movements if move.raw]

    def last_sent(self, label: str, chain: str, number: str) -> list[str]:
        """The day and the hour of the newest transaction that moved anything to a counterparty."""
        me, other = canonical(self._world.wallets[label]), canonical(party(label, chain, number))
        newest = next(
            tx
            for tx in self._world.transactions(self._world.wallets[label], chain)
            if any(move.sender == me and move.recipient == other for move in tx.movements)
        )
        at = datetime.fromtimestamp(newest.time_ms // 1000, UTC)
        return [f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}", newest.hash]

    def _held(self, label: str, chain: str) -> Iterator[Holding]:
        for each in [chain] if chain else [known.id for known in self._world.chains]:
            yield from self._world.holdings(self._world.wallets[label], each)

    def _genuine(self, label: str, chain: str, symbol: str) -> Holding:
        found = [held for held in self._held(label, chain) if held.symbol == symbol and held.price and not held.risk]
        assert len(found) == 1, (label, chain, symbol)
        return found[0]

    def _example(self, name: str) -> Transaction:
        found = self._world.transaction(*self._world.examples[name])
        assert found is not None
        return found

    def _since(self, label: str, since: str, chain: str) -> Iterator[Transaction]:
        if since.isdigit():
            begin = START - int(since) * 86_400
        else:
            begin = datetime.fromisoformat(since).replace(tzinfo=UTC).timestamp()
        for tx in self._world.transactions(self._world.wallets[label], chain):
            if tx.time_ms >= begin * 1000:
                yield tx

    def _flow(self, label: str, since: str, chain: str, symbol: str, *, incoming: bool) -> list[str]:
        me = canonical(self._world.wallets[label])
        moves = [
            move
            for tx in self._since(label, since, chain)
            if tx.status == "success"
            for move in tx.movements
            if move.symbol == symbol and (move.sender == me) != (move.recipient == me)
        ]
        wanted = (move for move in moves if (move.recipient == me) is incoming)
        return [plain(sum_of(scaled(move.raw, move.decimals) for move in wanted))]
