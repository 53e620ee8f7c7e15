from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.wallet_api.envelope import parse_json
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.models import (
    M,
    Wire,
    WireBalancePage,
    WireChain,
    WireDetail,
    WireDetailParty,
    WireHistory,
    WireInternal,
    WireParty,
    WireToken,
    WireTokenTransfer,
    WireTransaction,
    read_rows,
)

MODELS: tuple[type[Wire], ...] = (
    WireChain,
    WireToken,
    WireBalancePage,
    WireParty,
    WireTransaction,
    WireHistory,
    WireDetailParty,
    WireInternal,
    WireTokenTransfer,
    WireDetail,
)
MS = 1748601600000


def one(model: type[M], row: object) -> M:
    (read,) = read_rows(model, [row])
    return read


def aliases(model: type[Wire]) -> list[str]:
    return [str(info.alias) for info in model.model_fields.values()]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("nothing", [None, ""], ids=["null", "blank"])
def test_null_and_blank_read_as_absent(model: type[Wire], nothing: object) -> None:
    # But a blank contract is that of the coin, while a missing one may be that of any token.
    told = {"token_contract_address": nothing} if model is WireToken else {}
    assert one(model, dict.fromkeys(aliases(model), nothing)) == one(model, {}).model_copy(update=told)


@pytest.mark.parametrize("model", MODELS)
def test_unknown_fields_are_ignored(model: type[Wire]) -> None:
    assert one(model, {"brandNew": {"deep": [1]}}) == one(model, {})


# The field names of contract §3, in its order.
CONTRACT = {
    WireChain: "binanceChainId name shortName logoUrl",
    WireToken: "binanceChainId tokenContractAddress address symbol balance rawBalance tokenPrice isRiskToken",
    WireBalancePage: "page pageSize tokenAssets",
    WireParty: "address amount",
    WireTransaction: "binanceChainId txHash itype methodId nonce txTime from to tokenContractAddress amount symbol "
    "txFee txStatus hitBlacklist",
    WireHistory: "cursor transactionList",
    WireDetailParty: "address isContract amount",
    WireInternal: "from to amount txStatus",
    WireTokenTransfer: "from to tokenContractAddress symbol amount",
    WireDetail: "chainIndex height txTime txhash txStatus gasLimit gasUsed gasPrice txFee nonce amount symbol "
    "methodId l1OriginHash fromDetails toDetails internalTransactionDetails tokenTransferDetails",
}


@pytest.mark.parametrize("model", MODELS)
def test_names_on_the_wire_are_those_of_the_contract(model: type[Wire]) -> None:
    assert aliases(model) == CONTRACT[model].split()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1", "1"),
        ("-5", "-5"),
        ("25957237393326391", "25957237393326391"),
        ("0.025957237393326391", "0.025957237393326391"),
        ("232.17054012841389660135000000", "232.17054012841389660135000000"),
        ("1.50", "1.50"),
        ("1e3", "1000"),
        ("5E-11", "0.00000000005"),
        ("0.0", "0.0"),
        ("123456789012345678901234567890123456789.5", "123456789012345678901234567890123456789.5"),
    ],
)
def test_numbers_where_texts_are_documented_keep_their_digits(number: str, text: str) -> None:
    (row,) = read_rows(WireToken, [parse_json(f'{{"balance": {number}}}'.encode())])
    assert row.balance == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=30, min_value=-(10**40), max_value=10**40))
def test_any_number_survives_exactly(value: Decimal) -> None:
    (row,) = read_rows(WireToken, [parse_json(f'{{"tokenPrice": {value:f}}}'.encode())])
    assert row.token_price == f"{value:f}"


@pytest.mark.parametrize("text", ["698076.000000000000000000", " 1 ", "0x", "1,000", "a\ud800b", "\u202egnp.exe"])
def test_texts_are_kept_untouched(text: str) -> None:
    assert one(WireDetail, {"gasLimit": text}).gas_limit == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1748601600000", MS),
        (MS, MS),
        ("1748601600", MS),
        (1748601600, MS),
        ("1748601600.5", MS + 500),
        (Decimal("1748601600.123456789"), MS + 123),
        ("1748601600000.000000", MS),
        (" 1748601600000 ", MS),
        ("99999999999", 99999999999000),
        ("100000000000", 100000000000),
        ("", None),
        (None, None),
        ("0", None),
        (0, None),
        ("0.0000", None),
        ("0.0000001", None),
    ],
)
def test_times_in_milliseconds_or_seconds(value: object, expected: int | None) -> None:
    assert one(WireDetail, {"txTime": value}).tx_time == expected
    assert one(WireTransaction, {"txTime": value}).tx_time == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(v, True) for v in (True, "true", "True", "1", 1)]
    + [(v, False) for v in (False, "false", "False", "0", 0)]
    + [(None, None), ("", None)],
)
def test_flags(value: object, expected: bool | None) -> None:
    assert one(WireToken, {"isRiskToken": value}).is_risk_token is expected
    assert one(WireDetailParty, {"isContract": value}).is_contract is expected


NO_TIMES: tuple[object, ...] = ("secret", "-1", "NaN", "Infinity", "1e14", "1_748_601_600", "1" * 41, True, [])


@pytest.mark.parametrize(
    ("model", "row", "place"),
    [
        (WireToken, "text", "1"),
        (WireToken, None, "1"),
        (WireToken, [], "1"),
        (WireToken, {"symbol": True}, "1/symbol"),
        (WireToken, {"symbol": ["secret"]}, "1/symbol"),
        (WireToken, {"balance": {"secret": 1}}, "1/balance"),
        (WireToken, {"balance": Decimal("1e9999999")}, "1/balance"),
        (WireToken, {"balance": Decimal("1e-9999999")}, "1/balance"),
        (WireToken, {"isRiskToken": "secret"}, "1/isRiskToken"),
        (WireToken, {"isRiskToken": 2}, "1/isRiskToken"),
        (WireBalancePage, {"tokenAssets": {}}, "1/tokenAssets"),
        (WireBalancePage, {"tokenAssets": "secret"}, "1/tokenAssets"),
        (WireBalancePage, {"tokenAssets": [{}, {"symbol": True}]}, "1/tokenAssets/1/symbol"),
        (WireHistory, {"transactionList": [{"from": [{"amount": []}]}]}, "1/transactionList/0/from/0/amount"),
        (WireHistory, {"cursor": {}}, "1/cursor"),
        (WireHistory, {"cursor": "", "transactions": [{"txHash": "0xa"}]}, "1"),
        (WireBalancePage, {"page": 1, "tokens": [{"balance": "1"}]}, "1"),
        (WireBalancePage, {"binanceChainId": "1", "symbol": "ETH", "balance": "1"}, "1"),
        (WireHistory, {"binanceChainId": "1", "txHash": "0xa", "from": [], "to": []}, "1"),
        *((WireDetail, {"txTime": value}, "1/txTime") for value in NO_TIMES),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_the_place_only(
    model: type[Wire], row: object, place: str
) -> None:
    with pytest.raises(ApiError) as raised:
        read_rows(model, [{}, row])
    assert raised.value.code == "unexpected_answer"
    assert raised.value.received == f"data that cannot be read at {place}"
    assert "secret" not in repr(raised.value)


def test_official_detail_sample() -> None:
    party = {"address": "0xa", "vinIndex": None, "preVoutIndex": None, "isContract": False, "amount": "1500000"}
    sample = {
        "chainIndex": "1",
        "height": "39812345",
        "txTime": str(MS),
        "txhash": "0xabc",
        "txStatus": "success",
        "gasLimit": "200000",
        "gasUsed": "150000",
        "gasPrice": "5000000000",
        "txFee": "0.000750",
        "nonce": "42",
        "amount": "1500000",
        "symbol": "USDT",
        "methodId": "0xa9059cbb",
        "l1OriginHash": None,
        "fromDetails": [party],
        "toDetails": [party],
        "internalTransactionDetails": [{"from": "0xa", "to": "0xb", "amount": "100000", "txStatus": "success"}],
        "tokenTransferDetails": [{"from": "0xa", "to": "0xb", "tokenContractAddress": "0xc", "amount": "1500000"}],
    }
    read = one(WireDetail, sample)
    assert (read.txhash, read.tx_time, read.tx_fee, read.l1_origin_hash) == ("0xabc", MS, "0.000750", "")
    assert read.from_details == (WireDetailParty(address="0xa", is_contract=False, amount="1500000"),)
    assert (read.internal_transaction_details[0].from_, read.token_transfer_details[0].to) == ("0xa", "0xb")


noise = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("model", MODELS)
@given(data=st.data())
def test_any_json_gives_rows_or_an_api_error(model: type[Wire], data: st.DataObject) -> None:
    row = data.draw(noise | st.dictionaries(st.sampled_from(aliases(model)), noise))
    parsed = parse_json(json.dumps([row]).encode())
    assert isinstance(parsed, list)
    try:
        rows = read_rows(model, parsed)
    except ApiError as error:
        assert error.code == "unexpected_answer"
        return
    assert len(rows) == 1
    assert isinstance(row, dict)
    for name, info in model.model_fields.items():
        given_value = row.get(str(info.alias))
        if isinstance(given_value, str) and info.annotation is str:
            assert getattr(rows[0], name) == given_value
