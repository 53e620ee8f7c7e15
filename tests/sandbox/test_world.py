"""The world's truth and its one moving part: a pending transaction that settles."""

from __future__ import annotations

import pytest

from wallet_mcp.sandbox.world import SETTLES_AFTER_S, World
from wallet_mcp.sandbox.world_history import DAY_S
from wallet_mcp.sandbox.world_wallets import WALLETS

NOW_MS = 1_795_341_600_123
SECOND_NS = 1_000_000_000


@pytest.fixture
def world() -> World:
    return World(NOW_MS)


def test_it_is_anchored_at_midnight(world: World) -> None:
    assert world.midnight_ms % (DAY_S * 1000) == 0
    assert 0 <= NOW_MS - world.midnight_ms < DAY_S * 1000


def test_the_chains_of_the_live_list(world: World) -> None:
    ids = [chain.id for chain in world.chains]
    assert ids == ["1", "56", "137", "8453", "42161", "10", "59144", "143", "9745", "CT_501"]
    assert all(chain.logo_url.startswith("https://onchainos.bnbstatic.com/") for chain in world.chains)
    assert len({chain.logo_url for chain in world.chains}) == len(world.chains)


def test_addresses_are_found_in_any_case_on_evm_only(world: World) -> None:
    rich, solana = WALLETS["rich"], WALLETS["solana"]
    assert world.holdings(rich.lower(), "1") == world.holdings(rich.upper(), "1") == world.holdings(rich, "1") != ()
    assert world.transactions(rich.lower(), "1") == world.transactions(rich, "1") != ()
    assert world.holdings(solana, "CT_501") != ()
    assert world.holdings(solana.lower(), "CT_501") == ()


def test_strangers_have_nothing(world: World) -> None:
    stranger = "0x" + "12" * 20
    assert world.holdings(stranger, "1") == ()
    assert world.transactions(stranger, "1") == ()
    assert world.refusal(stranger, history=True) is None


@pytest.mark.parametrize(
    ("label", "history", "code"),
    [
        ("unavailable", False, 50001),
        ("unavailable", True, 50001),
        ("broken_history", False, None),
        ("broken_history", True, 50000),
        ("rich", True, None),
    ],
)
def test_refusals(world: World, label: str, history: bool, code: int | None) -> None:
    assert world.refusal(WALLETS[label], history=history) == code


def test_old_transactions_are_known_but_not_listed(world: World) -> None:
    listed = world.transactions(WALLETS["history"], "1")
    everything = world.transactions(WALLETS["history"], "1", beyond_horizon=True)
    assert everything[: len(listed)] == listed
    assert len(everything) - len(listed) == 6
    assert world.transaction("1", everything[-1].hash) == everything[-1]


def test_a_hash_is_found_in_any_case_and_only_on_its_chain(world: World) -> None:
    chain, tx_hash = world.examples["swap"]
    found = world.transaction(chain, tx_hash.upper())
    assert found is not None
    assert found.hash == tx_hash
    assert world.transaction("56", tx_hash) is None
    solana_chain, signature = world.examples["solana_swap"]
    assert world.transaction(solana_chain, signature) is not None
    assert world.transaction(solana_chain, signature.swapcase()) is None


def test_a_pending_transaction_settles_after_it_was_asked_for(world: World) -> None:
    chain, tx_hash = world.examples["settling"]
    start = world.transaction(chain, tx_hash)
    assert start is not None
    assert (start.status, start.height, start.fee, start.gas_used) == ("pending", None, None, None)
    # Time alone changes nothing.
    assert world.as_of(start, 10**15) == start
    asked_ns = 10**15
    assert world.ask(chain, tx_hash, asked_ns) == start
    just_before = asked_ns + SETTLES_AFTER_S * SECOND_NS - 1
    assert world.ask(chain, tx_hash, just_before) == start
    settled = world.ask(chain, tx_hash, just_before + 1)
    assert settled is not None
    assert (settled.hash, settled.status, settled.movements) == (tx_hash, "success", start.movements)
    assert settled.height is not None
    assert settled.fee is not None


def test_another_stays_pending(world: World) -> None:
    chain, tx_hash = world.examples["stuck"]
    assert world.ask(chain, tx_hash, 0) is not None
    later = world.ask(chain, tx_hash, 10**18)
    assert later is not None
    assert later.status == "pending"


def test_an_unknown_hash(world: World) -> None:
    assert world.ask("1", "0x" + "0" * 64, 0) is None


def test_two_worlds_of_a_day_are_the_same() -> None:
    one, two = World(NOW_MS), World(NOW_MS + 3_600_000)
    assert one.examples == two.examples
    assert one.transactions(WALLETS["rich"], "56") == two.transactions(WALLETS["rich"], "56")
