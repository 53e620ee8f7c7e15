"""No field of the API carries a hostile text into an answer, in neither form, era nor error."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import mcp_types as types
import pytest
from pydantic import BaseModel

import wallet_mcp.wallet.chains
import wallet_mcp.wallet.known_tokens
from tests.support.hostile import (
    PAYLOADS,
    Path,
    body_with,
    forbidden_in,
    model_in,
    poisoned,
    text_fields,
    texts_in,
)
from tests.support.mcp import ERAS, STRANGER, Era, Face, connect, usable_settings, wall_clock
from wallet_mcp.sandbox.app import Sandbox
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.server.guidance import CallContext, explain
from wallet_mcp.server.remediation import error_catalog
from wallet_mcp.server.tools import TOOLS
from wallet_mcp.wallet.chain_text import Cleaned
from wallet_mcp.wallet_api import models
from wallet_mcp.wallet_api.endpoints import Lifetimes
from wallet_mcp.wallet_api.errors import ApiError, Exchange

UNCACHED: Final = Lifetimes(0, 0, 0, 0, 0, 0)
SWAP: Final = Sandbox(wall_clock=lambda: 1_795_341_600.0).world.examples["swap"]
USDT: Final = "0xdac17f958d2ee523a2206206994597c13d831ec7"

Question = tuple[str, Mapping[str, Any]]
RICH: Final = {"address": WALLETS["rich"]}
ASKED: Final[Mapping[str, tuple[type[BaseModel], tuple[Question, ...]]]] = {
    "supported/chain": (
        models.WireChain,
        (
            ("wallet_list_chains", {}),
            ("wallet_list_chains", {"chain": "base"}),
            ("wallet_list_balances", {**RICH, "chain": "nosuchchain"}),
        ),
    ),
    "all-token-balances-by-address": (
        models.WireBalancePage,
        (
            ("wallet_list_balances", {**RICH, "chain": "1", "include_risk_tokens": True}),
            ("wallet_get_portfolio", {**RICH, "chains": ["1"], "include_risk_tokens": True}),
            ("wallet_get_portfolio", {**RICH, "chains": ["1"], "token": "USDT"}),
        ),
    ),
    "token-balances-by-address": (
        models.WireToken,
        (("wallet_get_token_balances", {**RICH, "tokens": ["eth:native", f"eth:{USDT}"]}),),
    ),
    "transactions-by-address": (
        models.WireHistory,
        (
            ("wallet_list_transactions", {"address": WALLETS["history"], "chains": ["1"]}),
            ("wallet_list_transactions", {**RICH, "chains": ["1"], "begin": "7d"}),
        ),
    ),
    "transaction-detail-by-txhash": (
        models.WireDetail,
        (("wallet_get_transaction", {"tx_hash": SWAP.hash, "chain": SWAP.chain}),),
    ),
}
"""The end of each endpoint's path, its wire model, and the questions whose answers are made of it."""


def payloads(era: Era) -> list[str]:
    """The texts to try. How a result is sent differs between the eras, not what is in it: the older takes fewer."""
    return list(PAYLOADS.values())[:: 1 if era == "auto" else 3]


class _Poisoned(httpx.AsyncBaseTransport):
    """The sandbox, with a hostile text in one field of each row of one endpoint and in some headers."""

    def __init__(self) -> None:
        self._inner = httpx.ASGITransport(app=Sandbox(wall_clock=wall_clock), raise_app_exceptions=False)
        self.path_end = ""
        self.field: Path = ()
        self.values: Iterator[str] = iter(())
        self.headers: Mapping[str, bytes] = {}
        self.struck = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        body = await response.aread()
        headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-length"]
        if self.path_end and request.url.path.endswith(f"/{self.path_end}") and response.status_code == 200:
            body, count = body_with(body, self.field, self.values)
            self.struck += count
        for name, value in self.headers.items():
            headers = [pair for pair in headers if pair[0].lower().decode() != name]
            headers.append((name.encode(), value))
            self.struck += 1
        return httpx.Response(response.status_code, headers=headers, stream=httpx.ByteStream(body))


async def check(
    face: Face, tool: str, arguments: Mapping[str, Any], where: object, *, length: int = 25_000
) -> types.CallToolResult:
    """Ask and fail if the answer holds something forbidden in its text, structure or facts."""
    result = await face.client.call_tool(tool, dict(arguments))
    assert isinstance(result, types.CallToolResult)
    found = leaks(result)
    assert not found, (where, tool, arguments, [text[:80] for text in found])
    part = result.content[0]
    assert isinstance(part, types.TextContent)
    assert len(part.text) <= length
    return result


def leaks(result: types.CallToolResult) -> list[str]:
    """What an answer holds that is forbidden."""
    found: list[str] = []
    for part in result.content:
        assert isinstance(part, types.TextContent)
        found += forbidden_in(part.text, lines=True)
    for text in texts_in([result.structured_content, dict(result.meta or {})]):
        found += forbidden_in(text)
    return found


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("path_end", ASKED)
async def test_a_hostile_text_in_any_field_comes_out_harmless(path_end: str, era: Era) -> None:
    transport = _Poisoned()
    transport.path_end = path_end
    # A lone payload meets the checks of its field; behind an honest beginning it may get past them.
    values = payloads(era)
    if era == "auto":
        values += [f"0x1{payload}" for payload in values[::2]]
    model, questions = ASKED[path_end]
    async with connect(era, settings=usable_settings(lifetimes=UNCACHED), transport=transport) as face:
        for transport.field in text_fields(model):
            for tool, arguments in questions:
                transport.values = itertools.cycle(values)
                transport.struck = 0
                # Each row takes the next payload, so that an answer of many rows brings them all at once.
                while (before := transport.struck) < len(values):
                    await check(face, tool, arguments, transport.field)
                    assert transport.struck > before, (transport.field, tool)


def test_the_fields_are_found_from_the_models() -> None:
    found = {end: {".".join(path) for path in text_fields(model)} for end, (model, _) in ASKED.items()}
    assert "name" in found["supported/chain"]
    assert {"page", "tokenAssets.[].symbol"} <= found["all-token-balances-by-address"]
    assert {"cursor", "transactionList.[].from.[].address"} <= found["transactions-by-address"]
    assert {"txStatus", "tokenTransferDetails.[].symbol"} <= found["transaction-detail-by-txhash"]

    class WireNew(models.WireToken):
        """A row with a field that nobody has thought of."""

        memo: models.Text = ""

    assert {path[0] for path in text_fields(WireNew)} - {path[0] for path in text_fields(models.WireToken)} == {
        "memo"
    }
    bases = (models.Wire, models.WireEntry)
    wires = {
        model
        for model in vars(models).values()
        if isinstance(model, type) and issubclass(model, models.Wire) and model not in bases
    }
    assert wires == set(_reached(model for model, _ in ASKED.values()))


def _reached(roots: Iterator[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    for model in roots:
        yield model
        inner = (model_in(field.annotation) for field in model.model_fields.values())
        yield from _reached(each for each in inner if each is not None)


_HEADERS: Final = (
    "x-oc-trace-id",
    "x-oc-blocked-by",
    "x-oc-server-time",
    "x-oc-ratelimit-limit",
    "x-oc-ratelimit-remaining",
    "x-oc-used-weight",
    "x-wallet-mcp-sandbox",
    "x-wallet-mcp-sandbox-wallets",
    "retry-after",
    "date",
    "location",
    "content-type",
)


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_a_hostile_header_comes_out_harmless(era: Era) -> None:
    transport = _Poisoned()
    questions: tuple[Question, ...] = (
        ("wallet_list_chains", {}),
        ("wallet_check_setup", {}),
        ("wallet_list_balances", {"address": STRANGER, "chain": "1"}),
        ("wallet_get_transaction", {"tx_hash": "0x" + "0" * 63, "chain": "1"}),
    )
    async with connect(era, settings=usable_settings(lifetimes=UNCACHED), transport=transport) as face:
        for header in _HEADERS:
            transport.struck = 0
            for payload in payloads(era):
                # HTTP itself lets no line break and no NUL through.
                shown = re.sub("[\r\n\x00]", " ", payload)[:8_000].encode("utf-8", "surrogatepass")
                transport.headers = {header: b"rich=" + shown if header.endswith("-wallets") else shown}
                for tool, arguments in questions:
                    await check(face, tool, arguments, header)
            assert transport.struck >= len(payloads(era))


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_a_hostile_header_of_a_refusal_comes_out_harmless(era: Era) -> None:
    transport = _Poisoned()
    for payload in payloads(era):
        shown = re.sub("[\r\n\x00]", " ", payload)[:8_000].encode("utf-8", "surrogatepass")
        async with connect(era, settings=usable_settings(lifetimes=UNCACHED), transport=transport) as face:
            transport.headers = dict.fromkeys(_HEADERS, shown)
            arguments = {"address": WALLETS["unavailable"], "chain": "1"}
            result = await check(face, "wallet_list_balances", arguments, "headers")
            assert result.is_error


_ANY_CALL: Final[Mapping[str, Mapping[str, Any]]] = {
    "wallet_get_portfolio": {**RICH, "chains": ["1", "56"]},
    "wallet_list_chains": {},
    "wallet_list_balances": {**RICH, "chain": "1", "page_size": 2},
    "wallet_get_token_balances": {**RICH, "tokens": ["eth:native"]},
    "wallet_list_transactions": {**RICH, "chains": ["1"]},
    "wallet_get_transaction": {"tx_hash": SWAP.hash, "chain": SWAP.chain},
    "wallet_check_setup": {},
}
_ENVELOPES: Final[Mapping[str, tuple[int, Mapping[str, Any]]]] = {
    "parameter": (200, {"code": 40001, "msg": "$", "data": None}),
    "parameter in its own form": (
        200,
        {"code": 40001, "msg": "Invalid request parameter `$`: $, binanceChainId: $", "data": None},
    ),
    "gateway": (401, {"code": 40102, "msg": "$", "data": ""}),
    "clock": (401, {"code": 40103, "msg": "$", "data": ""}),
    "compliance": (403, {"code": 40302, "errorData": "$", "timestamp": "$"}),
    "framework": (200, {"code": "000002", "message": "$", "timestamp": "$"}),
    "server": (200, {"code": 50000, "msg": "$", "data": None}),
    "unknown": (200, {"code": 59998, "msg": "$", "data": None}),
    "odd code": (200, {"code": "$", "msg": "$"}),
    "no code": (500, {"error": "$", "$": "$"}),
}


def _filled(value: Any, payload: str) -> Any:
    match value:
        case str():
            return value.replace("$", payload)
        case dict():
            return {_filled(name, payload): _filled(child, payload) for name, child in value.items()}
        case _:
            return value


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", sorted(tool.name for tool in TOOLS))
async def test_a_hostile_error_message_comes_out_harmless(tool: str, era: Era) -> None:
    state: dict[str, Any] = {}

    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            state["status"],
            json=state["body"],
            headers={"x-oc-trace-id": state["trace"], "x-oc-blocked-by": state["trace"]},
        )

    for at, (shape, (status, body)) in enumerate(_ENVELOPES.items()):
        # A server that has just failed is left alone for a while: each shape meets a new one.
        async with connect(era, settings=usable_settings(lifetimes=UNCACHED), spoil=refuse) as face:
            # Three shapes in a row meet all payloads together.
            for payload in payloads(era)[at % 3 :: 3]:
                trace = payload.encode("ascii", "ignore").decode()
                state.update(status=status, body=_filled(body, payload), trace=re.sub("[\r\n\x00]", "", trace)[:900])
                result = await check(face, tool, _ANY_CALL[tool], shape, length=4_000)
                assert result.is_error or tool == "wallet_check_setup", shape


@pytest.mark.parametrize("payload", PAYLOADS)
def test_every_error_cleans_all_that_came_with_it(payload: str) -> None:
    text = PAYLOADS[payload]
    call = CallContext(
        tool="wallet_list_balances",
        arguments={"address": STRANGER, "chain": "1"},
        rules={"address": "an address", "chain": "a chain"},
        upstream_names={"binanceChainId": "chain"},
        algorithm="HMAC-SHA256",
        base_url="https://web3.binance.com/build",
    )
    exchange = Exchange(200, text, "2026-11-22T10:00:00.412Z", text, text, True)
    codes = [entry.code for entry in error_catalog()]
    assert len(codes) > 20
    for code in [*codes, text[:40]]:
        failure = explain(
            ApiError(code=code, message=text, received=text, timestamp=text, exchange=exchange, attempts=2), call
        )
        found = forbidden_in(failure.text, lines=True)
        for each in texts_in(failure.meta):
            found += forbidden_in(each)
        assert not found, (code, found, failure.text)


@pytest.mark.parametrize("payload", [name for name in PAYLOADS if name != "instruction"])
def test_a_payload_is_forbidden_as_it_stands(payload: str) -> None:
    # Only the words of an instruction may be seen: they are flagged, and nothing about their form is dangerous.
    assert forbidden_in(PAYLOADS[payload])


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_without_cleaning_the_same_check_fails(era: Era, monkeypatch: pytest.MonkeyPatch) -> None:
    def untouched(text: object, limit: int) -> Cleaned:
        return Cleaned(str(text))

    monkeypatch.setattr(wallet_mcp.wallet.known_tokens, "clean", untouched)
    monkeypatch.setattr(wallet_mcp.wallet.chains, "clean", untouched)
    # What was cleaned before is kept, and nothing of this test may be.
    monkeypatch.setattr(wallet_mcp.wallet.known_tokens, "_kept", wallet_mcp.wallet.known_tokens._cleaned)
    transport = _Poisoned()
    async with connect(era, settings=usable_settings(lifetimes=UNCACHED), transport=transport) as face:
        for name, payload in PAYLOADS.items():
            for path_end, field, tool in (
                ("all-token-balances-by-address", ("tokenAssets", "[]", "symbol"), "wallet_list_balances"),
                ("supported/chain", ("name",), "wallet_list_chains"),
            ):
                transport.path_end, transport.field = path_end, field
                transport.values = itertools.repeat(payload)
                result = await face.client.call_tool(tool, dict(_ANY_CALL[tool]))
                assert isinstance(result, types.CallToolResult)
                assert leaks(result) or name == "instruction", (name, tool)


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_an_instruction_in_a_symbol_is_flagged(era: Era) -> None:
    transport = _Poisoned()
    transport.path_end, transport.field = "all-token-balances-by-address", ("tokenAssets", "[]", "symbol")
    transport.values = itertools.repeat(PAYLOADS["instruction"])
    async with connect(era, transport=transport) as face:
        result = await check(face, "wallet_list_balances", _ANY_CALL["wallet_list_balances"], "symbol")
        assert result.structured_content is not None
        rows = result.structured_content["tokens"]
        assert rows
        assert all("instruction_like" in row["flags"] for row in rows)


def test_the_poison_reaches_nested_rows() -> None:
    rows: list[dict[str, Any]] = [{"list": [{"a": "1"}, {"a": "2"}]}, {"list": None}]
    assert poisoned(rows, ("list", "[]", "a"), itertools.repeat("x")) == 3
    assert rows == [{"list": [{"a": "x"}, {"a": "x"}]}, {"list": [{"a": "x"}]}]
