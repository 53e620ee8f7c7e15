"""The five endpoints behind the gateway, with the validation and the traps of contract §3."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from wallet_mcp.sandbox import replies, wire
from wallet_mcp.sandbox.gateway import Incoming
from wallet_mcp.sandbox.parameters import (
    MALFORMED_BODY,
    ParameterError,
    boolean,
    chain_ids,
    check_address,
    fields_of,
    integer,
    parse_query,
    required,
    text_field,
)
from wallet_mcp.sandbox.replies import Json, Moment, Reply
from wallet_mcp.sandbox.wire import AmountUnit
from wallet_mcp.sandbox.world import World
from wallet_mcp.sandbox.world_model import NATIVE_PLACEHOLDER, Movement, Transaction, canonical

PREFIX: Final = "/build/api/v1/dex"
MAX_TOKENS: Final = 20
MAX_CHAINS: Final = 50
_FAR: Final = 10**18

Rows: TypeAlias = "list[dict[str, Json]]"


class _Refused(Exception):
    """The service answers with an error code of its own."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Endpoints:
    """Answers requests that passed the gateway, from `world`."""

    def __init__(self, world: World, *, native_blank: Literal["accept", "refuse"], amount_unit: AmountUnit) -> None:
        self._world = world
        self._native_blank = native_blank
        self._unit = amount_unit
        self._routes: Mapping[str, tuple[str, Callable[[Incoming, int], Rows]]] = {
            f"{PREFIX}/balance/supported/chain": ("GET", self._supported_chain),
            f"{PREFIX}/balance/all-token-balances-by-address": ("GET", self._all_balances),
            f"{PREFIX}/balance/token-balances-by-address": ("POST", self._token_balances),
            f"{PREFIX}/post-transaction/transactions-by-address": ("GET", self._transactions),
            f"{PREFIX}/post-transaction/transaction-detail-by-txhash": ("GET", self._detail),
        }

    def answer(self, request: Incoming, now: Moment, loop_ns: int) -> Reply:
        """The reply at server time `now` and event-loop time `loop_ns`; errors are replies too, nothing is raised."""
        path = request.path.decode("latin-1")
        if path not in self._routes:
            return replies.unknown_path(path, now)
        method, serve = self._routes[path]
        if request.method != method:
            return replies.wrong_method(request.method)
        try:
            return replies.success(serve(request, loop_ns), now)
        except ParameterError as error:
            return replies.business_error(40001, str(error), now)
        except _Refused as refused:
            return replies.error(refused.code, now)

    def _supported_chain(self, request: Incoming, loop_ns: int) -> Rows:
        wanted = parse_query(request.query).get("binanceChainId", "").strip()
        return [wire.chain_row(chain) for chain in self._world.chains if wanted in ("", chain.id)]

    def _all_balances(self, request: Incoming, loop_ns: int) -> Rows:
        query = parse_query(request.query)
        address = required(query, "address")
        chains = chain_ids(query.get("chains", ""))
        if len(chains) > 1:
            raise ParameterError.of("chains", "only a single chain is supported")
        exclude_risk = boolean(query, "excludeRiskToken", default=False)
        page = integer(query, "page", 1, 1, _FAR)
        size = integer(query, "pageSize", 20, 1, 100)
        check_address(address, chains)
        self._refuse(address)
        # Without `chains` the live service finds nothing and says success (contract §3.2); so for an unknown chain.
        held = [
            (chain, holding)
            for chain in chains
            for holding in self._world.holdings(address, chain)
            if not (exclude_risk and holding.risk)
        ]
        assets = [
            wire.asset_row(holding, chain, address, native_placeholder=False)
            for chain, holding in held[(page - 1) * size : page * size]
        ]
        return [{"page": page, "pageSize": size, "tokenAssets": assets}]

    def _token_balances(self, request: Incoming, loop_ns: int) -> Rows:
        address, tokens, exclude_risk = self._token_request(request)
        asked: dict[str, list[str]] = {}
        for chain, contract in tokens:
            known = asked.setdefault(chain, [])
            if contract not in known:
                known.append(contract)
        check_address(address, tuple(asked))
        self._refuse(address)
        entries: Rows = []
        for chain, contracts in asked.items():
            held = {canonical(holding.contract): holding for holding in self._world.holdings(address, chain)}
            found = [held[contract] for contract in contracts if contract in held]
            assets = [
                wire.asset_row(holding, chain, address, native_placeholder=True)
                for holding in found
                if not (exclude_risk and holding.risk)
            ]
            entries.append({"tokenAssets": assets})
        return entries

    def _token_request(self, request: Incoming) -> tuple[str, list[tuple[str, str]], bool]:
        """Address, (chain, canonical contract) in order, whether risk tokens are left out."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            body = fields_of(json.loads(request.body))
        except (ValueError, RecursionError) as error:
            raise ParameterError(MALFORMED_BODY) from error
        if media_type != "application/json":
            raise ParameterError(MALFORMED_BODY)
        address = text_field(body, "address")
        listed = body.get("tokenContractAddresses")
        risk = text_field(body, "excludeRiskToken")
        if not (listed is None or isinstance(listed, list)):
            raise ParameterError(MALFORMED_BODY)
        pairs = [
            (text_field(fields, "binanceChainId"), text_field(fields, "tokenContractAddress"))
            for fields in map(fields_of, listed or ())
        ]
        if not address:
            raise ParameterError.of("address", "must not be blank")
        if not pairs:
            raise ParameterError.of("tokenContractAddresses", "must not be empty")
        if len(pairs) > MAX_TOKENS:
            raise ParameterError.of("tokenContractAddresses", f"must not have more than {MAX_TOKENS} entries")
        tokens = []
        for index, (chain, contract) in enumerate(pairs):
            if not chain:
                raise ParameterError.of(f"tokenContractAddresses[{index}].binanceChainId", "must not be blank")
            if contract is None or (contract == "" and self._native_blank == "refuse"):
                name = f"tokenContractAddresses[{index}].tokenContractAddress"
                raise ParameterError.of(name, "must not be blank")
            contract = canonical(contract)
            tokens.append((chain, "" if contract == NATIVE_PLACEHOLDER else contract))
        if risk not in (None, "0", "1"):
            raise ParameterError.of("excludeRiskToken", "must be one of 0, 1")
        return address, tokens, risk != "1"

    def _transactions(self, request: Incoming, loop_ns: int) -> Rows:
        query = parse_query(request.query)
        address = required(query, "address")
        chains = chain_ids(query.get("chains", ""))
        if not chains:
            # The live message: it names no field (contract §1.8).
            raise ParameterError("Parameter error")
        if len(chains) > MAX_CHAINS:
            raise ParameterError.of("chains", f"must not have more than {MAX_CHAINS} entries")
        begin = integer(query, "begin", 0, 0, _FAR)
        end = integer(query, "end", _FAR, 0, _FAR)
        if begin > end:
            raise ParameterError.of("begin", "must not be after end")
        after = _read_cursor(query.get("cursor", "").strip())
        if after is not None and len(chains) > 1:
            raise ParameterError.of("cursor", "needs a single chain")
        limit = integer(query, "limit", 20, 1, 100)
        check_address(address, chains)
        self._refuse(address, history=True)
        contract = canonical(query.get("tokenContractAddress", "").strip())
        entries: Rows = []
        for chain in chains:
            rows = [
                (number, tx, movement)
                for number, tx, movement in self._rows(address, chain, loop_ns)
                if begin <= tx.time_ms <= end
                and (after is None or (-tx.time_ms, number) > (-after[0], after[1]))
                and _is_of(movement, contract)
            ]
            cursor = _cursor(rows[limit - 1]) if len(rows) > limit else ""
            listed = [wire.history_row(tx, movement, self._unit) for _, tx, movement in rows[:limit]]
            entries.append({"cursor": cursor, "transactionList": listed})
        return entries

    def _rows(self, address: str, chain: str, loop_ns: int) -> list[tuple[int, Transaction, Movement]]:
        """The history's rows, newest first, each with its number: the position that a cursor remembers."""
        written = self._world.transactions(address, chain)
        rows = [(self._world.as_of(tx, loop_ns), movement) for tx in written for movement in tx.movements]
        return [(number, tx, movement) for number, (tx, movement) in enumerate(rows)]

    def _detail(self, request: Incoming, loop_ns: int) -> Rows:
        query = parse_query(request.query)
        chain = required(query, "binanceChainId")
        tx = self._world.ask(chain, required(query, "txHash"), loop_ns)
        return [] if tx is None else [wire.detail(tx, self._unit)]

    def _refuse(self, address: str, *, history: bool = False) -> None:
        if (code := self._world.refusal(address, history=history)) is not None:
            raise _Refused(code)


def _is_of(movement: Movement, contract: str) -> bool:
    return contract == "" or movement.contract == ("" if contract == NATIVE_PLACEHOLDER else contract)


def _cursor(row: tuple[int, Transaction, Movement]) -> str:
    """The form of the official sample: base64 of the last row's time and number."""
    number, tx, _ = row
    return base64.b64encode(replies.to_json({"time": tx.time_ms, "id": number})).decode()


def _read_cursor(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    try:
        place = json.loads(base64.b64decode(text, validate=True))
        time_ms, number = place["time"], place["id"]
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        raise ParameterError.of("cursor", "invalid cursor") from None
    if type(time_ms) is not int or type(number) is not int:
        raise ParameterError.of("cursor", "invalid cursor")
    return time_ms, number
