"""Histories and transactions made to be long: no answer grows with them, and each says what it leaves out."""

from __future__ import annotations

import re
from typing import Any, Final

import httpx
import pytest

from tests.support.mcp import STRANGER, UNKNOWN_HASH, Era, Made, Success, Upstream, connect, custom_settings
from tests.support.tokens import compact

LIST: Final = "wallet_list_transactions"
DETAIL: Final = "wallet_get_transaction"
USDT: Final = "0xdac17f958d2ee523a2206206994597c13d831ec7"
NOW_MS: Final = 1_795_341_600_000
DEFAULT, ASKED = 10_000, 25_000

pytestmark = pytest.mark.anyio


def address(number: int) -> str:
    return f"0x{number * 7919 + 10**40:040x}"[:42]


def row(number: int, at: int = 0, **changes: Any) -> dict[str, Any]:
    """A spam token that came in, each of a contract and a sender of its own."""
    given = {
        "binanceChainId": "1",
        "txHash": f"0x{number:064x}",
        "itype": "2",
        "txTime": str(NOW_MS - 1000 * (at or number) - 1000),
        "from": [{"address": address(number)}],
        "to": [{"address": STRANGER}],
        "tokenContractAddress": address(number + 50_000),
        "amount": "123456789012345678901234",
        "symbol": f"Spam{number}",
        "txStatus": "success",
    }
    return given | changes


def history(rows: list[dict[str, Any]]) -> Upstream:
    """An API that serves these rows, newest first, in its pages."""

    def reply(request: httpx.Request) -> Made:
        query = request.url.params
        end = int(query.get("end", NOW_MS))
        found = [each for each in rows if int(each["txTime"]) <= end]
        start, size = int(query.get("cursor", 0)), int(query["limit"])
        following = str(start + size) if start + size < len(found) else ""
        return [{"cursor": following, "transactionList": found[start : start + size]}]

    return Upstream(reply)


def lengths(answer: Success) -> tuple[int, int]:
    return len(answer.text), len(compact(answer.structure))


SPAM: Final = [row(number) for number in range(1, 301)]
LONG: Final[dict[str, Any]] = {
    "symbol": "W" * 99,
    "amount": "9" * 120,
    "from": [{"address": f"{n}{'Q' * 199}"} for n in range(5)],
}
LONGEST: Final = [row(number, **LONG) for number in range(1, 121)]
CROWDED: Final = [row(1 + at // 60, 1 + at // 60, tokenContractAddress=address(at)) for at in range(1, 1200)]
WORLDS: Final = {"spam": SPAM, "longest texts": LONGEST, "crowded": CROWDED}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("begin", [{}, {"begin": "30d"}])
@pytest.mark.parametrize(("asked", "bound"), [({}, DEFAULT), ({"limit": 100}, ASKED), ({"limit": 1}, ASKED)])
async def test_a_list_keeps_to_its_length_and_loses_nothing(
    world: str, begin: dict[str, str], asked: dict[str, int], bound: int
) -> None:
    rows = WORLDS[world]
    hashes: list[str] = []
    async with connect(settings=custom_settings(), transport=history(rows)) as face:
        answer = await face.answer(LIST, {"address": STRANGER, "chains": ["1"]} | begin | asked)
        for _ in range(400):
            assert max(lengths(answer)) < bound
            assert answer["transactions"]
            hashes += [each["hash"] for each in answer["transactions"]]
            if "next" not in answer or len(hashes) > 30:
                break
            assert answer["complete"] is False
            answer = await face.replay(answer)
    expected = list(dict.fromkeys(each["txHash"] for each in rows))
    assert hashes == expected[: len(hashes)]
    assert len(hashes) >= min(30, len(expected))


async def test_who_asks_for_more_rows_gets_more(era: Era) -> None:
    async with connect(era, settings=custom_settings(), transport=history(SPAM)) as face:
        call = {"address": STRANGER, "chains": ["1"], "begin": "30d"}
        answer, more = await face.answer(LIST, call), await face.answer(LIST, call | {"limit": 100})
        few, many = len(answer["transactions"]), len(more["transactions"])
        assert 10 <= few < 20 < 60 <= many < 100
        told = "no more fit into {} characters and {} more of this span follow"
        assert answer["incomplete_because"] == told.format("10,000", 300 - few)
        assert more["incomplete_because"] == told.format("25,000", 300 - many)
        # The whole span was searched, whatever is shown of it.
        assert answer["searched"] == more["searched"]
        open_end = await face.answer(LIST, {"address": STRANGER, "chains": ["1"], "limit": 100})
        assert open_end["incomplete_because"].endswith("25,000 characters and older transactions follow")


async def test_totals_of_many_assets_begin_with_the_known_and_count_the_rest(era: Era) -> None:
    rows = [*SPAM, row(301, tokenContractAddress=USDT, symbol="USDT", amount="1500000")]
    async with connect(era, settings=custom_settings(tx_amount_unit="base"), transport=history(rows)) as face:
        answer = await face.answer(LIST, address=STRANGER, chains=["1"], begin="30d", limit=1)
        assert answer["totals"][0] == {"chain": "1", "contract": USDT, "symbol": "USDT", "in": "1.5", "unit": "coins"}
        left_out = 301 - len(answer["totals"])
        assert len(answer["totals"]) <= 20
        assert f"{left_out} more totals are left out, flagged and unknown tokens first" in answer.notes


async def test_a_crowded_transaction_shows_what_concerns_the_wallet_and_counts_the_rest(era: Era) -> None:
    others: dict[str, Any] = {"from": [{"address": address(1)}], "to": [{"address": address(2)}]}
    paid = others | {"from": [{"address": STRANGER}]}
    rows = [row(1, tokenContractAddress=address(at), **others) for at in range(10, 90)]
    rows += [row(1, tokenContractAddress=address(at)) for at in range(100, 120)]
    rows.append(row(1, tokenContractAddress=USDT, symbol="USDT", **paid))
    rows.append(row(1, tokenContractAddress=address(99), **paid))
    async with connect(era, settings=custom_settings(), transport=history(rows)) as face:
        answer = await face.answer(LIST, address=STRANGER, chains=["1"])
        (found,) = answer["transactions"]
        moves = found["movements"]
        assert len(moves) == 10
        assert found["more_movements"] == 102 - 10
        assert " 92 more movements" in next(line for line in answer.lines if found["hash"] in line)
        assert (found["direction"], USDT) == ("both", moves[-1 if moves[-1]["contract"] == USDT else -2]["contract"])
        assert "other" not in [move.get("direction") for move in moves]
        assert "more_movements are left out here" in answer.notes
        assert answer["incomplete_because"] == "1 transaction is shown in part (more_movements)"
        # What is asked for comes before the rest.
        asked = await face.answer(LIST, address=STRANGER, chains=["1"], contract=address(80))
        shown = [move.get("contract") for move in asked["transactions"][0]["movements"]]
        assert address(80) in shown


def moved(number: int, **changes: Any) -> dict[str, Any]:
    given = {"from": address(1), "to": address(number), "amount": "5", "symbol": f"S{number}"}
    return given | {"tokenContractAddress": address(number + 50_000)} | changes


async def detail(era: Era, **entry: Any) -> Success:
    api = Upstream(lambda request: [{"txStatus": "success"} | entry])
    async with connect(era, settings=custom_settings(), transport=api) as face:
        return await face.answer(DETAIL, tx_hash=UNKNOWN_HASH, chain="1")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tokenContractAddress": USDT, "symbol": "USDT"},
        {"symbol": "W" * 99, "amount": "9" * 120},
        {"from": ",".join(f"{n}{'Q' * 199}" for n in range(5)), "to": f"{'Z' * 200},{'Y' * 200}"},
        {"amount": ""},
    ],
)
async def test_a_transaction_of_a_thousand_transfers_is_told_in_part(era: Era, changes: dict[str, Any]) -> None:
    sent = [moved(number, **changes) for number in range(1, 1001)]
    answer = await detail(era, tokenTransferDetails=sent)
    assert max(lengths(answer)) < DEFAULT
    shown = len(answer["movements"])
    assert 0 < shown <= 30
    assert answer["complete"] is False
    assert answer["incomplete_because"].startswith(f"{1000 - shown} of 1000 movements are left out")
    net = re.search(r"(\d+) of (\d+) net rows are left out", answer["incomplete_because"])
    if "net" in answer:
        left_out = int(net[1]) if net else 0
        assert 0 < len(answer["net"]) <= 20
        # The sum of the one that sent all of them is of all, shown or not.
        assert left_out + len(answer["net"]) == (int(net[2]) if net else len(answer["net"]))


async def test_what_is_known_is_not_crowded_out_of_a_transaction(era: Era) -> None:
    sent = [moved(number) for number in range(1, 200)]
    sent.append(moved(200, tokenContractAddress=USDT, symbol="USDT", amount="1500000"))
    inner = [{"from": address(1), "to": address(2), "amount": "7"}]
    answer = await detail(era, tokenTransferDetails=sent, internalTransactionDetails=inner)
    contracts = [move["contract"] for move in answer["movements"]]
    assert (contracts[0], contracts[-1]) == ("native", USDT)
    assert len(contracts) > 10
