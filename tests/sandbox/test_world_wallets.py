"""The wallets: who they are and what they hold."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import pytest

from tests.sandbox.test_world_tokens import base58_bytes, checksummed
from wallet_mcp.sandbox.world_chains import CHAIN_BY_ID, CHAINS
from wallet_mcp.sandbox.world_model import Holding
from wallet_mcp.sandbox.world_wallets import WALLETS, holdings


def everything(label: str) -> dict[str, tuple[Holding, ...]]:
    return {chain.id: held for chain in CHAINS if (held := holdings(label, chain.id))}


def worth(held: tuple[Holding, ...]) -> Decimal:
    return sum((h.balance * h.price for h in held if h.price is not None and not h.risk), Decimal(0))


@pytest.mark.parametrize(("label", "address"), WALLETS.items())
def test_an_address_is_derived_and_well_formed(label: str, address: str) -> None:
    digest = hashlib.sha256(f"wallet-mcp sandbox wallet: {label}".encode()).digest()
    if label == "solana":
        assert base58_bytes(address) == digest
    else:
        assert address == checksummed("0x" + digest[:20].hex())


def test_labels_fit_into_the_header() -> None:
    assert all(label.replace("_", "").isalpha() and label.isascii() for label in WALLETS)


@pytest.mark.parametrize(
    ("label", "counts"),
    [
        ("rich", {"1": 22, "56": 14, "137": 7, "8453": 8, "42161": 8, "10": 3}),
        ("solana", {"CT_501": 12}),
        ("empty", {}),
        ("whale", {"56": 2143}),
        ("history", {"1": 3, "56": 2, "8453": 2}),
        ("unavailable", {}),
        ("broken_history", {"1": 2, "56": 1}),
    ],
)
def test_number_of_tokens(label: str, counts: dict[str, int]) -> None:
    assert {chain: len(held) for chain, held in everything(label).items()} == counts


@pytest.mark.parametrize("label", WALLETS)
def test_each_holding_is_exact_and_unique(label: str) -> None:
    for chain, held in everything(label).items():
        assert len({holding.contract for holding in held}) == len(held)
        assert [holding.contract for holding in held] == sorted(holding.contract for holding in held)
        assert held[0].symbol == CHAIN_BY_ID[chain].native_symbol
        for holding in held:
            assert holding.balance > 0
            assert holding.raw is None or holding.balance * 10**holding.decimals == holding.raw


def test_the_rich_wallet_has_every_kind_of_row() -> None:
    held = [holding for chain in everything("rich").values() for holding in chain]
    assert {6, 8, 9, 18} <= {holding.decimals for holding in held}
    assert sum(holding.raw is None for holding in held) == 2
    assert sum(holding.risk for holding in held) == 5
    assert sum(holding.price is None and not holding.risk for holding in held) == 8
    usdt = [holding for holding in holdings("rich", "1") if holding.symbol == "USDT"]
    assert sorted(holding.risk for holding in usdt) == [False, True]


def test_the_rich_wallet_is_worth_a_fixed_sum() -> None:
    """Pinned: other tests and the documentation quote figures of this wallet."""
    total = sum((worth(held) for held in everything("rich").values()), Decimal(0))
    assert total.quantize(Decimal("0.01")) == Decimal("136912.08")


def test_the_whale_is_mostly_junk() -> None:
    held = holdings("whale", "56")
    assert sum(holding.price is None or holding.risk for holding in held) > 0.7 * len(held)
    assert any(len(f"{holding.price:f}".partition(".")[2]) > 20 for holding in held if holding.price is not None)
    by_value = sorted(held, key=lambda holding: holding.balance * (holding.price or 0), reverse=True)
    assert list(held) != by_value
