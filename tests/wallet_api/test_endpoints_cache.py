"""How long answers are kept, under which keys, and who shares a request."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.asks import (
    EVERY,
    EVM,
    HASH,
    NATIVE,
    SOLANA,
    USDT,
    Ask,
    balances,
    chains,
    detail,
    history,
    sandbox_with,
    tokens,
)
from tests.support.wallet_api import (
    START_MS,
    Reply,
    Scripted,
    loop_time,
    make_api,
    make_config,
    refusal,
    success,
    wall_clock,
    within,
)
from wallet_mcp.sandbox.app import Fault, SandboxOptions
from wallet_mcp.wallet_api.endpoints import Lifetimes, TokenRef
from wallet_mcp.wallet_api.errors import ApiError

pytestmark = pytest.mark.anyio


def tx(status: str, age_s: float | None = 0, **more: object) -> dict[str, object]:
    """A row of a transaction's detail, so many seconds old when virtual time starts."""
    return {"txStatus": status, "txTime": None if age_s is None else str(int(START_MS - age_s * 1000)), **more}


@pytest.mark.parametrize(
    ("ask", "data", "lifetime_s"),
    [
        (chains(), [{"binanceChainId": "1"}], 3600),
        (balances(), [{}], 15),
        (tokens(NATIVE), [{}], 15),
        (history(), [{}], 15),
        (detail(), [], 3),
        (detail(), [tx("pending", 9000)], 3),
        (detail(), [tx("", 9000)], 3),
        (detail(), [tx("success", 9000), tx("pending", 9000)], 3),
        (detail(), [tx("success", 599)], 15),
        (detail(), [tx("success", None)], 15),
        (detail(), [tx("fail", 9000), tx("fail", 10)], 15),
        (detail(), [tx("success", 600)], 86400),
        (detail(), [tx("FAIL", 9000)], 86400),
    ],
)
async def test_lifetime_of_each_kind_of_answer(ask: Ask, data: list[object], lifetime_s: float) -> None:
    wire = Scripted(success(data))
    api = make_api(wire)
    await ask(api)
    await asyncio.sleep(lifetime_s - 0.01)
    await ask(api)
    assert len(wire.requests) == 1
    await asyncio.sleep(0.01)
    await ask(api)
    assert len(wire.requests) == 2


async def test_lifetimes_are_adjustable() -> None:
    wire = Scripted(success([{"binanceChainId": "1"}]))
    api = make_api(wire, make_config(lifetimes=Lifetimes(chains_s=0, balances_s=60)))
    for _ in range(2):
        await chains()(api)
        await balances()(api)
        await asyncio.sleep(59)
    assert len(wire.requests) == 3


@pytest.mark.parametrize("rows", [[], [{}], [{"binanceChainId": " "}], [{"chainIndex": "1", "name": "Ethereum"}]])
async def test_a_chain_list_without_chains_is_an_error_and_not_kept(rows: list[dict[str, str]]) -> None:
    wire = Scripted(success(rows), success([{"binanceChainId": "1"}]))
    api = make_api(wire)
    with pytest.raises(ApiError) as raised:
        await chains()(api)
    assert (raised.value.code, raised.value.received) == ("unexpected_answer", "a chain list that names no chain")
    assert raised.value.sent, "the request has a trace to look up"
    assert len((await chains()(api)).data) == 1


async def test_pending_transaction_that_settles() -> None:
    sandbox = sandbox_with()
    pending = next(
        tx
        for wallet in sandbox.wallets.values()
        for chain in ("1", "56", "8453")
        for tx in sandbox.world.transactions(wallet, chain)
        if tx.pending == "settles"
    )
    api = make_api(sandbox)
    statuses = []
    for _ in range(8):
        statuses += [row.tx_status for row in (await detail(pending.hash, pending.chain)(api)).data]
        await asyncio.sleep(3)
    assert statuses == ["pending"] * 7 + ["success"]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (balances(EVM), balances(EVM.lower()), True),
        (balances(EVM), balances(EVM.upper()), True),
        (balances(EVM), balances(EVM, chain="56"), False),
        (balances(EVM), balances(EVM, page=2), False),
        (balances(EVM), balances(EVM, page_size=21), False),
        (balances(SOLANA), balances(SOLANA.lower()), False),
        (history(EVM, contract=USDT), history(EVM.lower(), contract=USDT.lower()), True),
        (history(EVM), history(EVM, contract=USDT), False),
        (history(EVM), history(EVM, limit=21), False),
        (history(EVM), history(EVM, begin_ms=0), False),
        (history(EVM), history(EVM, end_ms=0), False),
        (history(EVM, cursor="a"), history(EVM, cursor="A"), False),
        (history(EVM, ("1",)), history(EVM, ("1", "56")), False),
        (detail(HASH), detail(HASH.lower()), True),
        (detail(HASH), detail(HASH, "56"), False),
        (detail("5sigA"), detail("5siga"), False),
        (
            tokens(NATIVE, TokenRef("56", USDT)),
            tokens(TokenRef("56", USDT.lower()), NATIVE, NATIVE, address=EVM.lower()),
            True,
        ),
        (tokens(NATIVE), tokens(TokenRef("56", "")), False),
        (tokens(TokenRef("CT_501", SOLANA)), tokens(TokenRef("CT_501", SOLANA.lower())), False),
        (balances(EVM), tokens(NATIVE), False),
    ],
)
async def test_keys_are_canonical(first: Ask, second: Ask, same: bool) -> None:
    wire = Scripted(success([]))
    api = make_api(wire)
    await first(api)
    await second(api)
    assert len(wire.requests) == (1 if same else 2)


@pytest.mark.parametrize("name", list(EVERY))
async def test_concurrent_identical_calls_make_one_request(name: str) -> None:
    wire = Scripted(Reply(success([{"binanceChainId": "1"}]).body, delay_s=1))
    api = make_api(wire)
    answers = await asyncio.gather(*(EVERY[name](api) for _ in range(20)))
    assert len(wire.requests) == 1
    assert all(answer == answers[0] for answer in answers)


async def test_first_caller_cancelled_and_the_others_still_answered() -> None:
    wire = Scripted(Reply(success([]).body, delay_s=1))
    api = make_api(wire)
    first, *others = [asyncio.ensure_future(balances()(api)) for _ in range(3)]
    await asyncio.sleep(0.5)
    first.cancel()
    await asyncio.gather(*others)
    assert (len(wire.requests), wire.cancelled, first.cancelled()) == (1, 0, True)


async def test_all_callers_cancelled_cancel_the_request_and_free_its_place() -> None:
    wire = Scripted(Reply(success([]).body, delay_s=5))
    api = make_api(wire)
    callers = [asyncio.ensure_future(balances(page=page)(api)) for page in (1, 1, 2, 3, 4, 5)]
    await asyncio.sleep(0.5)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await asyncio.sleep(0)
    assert wire.cancelled == 5
    before = loop_time()
    await balances(page=6)(api)
    assert loop_time() - before == pytest.approx(6, abs=0.01)


@pytest.mark.parametrize("kind", ["50001", "html502", "42900", "not_json"])
async def test_older_answer_serves_while_the_api_fails(kind: str) -> None:
    sandbox = sandbox_with(SandboxOptions())
    api = make_api(sandbox)
    await balances()(api)
    await asyncio.sleep(20)
    sandbox.set_faults([Fault(kind)])
    answer = await balances()(api)
    assert answer.stale_because is not None
    assert 20 <= answer.age_s <= 45
    sandbox.set_faults([])
    # A client may hold back for a while after such a failure.
    await asyncio.sleep(60)
    assert (await balances()(api)).stale_because is None


async def test_errors_are_not_cached() -> None:
    wire = Scripted(refusal(40104), success([]))
    api = make_api(wire)
    with pytest.raises(ApiError):
        await balances()(api)
    await balances()(api)
    assert len(wire.requests) == 2


async def test_probe_goes_past_the_cache() -> None:
    wire = Scripted(success([]))
    api = make_api(wire)
    for _ in range(2):
        await api.probe(deadline=within(25))
    assert len(wire.requests) == 2


async def test_an_answer_from_before_the_machine_slept_is_asked_for_again() -> None:
    wire, slept = Scripted(success([{}])), [0.0]
    api = make_api(wire, wall=lambda: wall_clock() + slept[0])
    await balances()(api)
    await balances()(api)
    assert len(wire.requests) == 1
    # The loop's clock stood still meanwhile.
    slept[0] = 3 * 3600.0
    assert (await balances()(api)).age_s == 0.0
    assert len(wire.requests) == 2
