"""What the answers of a probe settle, but for the units of amounts: one function per group of facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from wallet_mcp.cli.probe_findings import (
    Fact,
    Findings,
    Row,
    answered,
    compared,
    contract_form,
    entries_of,
    envelope_fields,
    forms_of,
    header_of,
    is_code,
    listed_numbers,
    message_of,
    order_of,
    settled,
)
from wallet_mcp.cli.probe_plan import absent_token, native_contract, text_of
from wallet_mcp.wallet.chain_text import clean
from wallet_mcp.wallet.chains import KNOWN_CHAINS

REFUSED: Final = "40001"
_SIX_MONTHS_MS: Final = 184 * 86_400_000


def find_facts(findings: Findings) -> list[Fact]:
    """Every fact that the probe is about but the units of amounts."""
    return [
        *_gateway_facts(findings),
        *_refusal_facts(findings),
        *_balance_facts(findings),
        *_history_facts(findings),
        *_detail_facts(findings),
    ]


def _gateway_facts(f: Findings) -> Iterable[Fact]:
    chains = {text_of(row, "binanceChainId") for row in entries_of(f, "chains")}
    known = {chain.id for chain in KNOWN_CHAINS}
    news = ", ".join(sorted(clean(chain, 24).text for chain in chains - known)) or "none"
    gone = ", ".join(sorted(known - chains)) or "none"
    yield compared(
        "chains served",
        "3.1",
        "A",
        "the ten known ones",
        f"{len(chains)}; new: {news}; missing: {gone}",
        chains == known,
    )
    served = f.target.chain.id
    filtered = [text_of(row, "binanceChainId") for row in entries_of(f, "chains-filtered")]
    yield compared(
        "binanceChainId keeps one chain",
        "3.1",
        "A",
        "that chain alone",
        f.outcome("chains-filtered"),
        filtered == [served],
    )
    yield _rate_limit(f)
    yield _rate_bucket(f)
    yield _server_time(f)
    envelope = envelope_fields(f.asked("chains"))
    expected = "code, data, msg, success, timestamp"
    yield compared("fields of a success", "1.5", "A", expected, envelope or "no success", envelope == expected)
    window = f.outcome("recv-window-60001")
    yield settled(
        "X-OC-RECV-WINDOW of 60001", "1.4", "refused or taken as 60000", window, f.asked("recv-window-60001")
    )
    seconds = f.outcome("timestamp-seconds")
    yield settled("timestamp without milliseconds", "6", "40103", seconds, f.asked("timestamp-seconds"))


def _rate_limit(f: Findings) -> Fact:
    limit = header_of(f.asked("chains"), "x-oc-ratelimit-limit")
    observed = f"limit {limit}" if limit else "no rate headers"
    return compared(
        "rate limit of the key", "1.9", "B", "5 (1200 on raised keys)", observed, limit == "5", bool(limit)
    )


def _rate_bucket(f: Findings) -> Fact:
    first = [f.asked(name) for name in ("chains", "chains-filtered", "balances")]
    told = [(header_of(asked, "x-oc-ratelimit-remaining"), header_of(asked, "x-oc-used-weight")) for asked in first]
    words = "; ".join(f"remaining {remaining or '-'}, weight {weight or '-'}" for remaining, weight in told)
    sent = [asked.sent_at for asked in first if asked is not None]
    remaining = [int(left) for left, _ in told if left.isascii() and left.isdigit() and len(left) < 10]
    if len(sent) < 3 or len(remaining) < 3 or sent[-1] - sent[0] > 0.9:
        return Fact(
            "one rate bucket for all endpoints",
            "1.9",
            "B",
            "shared by the key",
            f"{words} (not within a second)",
            "no evidence",
        )
    # The third request went to another endpoint: a bucket of its own would be as full as after a first request.
    if remaining[0] > remaining[1] > remaining[2]:
        return Fact(
            "one rate bucket for all endpoints", "1.9", "B", "shared by the key", f"shared: {words}", "as expected"
        )
    own = remaining[0] > remaining[1] and remaining[2] == remaining[0]
    observed = f"{'one each' if own else 'unclear'}: {words}"
    return Fact(
        "one rate bucket for all endpoints",
        "1.9",
        "B",
        "shared by the key",
        observed,
        "differs" if own else "no evidence",
    )


def _server_time(f: Findings) -> Fact:
    asked = f.asked("chains")
    headers = asked.received.headers if asked is not None and asked.received is not None else {}
    there = [name for name in ("x-oc-server-time", "x-oc-trace-id", "date") if name in headers]
    return compared(
        "headers with time and trace",
        "1.9",
        "B",
        "x-oc-server-time, x-oc-trace-id, date",
        ", ".join(there) or "none",
        len(there) == 3,
    )


def _refusal_facts(f: Findings) -> Iterable[Fact]:
    table = (
        ("unknown chain, supported/chain", "3.1", "U", "empty list, 40001 or 40411", "chains-unknown"),
        ("unknown chain, all balances", "6", "U", "empty list, 40001 or 40411", "balances-unknown-chain"),
        ("several chains, all balances", "3.2", "U", REFUSED, "balances-two-chains"),
        ("pageSize of 101", "3.2", "B", REFUSED, "balances-page-size-101"),
        ("page of 0", "6", "U", REFUSED, "balances-page-0"),
        ("malformed address", "6", "U", REFUSED, "balances-bad-address"),
        ("21 tokens", "3.3", "C", REFUSED, "tokens-21"),
        ("limit of 101", "6", "U", REFUSED, "history-limit-101"),
        ("begin after end", "3.4", "U", REFUSED, "history-begin-after-end"),
        ("bad cursor", "6", "U", REFUSED, "history-bad-cursor"),
    )
    for title, section, mark, expected, name in table:
        asked = f.asked(name)
        if mark == "U":
            yield settled(title, section, expected, f.outcome(name), asked)
        else:
            yield compared(title, section, mark, expected, f.outcome(name), is_code(asked, 40001), answered(asked))
    refused = [name for *_, name in table if is_code(f.asked(name), 40001)]
    statuses = sorted({asked.received.status for name in refused if (asked := f.asked(name)) and asked.received})
    yield compared(
        "HTTP status of 40001", "1.7", "B", "200", ", ".join(map(str, statuses)), statuses == [200], bool(statuses)
    )
    named = [name for name in refused if "[" in message_of(f.asked(name))]
    observed = f"{len(named)} of {len(refused)} messages name the field in brackets"
    yield compared(
        "40001 names the field", "5.10", "B", "not always", observed, len(named) < len(refused), bool(refused)
    )


def _balance_facts(f: Findings) -> Iterable[Fact]:
    rows = f.rows("balances", "tokenAssets")
    native = sorted(
        {
            contract_form(text_of(row, "tokenContractAddress"))
            for row in rows
            if native_contract(text_of(row, "tokenContractAddress"))
        }
    )
    expected = "blank; 0xeeee...eeee possible"
    yield settled(
        "native coin's contract, all balances", "3.2", expected, ", ".join(native), f.asked("balances"), bool(native)
    )
    yield settled("order of tokenAssets", "6", "not known", order_of(rows), f.asked("balances"), len(rows) > 2)
    yield _risk_default(f)
    for name, form in (("tokens-native-blank", "a blank contract"), ("tokens-native-placeholder", "0xeeee...eeee")):
        forms = sorted({contract_form(text_of(row, "tokenContractAddress")) for row in f.rows(name, "tokenAssets")})
        asked = f.asked(name)
        came = f"; rows with {', '.join(forms)}" if forms else "; no row"
        observed = f.outcome(name) + (came if is_code(asked, 0) else "")
        yield compared(
            f"native coin asked as {form}", "3.3", "B", "accepted", observed, is_code(asked, 0), answered(asked)
        )
    yield _left_out(f, rows)


def _risk_default(f: Findings) -> Fact:
    title, expected = "excludeRiskToken left out", "not known"
    every, some, bare = (
        {text_of(row, "tokenContractAddress") for row in f.rows(name, "tokenAssets")}
        for name in ("balances", "balances-without-risk", "balances-default-risk")
    )
    if every == some or not is_code(f.asked("balances-default-risk"), 0):
        return Fact(title, "3.2", "U", expected, "no risk token on this page", "no evidence")
    observed = "means false: included" if bare == every else "means true: left out" if bare == some else "unclear"
    return Fact(title, "3.2", "U", expected, observed, "no evidence" if observed == "unclear" else "settled")


def _left_out(f: Findings, rows: Sequence[Row]) -> Fact:
    title, expected = "token without balance", "left out of the answer"
    absent = absent_token(f.target, [text_of(row, "tokenContractAddress") for row in rows])
    asked = f.asked("tokens-held-and-not")
    if not is_code(asked, 0) or not absent:
        return Fact(title, "3.3", "B", expected, f.outcome("tokens-held-and-not"), "no evidence")
    came = {text_of(row, "tokenContractAddress").lower() for row in f.rows("tokens-held-and-not", "tokenAssets")}
    there = absent.lower() in came
    return compared(title, "3.3", "B", expected, "a row of its own" if there else "left out", not there)


def _history_facts(f: Findings) -> Iterable[Fact]:
    rows = f.rows("history", "transactionList")
    asked = f.asked("history")
    any_rows = bool(rows)
    kinds = ", ".join(sorted({clean(text_of(row, "itype"), 8).text or "blank" for row in rows}))
    yield compared("itype", "3.4", "B", "0, 1, 2", kinds, set(kinds.split(", ")) <= {"0", "1", "2"}, any_rows)
    states = ", ".join(sorted({clean(text_of(row, "txStatus"), 16).text or "blank" for row in rows}))
    yield compared(
        "txStatus",
        "3.4",
        "B",
        "success, fail, pending",
        states,
        set(states.split(", ")) <= {"success", "fail", "pending"},
        any_rows,
    )
    times = {len(text_of(row, "txTime")) for row in rows}
    yield compared(
        "txTime", "3.4", "B", "milliseconds (13 digits)", f"{listed_numbers(times)} digits", times == {13}, any_rows
    )
    for name in ("methodId", "tokenContractAddress", "hitBlacklist", "txFee"):
        yield settled(f"forms of {name}", "3.4", "a value or null", forms_of(rows, name), asked, any_rows)
    hashes = [text_of(row, "txHash") for row in rows]
    repeated = len(hashes) - len(set(hashes))
    observed = f"{repeated} of {len(rows)} rows share a hash with another one"
    yield settled("several rows of one transaction", "3.4", "possible", observed, asked, any_rows)
    newest = [text_of(row, "txTime").rjust(20) for row in rows]
    yield compared(
        "newest first",
        "3.4",
        "A",
        "yes",
        "yes" if newest == sorted(newest, reverse=True) else "no",
        newest == sorted(newest, reverse=True),
        len(rows) > 1,
    )
    yield _cursor(f)
    yield _next_page(f, hashes)
    yield _two_chains(f)


def _cursor(f: Findings) -> Fact:
    forms = forms_of([entry for entry in entries_of(f, "history")], "cursor")
    return settled(
        "cursor at the end of a page",
        "3.4",
        "a text, blank when finished",
        forms,
        f.asked("history"),
        bool(entries_of(f, "history")),
    )


def _next_page(f: Findings, before: Sequence[str]) -> Fact:
    rows = f.rows("history-next-page", "transactionList")
    both = len({text_of(row, "txHash") for row in rows} & set(before))
    observed = f"{f.outcome('history-next-page')}; {both} hashes of the page before"
    return compared(
        "cursor continues", "3.4", "A", "rows that follow", observed, bool(rows) and both <= 1, bool(rows)
    )


def _two_chains(f: Findings) -> Fact:
    asked = f.asked("history-two-chains")
    entries = entries_of(f, "history-two-chains")
    observed = f.outcome("history-two-chains")
    if entries:
        parts = []
        for entry in entries:
            listed = entry.get("transactionList")
            rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
            chains = len({text_of(row, "binanceChainId") for row in rows})
            parts.append(f"{len(rows)} rows of {chains} chain(s){', a cursor' if text_of(entry, 'cursor') else ''}")
        observed = f"{len(entries)} entries: {'; '.join(parts)}"
    return settled(
        "two chains in one history request", "3.4", "an entry with its own cursor per chain", observed, asked
    )


def _detail_facts(f: Findings) -> Iterable[Fact]:
    asked = f.asked("detail")
    entries = entries_of(f, "detail")
    there = bool(entries)
    names = ", ".join(
        name for name in ("chainIndex", "binanceChainId", "txhash", "txHash") if any(name in row for row in entries)
    )
    yield compared(
        "names in the detail", "3.5", "A", "chainIndex, txhash", names, names == "chainIndex, txhash", there
    )
    for name in ("gasPrice", "gasUsed", "txFee", "methodId", "l1OriginHash"):
        yield settled(f"forms of {name}, detail", "3.5", "a value or null", forms_of(entries, name), asked, there)
    times = {len(text_of(row, "txTime")) for row in entries}
    digits = f"{listed_numbers(times)} digits"
    yield compared("txTime, detail", "3.5", "B", "milliseconds (13 digits)", digits, times == {13}, there)
    old = [row for row in entries if _older_than_six_months(row, f)]
    observed = "answered" if old else "this one is younger" if there else f.outcome("detail")
    yield settled("detail of a transaction older than six months", "3.5", "not known", observed, asked, bool(old))
    unknown = f.asked("detail-unknown")
    empty = unknown is not None and unknown.envelope is not None and not unknown.envelope.data
    yield compared(
        "unknown hash", "3.5", "A", "code 0, no entry", f.outcome("detail-unknown"), empty, answered(unknown)
    )


def _older_than_six_months(row: Row, f: Findings) -> bool:
    asked, text = f.asked("detail"), text_of(row, "txTime")
    return (
        asked is not None
        and text.isascii()
        and text.isdigit()
        and len(text) == 13
        and asked.sent_at * 1000 - int(text) > _SIX_MONTHS_MS
    )
