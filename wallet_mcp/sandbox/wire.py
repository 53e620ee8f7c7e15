"""The world's values as JSON rows, field for field as contract §3 lists them."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from wallet_mcp.sandbox.replies import Json
from wallet_mcp.sandbox.world_model import (
    NATIVE_PLACEHOLDER,
    Chain,
    Holding,
    Movement,
    Transaction,
    made_hash,
    plain,
    scaled,
)

AmountUnit: TypeAlias = Literal["base", "scaled"]

_ROLLUPS: Final = frozenset({"8453", "42161", "10", "59144"})


def chain_row(chain: Chain) -> dict[str, Json]:
    """A row of supported/chain (contract §3.1)."""
    return {
        "binanceChainId": chain.id,
        "name": chain.name,
        "shortName": chain.short_name,
        "logoUrl": chain.logo_url,
    }


def asset_row(holding: Holding, chain: str, address: str, *, native_placeholder: bool) -> dict[str, Json]:
    """A row of `tokenAssets` (contract §3.2); `address` is echoed as asked.

    The native coin's contract is "" or, with `native_placeholder`, 0xeeee...eeee as the POST answers it.
    """
    contract = holding.contract or (NATIVE_PLACEHOLDER if native_placeholder else "")
    return {
        "binanceChainId": chain,
        "tokenContractAddress": contract,
        "address": address,
        "symbol": holding.symbol,
        "balance": plain(holding.balance),
        "rawBalance": "" if holding.raw is None else str(holding.raw),
        # As it stands: padding zeros are part of the live form.
        "tokenPrice": "" if holding.price is None else f"{holding.price:f}",
        "isRiskToken": holding.risk,
    }


def _amount(movement: Movement, unit: AmountUnit) -> str:
    return str(movement.raw) if unit == "base" else plain(scaled(movement.raw, movement.decimals))


def _fee(tx: Transaction) -> str:
    return "" if tx.fee is None else plain(tx.fee)


def history_row(tx: Transaction, movement: Movement, unit: AmountUnit) -> dict[str, Json]:
    """A row of `transactionList` (contract §3.4): one movement of one transaction."""
    amount = _amount(movement, unit)
    return {
        "binanceChainId": tx.chain,
        "txHash": tx.hash,
        "itype": movement.itype,
        "methodId": tx.method_id,
        "nonce": tx.nonce,
        "txTime": str(tx.time_ms),
        "from": [{"address": movement.sender, "amount": amount}],
        "to": [{"address": movement.recipient, "amount": amount}],
        "tokenContractAddress": movement.contract or None,
        "amount": amount,
        "symbol": movement.symbol,
        "txFee": _fee(tx),
        "txStatus": tx.status,
        "hitBlacklist": tx.blacklisted,
    }


def detail(tx: Transaction, unit: AmountUnit) -> dict[str, Json]:
    """An entry of transaction-detail-by-txhash (contract §3.5).

    The outer `amount` and `symbol` are those of the first movement, as in the official sample; `fromDetails` and
    `toDetails` carry the native value of the outer transfer.
    """
    outer = [m for m in tx.movements if m.itype == "0"]
    value = _amount(outer[0], unit) if outer else "0"
    first = tx.movements[0]
    return {
        "chainIndex": tx.chain,
        "height": "" if tx.height is None else str(tx.height),
        "txTime": str(tx.time_ms),
        "txhash": tx.hash,
        "txStatus": tx.status,
        "gasLimit": _optional(tx.gas_limit),
        "gasUsed": _optional(tx.gas_used),
        "gasPrice": _optional(tx.gas_price),
        "txFee": _fee(tx),
        "nonce": tx.nonce,
        "amount": _amount(first, unit),
        "symbol": first.symbol,
        "methodId": tx.method_id,
        "l1OriginHash": made_hash("1", f"origin of {tx.hash}") if tx.chain in _ROLLUPS else None,
        "fromDetails": [
            {
                "address": tx.sender,
                "vinIndex": None,
                "preVoutIndex": None,
                "txHash": None,
                "isContract": False,
                "amount": value,
            }
        ],
        "toDetails": [
            {
                "address": tx.target,
                "voutIndex": None,
                "isContract": tx.method_id is not None,
                "amount": value,
            }
        ],
        "internalTransactionDetails": [
            {
                "from": m.sender,
                "to": m.recipient,
                "isFromContract": True,
                "isToContract": False,
                "amount": _amount(m, unit),
                "txStatus": tx.status,
            }
            for m in tx.movements
            if m.itype == "1"
        ],
        "tokenTransferDetails": [
            {
                "from": m.sender,
                "to": m.recipient,
                "isFromContract": None,
                "isToContract": None,
                "tokenContractAddress": m.contract,
                "symbol": m.symbol,
                "amount": _amount(m, unit),
            }
            for m in tx.movements
            if m.itype == "2"
        ],
    }


def _optional(number: int | None) -> str | None:
    return None if number is None else str(number)
