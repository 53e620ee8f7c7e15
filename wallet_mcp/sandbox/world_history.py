"""The wallets' transactions, written by a fixed script: hashes and amounts never change, only dates move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Final, Literal

from wallet_mcp.sandbox.world_model import SOLANA, Transaction, canonical, is_evm, made_hash, made_number, scaled
from wallet_mcp.sandbox.world_scripts import KINDS, ROWS, Draft, Setting, power

DAY_S: Final = 86_400
HORIZON_DAYS: Final = 183
"""Older transactions are not listed ("most recent 6 months only", contract §3.4)."""

PAGE: Final = 20
_SPAN_DAYS: Final = 164
# No transaction is this many days old, so that "the last 7 days" means the same at any hour of the day.
_GAPS: Final = ((5.9, 7.1), (28.9, 30.1), (88.9, 90.1))

_GAS_PRICE_WEI: Final[Mapping[str, tuple[int, int]]] = {
    "1": (1_000_000_000, 24_000_000_000),
    "56": (100_000_000, 1_000_000_000),
    "8453": (2_000_000, 12_000_000),
    "42161": (10_000_000, 20_000_000),
}
_HEIGHTS: Final[Mapping[str, int]] = {
    "1": 23_850_000,
    "56": 68_400_000,
    "8453": 38_200_000,
    "42161": 401_000_000,
    SOLANA: 381_000_000,
}
_BLOCK_S: Final[Mapping[str, int]] = {"1": 12, "8453": 2}

# Newest first, repeated to the length of the history.
_EVERYDAY: Final = (
    "token_in",
    "native_out",
    "swap",
    "token_out",
    "approve",
    "native_in",
    "sell",
    "token_in",
    "batch",
    "claim",
    "buy",
    "token_out",
    "self",
    "native_in",
)
_EVENTFUL: Final = (
    "token_in",
    "swap",
    "poison_out",
    "native_out",
    "token_out",
    "failed",
    "airdrop",
    "native_in",
    "sell",
    "multisig",
    "batch",
    "approve",
    "poison_in",
    "claim",
    "token_out",
    "failed_transfer",
    "buy",
    "self",
    "token_in",
    "native_out",
)
_SOLANA_KINDS: Final = ("native_in", "token_in", "swap", "native_out", "token_out", "airdrop", "failed_transfer")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much history a wallet has on a chain. `bend` above 1 crowds it towards the present."""

    count: int
    bend: int
    kinds: tuple[str, ...] = _EVERYDAY
    first: tuple[str, ...] = ()
    old: int = 0


PLANS: Final[Mapping[tuple[str, str], Plan]] = {
    ("rich", "1"): Plan(30, 4),
    ("rich", "56"): Plan(24, 4, first=("token_in", "token_in")),
    ("rich", "42161"): Plan(12, 4),
    ("solana", SOLANA): Plan(34, 3, _SOLANA_KINDS, old=2),
    ("whale", "56"): Plan(40, 2),
    ("history", "1"): Plan(170, 2, _EVENTFUL, first=("settling", "stuck"), old=6),
    ("history", "56"): Plan(140, 2, _EVENTFUL, old=4),
    ("history", "8453"): Plan(70, 1, _EVENTFUL, first=("failed",), old=2),
}


def write(label: str, chain: str, midnight_ms: int) -> tuple[Transaction, ...]:
    """All transactions of that wallet on that chain, newest first, those beyond the horizon included.

    Wherever a page of 20 rows ends, a transaction with several rows straddles the border.
    """
    plan = PLANS.get((label, chain))
    return () if plan is None else tuple(_written(plan, _Writer(label, chain, midnight_ms)))


def _written(plan: Plan, writer: _Writer) -> Iterator[Transaction]:
    kinds = cycle(plan.kinds)
    rows = 0
    for index in range(plan.count):
        kind = plan.first[index] if index < len(plan.first) else next(kinds)
        room = PAGE - rows % PAGE
        if room == 1:
            kind = "swap"
        elif ROWS.get(kind, 1) >= room:
            kind = "token_in"
        rows += ROWS.get(kind, 1)
        yield writer.write(kind, index, _age_s(index, plan))
    for index in range(plan.old):
        yield writer.write("token_in", plan.count + index, (200 + 17 * index) * DAY_S + 3_600)


def _age_s(index: int, plan: Plan) -> int:
    age = 420 + 2_221 * index + _SPAN_DAYS * DAY_S * power(index, plan.bend) // power(plan.count, plan.bend)
    for start, end in _GAPS:
        if age >= start * DAY_S:
            age += round((end - start) * DAY_S)
    return age


class _Writer:
    """Writes one wallet's transactions on one chain."""

    def __init__(self, label: str, chain: str, midnight_ms: int) -> None:
        self._setting = Setting(label, chain)
        self._id = chain
        self._midnight_ms = midnight_ms

    def write(self, kind: str, index: int, age_s: int) -> Transaction:
        """The transaction number `index`, `age_s` seconds before midnight."""
        text = f"{self._setting.name} {index}"
        draft = Draft(self._setting, text)
        KINDS[kind](draft)
        price = gas = limit = None
        if is_evm(self._id):
            price = made_number(text + " gas price", *_GAS_PRICE_WEI[self._id])
            gas = 21_000 if draft.method_id is None else made_number(text + " gas", 46_000, 310_000)
            limit = gas if gas == 21_000 else gas * 6 // 5
            fee = scaled(price * gas, 18)
        else:
            fee = scaled(5_000 + made_number(text + " priority", 0, 90_000), 9)
        return Transaction(
            chain=self._id,
            hash=made_hash(self._id, text),
            time_ms=self._midnight_ms - age_s * 1000 + made_number(text + " ms", 0, 999),
            status=draft.status,
            kind=kind,
            sender=draft.sender,
            target=canonical(draft.target),
            movements=tuple(draft.movements),
            nonce=self._nonce(draft, index),
            method_id=draft.method_id,
            height=_HEIGHTS[self._id] - age_s // _BLOCK_S.get(self._id, 1),
            fee=fee,
            gas_limit=limit,
            gas_used=gas,
            gas_price=price,
            blacklisted=draft.blacklisted,
            pending=_PENDING.get(kind),
        )

    def _nonce(self, draft: Draft, index: int) -> str:
        if not is_evm(self._id):
            return ""
        # The nonce counts the sender's transactions, so an incoming one carries a stranger's number.
        own = draft.sender == self._setting.wallet
        return str(2_000 - index if own else made_number(f"{draft.text} nonce", 0, 9_000))


_PENDING: Final[Mapping[str, Literal["settles", "ever"]]] = {"settling": "settles", "stuck": "ever"}
