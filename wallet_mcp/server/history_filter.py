"""Which movements of a history a question asks for: of an asset, in a direction, with somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from wallet_mcp.server.arguments import shown
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.continuation import changed_call
from wallet_mcp.server.output import listed
from wallet_mcp.server.parties import is_party_name
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.resolve import find_address
from wallet_mcp.wallet.addresses import Address, same_address
from wallet_mcp.wallet.assets import asset_on
from wallet_mcp.wallet.chains import NATIVE, Chain
from wallet_mcp.wallet.history import Movement, Transaction, amount_of
from wallet_mcp.wallet.known_tokens import tokens_by_symbol

_CONTRACTS_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """What is asked for.

    `contract`: `""` for every asset; `direction`: `any`, `in` or `out`; `other`: None for anybody.
    """

    contract: str = ""
    direction: str = "any"
    other: Address | None = None

    @property
    def is_none(self) -> bool:
        """Whether everything is asked for."""
        return not self.contract and self.direction == "any" and self.other is None

    @property
    def is_ours(self) -> bool:
        """Whether more is to be left out than upstream can: it has no filter for coins, directions and parties."""
        return self.direction != "any" or self.other is not None or self.contract == NATIVE

    def wants_any(self, found: Transaction) -> bool:
        """Whether something in a transaction is asked for, or that the wallet called whom is asked for."""
        if any(self.wants(found, movement) for movement in found.movements):
            return True
        # The coins of a call are none most often, and what it moved came and went elsewhere.
        other, is_call_asked = self.other, not self.contract and self.direction != "in"
        return other is not None and is_call_asked and any(same_address(one, other.text) for one in found.called)

    def wants(self, found: Transaction, movement: Movement) -> bool:
        """Whether a movement of a transaction is asked for: a call that carries no coins is none of the coin."""
        if self.direction != "any" and movement.direction not in (self.direction, "self"):
            return False
        other = self.other
        if other is not None and not any(same_address(party, other.text) for party in movement.counterparties):
            return False
        if not self.contract:
            return True
        asset = asset_on(found.chain, self.contract)
        return movement.contract == asset and not (asset == NATIVE and amount_of(movement) == 0)


def find_counterparty(context: ToolContext, text: str | None, address: Address) -> Address | None:
    """The address, or that of the label, that a counterparty means. Raises `ArgumentProblem`."""
    if text is None:
        return None
    named = context.settings.wallets.find(text)
    if named is None and is_party_name(text):
        rule = "an address: a name such as p1 holds within one answer only. Give the address that it stands for there"
        raise ArgumentProblem("counterparty", rule, shown(text))
    other = named[1] if named is not None else find_address(text, "counterparty")
    if other.family != address.family:
        rule = "an address of the same kind as the wallet's: an EVM and a Solana address never deal with each other"
        raise ArgumentProblem("counterparty", rule, shown(text))
    return other


def refuse_symbol(text: str, chains: Sequence[Chain], call: Mapping[str, object]) -> None:
    """Raises `ArgumentProblem` where a contract is given by a well-known symbol, with the contract that it means.

    `call`: the arguments as they may be repeated, for the call that is right; there is one where the chain is clear.
    """
    asked = text.strip().casefold()
    contracts: dict[str, str] = {}
    for chain in chains:
        tokens = tokens_by_symbol(chain.id, asked)
        if asked and asked == (chain.native_symbol or "").casefold():
            contracts[chain.id] = NATIVE
        elif tokens:
            contracts[chain.id] = tokens[0].contract
    if not contracts:
        return
    named = listed([f"{contract} on {chain}" for chain, contract in list(contracts.items())[:_CONTRACTS_SHOWN]])
    form = "0x and 40 hex digits" if chains[0].family == "evm" else "a mint"
    one = next(iter(contracts.values())) if len(chains) == 1 else ""
    corrected = changed_call(call, contract=one, cursor=None) if one else None
    raise ArgumentProblem("contract", f"a contract ({form}) or native; here {named}", shown(text.strip()), corrected)
