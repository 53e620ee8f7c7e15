"""What the sandbox's world says the answers must be, row by row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any, Final

from tests.support.mcp import Face, Success
from wallet_mcp.sandbox.world import Holding, Movement, Transaction
from wallet_mcp.sandbox.world_chains import CHAIN_BY_ID
from wallet_mcp.sandbox.world_model import canonical, plain, scaled
from wallet_mcp.wallet.known_tokens import clean_symbol, known_token, tokens_by_symbol

EXACT: Final = Context(prec=300)
MILLIONTH: Final = Decimal("0.000001")
_STATUS: Final = {"success": "success", "fail": "failed", "pending": "pending"}


def iso(milliseconds: int) -> str:
    """ISO 8601 UTC in whole seconds, as every transaction's time is told."""
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def usd_value(balance: Decimal, price: Decimal) -> Decimal:
    """What an amount is worth to a millionth of a dollar, and never nothing for something."""
    exact = EXACT.multiply(balance, price)
    return max(exact.quantize(MILLIONTH, context=EXACT), MILLIONTH) if exact else Decimal(0)


def token_row(holding: Holding, chain: str) -> dict[str, Any]:
    """The row of a holding; with decimals the raw balance is the balance once more and not repeated."""
    symbol = clean_symbol(chain, holding.contract or "native", holding.symbol)
    row: dict[str, Any] = {"contract": holding.contract or "native", "symbol": symbol.text}
    row["balance"] = plain(holding.balance)
    if holding.raw is not None:
        row["decimals"] = holding.decimals
    if holding.price is not None:
        row["price_usd"] = plain(holding.price)
        row["value_usd"] = plain(usd_value(holding.balance, holding.price))
    if holding.risk:
        row["risk_flagged"] = True
    if symbol.flags:
        row["flags"] = list(symbol.flags)
    return row


def is_foreign(chain: str, contract: str, symbol: str) -> bool:
    """Whether a symbol is chain text: neither the coin's own nor the well-known one of its contract."""
    coin = CHAIN_BY_ID[chain].native_symbol
    known = known_token(chain, contract)
    named = [coin] if contract in ("", "native") else [known.symbol] if known else []
    also = known is not None and known in tokens_by_symbol(chain, symbol)
    return not also and symbol.casefold() not in [one.casefold() for one in named]


def amount_fields(movement: Movement, chain: str) -> dict[str, Any]:
    """The amount of a movement whose unit is proved to be base units."""
    symbol = clean_symbol(chain, movement.contract or "native", movement.symbol)
    row: dict[str, Any] = {"contract": movement.contract or "native", "symbol": symbol.text}
    # History never tells decimals: they are known of the coin and of the tokens in the bundled table.
    if movement.raw == 0 or not movement.contract or known_token(chain, movement.contract):
        row |= {"amount": plain(scaled(movement.raw, movement.decimals)), "unit": "coins"}
    else:
        row |= {"amount_raw": str(movement.raw), "unit": "base_units"}
    if symbol.flags:
        row["flags"] = list(symbol.flags)
    return row


def shown_movements(tx: Transaction) -> list[Movement]:
    """The movements that an answer shows: one of no coins is noise beside others."""
    telling = [movement for movement in tx.movements if movement.contract or movement.raw]
    return telling or list(tx.movements[:1])


def transaction_row(tx: Transaction, address: str) -> dict[str, Any]:
    """The row of a transaction as `address` sees it, unfolded, amounts in proved base units."""
    me = canonical(address)
    movements = []
    for movement in shown_movements(tx):
        sides = me in movement.sender.split(","), me in movement.recipient.split(",")
        direction = {(True, True): "self", (True, False): "out", (False, True): "in"}.get(sides, "other")
        other = movement.sender if direction == "in" else movement.recipient
        counterparty = {"counterparty": " ".join(other.split(","))}
        movements.append(amount_fields(movement, tx.chain) | {"direction": direction} | counterparty)
    ways = {movement["direction"] for movement in movements}
    row: dict[str, Any] = {
        "hash": tx.hash,
        "chain": tx.chain,
        "time": iso(tx.time_ms),
        "status": _STATUS[tx.status],
        "direction": "both"
        if {"in", "out"} <= ways
        else next(w for w in ("in", "out", "self", "other") if w in ways),
        "movements": movements,
    }
    if tx.fee is not None and pays_fee(tx, address):
        row["fee"] = f"{plain(tx.fee)} {CHAIN_BY_ID[tx.chain].native_symbol}"
    nothing = any(movement.contract and not movement.raw for movement in shown_movements(tx))
    flags = ["blacklisted"] * bool(tx.blacklisted) + ["zero_value"] * nothing
    if flags:
        row["flags"] = flags
    return row


def pays_fee(tx: Transaction, address: str) -> bool:
    """Whether the history shows that `address` paid the fee: it is the sender of the outer native row."""
    return [move.sender for move in tx.movements if move.itype == "0"][:1] == [canonical(address)]


def unfolded(answer: Success) -> list[dict[str, Any]]:
    """The transactions of a listing with all that is folded put back, for comparison with `transaction_row`.

    Fails where something that could be folded is not. The flag of suspected poisoning is left out: it depends on
    what else was read.
    """
    assets, parties = answer["assets"], answer.structure.get("parties", {})
    usual = answer.structure.get("unless_given", {})
    met: Counter[tuple[str, str]] = Counter()
    named: Counter[str] = Counter()

    def address(name: str, chain: str) -> str:
        named[name] += 1
        return str(assets[chain][name[9:]] if name.startswith("contract:") else parties.get(name, name))

    def whole(text: str, chain: str) -> str:
        return " ".join(address(name, chain) for name in text.split(" "))

    rows = []
    for folded in answer["transactions"]:
        assert folded.get("status") != usual.get("status", "")
        row = {"status": usual.get("status")} | folded
        assert not row["time"].startswith(usual.get("date", "none"))
        if "T" not in row["time"]:
            row["time"] = f"{usual['date']}T{row['time']}"
        chain, common = row["chain"], row.pop("counterparty", None)
        assert common is None or len(row["movements"]) > 1
        shared = None if common is None else whole(common, chain)
        row["movements"] = []
        for given in folded["movements"]:
            met[chain, given["symbol"]] += 1
            known = assets.get(chain, {}).get(given["symbol"])
            assert known is None or "contract" not in given
            assert given.get("direction") != row["direction"]
            assert given.get("unit") != "coins"
            move = {"direction": row["direction"]} | given
            if known is not None:
                move["contract"] = known
            if "amount" in given:
                move["unit"] = "coins"
            assert (shared is None) is ("counterparty" in given)
            move["counterparty"] = whole(given["counterparty"], chain) if shared is None else shared
            row["movements"].append(move)
        others = {move["counterparty"] for move in row["movements"]}
        assert common is not None or len(row["movements"]) == 1 or len(others) > 1
        flags = [flag for flag in row.pop("flags", []) if flag != "suspected_poisoning"]
        rows.append(row | ({"flags": flags} if flags else {}))
    assert all(met[chain, symbol] > 1 for chain, known in assets.items() for symbol in known)
    # A name stands for what occurs more than once, and what occurs more than once has a name.
    assert all(named[name] > 1 for name in parties if re.fullmatch(r"p\d+", name))
    assert all(count == 1 for name, count in named.items() if name.startswith("0x"))
    return rows


def history(face: Face, label: str, chains: Iterable[str]) -> list[Transaction]:
    """What a listing over these chains must hold, newest first."""
    found = [tx for chain in chains for tx in face.world.transactions(face.wallets[label], chain)]
    return sorted(found, key=lambda tx: -tx.time_ms)


async def pages_of(face: Face, arguments: dict[str, Any], complete: bool = True) -> list[Success]:
    """All pages of a listing, by carrying out `next` until there is none; the last one is complete, or it is not."""
    answer = await face.answer("wallet_list_transactions", arguments)
    pages = [answer]
    while "next" in answer:
        assert answer["complete"] is False
        answer = await face.replay(answer)
        pages.append(answer)
        assert len(pages) < 100
    assert answer["complete"] is complete
    return pages
