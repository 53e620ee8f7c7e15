from __future__ import annotations

from typing import Any

import pytest

from wallet_mcp.server.detail_search import merged
from wallet_mcp.wallet_api.models import WireDetail

MOVED = {"from": "0xa", "to": "0xb", "tokenContractAddress": "0xc", "amount": "5"}
OTHER = MOVED | {"amount": "7"}


def entry(**fields: Any) -> WireDetail:
    return WireDetail.model_validate(fields)


@pytest.mark.parametrize(
    ("first", "second", "amounts"),
    [
        ([MOVED], [MOVED], ["5"]),
        ([MOVED], [OTHER], ["5", "7"]),
        ([MOVED, MOVED], [MOVED], ["5", "5"]),
        ([], [OTHER], ["7"]),
        ([OTHER, MOVED], [], ["7", "5"]),
    ],
)
def test_what_only_a_later_entry_tells_is_not_lost(
    first: list[dict[str, str]], second: list[dict[str, str]], amounts: list[str]
) -> None:
    row = merged([entry(tokenTransferDetails=first), entry(tokenTransferDetails=second)])
    assert [moved.amount for moved in row.token_transfer_details] == amounts


def test_a_blank_field_is_filled_from_the_entry_that_has_it() -> None:
    row = merged(
        [entry(txhash="0x1", txFee="", txTime=""), entry(txFee="9", txTime="1790000000000", txStatus="fail")]
    )
    assert (row.txhash, row.tx_fee, row.tx_time, row.tx_status) == ("0x1", "9", 1_790_000_000_000, "fail")


def test_entries_that_contradict_each_other_leave_the_status_unknown() -> None:
    assert merged([entry(txStatus="success"), entry(txStatus="fail")]).tx_status == ""
    assert merged([entry(txStatus="success"), entry(txStatus="SUCCESS")]).tx_status == "success"


def test_a_single_entry_stays_as_it_is() -> None:
    row = entry(txhash="0x1", tokenTransferDetails=[MOVED, MOVED])
    assert merged([row]) == row
