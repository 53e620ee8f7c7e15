"""The mix of tool calls of the soak, each with a check of its answer against the sandbox's world.

A check gives "" for a right answer and otherwise what is wrong in it. Figures are compared to the last digit.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any, Final, TypeAlias

from wallet_mcp.sandbox.world import Holding, Movement, Transaction, World
from wallet_mcp.sandbox.world_chains import CHAIN_BY_ID
from wallet_mcp.sandbox.world_model import canonical, plain, scaled

Answer: TypeAlias = dict[str, Any]
EVM: Final = ("1", "56", "137", "8453")
SOLANA: Final = "CT_501"
EXACT: Final = Context(prec=300)
MILLIONTH: Final = Decimal("0.000001")
_FAMILY: Final = {"solana": (SOLANA,)}


@dataclass(frozen=True, slots=True)
class Question:
    """A call and the check of its answer; `refused` where only an error can be right."""

    tool: str
    arguments: dict[str, Any]
    check: Callable[[Answer], str]
    refused: bool = False


class Questions:
    """Draws questions about the wallets of a world."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._hashes = [
            tx
            for label, chains in (("history", ("1", "56", "8453")), ("rich", ("1", "56")), ("solana", (SOLANA,)))
            for chain in chains
            for tx in world.transactions(world.wallets[label], chain)[:12]
        ]

    def draw(self) -> Question:
        """A question, the everyday ones more often."""
        kinds: dict[Callable[[], Question], int] = {
            self._balances: 26,
            self._tokens: 20,
            self._history: 18,
            self._transaction: 16,
            self._portfolio: 8,
            self._chains: 5,
            self._set_up: 2,
            self._unavailable: 2,
            self._nonsense: 3,
        }
        (chosen,) = self._rng.choices(list(kinds), list(kinds.values()))
        return chosen()

    def _wallet(self, *labels: str) -> tuple[str, str, tuple[str, ...]]:
        label = self._rng.choice(labels)
        return label, self._world.wallets[label], _FAMILY.get(label, EVM)

    def _balances(self) -> Question:
        label, address, chains = self._wallet("rich", "rich", "solana", "empty", "whale", "broken_history")
        chain = "56" if label == "whale" else self._rng.choice(chains)
        page, size = self._rng.choice(((1, 50), (1, 50), (2, 7)))
        risk = self._rng.random() < 0.3
        held = self._world.holdings(address, chain)[(page - 1) * size : page * size]
        shown = [holding for holding in held if risk or not holding.risk]

        def check(answer: Answer) -> str:
            rows = answer["tokens"]
            if len(rows) != len(shown):
                return "tokens"
            facts = {"hidden_risk_count": len(held) - len(shown), "complete": len(held) < size, "chain": chain}
            wrong = (wrong_token(row, holding, chain) for row, holding in zip(rows, shown, strict=True))
            return differences(answer, facts) or next(filter(None, wrong), "")

        arguments = {"address": address, "chain": chain, "page": page, "page_size": size, "include_risk_tokens": risk}
        return Question("wallet_list_balances", arguments, check)

    def _tokens(self) -> Question:
        _, address, chains = self._wallet("rich", "solana", "empty")
        held = {(chain, each.contract): each for chain in chains for each in self._world.holdings(address, chain)}
        known = list(held)[: self._rng.choice((1, 2, 20))]
        asked = [*known[:19], *((chains[0], "") for _ in "1" if (chains[0], "") not in known)]

        def check(answer: Answer) -> str:
            if len(answer["tokens"]) != len(asked):
                return "tokens"
            for row, key in zip(answer["tokens"], asked, strict=True):
                if key in held:
                    wrong = wrong_token(row, held[key], key[0]) or differences(row, {"status": "held"})
                else:
                    wrong = "an amount of nothing" if {"balance", "raw_balance", "value_usd"} & row.keys() else ""
                if wrong:
                    return wrong
            return ""

        tokens = [f"{chain}:{contract or 'native'}" for chain, contract in asked]
        return Question("wallet_get_token_balances", {"address": address, "tokens": tokens}, check)

    def _history(self) -> Question:
        label, address, chains = self._wallet("history", "history", "rich", "solana", "empty")
        served = ("1", "56", "8453") if label == "history" else chains[:3]
        asked = list(served[: self._rng.randint(1, len(served))])
        limit = self._rng.choice((5, 20, 100))

        def check(answer: Answer) -> str:
            searched = set(answer["searched"]["chains"])
            known = {tx.hash: tx for chain in searched for tx in self._world.transactions(address, chain)}
            rows = [unfolded(row, answer) for row in answer["transactions"]]
            for row in rows:
                wrong = wrong_transaction(row, known.get(row["hash"]), address)
                if wrong:
                    return wrong
            because = answer.get("incomplete_because", "")
            if "further" in because or "limit of" in because:
                return ""
            if searched != set(asked) and "could not be read" not in because:
                return "a chain was left out in silence"
            newest = sorted((tx.time_ms for tx in known.values()), reverse=True)[:limit]
            times = [row["time"] for row in rows]
            if "no more fit" in because:
                newest = newest[: shown_of(answer, newest, len(known))]
            if len(times) != len(newest) or not all(map(same_time, times, newest)):
                return "not the newest transactions"
            return wrong_sums(answer, known.values(), canonical(address))

        return Question("wallet_list_transactions", {"address": address, "chains": asked, "limit": limit}, check)

    def _transaction(self) -> Question:
        tx = self._rng.choice(self._hashes)

        def check(answer: Answer) -> str:
            if not answer["found"]:
                return "a known transaction is not found"
            if not tx.pending and answer["status"] != {"fail": "failed"}.get(tx.status, tx.status):
                return "status"
            if not same_time(answer["time"], tx.time_ms):
                return "time"
            moved = sorted(
                (move for move in tx.movements if move.itype == "2" or move.raw), key=lambda move: move.itype
            )
            return wrong_amounts(answer["movements"], moved) or wrong_net(answer.get("net", ()), moved)

        return Question("wallet_get_transaction", {"tx_hash": tx.hash, "chain": tx.chain}, check)

    def _portfolio(self) -> Question:
        _, address, chains = self._wallet("rich", "rich", "solana", "empty")
        asked = list(chains[: self._rng.randint(1, len(chains))])

        def check(answer: Answer) -> str:
            sums = {chain: Decimal(value) for chain, value in answer["by_chain"].items()}
            # An unknown total is one of nothing that has a price.
            if Decimal(answer.get("total_value_usd", "0")) != exact_sum(sums.values()):
                return "the total is not the sum of its chains"
            partial = answer.get("at_least") is True
            for chain in asked:
                value, right = sums.get(chain, Decimal(0)), worth(self._world, address, chain)
                if value > right or (value < right and not partial):
                    return "value of a chain"
            if not sums.keys() <= set(asked):
                return "a chain that was not asked for"
            wrong = (wrong_holding(row, self._world, address) for row in answer["holdings"])
            return next(filter(None, wrong), "")

        return Question("wallet_get_portfolio", {"address": address, "chains": asked}, check)

    def _chains(self) -> Question:
        def check(answer: Answer) -> str:
            listed = [(row["chain"], row["name"]) for row in answer["chains"]]
            return "" if listed == [(chain.id, chain.name) for chain in self._world.chains] else "chains"

        return Question("wallet_list_chains", {}, check)

    def _set_up(self) -> Question:
        return Question("wallet_check_setup", {}, lambda _answer: "")

    def _unavailable(self) -> Question:
        address = self._world.wallets["unavailable"]
        arguments = {"address": address, "chain": self._rng.choice(EVM)}
        return Question("wallet_list_balances", arguments, lambda _answer: "an answer about nothing", refused=True)

    def _nonsense(self) -> Question:
        arguments = self._rng.choice(
            ({"address": "0x12", "chain": "1"}, {"address": self._world.wallets["rich"], "chain": "nowhere"}, {})
        )
        return Question(
            "wallet_list_balances", dict(arguments), lambda _answer: "an answer to nonsense", refused=True
        )


def differences(answer: Answer, right: Answer) -> str:
    """The first field that is not as it should be; fields that the truth does not name are not looked at."""
    return next((name for name, value in right.items() if answer.get(name) != value), "")


def wrong_token(row: Answer, held: Holding, chain: str) -> str:
    """What is wrong in a token row; raw balance, decimals and chain may be left out where the rest tells them."""
    right: dict[str, object] = {"contract": held.contract or "native", "balance": plain(held.balance)}
    right |= {"price_usd": None, "value_usd": None, "risk_flagged": held.risk or None}
    if held.price is not None:
        right |= {"price_usd": plain(held.price), "value_usd": plain(usd_value(held.balance, held.price))}
    spare = {"chain": chain, "raw_balance": str(held.raw), "decimals": held.decimals}
    return differences(row, right | {name: value for name, value in spare.items() if name in row})


def wrong_holding(row: Answer, world: World, address: str) -> str:
    """What is wrong in a row of a portfolio."""
    held = {each.contract or "native": each for each in world.holdings(address, row["chain"])}
    right = held.get(row["contract"])
    if right is None or right.price is None or Decimal(row["balance"]) != right.balance:
        return "a holding"
    return differences(row, {"value_usd": plain(usd_value(right.balance, right.price))}) and "value of a holding"


def unfolded(row: Answer, answer: Answer) -> Answer:
    """A row of a history with what its answer tells once for all of them: date, status, contracts, counterparties."""
    usual, parties, assets = answer.get("unless_given", {}), answer.get("parties", {}), answer["assets"]
    known = assets.get(row["chain"], {})

    def whole(text: str) -> str:
        names = text.split(" ")
        return " ".join(known[name[9:]] if name[:9] == "contract:" else parties.get(name, name) for name in names)

    time = row["time"] if "T" in row["time"] else f"{usual.get('date')}T{row['time']}"
    moves: list[Answer] = []
    for given in row["movements"]:
        folded = {"direction": row["direction"], "contract": known.get(given["symbol"])}
        folded["counterparty"] = row.get("counterparty")
        move = folded | given
        moves.append(move | {"counterparty": whole(move["counterparty"] or "")})
    return {"status": usual.get("status")} | row | {"time": time, "movements": moves}


def wrong_transaction(row: Answer, tx: Transaction | None, address: str) -> str:
    """What is wrong in an unfolded row of a history."""
    if tx is None:
        return "a transaction that does not exist"
    if not same_time(row["time"], tx.time_ms):
        return "time"
    facts: Answer = {"chain": tx.chain}
    # What is pending settles in the course of the soak.
    if not tx.pending:
        facts["status"] = "failed" if tx.status == "fail" else tx.status
        if "fee" in row:
            facts["fee"] = f"{plain(tx.fee or Decimal(0))} {CHAIN_BY_ID[tx.chain].native_symbol}"
    # A movement of no coins is noise beside others.
    moves = [move for move in tx.movements if move.contract or move.raw] or list(tx.movements[:1])
    told = [(move["direction"], move["counterparty"]) for move in row["movements"]]
    wrong = differences(row, facts)
    if told != [side_of(move, canonical(address)) for move in moves]:
        wrong = wrong or "direction"
    return wrong or wrong_amounts(row["movements"], moves)


def shown_of(answer: Answer, newest: Sequence[int], count: int) -> int:
    """How many of the newest transactions an answer shows that had to stop for its length, by what it says of it."""
    follow = re.search(r"(\d+) more of this span follow", answer["incomplete_because"])
    if follow:
        return count - int(follow[1])
    searched = answer["searched"]["from"]
    return next((at + 1 for at, time in enumerate(newest) if same_time(searched, time)), 0)


def side_of(move: Movement, me: str) -> tuple[str, str]:
    """The direction of a movement for an address, and who is at its other end."""
    out, into = me in move.sender.split(","), me in move.recipient.split(",")
    other = move.sender if into and not out else move.recipient
    direction = {(True, True): "self", (True, False): "out", (False, True): "in"}.get((out, into), "other")
    return direction, " ".join(other.split(","))


def same_time(told: str, milliseconds: int) -> bool:
    """Whether a time is the one meant; a block's has no more than whole seconds."""
    seconds, rest = divmod(milliseconds, 1000)
    whole = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
    return told in (f"{whole}Z", f"{whole}.{rest:03d}Z")


def wrong_amounts(rows: Sequence[Answer], moves: Iterable[Movement]) -> str:
    """What is wrong in the amounts of movements, in whichever unit each is told."""
    moves = list(moves)
    if len(rows) != len(moves):
        return "movements"
    for row, move in zip(rows, moves, strict=True):
        coins = scaled(move.raw, move.decimals)
        told = [Decimal(row[name]) == coins for name in ("amount", "amount_if_base_units") if name in row]
        told += [Decimal(row["amount_raw"]) == move.raw] if "amount_raw" in row else []
        if not told or not all(told) or row["contract"] != (canonical(move.contract) or "native"):
            return "amount"
    return ""


def wrong_net(rows: Iterable[Answer], moves: Sequence[Movement]) -> str:
    """What is wrong in the sums of a transaction for each of its parties."""
    for row in rows:
        party = canonical(row["party"])
        of_it = [move for move in moves if (canonical(move.contract) or "native") == row["contract"]]
        raw = sum(move.raw * ((party == move.recipient) - (party == move.sender)) for move in of_it)
        if wrong_amounts([row], [replace(of_it[0], raw=raw)] if of_it else []):
            return "net"
    return ""


_SENT = ("out", "self")


def wrong_sums(answer: Answer, known: Collection[Transaction], me: str) -> str:
    """What is wrong in the totals and fees of a history that was searched to its end."""
    if "totals" not in answer:
        return ""
    # What is pending may or may not have settled by now.
    settled = [tx for tx in known if tx.status == "success"]
    settling = {tx.chain for tx in known if tx.pending}
    right: Counter[tuple[str, str, str]] = Counter()
    decimals: dict[tuple[str, str], int] = {}
    for tx in settled:
        for move in tx.movements:
            contract = canonical(move.contract) or "native"
            decimals[tx.chain, contract] = move.decimals
            right[tx.chain, contract, side_of(move, me)[0]] += move.raw
    told: Counter[tuple[str, str, str]] = Counter()
    for row in answer["totals"]:
        places = decimals.get((row["chain"], row["contract"]), 0)
        for way in ("in", "out"):
            raw = Decimal(row.get(f"{way}_raw", "0"))
            if f"{way}_if_base_units" in row and Decimal(row[f"{way}_if_base_units"]) != scaled(int(raw), places):
                return "totals"
            told[row["chain"], row["contract"], way] += int(raw + EXACT.scaleb(Decimal(row.get(way, "0")), places))
    for key in told.keys() | {key for key in right if key[2] in ("in", "out")}:
        if told[key] != right[key] and key[0] not in settling:
            return "totals"
    fees = {row["chain"]: Decimal(row["amount"]) for row in answer.get("fees_paid", ())}
    unclear = {row["chain"]: Decimal(row["amount"]) for row in answer.get("fees_unclear", ())}
    for chain in {tx.chain for tx in settled} - settling:
        paid = (tx.fee for tx in known if tx.chain == chain and payer_of(tx) == me and tx.fee is not None)
        sent = (
            tx for tx in known if tx.chain == chain and any(side_of(each, me)[0] in _SENT for each in tx.movements)
        )
        untold = (tx.fee for tx in sent if not payer_of(tx) and tx.fee is not None)
        if fees.get(chain, Decimal(0)) != exact_sum(paid) or unclear.get(chain, Decimal(0)) != exact_sum(untold):
            return "fees"
    return ""


def payer_of(tx: Transaction) -> str:
    """Who paid the fee, as far as the rows of a history tell: the sender of the outer call."""
    return next((move.sender for move in tx.movements if move.itype == "0"), "")


def worth(world: World, address: str, chain: str) -> Decimal:
    """The value in USD of all priced holdings without a risk flag, each rounded before it is added."""
    held = (each for each in world.holdings(address, chain) if not each.risk)
    return exact_sum(usd_value(each.balance, each.price) for each in held if each.price is not None)


def usd_value(balance: Decimal, price: Decimal) -> Decimal:
    """What an amount is worth to a millionth of a dollar, and never nothing for something."""
    exact = EXACT.multiply(balance, price)
    return max(exact.quantize(MILLIONTH, context=EXACT), MILLIONTH) if exact else Decimal(0)


def exact_sum(values: Iterable[Decimal]) -> Decimal:
    """The sum without rounding."""
    total = Decimal(0)
    for value in values:
        total = EXACT.add(total, value)
    return total
