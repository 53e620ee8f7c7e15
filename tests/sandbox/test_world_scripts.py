"""The scripts of transactions, kind by kind."""

from __future__ import annotations

import pytest

from tests.sandbox.test_world_tokens import checksummed
from wallet_mcp.sandbox.world_scripts import KINDS, OTHER_ROUTER, ROUTERS, ROWS, Draft, Setting


@pytest.mark.parametrize("router", [*ROUTERS.values(), OTHER_ROUTER])
def test_routers_are_checksummed(router: str) -> None:
    assert router == checksummed(router)


@pytest.mark.parametrize("chain", ["1", "56", "8453", "42161"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_moves_what_it_promises(kind: str, chain: str) -> None:
    draft = Draft(Setting("history", chain), f"text of {kind}")
    KINDS[kind](draft)
    assert len(draft.movements) == ROWS.get(kind, 1)
    assert (draft.status == "fail") is kind.startswith("failed")
    valueless = kind in ("approve", "failed", "poison_out")
    assert all((movement.raw == 0) is valueless for movement in draft.movements)
    assert all((movement.itype == "2") is (movement.contract != "") for movement in draft.movements)


def test_two_tokens_of_a_swap_differ() -> None:
    for number in range(20):
        draft = Draft(Setting("rich", "56"), f"swap {number}")
        assert draft.token() != draft.token(1)


def test_a_look_alike_shares_both_ends() -> None:
    setting = Setting("history", "1")
    for number in range(6):
        real, fake = setting.party(number), setting.lookalike(number)
        assert real != fake
        assert (real[:6], real[-4:], len(real)) == (fake[:6], fake[-4:], len(fake))
