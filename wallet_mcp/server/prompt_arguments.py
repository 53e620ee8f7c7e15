"""What a prompt's arguments must mean: checked before the prompt is handed out, in the words that a tool would use.

A prompt is filled in by a person, in a form that says nothing: the mistake would only show after the model has called
a tool with it. Nothing that was given is repeated, for it may be a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from wallet_mcp.server.output import listed
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.resolve import check_family, find_chain_in, is_symbol
from wallet_mcp.server.token_filter import TOKEN_RULE
from wallet_mcp.wallet.addresses import AddressRefused, parse_address, parse_contract, parse_tx_hash
from wallet_mcp.wallet.chains import KNOWN_CHAINS, NATIVE, Chain, chain_from_listing
from wallet_mcp.wallet.labels import Labels
from wallet_mcp.wallet.times import BadTime, months_before, parse_time

CHECKED: Final = frozenset({"address", "chain", "chains", "tx_hash", "token", "period"})
"""The names of arguments that have a rule here."""

PERIOD_RULE: Final = (
    "how far back, in hours, days or weeks (24h, 7d, 4w; m is not taken, for it could mean months), or a date in the "
    "past (2026-11-22), at most 6 months"
)

_MINUTES_OR_MONTHS = re.compile(r"\s*\d+\s*m\s*", re.IGNORECASE)
_CHAIN_ID = re.compile(r"[1-9][0-9]{0,18}|CT_[0-9]{1,9}")
_HISTORY_MONTHS: Final = 6
_WEEK_MS: Final = 7 * 86_400_000
"""So much longer than six months may be asked for: months differ, and the tool says where its search began."""


def check_arguments(given: Mapping[str, str], *, labels: Labels, now: float) -> None:
    """Refuse arguments that no tool could use; `now` is the API's time in Unix seconds.

    An address may be one of the `labels`. A chain that the built-in table does not know may be served by now, so the
    form of a chain id is enough. Raises `ArgumentProblem`, whose rule repeats nothing of what was given.
    """
    family, what = "", ""
    chains: list[tuple[str, Chain]] = []
    for name, text in given.items():
        match name:
            case "address":
                family, what = _address_family(text, labels), "address"
            case "tx_hash":
                family, what = _hash_family(text), "transaction hash"
            case "chain":
                chains.append((name, _chain(text, name)))
            case "chains":
                chains += [(name, _chain(part, name)) for part in text.split(",")]
            case "token":
                chains += [(name, chain) for chain in _chains_of_token(text)]
            case "period":
                _check_period(text, now)
    for name, chain in chains:
        if family:
            check_family(family, chain, name, what)


def _address_family(text: str, labels: Labels) -> str:
    named = labels.find(text)
    if named is not None:
        return named[1].family
    try:
        return parse_address(text).family
    except AddressRefused as refused:
        known = f" The labels {listed(list(labels.addresses))} stand for addresses, too." if labels.addresses else ""
        raise ArgumentProblem("address", refused.message + known) from None


def _hash_family(text: str) -> str:
    try:
        return parse_tx_hash(text).family
    except AddressRefused as refused:
        raise ArgumentProblem("tx_hash", refused.message) from None


def _chain(text: str, field: str) -> Chain:
    try:
        return find_chain_in(KNOWN_CHAINS, text, field)
    except ArgumentProblem as problem:
        given = text.strip()
        if _CHAIN_ID.fullmatch(given):
            return chain_from_listing(given, given, given)
        raise ArgumentProblem(field, problem.rule) from None


def _chains_of_token(text: str) -> list[Chain]:
    """The chain that a token names, if it names one."""
    chain_text, separator, asset = text.rpartition(":")
    chains = [_chain(chain_text, "token")] if separator else []
    asset = asset.strip()
    if asset.lower() == NATIVE or is_symbol(asset):
        return chains
    try:
        if chains:
            parse_contract(asset, chains[0].family)
        elif not _is_address(asset):
            parse_contract(asset, "evm")
    except AddressRefused as refused:
        raise ArgumentProblem("token", TOKEN_RULE if refused.reason == "malformed" else refused.message) from None
    return chains


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except AddressRefused:
        return False
    return True


def _check_period(text: str, now: float) -> None:
    now_ms = int(now * 1000)
    if _MINUTES_OR_MONTHS.fullmatch(text):
        # The tools read it as minutes; a person who asks for a period of activity hardly means seven of these.
        raise ArgumentProblem("period", PERIOD_RULE)
    try:
        begin_ms = parse_time(text, now, "begin")
    except BadTime:
        raise ArgumentProblem("period", PERIOD_RULE) from None
    if not months_before(now_ms, _HISTORY_MONTHS) - _WEEK_MS <= begin_ms <= now_ms - 60_000:
        raise ArgumentProblem("period", PERIOD_RULE)
