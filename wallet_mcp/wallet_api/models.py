"""The wire models, field for field as the contract has them (§3), tolerant where it is uncertain.

Every field may be absent, null or `""`: texts then read as `""`. Numbers that come where texts are documented
keep their exact digits. Times come in milliseconds or, seen at a sister endpoint, in seconds. What cannot be read
at all makes the whole answer an error, never a row with a guess in it.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from wallet_mcp.wallet_api.errors import ApiError

_LARGEST_EXPONENT = 400

_SECONDS_BELOW = 10**11
"""A time below this is in seconds: as milliseconds it would be before March 1973."""


def _text(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        raise ValueError("a boolean where a text belongs")
    if isinstance(value, Decimal):
        # Written out, a number of a few characters such as 1e99999999 would fill the memory.
        if abs(value.adjusted()) > _LARGEST_EXPONENT:
            raise ValueError("a number beyond reason")
        return format(value, "f")
    return str(value) if isinstance(value, int) else value


def _text_or_none(value: object) -> object:
    return None if value is None else _text(value)


def _flag(value: object) -> object:
    match value:
        case True | "true" | "True" | "1" | 1:
            return True
        case False | "false" | "False" | "0" | 0:
            return False
        case None | "":
            return None
        case _:
            raise ValueError("neither true nor false")


def _time_ms(value: object) -> object:
    text = _text(value)
    if text == "":
        return None
    if not isinstance(text, str) or len(text) > 40 or "_" in text:
        raise ValueError("no time")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("no time") from None
    if not number.is_finite() or not 0 <= number < 10**14:
        raise ValueError("no time")
    milliseconds = int(number * 1000) if number < _SECONDS_BELOW else int(number)
    return milliseconds or None


def _listing(value: object) -> object:
    return [] if value is None or value == "" else value


Text = Annotated[str, BeforeValidator(_text)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
TimeMs = Annotated[int | None, BeforeValidator(_time_ms)]
_Lists = BeforeValidator(_listing)


class Wire(BaseModel):
    """Base of all wire models: camelCase names on the wire, unknown fields ignored, immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )


_FEW_FIELDS = 2
"""An entry has three fields at most, a row at least twice as many."""


class WireEntry(Wire):
    """Base of what holds one list: it may be absent, but not while a list of another name has come instead."""

    @model_validator(mode="before")
    @classmethod
    def _holds_its_list(cls, data: object) -> object:
        # Without this an API that renames the list would be read as an empty wallet.
        if isinstance(data, dict):
            own = {name for name, field in cls.model_fields.items() if _Lists in field.metadata}
            names = own | {to_camel(name) for name in own}
            if not names & data.keys() and any(isinstance(value, list) and value for value in data.values()):
                raise ValueError("a list of an unknown name")
            known = {alias for name in cls.model_fields for alias in (name, to_camel(name))}
            if len(data) > _FEW_FIELDS and not known & data.keys():
                raise ValueError("a row where the entry around it belongs")
        return data


class WireChain(Wire):
    """A row of supported/chain (contract §3.1)."""

    binance_chain_id: Text = ""
    name: Text = ""
    short_name: Text = ""
    logo_url: Text = ""


class WireToken(Wire):
    """A token row of both balance endpoints (§3.2, §3.3). `balance` is scaled, `raw_balance` in base units.

    The contract of a chain's coin is `""`; one that is absent or null is None, for it may be that of any token.
    """

    binance_chain_id: Text = ""
    token_contract_address: Annotated[str | None, BeforeValidator(_text_or_none)] = None
    address: Text = ""
    symbol: Text = ""
    balance: Text = ""
    raw_balance: Text = ""
    token_price: Text = ""
    is_risk_token: Flag = None


class WireBalancePage(WireEntry):
    """An entry of all-token-balances-by-address (§3.2)."""

    page: Text = ""
    page_size: Text = ""
    token_assets: Annotated[tuple[WireToken, ...], _Lists] = ()


class WireParty(Wire):
    """A sender or receiver of a history row; the unit of `amount` is disputed (§3.4)."""

    address: Text = ""
    amount: Text = ""


class WireTransaction(Wire):
    """A row of transactions-by-address (§3.4): one asset movement of a transaction."""

    binance_chain_id: Text = ""
    tx_hash: Text = ""
    itype: Text = ""
    method_id: Text = ""
    nonce: Text = ""
    tx_time: TimeMs = None
    from_: Annotated[tuple[WireParty, ...], _Lists] = Field(default=(), alias="from")
    to: Annotated[tuple[WireParty, ...], _Lists] = ()
    token_contract_address: Text = ""
    amount: Text = ""
    symbol: Text = ""
    tx_fee: Text = ""
    tx_status: Text = ""
    hit_blacklist: Flag = None


class WireHistory(WireEntry):
    """An entry of transactions-by-address: the rows of one chain and the cursor to its next page (§3.4)."""

    cursor: Text = ""
    transaction_list: Annotated[tuple[WireTransaction, ...], _Lists] = ()


class WireDetailParty(Wire):
    """A sender or receiver of the native coin in a transaction's detail (§3.5)."""

    address: Text = ""
    is_contract: Flag = None
    amount: Text = ""


class WireInternal(Wire):
    """An internal transfer of the native coin (§3.5)."""

    from_: Text = Field(default="", alias="from")
    to: Text = ""
    amount: Text = ""
    tx_status: Text = ""


class WireTokenTransfer(Wire):
    """A token transfer of a transaction's detail; `amount` is in base units by the schema, unproved (§3.5)."""

    from_: Text = Field(default="", alias="from")
    to: Text = ""
    token_contract_address: Text = ""
    symbol: Text = ""
    amount: Text = ""


class WireDetail(Wire):
    """An entry of transaction-detail-by-txhash (§3.5), which spells the chain `chainIndex` and the hash `txhash`."""

    chain_index: Text = ""
    height: Text = ""
    tx_time: TimeMs = None
    txhash: Text = ""
    tx_status: Text = ""
    gas_limit: Text = ""
    gas_used: Text = ""
    gas_price: Text = ""
    tx_fee: Text = ""
    nonce: Text = ""
    amount: Text = ""
    symbol: Text = ""
    method_id: Text = ""
    l1_origin_hash: Text = ""
    from_details: Annotated[tuple[WireDetailParty, ...], _Lists] = ()
    to_details: Annotated[tuple[WireDetailParty, ...], _Lists] = ()
    internal_transaction_details: Annotated[tuple[WireInternal, ...], _Lists] = ()
    token_transfer_details: Annotated[tuple[WireTokenTransfer, ...], _Lists] = ()


M = TypeVar("M", bound=Wire)


def read_rows(model: type[M], data: list[object]) -> tuple[M, ...]:
    """The rows of an answer as wire models.

    Raises `ApiError` `unexpected_answer` naming the first place that cannot be read, never its value.
    """
    rows: list[M] = []
    for index, row in enumerate(data):
        try:
            rows.append(model.model_validate(row))
        except ValidationError as error:
            place = "/".join(str(part) for part in (index, *error.errors(include_input=False)[0]["loc"]))
            received = f"data that cannot be read at {place[:80]}"
            raise ApiError(code="unexpected_answer", received=received) from None
    return tuple(rows)
