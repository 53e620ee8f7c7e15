from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.server import remediation
from wallet_mcp.server.remediation import (
    API_CODES,
    CASES,
    FAMILIES,
    PLACEHOLDERS,
    TABLES,
    RemediationError,
    error_catalog,
    load_remediation,
    remedies,
    remedy_for,
)
from wallet_mcp.server.resources_dir import read_text
from wallet_mcp.wallet_api.errors import SETUP_CODES, TRANSPORT_CODES

FILE = read_text("remediation.toml")
BUSY = re.search(r"^\[busy\]\n(?:.+\n)+", FILE, re.MULTILINE)
assert BUSY is not None
BUSY_TABLE = BUSY[0]


def changed(old: str, new: str) -> str:
    """The file with one change in the table of `busy`."""
    assert old in BUSY_TABLE
    return FILE.replace(BUSY_TABLE, BUSY_TABLE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[busy", "not TOML"),
        (FILE + '\n[49999]\nsummary = "x"\n', "[49999]: no such code"),
        ("busy = 1\n" + FILE.replace(BUSY_TABLE, ""), "[busy]: must be a table"),
        (FILE.replace(BUSY_TABLE, ""), "[busy]: the table is missing"),
        (changed("summary =", "sumary ="), "[busy]: unknown field sumary"),
        (changed('kind = "busy"\n', ""), "[busy]: kind is missing"),
        (changed('kind = "busy"', 'kind = "lazy"'), "[busy]: kind must be one of parameter"),
        (changed('actor = "nobody"', 'actor = "user"'), "[busy]: actor must be one of model"),
        (changed('retry = "after"', 'retry = "later"'), "[busy]: retry must be one of no"),
        (changed('actor = "nobody"', 'actor = "operator"'), '[busy]: actor operator does not go with retry "after"'),
        (changed("delay_s = 5\n", ""), "[busy]: delay_s of 1 or more goes with"),
        (changed("delay_s = 5", "delay_s = 0.5"), "[busy]: delay_s of 1 or more goes with"),
        (changed("delay_s = 5", "delay_s = true"), "[busy]: delay_s must be a number"),
        (changed("delay_s = 5", 'delay_s = "5"'), "[busy]: delay_s must be a number"),
        (changed("delay_s = 5", "delay_s = 4000"), "[busy]: delay_s must be a number"),
        (changed("{again}", "{agian}"), "[busy]: next_step has an unknown placeholder {agian}"),
        (changed("{again}", "{}"), "[busy]: next_step has an unknown placeholder {}"),
        (changed("{again}", "{again!r}"), "[busy]: next_step has an unknown placeholder {again}"),
        (changed("{again}", "{again:>9}"), "[busy]: next_step has an unknown placeholder {again}"),
        (changed("{again}", "{field}"), "[busy]: next_step has an unknown placeholder {field}"),
        (changed("{again}", "{again"), "[busy]: next_step has an unbalanced brace"),
        (changed('last_step = "If', 'last_step = "{clock} If'), "[busy]: last_step has an unknown placeholder"),
        (changed('summary = "', 'summary = "{tool} '), "[busy]: summary and advice take no placeholder"),
        (changed('summary = "', 'summary = "\\n'), "[busy]: summary must be one line"),
        (changed('advice = "', "advice = 7 # "), "[busy]: advice must be one line"),
        (changed('next_step = "', 'next_step = " " # '), "[busy]: next_step must be one line"),
        (changed("[busy]", '[busy]\nmessages = "x"'), "[busy]: messages must be a list"),
        (changed("[busy]", "[busy]\nmessages = [1]"), "[busy]: messages must be a list"),
        (FILE + '\n[busy.tired]\nsummary = "x"\n', "[busy.tired]: no such case"),
        (FILE + '\n[busy.named]\nadvice = "x"\n', "[busy.named]: unknown field advice"),
        (FILE + '\n[busy.named]\nnext_step = "{clock}"\n', "[busy.named]: next_step has an unknown placeholder"),
        (FILE + '\n[busy.named]\nretry = "no"\n', '[busy.named]: actor nobody does not go with retry "no"'),
        (
            FILE + '\n[busy.named]\nretry = "no"\nactor = "operator"\n',
            "[busy.named]: next_step has an unknown placeholder {again}",
        ),
    ],
)
def test_a_fault_stops_the_start_and_is_named(text: str, fault: str) -> None:
    with pytest.raises(RemediationError, match=re.escape(fault)):
        load_remediation(text)


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remediation, "FILE_NAME", "nothing.toml")
    with pytest.raises(RemediationError, match=r"prompts/nothing\.toml is missing"):
        load_remediation()


def test_every_code_has_its_own_table_and_every_family_a_fallback() -> None:
    documented = {40001, 40101, 40102, 40103, 40104, 42900, 40301, 40302, 40303, 40304, 50000, 50001, 40411}
    assert {str(code) for code in documented} == API_CODES
    local = TRANSPORT_CODES | SETUP_CODES | {"000002", "busy", "internal"}
    assert load_remediation().keys() == API_CODES | local | set(FAMILIES) == TABLES


@pytest.mark.parametrize("code", [*sorted(TABLES - set(FAMILIES))])
def test_a_known_code_finds_its_table(code: str) -> None:
    assert remedy_for(code).name == code
    if code in API_CODES:
        assert remedy_for(int(code)).name == code


@pytest.mark.parametrize(
    ("code", "family"),
    [
        (40099, "400xx"),
        (40199, "401xx"),
        (40375, "403xx"),
        (40434, "404xx"),
        (42901, "429xx"),
        (50002, "5xxxx"),
        (59999, "5xxxx"),
        (45678, "other"),
        (81001, "other"),
        (500, "other"),
        (400010, "other"),
        (-40001, "other"),
        (True, "other"),
        ("40099", "400xx"),
        ("4٠٠٠١", "other"),
        ("000003", "other"),
        ("", "other"),
        ("other", "other"),
        ("400xx", "other"),
        ("busy" * 50, "other"),
    ],
)
def test_an_unknown_code_finds_its_family(code: int | str, family: str) -> None:
    assert remedy_for(code).name == family


@given(st.one_of(st.integers(), st.text()))
def test_any_code_has_a_remedy(code: int | str) -> None:
    assert remedy_for(code).name in TABLES


def test_words_about_failing_again_belong_to_the_step_they_follow() -> None:
    duplicate = remedies()["40103"].cases["duplicate"]
    assert duplicate.delay_s == 1
    busy_history = remedies()["50000"].cases["wallet_list_transactions"]
    assert (busy_history.retry, busy_history.delay_s) == ("corrected", 0)
    assert busy_history.last_step == ""
    assert remedies()["40001"].cases["named"].last_step == ""


def test_no_case_and_no_placeholder_is_kept_for_nobody() -> None:
    assert {case for remedy in remedies().values() for case in remedy.cases} == set(CASES)
    used = set(re.findall(r"\{([a-z_]+)\}", FILE))
    assert used == PLACEHOLDERS | {name for names in CASES.values() for name in names}


def test_the_catalog_is_the_table_in_general_words() -> None:
    rows = error_catalog()
    assert [row.code for row in rows] == list(load_remediation())
    for row in rows:
        words = f"{row.summary} {row.next_step}"
        # Rows go into Markdown tables as they stand.
        assert not set(words) & set("{}|\n"), row
        assert row.kind in get_args(remediation.Kind)
    assert {row.code: row.actor for row in rows}["40104"] == "operator"


@pytest.mark.parametrize("name", sorted(TABLES))
def test_what_a_model_reads_is_plain(name: str) -> None:
    remedy = remedies()[name]
    for advice in (remedy.advice, *remedy.cases.values()):
        assert not advice.summary.endswith(".")
        words = f"{advice.summary} {advice.next_step} {advice.last_step}"
        assert not re.search(r"IMPORTANT|MUST|NEVER|[!—]", words)
        settings = set(re.findall(r"WALLET_MCP_\w+", words))
        assert settings <= {
            "WALLET_MCP_",
            "WALLET_MCP_API_KEY",
            "WALLET_MCP_SECRET_KEY",
            "WALLET_MCP_PRIVATE_KEY",
            "WALLET_MCP_RECV_WINDOW_MS",
            "WALLET_MCP_BASE_URL",
            "WALLET_MCP_SANDBOX",
        }
        if advice.actor == "operator":
            assert advice.next_step.startswith("tell the user")
        else:
            assert re.search(r"\{again\}|\{narrower\}|call (\{tool\}|wallet_)", advice.next_step)
