"""The written histories: their shape, their borders, their times."""

from __future__ import annotations

from collections import Counter

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.sandbox.test_world_tokens import base58_bytes
from wallet_mcp.sandbox.world_history import DAY_S, HORIZON_DAYS, PAGE, PLANS, write
from wallet_mcp.sandbox.world_model import Transaction, is_evm
from wallet_mcp.sandbox.world_wallets import WALLETS

MIDNIGHT_MS = 1_795_305_600_000
EVERY = sorted(PLANS)


def rows(label: str, chain: str) -> list[Transaction]:
    """One item per row that the endpoint lists."""
    horizon = MIDNIGHT_MS - HORIZON_DAYS * DAY_S * 1000
    return [tx for tx in write(label, chain, MIDNIGHT_MS) if tx.time_ms >= horizon for _ in tx.movements]


def age_days(tx: Transaction) -> float:
    return (MIDNIGHT_MS - tx.time_ms) / 1000 / DAY_S


@pytest.mark.parametrize(("label", "chain"), EVERY)
class TestEachHistory:
    def test_newest_first_and_nothing_in_the_future(self, label: str, chain: str) -> None:
        times = [tx.time_ms for tx in write(label, chain, MIDNIGHT_MS)]
        assert times == sorted(times, reverse=True)
        assert times[0] < MIDNIGHT_MS

    def test_the_gaps_make_seven_thirty_and_ninety_days_definite(self, label: str, chain: str) -> None:
        for tx in write(label, chain, MIDNIGHT_MS):
            for days in (7, 30, 90):
                # At 23:59 the last N days begin almost a day later than at midnight.
                assert not days - 1.05 < age_days(tx) < days + 0.05

    def test_nothing_near_the_horizon(self, label: str, chain: str) -> None:
        assert all(age_days(tx) < 175 or age_days(tx) > 195 for tx in write(label, chain, MIDNIGHT_MS))

    def test_every_page_border_splits_a_transaction(self, label: str, chain: str) -> None:
        listed = rows(label, chain)
        borders = range(PAGE, len(listed), PAGE)
        assert len(listed) < PAGE or borders
        for border in borders:
            assert listed[border - 1].hash == listed[border].hash

    def test_hashes_are_unique_and_amounts_fixed_while_dates_move(self, label: str, chain: str) -> None:
        today = write(label, chain, MIDNIGHT_MS)
        tomorrow = write(label, chain, MIDNIGHT_MS + DAY_S * 1000)
        assert len({tx.hash for tx in today}) == len(today)
        assert [(tx.hash, tx.movements, tx.fee) for tx in today] == [(t.hash, t.movements, t.fee) for t in tomorrow]
        assert all(b.time_ms - a.time_ms == DAY_S * 1000 for a, b in zip(today, tomorrow, strict=True))

    def test_the_wallet_takes_part_in_each_movement(self, label: str, chain: str) -> None:
        wallet = WALLETS[label].lower() if is_evm(chain) else WALLETS[label]
        for tx in write(label, chain, MIDNIGHT_MS):
            assert tx.movements
            for movement in tx.movements:
                assert wallet in (*movement.sender.split(","), *movement.recipient.split(","))

    def test_the_fee_is_gas_times_price(self, label: str, chain: str) -> None:
        for tx in write(label, chain, MIDNIGHT_MS):
            assert tx.fee is not None
            assert tx.fee > 0
            if is_evm(chain):
                assert tx.gas_used is not None
                assert tx.gas_price is not None
                assert tx.gas_limit is not None
                assert tx.fee * 10**18 == tx.gas_used * tx.gas_price
                assert tx.gas_used <= tx.gas_limit


def test_the_history_wallet_has_every_kind_of_row() -> None:
    kinds = Counter(tx.kind for chain in ("1", "56", "8453") for tx in write("history", chain, MIDNIGHT_MS))
    assert {"settling", "stuck", "failed", "failed_transfer", "multisig", "poison_out", "poison_in"} <= set(kinds)
    assert {"batch", "swap", "buy", "sell", "claim", "self", "approve", "airdrop", "native_in"} <= set(kinds)
    assert 400 <= sum(len(rows("history", chain)) for chain in ("1", "56", "8453")) <= 600


def test_several_rows_per_hash_and_all_itypes() -> None:
    history = write("history", "1", MIDNIGHT_MS)
    assert {len(tx.movements) for tx in history} == {1, 2, 3}
    assert {movement.itype for tx in history for movement in tx.movements} == {"0", "1", "2"}
    swap = next(tx for tx in history if tx.kind == "swap")
    wallet = WALLETS["history"].lower()
    out, back = swap.movements
    assert (out.sender, back.recipient) == (wallet, wallet)
    assert out.contract != back.contract


def test_poisoning() -> None:
    history = write("history", "1", MIDNIGHT_MS)
    wallet = WALLETS["history"].lower()
    parties = {m.recipient for tx in history if tx.kind == "token_out" for m in tx.movements}
    poison = next(tx for tx in history if tx.kind == "poison_out")
    (movement,) = poison.movements
    assert (movement.raw, movement.sender) == (0, wallet)
    assert poison.sender != wallet
    twins = [p for p in parties if (p[:6], p[-4:]) == (movement.recipient[:6], movement.recipient[-4:])]
    assert twins
    assert movement.recipient not in parties
    dust = next(tx for tx in history if tx.kind == "poison_in").movements[0]
    assert (dust.raw, dust.recipient) == (1, wallet)


def test_multi_signature_parties_are_comma_joined() -> None:
    sent = next(tx for tx in write("history", "1", MIDNIGHT_MS) if tx.kind == "multisig").movements[0].sender
    assert [len(owner) for owner in sent.split(",")] == [42, 42]


def test_old_transactions_stand_beyond_the_horizon() -> None:
    old = [tx for tx in write("history", "1", MIDNIGHT_MS) if age_days(tx) > HORIZON_DAYS]
    assert len(old) == 6


def test_the_rich_wallet_was_active_in_the_last_week() -> None:
    recent = {chain: sum(age_days(tx) < 6.5 for tx in rows("rich", chain)) for chain in ("1", "56", "42161")}
    assert sum(recent.values()) >= 25
    assert all(recent.values())


def test_solana_signatures_are_no_secret_keys() -> None:
    """A secret key's second half is the public key of its first."""
    for tx in write("solana", "CT_501", MIDNIGHT_MS):
        signature = base58_bytes(tx.hash)
        assert len(signature) == 64
        public = Ed25519PrivateKey.from_private_bytes(signature[:32]).public_key().public_bytes_raw()
        assert signature[32:] != public


def test_nonces_of_incoming_transactions_are_the_senders() -> None:
    history = write("history", "1", MIDNIGHT_MS)
    own = [int(tx.nonce) for tx in history if tx.sender == WALLETS["history"].lower()]
    assert own == sorted(own, reverse=True)
    assert len(set(own)) == len(own)
    assert any(int(tx.nonce) > 2_000 for tx in history if tx.kind == "token_in")


def test_unknown_wallets_have_no_history() -> None:
    assert write("empty", "1", MIDNIGHT_MS) == ()
    assert write("history", "42161", MIDNIGHT_MS) == ()
