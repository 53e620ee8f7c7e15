"""Finding a transaction: chain after chain that its hash can be of, each with its share of the time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.resolve import check_family, find_chain, served_chains
from wallet_mcp.wallet.addresses import TxHash
from wallet_mcp.wallet.chains import Chain, chains_of_family
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireDetail

LEAST_SHARE_S: Final = 4.0
"""What a chain gets at least, so that one that hangs does not use up the time of those behind it."""

_LISTS: Final = ("from_details", "to_details", "internal_transaction_details", "token_transfer_details")


@dataclass(slots=True)
class Search:
    """`searched`: the chains that answered; `failures`: the error of each that did not; `row`: where it was found."""

    searched: list[str] = field(default_factory=list)
    failures: dict[str, ApiError] = field(default_factory=dict)
    chain: Chain | None = None
    row: WireDetail | None = None


async def chains_to_search(context: ToolContext, text: str | None, tx_hash: TxHash) -> tuple[Chain, ...]:
    """The chain named, or all that the hash can be of. Raises `ArgumentProblem`."""
    if text is None:
        return chains_of_family(tx_hash.family, await served_chains(context, tx_hash.family))
    chain = await find_chain(context, text, "chain")
    check_family(tx_hash.family, chain, "chain", "transaction hash")
    return (chain,)


async def search_chains(context: ToolContext, chains: Sequence[Chain], tx_hash: TxHash) -> Search:
    """Ask chain after chain until one knows the hash. Raises the first error when none could be asked."""
    search = Search()
    for number, chain in enumerate(chains):
        now = asyncio.get_running_loop().time()
        share = max(LEAST_SHARE_S, (context.deadline - now) / (len(chains) - number))
        try:
            answer = await context.api.transaction_detail(
                chain.id, tx_hash.text, deadline=min(context.deadline, now + share)
            )
        except ApiError as error:
            if error.concerns_every_call:
                raise
            search.failures[chain.id] = error
            continue
        context.provenance.take(answer)
        search.searched.append(chain.id)
        rows = [row for row in answer.data if _is_asked(row, tx_hash.text, chain)]
        if rows:
            search.chain, search.row = chain, merged(rows)
            return search
    if not search.searched:
        raise next(iter(search.failures.values()))
    return search


def merged(rows: Sequence[WireDetail]) -> WireDetail:
    """The entries of one transaction (contract §3.5 allows several) as one.

    A movement that two entries tell alike is one movement; a status on which they differ is unknown.
    """
    first, *others = rows
    changes: dict[str, Any] = {}
    for name in _LISTS:
        found = list(getattr(first, name))
        for other in others:
            found += [part for part in getattr(other, name) if part not in found]
        changes[name] = tuple(found)
    for name in type(first).model_fields.keys() - set(_LISTS):
        changes[name] = next((value for row in rows if (value := getattr(row, name)) not in ("", None)), None)
        if changes[name] is None:
            del changes[name]
    if len({row.tx_status.lower() for row in rows if row.tx_status}) > 1:
        changes["tx_status"] = ""
    return first.model_copy(update=changes)


def _is_asked(row: WireDetail, tx_hash: str, chain: Chain) -> bool:
    # One of another hash or chain would tell about something else.
    same_hash = row.txhash.lower() == tx_hash.lower() if tx_hash[:2] == "0x" else row.txhash == tx_hash
    return (same_hash or not row.txhash) and row.chain_index in ("", chain.id)
