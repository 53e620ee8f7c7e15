"""What the sandbox's world says the answers must be, row by row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Context
from typing import Any, Final

from tests.support.mcp import Face, Success
from wallet_mcp.sandbox.world import Holding, Movement, Transaction
from wallet_mcp.sandbox.world_chains import CHAIN_BY_ID
from wallet_mcp.sandbox.world_model import canonical, plain, scaled
from wallet_mcp.wallet.known_tokens import clean_symbol, known_token

EXACT: Final = Context(prec=300)
_STATUS: Final = {"success": "success", "fail": "failed", "pending": "pending"}


def iso(milliseconds: int) -> str:
    """ISO 8601 UTC in whole seconds, as every transaction's time is told."""
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def token_row(holding: Holding, chain: str) -> dict[str, Any]:
    """The row of a holding; with decimals the raw balance is the balance once more and not repeated."""
    symbol = clean_symbol(chain, holding.contract or "native", holding.symbol)
    row: dict[str, Any] = {"contract": holding.contract or "native", "symbol": symbol.text}
    row["balance"] = plain(holding.balance)
    if holding.raw is not None:
        row["decimals"] = holding.decimals
    if holding.price is not None:
        row["price_usd"] = plain(holding.price)
        row["value_usd"] = plain(EXACT.multiply(holding.balance, holding.price))
    if holding.risk:
        row["risk_flagged"] = True
    if symbol.flags:
        row["flags"] = list(symbol.flags)
    return row


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
    assets = {(row["chain"], row["symbol"]): row["contract"] for row in answer["assets"]}
    assert len(assets) == len(answer["assets"])
    rows = []
    met: set[tuple[str, str]] = set()
    for folded in answer["transactions"]:
        row = dict(folded)
        row["movements"] = []
        for given in folded["movements"]:
            key = (row["chain"], given["symbol"])
            met.add(key)
            assert given.get("contract") != assets.get(key, "")
            assert given.get("direction") != row["direction"]
            assert given.get("unit") != "coins"
            whole = {"direction": row["direction"]} | given
            if "contract" not in given and key in assets:
                whole["contract"] = assets[key]
            if "amount" in given:
                whole["unit"] = "coins"
            row["movements"].append(whole)
        flags = [flag for flag in row.pop("flags", []) if flag != "suspected_poisoning"]
        rows.append(row | ({"flags": flags} if flags else {}))
    assert assets.keys() <= met
    return rows


def history(face: Face, label: str, chains: Iterable[str]) -> list[Transaction]:
    """What a listing over these chains must hold, newest first."""
    found = [tx for chain in chains for tx in face.world.transactions(face.wallets[label], chain)]
    return sorted(found, key=lambda tx: -tx.time_ms)
