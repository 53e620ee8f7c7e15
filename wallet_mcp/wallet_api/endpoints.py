"""The five endpoints of the Wallet API as five typed coroutines (contract §2, §3)."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import cast

import httpx
from pydantic import SecretStr

from wallet_mcp.wallet_api.answers import Answer, AnswerSource, Place
from wallet_mcp.wallet_api.clock import ServerClock
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import (
    WireBalancePage,
    WireChain,
    WireDetail,
    WireHistory,
    WireToken,
    read_rows,
)
from wallet_mcp.wallet_api.pacing import Window
from wallet_mcp.wallet_api.retry import Call, Caller, Outcome
from wallet_mcp.wallet_api.signing import Signer, WalletAuth
from wallet_mcp.wallet_api.transport import Transport

DEFAULT_BASE_URL = "https://web3.binance.com/build"
NATIVE_FORM = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
"""The other spelling of the native coin: seen in answers where the question said `""` (contract §3.3)."""

MAX_TOKENS = 20
_SETTLED_AFTER_S = 600
BALANCES = "/api/v1/dex/balance"
HISTORY = "/api/v1/dex/post-transaction"
"""Where the paths of the endpoints start (contract §2)."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds for which each kind of answer stays fresh.

    A transaction is final 10 minutes after its time: until then a reorganisation may still move it.
    """

    chains_s: float = 3600
    balances_s: float = 15
    history_s: float = 15
    tx_final_s: float = 86400
    tx_recent_s: float = 15
    tx_pending_s: float = 3


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """What a client needs: who signs, where to, and its bounds."""

    api_key: SecretStr
    signer: Signer
    base_url: str = DEFAULT_BASE_URL
    recv_window_ms: int = 5000
    lifetimes: Lifetimes = Lifetimes()
    cache_bytes: int = 32 * 1024 * 1024
    max_stale_s: float = 600


@dataclass(frozen=True, slots=True)
class TokenRef:
    """A token to ask for: chain id, and contract or `""` for the native coin."""

    chain: str
    contract: str


class NoBalancePage(WireBalancePage):
    """Stands for the entry of a chain where the answer held none at all, though §3.2 has one per chain."""


class WalletApi:
    """The client of the Wallet API: signed, paced, cached; nothing but these five calls leaves it.

    `deadline` of each call is event-loop time in seconds. Every call raises `ApiError` and nothing else. Address
    and contract must come in canonical spelling (EVM: the cache folds their case itself).
    """

    def __init__(
        self,
        config: ApiConfig,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        wall: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self.clock = ServerClock(wall)
        self._config = config
        self._transport = Transport(config.base_url, transport)
        auth = WalletAuth(config.api_key, config.signer, self.clock.timestamp, config.recv_window_ms)
        self._caller = Caller(self._transport, auth, self.clock, Window(), rng)
        self._answers = AnswerSource(config.cache_bytes, config.max_stale_s, wall)
        self._native_form = ""
        key_id = hashlib.sha256(config.api_key.get_secret_value().encode()).hexdigest()[:16]
        self._scope = (config.base_url, key_id)

    async def supported_chains(self, *, deadline: float) -> Answer[tuple[WireChain, ...]]:
        """The chains that the Wallet module serves at present (§3.1)."""
        return await self._answers.get(
            (*self._scope, "chains"),
            lambda: self._caller.call(chains_call(), deadline),
            lambda outcome: _some_chains(read_rows(WireChain, outcome.envelope.data)),
            lambda _rows, _at: self._config.lifetimes.chains_s,
            deadline=deadline,
        )

    def listed_chain_ids(self) -> frozenset[str]:
        """The ids on the last chain list, as far as it is still kept; none where it is not. Sends nothing."""
        rows = self._answers.kept((*self._scope, "chains"))
        return frozenset(row.binance_chain_id.strip() for row in cast(tuple[WireChain, ...], rows or ()))

    async def probe(self, *, deadline: float, once: bool = False) -> Outcome:
        """One signed request of supported/chain, past the cache.

        `once`: it is not repeated after a failure, as `Caller.call` has it.
        """
        return await self._caller.call(chains_call(), deadline, once=once)

    async def all_token_balances(
        self, address: str, chain: str, *, page: int, page_size: int, deadline: float
    ) -> Answer[WireBalancePage]:
        """One page of what an address holds on one chain, risk tokens included (§3.2).

        `page` counts from 1, `page_size` is 1 to 100. One chain a call: several are refused upstream by now. Where
        the answer has no entry, the page is a `NoBalancePage`.
        """
        query = (
            ("address", address),
            ("chains", chain),
            ("excludeRiskToken", "false"),
            ("page", str(page)),
            ("pageSize", str(page_size)),
        )
        call = Call("all_token_balances", "GET", f"{BALANCES}/all-token-balances-by-address", query)

        def read(outcome: Outcome) -> WireBalancePage:
            entries = read_rows(WireBalancePage, outcome.envelope.data)
            rows = tuple(row for entry in entries for row in entry.token_assets)
            _check_owner(rows, address)
            first = entries[0] if entries else NoBalancePage()
            return first.model_copy(update={"token_assets": rows})

        return await self._answers.get(
            (*self._scope, "balances", _fold(address), chain, page, page_size),
            lambda: self._caller.call(call, deadline),
            read,
            lambda _page, _at: self._config.lifetimes.balances_s,
            deadline=deadline,
            place=Place(("all_token_balances", chain), _fold(address)),
        )

    async def token_balances(
        self, address: str, tokens: Sequence[TokenRef], *, deadline: float
    ) -> Answer[tuple[WireBalancePage, ...]]:
        """What an address holds of up to 20 named tokens, risk tokens included, in an entry per chain (§3.3).

        Upstream leaves out what it has no balance of. Where a native coin sent as `""` is refused with 40001, the
        batch is sent once more with the other spelling, and the one that worked is used from then on.
        """
        if not 1 <= len(tokens) <= MAX_TOKENS:
            raise ApiError(code=40001, message="Parameter [tokenContractAddresses] error: 1 to 20 entries")

        async def fetch() -> Outcome:
            form = self._native_form
            try:
                return await self._caller.call(token_call(address, tokens, form), deadline)
            except ApiError as error:
                if error.code != 40001 or all(token.contract for token in tokens):
                    raise
                other = NATIVE_FORM if form == "" else ""
                try:
                    outcome = await self._caller.call(token_call(address, tokens, other), deadline)
                except ApiError as second:
                    # Refused in both spellings: the native coin was not the reason, so the first answer counts.
                    worse = error if second.code == 40001 else second
                    worse.attempts = error.attempts + second.attempts
                    worse.elapsed_s = error.elapsed_s + second.elapsed_s
                    raise worse from None
                self._native_form = other
                return outcome

        def read(outcome: Outcome) -> tuple[WireBalancePage, ...]:
            entries = read_rows(WireBalancePage, outcome.envelope.data)
            _check_owner([row for entry in entries for row in entry.token_assets], address)
            return entries

        asked = tuple(sorted({(token.chain, _fold(token.contract)) for token in tokens}))
        return await self._answers.get(
            (*self._scope, "tokens", _fold(address), asked),
            fetch,
            read,
            lambda _rows, _at: self._config.lifetimes.balances_s,
            deadline=deadline,
            place=_place("token_balances", {token.chain for token in tokens}, address),
        )

    async def transactions(
        self,
        address: str,
        chains: Sequence[str],
        *,
        contract: str = "",
        begin_ms: int | None = None,
        end_ms: int | None = None,
        cursor: str = "",
        limit: int = 20,
        deadline: float,
        once: bool = False,
    ) -> Answer[tuple[WireHistory, ...]]:
        """A page of an address's history, newest first, at most six months back (§3.4).

        `begin_ms` and `end_ms` are inclusive Unix milliseconds; `cursor` belongs to a single chain. `once`: it is not
        repeated after a failure, as `Caller.call` has it.
        """
        query = [("address", address), ("chains", ",".join(chains))]
        if contract:
            query.append(("tokenContractAddress", contract))
        if begin_ms is not None:
            query.append(("begin", str(begin_ms)))
        if end_ms is not None:
            query.append(("end", str(end_ms)))
        if cursor:
            query.append(("cursor", cursor))
        query.append(("limit", str(limit)))
        call = Call("transactions", "GET", f"{HISTORY}/transactions-by-address", tuple(query))
        key = (_fold(address), tuple(chains), _fold(contract), begin_ms, end_ms, cursor, limit)
        return await self._answers.get(
            (*self._scope, "history", *key),
            lambda: self._caller.call(call, deadline, once=once),
            lambda outcome: read_rows(WireHistory, outcome.envelope.data),
            lambda _pages, _at: self._config.lifetimes.history_s,
            deadline=deadline,
            place=_place("transactions", chains, address),
        )

    async def transaction_detail(
        self, chain: str, tx_hash: str, *, deadline: float
    ) -> Answer[tuple[WireDetail, ...]]:
        """A transaction by its hash; empty when it is not found or not indexed yet (§3.5)."""
        query = (("binanceChainId", chain), ("txHash", tx_hash))
        call = Call("transaction_detail", "GET", f"{HISTORY}/transaction-detail-by-txhash", query)
        return await self._answers.get(
            (*self._scope, "detail", chain, _fold(tx_hash)),
            lambda: self._caller.call(call, deadline),
            lambda outcome: read_rows(WireDetail, outcome.envelope.data),
            self._detail_lifetime,
            deadline=deadline,
            place=Place(("transaction_detail", chain), _fold(tx_hash)),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    def _detail_lifetime(self, rows: tuple[WireDetail, ...], server_time: float) -> float:
        lifetimes = self._config.lifetimes
        if not rows or any(row.tx_status.lower() not in ("success", "fail") for row in rows):
            return lifetimes.tx_pending_s
        times = [row.tx_time for row in rows]
        old = all(at is not None and server_time - at / 1000 >= _SETTLED_AFTER_S for at in times)
        return lifetimes.tx_final_s if old else lifetimes.tx_recent_s


def chains_call(*query: tuple[str, str]) -> Call:
    """The request of supported/chain, the cheapest there is; the client sends no query with it."""
    return Call("supported_chains", "GET", f"{BALANCES}/supported/chain", query)


def _some_chains(rows: tuple[WireChain, ...]) -> tuple[WireChain, ...]:
    # No chains at all would read as a service without any, for an hour.
    if not any(row.binance_chain_id.strip() for row in rows):
        raise ApiError(code="unexpected_answer", received="a chain list that names no chain")
    return rows


def token_call(address: str, tokens: Sequence[TokenRef], native_form: str) -> Call:
    """The request of some tokens' balances, a native coin spelled as `native_form`."""
    body = {
        "address": address,
        "tokenContractAddresses": [
            {"binanceChainId": token.chain, "tokenContractAddress": token.contract or native_form} for token in tokens
        ],
        # "1" includes risk tokens here; the sister endpoint has a boolean of the opposite sense.
        "excludeRiskToken": "1",
    }
    compact = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return Call("token_balances", "POST", f"{BALANCES}/token-balances-by-address", body=compact)


def _place(endpoint: str, chains: Collection[str], address: str) -> Place | None:
    return Place((endpoint, next(iter(chains))), _fold(address)) if len(chains) == 1 else None


def _check_owner(rows: Sequence[WireToken], address: str) -> None:
    # Every row echoes the address asked about: balances of another one must never be shown.
    if any(row.address and _fold(row.address) != _fold(address) for row in rows):
        raise ApiError(code="unexpected_answer", received="balances of another address")


def _fold(value: str) -> str:
    """EVM addresses, contracts and hashes mean the same in any case; all others are case-sensitive."""
    return value.lower() if value[:2].lower() == "0x" else value
