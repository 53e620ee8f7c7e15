from __future__ import annotations

import pytest

from wallet_mcp.server.history_filter import HistoryFilter, refuse_symbol
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.wallet.addresses import Address, parse_address
from wallet_mcp.wallet.chains import KNOWN_CHAINS
from wallet_mcp.wallet.history import Movement, Transaction

USDT = "0xdac17f958d2ee523a2206206994597c13d831ec7"
A, B = "0x" + "a" * 40, "0x" + "b" * 40
PRECOMPILE = "0x" + "1010".rjust(40, "0")
CHAINS = {chain.id: chain for chain in KNOWN_CHAINS}
WITH_A = parse_address(A)


def move(direction: str = "in", amount: str = "5", contract: str = USDT, party: str = A) -> Movement:
    return Movement(direction, amount, "amount", contract, "X", (party,), ())  # type: ignore[arg-type]


def transaction(*moved: Movement, chain: str = "1") -> Transaction:
    return Transaction(chain, "0x1", 1, "success", "in", moved, "", "", ())


@pytest.mark.parametrize(
    ("contract", "direction", "other", "chain", "movement", "wanted"),
    [
        ("", "any", None, "1", move("other", ""), True),
        ("", "in", None, "1", move("in"), True),
        ("", "in", None, "1", move("out"), False),
        ("", "out", None, "1", move("self"), True),
        ("", "out", None, "1", move("other"), False),
        ("", "any", WITH_A, "1", move(party=A.upper().replace("0X", "0x")), True),
        ("", "any", WITH_A, "1", move(party=B), False),
        (USDT, "any", None, "1", move(), True),
        (USDT, "any", None, "1", move(amount="0"), True),
        (USDT, "any", None, "1", move(contract="native"), False),
        # What a call without coins carries is none of them; an amount that is not known is not nothing.
        ("native", "any", None, "1", move(contract="native"), True),
        ("native", "any", None, "1", move(contract="native", amount="0.0"), False),
        ("native", "any", None, "1", move(contract="native", amount=""), True),
        ("", "any", None, "1", move(contract="native", amount="0"), True),
        (PRECOMPILE, "any", None, "137", move(contract="native"), True),
        (PRECOMPILE, "any", None, "1", move(contract="native"), False),
        (USDT, "in", WITH_A, "1", move(), True),
        (USDT, "in", WITH_A, "1", move(party=B), False),
    ],
)
def test_a_movement_is_asked_for_by_asset_direction_and_party(
    contract: str, direction: str, other: Address | None, chain: str, movement: Movement, wanted: bool
) -> None:
    asked = HistoryFilter(contract, direction, other)
    assert asked.wants(transaction(movement, chain=chain), movement) is wanted
    assert asked.wants_any(transaction(movement, chain=chain)) is wanted
    assert asked.is_none is (not contract and direction == "any" and other is None)


@pytest.mark.parametrize(
    ("asked", "ours"),
    [
        (HistoryFilter(), False),
        (HistoryFilter(USDT), False),
        (HistoryFilter("native"), True),
        (HistoryFilter("", "in"), True),
        (HistoryFilter("", "any", WITH_A), True),
    ],
)
def test_what_upstream_cannot_leave_out_is_ours_to_leave_out(asked: HistoryFilter, ours: bool) -> None:
    assert asked.is_ours is ours


@pytest.mark.parametrize(
    ("text", "chains", "told", "corrected"),
    [
        ("USDT", ["1"], f"here {USDT} on 1", {"address": A, "contract": USDT}),
        ("bnb", ["56"], "here native on 56", {"address": A, "contract": "native"}),
        ("eth", ["1", "10"], "here native on 1 and native on 10", None),
    ],
)
def test_a_symbol_is_refused_with_the_contract_that_it_means(
    text: str, chains: list[str], told: str, corrected: dict[str, object] | None
) -> None:
    with pytest.raises(ArgumentProblem) as caught:
        refuse_symbol(text, [CHAINS[chain] for chain in chains], {"address": A, "contract": text, "cursor": "x"})
    assert told in caught.value.rule
    assert caught.value.corrected == corrected


@pytest.mark.parametrize("text", [USDT, "native", "NOSUCH", ""])
def test_what_is_no_well_known_symbol_is_left_to_others(text: str) -> None:
    refuse_symbol(text, [CHAINS["1"]], {})
