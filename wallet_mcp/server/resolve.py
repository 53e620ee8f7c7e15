"""What a caller's chain, address, contract and hash mean, checked here so that no request is spent on a mistake."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from wallet_mcp.server.arguments import WITHHELD, without_secrets
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.output import listed
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.wallet.addresses import Address, AddressRefused, TxHash, parse_address, parse_contract, parse_tx_hash
from wallet_mcp.wallet.assets import asset_of
from wallet_mcp.wallet.chain_text import SYMBOL_LIMIT, clean
from wallet_mcp.wallet.chains import (
    KNOWN_CHAINS,
    NATIVE,
    Chain,
    ChainUnresolved,
    Family,
    chain_from_listing,
    chains_of_family,
    resolve_chain,
)
from wallet_mcp.wallet_api.answers import Answer
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import WireChain

LEAST_SHARE_S = 3.0
"""Of a call's deadline for the chain list, where that is only a means."""

_ECHOED = 90
_FAMILY_NAMES = {"evm": "an EVM", "solana": "a Solana"}


async def served_chains(context: ToolContext, family: Family | None = None) -> tuple[Chain, ...]:
    """The chains that the API serves at present; the built-in table, with a note, when the list cannot be had.

    `family` is that of what is asked about: the chains of the table that the live list leaves out, and that would
    have been asked, are then told in a note.
    """
    served, error = await _live_chains(context)
    if error is not None:
        context.note(
            f"The live chain list could not be had (error {error.code}); the built-in list of {len(KNOWN_CHAINS)} "
            "chains was used."
        )
        return served
    ids = {chain.id for chain in served}
    expected = () if family is None else chains_of_family(family)
    unlisted = [f"{chain.name} ({chain.id})" for chain in expected if chain.id not in ids]
    if unlisted:
        context.note(f"The live chain list does not name {listed(unlisted)}: not asked unless named in the call.")
    return served


async def _live_chains(context: ToolContext) -> tuple[tuple[Chain, ...], ApiError | None]:
    """The live list, or the built-in one and why. Raises an `ApiError` that any other call would meet as well."""
    now = asyncio.get_running_loop().time()
    # The list is only a means: what was asked for needs most of the time.
    share = max(LEAST_SHARE_S, (context.deadline - now) / 4)
    try:
        # Not counted as a part of the answer: the list is an hour old and would age what it only led to.
        answer = await context.api.supported_chains(deadline=min(context.deadline, now + share))
    except ApiError as error:
        if error.concerns_every_call:
            raise
        return KNOWN_CHAINS, error
    return _chains_of(answer), None


async def listed_chains(context: ToolContext) -> tuple[Chain, ...]:
    """The live chain list as the answer itself. Raises `ApiError`: what is served now the table does not know."""
    answer = await context.api.supported_chains(deadline=context.deadline)
    context.provenance.take(answer)
    return _chains_of(answer)


def _chains_of(answer: Answer[tuple[WireChain, ...]]) -> tuple[Chain, ...]:
    """The chains of the list, each once: a chain under two names would be read and counted twice."""
    found: dict[str, Chain] = {}
    for row in answer.data:
        if row.binance_chain_id.strip():
            chain = chain_from_listing(row.binance_chain_id, row.name, row.short_name)
            found.setdefault(chain.id, chain)
    return tuple(found.values())


async def find_chain(context: ToolContext, text: str, field: str) -> Chain:
    """The chain that a text means: from the built-in table without a request, else from the live list.

    Raises `ArgumentProblem` for a chain that is not served: upstream may answer an unknown id as an empty wallet.
    """
    try:
        chain = resolve_chain(text, KNOWN_CHAINS)
    except ChainUnresolved:
        served, error = await _live_chains(context)
        return find_chain_in(served, text, field, error)
    # Asked all the same: the list may lag behind, and no request is spent to see it.
    listed_ids = frozenset() if context.services.api is None else context.services.api.listed_chain_ids()
    if listed_ids and chain.id not in listed_ids:
        context.note(
            f"The live chain list does not name {chain.name} ({chain.id}); it was asked as the call names it."
        )
    return chain


def find_chain_in(served: Sequence[Chain], text: str, field: str, error: ApiError | None = None) -> Chain:
    """The chain of a list that a text means. `error`: why it is not the live list. Raises `ArgumentProblem`."""
    try:
        return resolve_chain(text, served)
    except ChainUnresolved as unresolved:
        rule = _chain_rule(unresolved, served)
        if error is not None:
            # Nobody can tell at the moment whether the API serves a chain that the table does not have.
            rule = f"as far as known, {rule}. The live list could not be had (error {error.code})"
            rule += ": others may be served, too"
        raise ArgumentProblem(field, rule, unresolved.asked) from None


async def find_chains(context: ToolContext, texts: Sequence[str], field: str, family: str = "") -> tuple[Chain, ...]:
    """The chains that several texts mean, each once, in their order. `family`: that of the address asked about."""
    found: dict[str, Chain] = {}
    for index, text in enumerate(texts):
        try:
            chain = await find_chain(context, text, f"{field}[{index}]")
        except ArgumentProblem:
            # Only now, for a dozen short names of chains look like a seed phrase.
            refuse_secret_in_parts(texts, field)
            raise
        if family:
            check_family(family, chain, f"{field}[{index}]")
        found.setdefault(chain.id, chain)
    return tuple(found.values())


async def wallet_chains(context: ToolContext, texts: Sequence[str] | None, address: Address) -> tuple[Chain, ...]:
    """The chains asked for, or all that the API serves of the address's family. Raises `ArgumentProblem`."""
    if texts is not None:
        return await find_chains(context, texts, "chains", address.family)
    served = chains_of_family(address.family, await served_chains(context, address.family))
    if not served:
        raise ArgumentProblem("chains", "the API serves no chain of this address's family at present")
    return served


def _chain_rule(unresolved: ChainUnresolved, served: Sequence[Chain]) -> str:
    ids = ", ".join(chain.id for chain in served)
    if unresolved.not_served:
        return f"{unresolved.not_served} is not served by the wallet API. Served chain ids: {ids}"
    nearest = ", ".join(f"{chain.name} ({chain.id})" for chain in unresolved.nearest)
    near = f" Nearest: {nearest}." if nearest else ""
    return f"a served chain by id, name or short name.{near} Served ids: {ids}"


def find_wallet(context: ToolContext, text: str) -> Address:
    """The wallet of an `address` argument, by address or by label; the answer then names both."""
    labels = context.settings.wallets
    named = labels.find(text)
    if named is not None:
        context.label = named[0]
        return named[1]
    try:
        address = find_address(text)
    except ArgumentProblem as problem:
        if labels.addresses and without_secrets({"address": text}) == {"address": text}:
            problem.rule += f" The labels {listed(list(labels.addresses))} stand for addresses, too."
        raise
    context.label = labels.label_of(address)
    return address


def find_address(text: str, field: str = "address") -> Address:
    """The wallet address of an argument. Raises `ArgumentProblem`; what may be a secret is not shown."""
    try:
        return parse_address(text)
    except AddressRefused as refused:
        raise _refused(refused, text, field) from None


def find_contract(text: str, chain: Chain, field: str = "contract") -> str:
    """The token contract of an argument on a chain, or `native`. Raises `ArgumentProblem`."""
    if text.strip().lower() == NATIVE:
        return NATIVE
    try:
        return asset_of(parse_contract(text, chain.family))
    except AddressRefused as refused:
        raise _refused(refused, text, field) from None


def is_symbol(text: str) -> bool:
    """Whether a text can only be a token's symbol: short, and neither `native` nor the start of a contract."""
    given = text.strip()
    return 0 < len(given) <= SYMBOL_LIMIT and given.lower() != NATIVE and given[:2].lower() != "0x"


def find_tx_hash(text: str, field: str = "tx_hash") -> TxHash:
    """The transaction hash of an argument. Raises `ArgumentProblem`."""
    try:
        return parse_tx_hash(text)
    except AddressRefused as refused:
        raise _refused(refused, text, field) from None


def refuse_secret_in_parts(texts: Sequence[str], field: str) -> None:
    """Refuse a list that is one secret, such as the words of a seed phrase, before a part of it is shown.

    Raises `ArgumentProblem`.
    """
    if without_secrets({field: list(texts)})[field] == WITHHELD:
        rule = (
            "this looks like a seed phrase or a private key in parts: it was not sent. Never paste one, and treat "
            "the wallet as lost"
        )
        raise ArgumentProblem(field, rule)


def check_family(family: str, chain: Chain, field: str, what: str = "address") -> None:
    """Refuse a chain of another family than the address or hash: upstream fails or finds nothing there.

    `field`: the argument that names the chain. Raises `ArgumentProblem`.
    """
    if chain.family in ("evm", "solana") and family != chain.family:
        serving = [known for known in KNOWN_CHAINS if known.family == family]
        chains = listed([known.id for known in serving])
        raise ArgumentProblem(
            field,
            f"{_FAMILY_NAMES[family]} {what} belongs to {'chain' if len(serving) == 1 else 'one of the chains'} "
            f"{chains}; {chain.name} ({chain.id}) takes {_FAMILY_NAMES[chain.family]} {what}",
            f"{chain.name} ({chain.id})",
        )


def _refused(refused: AddressRefused, text: str, field: str) -> ArgumentProblem:
    return ArgumentProblem(field, refused.message, "" if refused.secret_like else clean(text, _ECHOED).text)
