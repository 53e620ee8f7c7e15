"""Facts and units from answers that the sandbox does not give: other orders, other buckets, other proofs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wallet_mcp.cli.anonymise import Anonymiser
from wallet_mcp.cli.probe_facts import find_facts
from wallet_mcp.cli.probe_findings import Fact, Findings, forms_of, order_of
from wallet_mcp.cli.probe_plan import Target, absent_token
from wallet_mcp.cli.probe_report import ProbeFolder, Summary, fixture, report
from wallet_mcp.cli.probe_units import FieldUnit, field_units, settings_that_follow
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.server.setup.asking import Asked
from wallet_mcp.wallet.addresses import parse_address
from wallet_mcp.wallet.chains import resolve_chain
from wallet_mcp.wallet_api.envelope import Received, read_envelope
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.retry import Call

TARGET = Target(parse_address(WALLETS["rich"]), resolve_chain("56"), "1")
CALL = Call("supported_chains", "GET", "/p")
TOKEN = "0x" + "ab" * 20


def asked(data: object = None, *, code: int = 0, msg: str = "", sent_at: float = 0.0, **headers: str) -> Asked:
    """An answer of the API; header names have `_` for `-`."""
    body = {"code": code, "msg": msg, "data": [] if data is None else data, "timestamp": 1, "success": True}
    received = Received(
        200, {name.replace("_", "-"): text for name, text in headers.items()}, json.dumps(body).encode()
    )
    try:
        return Asked(CALL, None, received, read_envelope(received), None, 0.1, None, sent_at)
    except ApiError as error:
        return Asked(CALL, None, received, None, error, 0.1, None, sent_at)


def findings(**answers: Asked) -> Findings:
    named = {name.replace("_", "-"): answer for name, answer in answers.items()}
    return Findings(named, TARGET, Anonymiser(b"s").message)


def fact(title: str, **answers: Asked) -> Fact:
    (found,) = [fact for fact in find_facts(findings(**answers)) if fact.title == title]
    return found


def limited(remaining: str, sent_at: float = 0.0) -> Asked:
    return asked(sent_at=sent_at, x_oc_ratelimit_remaining=remaining, x_oc_used_weight="1")


@pytest.mark.parametrize(
    ("remaining", "last_at", "observed", "verdict"),
    [
        (("4", "3", "2"), 0.5, "shared: ", "as expected"),
        (("4", "3", "4"), 0.5, "one each: ", "differs"),
        (("4", "4", "4"), 0.5, "unclear: ", "no evidence"),
        (("4", "3", "2"), 1.5, "remaining 4", "no evidence"),
        (("4", "x", "2"), 0.5, "remaining 4", "no evidence"),
    ],
)
def test_whether_endpoints_share_a_bucket(
    remaining: tuple[str, str, str], last_at: float, observed: str, verdict: str
) -> None:
    first, second, third = remaining
    found = fact(
        "one rate bucket for all endpoints",
        chains=limited(first),
        chains_filtered=limited(second, 0.2),
        balances=limited(third, last_at),
    )
    assert found.observed.startswith(observed)
    assert found.verdict == verdict


def test_nothing_asked_is_no_evidence() -> None:
    facts = find_facts(findings())
    assert {found.verdict for found in facts if found.mark == "U"} == {"no evidence"}
    assert all(found.observed for found in facts)
    assert all(unit.unit == "undecided" for unit in field_units(findings()))


@pytest.mark.parametrize(
    ("code", "verdict"), [(40001, "settled"), (0, "settled"), (50000, "no evidence"), (42900, "no evidence")]
)
def test_an_error_of_the_api_itself_settles_nothing(code: int, verdict: str) -> None:
    assert fact("bad cursor", history_bad_cursor=asked(code=code)).verdict == verdict


def test_messages_in_the_report_are_clean_and_anonymous() -> None:
    said = fact(
        "bad cursor", history_bad_cursor=asked(code=40001, msg=f"|no {TOKEN} at db.prod.internal\n<b>")
    ).observed
    assert TOKEN not in said
    assert "internal" not in said
    assert "|" not in said


@pytest.mark.parametrize(
    ("default", "observed", "verdict"),
    [
        (("a", "b"), "means false: included", "settled"),
        (("a",), "means true: left out", "settled"),
        (("c",), "unclear", "no evidence"),
    ],
)
def test_the_default_of_exclude_risk_token(default: tuple[str, ...], observed: str, verdict: str) -> None:
    def page(*contracts: str) -> Asked:
        return asked([{"tokenAssets": [{"tokenContractAddress": contract} for contract in contracts]}])

    found = fact(
        "excludeRiskToken left out",
        balances=page("a", "b"),
        balances_without_risk=page("a"),
        balances_default_risk=page(*default),
    )
    assert (found.observed, found.verdict) == (observed, verdict)


@pytest.mark.parametrize(
    ("rows", "order"),
    [
        ([("b", "2", "3", "x"), ("a", "1", "3", "y")], "by value, largest first"),
        ([("a", "1", "1", "y"), ("b", "2", "1", "x")], "by contract"),
        ([("b", "1", "", "x"), ("a", "2", "1", "y")], "by symbol"),
        ([("b", "1", "bad", "y"), ("a", "2", "1", "x")], "by none of value, contract, symbol"),
    ],
)
def test_orders(rows: list[tuple[str, str, str, str]], order: str) -> None:
    names = ("tokenContractAddress", "balance", "tokenPrice", "symbol")
    assert order_of([dict(zip(names, row, strict=True)) for row in rows]) == order


def test_forms_are_counted_without_values() -> None:
    values: list[object] = [None, "", "5", "0.5", "x", True, 5, {}, "1e5"]
    rows = [{"f": value} for value in values] + [{}]
    told = forms_of(rows, "f")
    for form in ("absent (1)", "null (1)", "blank (1)", "boolean (1)", "integer text (1)", "number or structure (2)"):
        assert form in told


def test_a_token_without_balance_that_gets_a_row_differs() -> None:
    absent = absent_token(TARGET, [TOKEN])
    assert absent
    held = asked([{"tokenAssets": [{"tokenContractAddress": TOKEN}]}])
    for contracts, verdict in (([TOKEN], "as expected"), ([TOKEN, absent.upper()], "differs")):
        answer = asked([{"tokenAssets": [{"tokenContractAddress": contract} for contract in contracts]}])
        assert fact("token without balance", balances=held, tokens_held_and_not=answer).verdict == verdict
    assert absent_token(TARGET, ["x"] * 100) == ""


@pytest.mark.parametrize(("age_days", "verdict"), [(200, "settled"), (100, "no evidence")])
def test_an_old_transaction_tells_whether_detail_reaches_back(age_days: int, verdict: str) -> None:
    at = 1_795_000_000
    row = {"txTime": str((at - age_days * 86_400) * 1000)}
    assert fact("detail of a transaction older than six months", detail=asked([row], sent_at=at)).verdict == verdict


BALANCES = [
    {
        "tokenAssets": [
            {"tokenContractAddress": TOKEN, "tokenPrice": "1", "balance": "5", "isRiskToken": False},
            {"tokenContractAddress": "0xfake", "tokenPrice": "1e9", "balance": "1e9", "isRiskToken": False},
            {"tokenContractAddress": "0xrisk", "tokenPrice": "1000", "balance": "1", "isRiskToken": True},
            {"tokenContractAddress": "0xbad", "tokenPrice": "no", "balance": "1", "isRiskToken": False},
        ]
    }
]


@pytest.mark.parametrize(
    ("contract", "amount", "unit"),
    [
        (TOKEN, "1500000000000000000", "base"),
        (TOKEN.upper().replace("0X", "0x"), "1500000000000000000", "base"),
        (TOKEN, "1500000", "undecided"),
        (TOKEN, "1.5", "scaled"),
        (TOKEN, "1.0", "undecided"),
        (TOKEN, "no number", "undecided"),
        (TOKEN, "", "undecided"),
        ("0xfake", "1500000000000000000", "undecided"),
        ("0xrisk", "1500000000000000000", "undecided"),
        ("0xbad", "1500000000000000000", "undecided"),
        (None, "1500000000000000000", "base"),
        (None, "15", "undecided"),
    ],
)
def test_what_an_amount_proves(contract: str | None, amount: str, unit: str) -> None:
    row = {"tokenContractAddress": contract, "amount": amount, "from": [{"amount": amount}], "to": "no list"}
    units = {
        field.name: field
        for field in field_units(findings(balances=asked(BALANCES), history=asked([{"transactionList": [row]}])))
    }
    assert units["amount, history"].unit == unit
    assert units["from[].amount, history"].unit == unit
    assert units["to[].amount, history"].seen == 0
    assert units["amount, history"].as_fact().verdict == ("no evidence" if unit == "undecided" else "settled")


def field(unit: Any, name: str = "f", *, seen: int = 1, fee: bool = False) -> FieldUnit:
    return FieldUnit(name, "3.4", seen, unit, fee)


STAYS = "WALLET_MCP_TX_AMOUNT_UNIT stays `auto`: "
ALL = "every field in which an amount was seen has it. "


@pytest.mark.parametrize(
    ("units", "line"),
    [
        (
            [field("base"), field("undecided", "g", seen=0), field("scaled", fee=True), field("undecided", fee=True)],
            f"WALLET_MCP_TX_AMOUNT_UNIT=base: {ALL}Proved are base units: f. Without an amount, so not proved: g.",
        ),
        (
            [field("scaled"), field("scaled", "g")],
            f"WALLET_MCP_TX_AMOUNT_UNIT=scaled: {ALL}Proved are coins: f, g.",
        ),
        (
            [field("scaled"), field("undecided", "g"), field("undecided", "h")],
            f"{STAYS}it would count for fields too whose unit is not proved. Proved are coins: f. Not proved: g, h.",
        ),
        (
            [field("scaled"), field("base", "g"), field("undecided", "h")],
            f"{STAYS}the fields differ in their unit. Proved are base units: g; coins: f. Not proved: h.",
        ),
        ([field("undecided")], f"{STAYS}no amount proved a unit."),
        ([], f"{STAYS}no amount proved a unit."),
    ],
)
def test_the_setting_that_follows(units: list[FieldUnit], line: str) -> None:
    assert settings_that_follow(iter(units), 1.0) == [line]


@pytest.mark.parametrize(("amount", "seen"), [("0", 0), ("0.00", 0), ("", 0), ("7", 1), ("0.5", 1), ("many", 1)])
def test_an_amount_of_nothing_has_no_unit(amount: str, seen: int) -> None:
    row = {"tokenContractAddress": TOKEN, "amount": amount}
    (unit, *_) = field_units(findings(history=asked([{"transactionList": [row]}])))
    assert unit.seen == seen


def test_slow_answers_ask_for_a_wider_window() -> None:
    assert settings_that_follow([], 3.0)[1].startswith("WALLET_MCP_RECV_WINDOW_MS=20000: an answer took 3.0 s")


def test_a_report_keeps_its_table_whatever_was_observed(tmp_path: Path) -> None:
    summary = Summary("live", "Ed25519", "evm", "56", "2026-11-22", 3, 0.5, 1.0)
    text = report(summary, [Fact("a|b", "1", "U", "x", "line\nbreak | bar", "settled")], ["S=1: reason."])
    assert "| a¦b | 1 | U | x | line break ¦ bar | settled |" in text
    assert "1 facts: 0 as expected, 0 differs, 1 settled, 0 no evidence." in text
    folder = ProbeFolder(tmp_path / "new" / "folder")
    folder.add({"name": "n", "x": "é"})
    folder.write_report(text)
    assert (tmp_path / "new" / "folder" / "report.md").read_text() == text
    assert json.loads((tmp_path / "new" / "folder" / "fixtures" / "01-n.json").read_text()) == {"name": "n", "x": "é"}
    assert "Incomplete" not in text


def test_a_folder_that_is_given_up_goes_unless_something_is_in_it(tmp_path: Path) -> None:
    ProbeFolder(tmp_path / "a" / "b").give_up()
    assert list(tmp_path.iterdir()) == []
    used = ProbeFolder(tmp_path / "a")
    used.add({"name": "n"})
    used.give_up()
    assert [file.name for file in tmp_path.rglob("*.json")] == ["01-n.json"]


def test_an_answer_that_is_no_json_makes_no_fixture() -> None:
    from wallet_mcp.cli.probe_plan import questions

    question = questions(TARGET)[0]
    nothing = Asked(CALL, None, None, None, ApiError(code="timeout"), 1.0, None)
    page = Asked(CALL, None, Received(200, {}, b"<html>"), None, ApiError(code="not_json"), 1.0, None)
    assert fixture(question, nothing, Anonymiser(b"s")) is None
    assert fixture(question, page, Anonymiser(b"s")) is None
