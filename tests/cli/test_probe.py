"""A probe of the sandbox on virtual time: what it sends, finds and writes, and that a replay of it agrees."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from pydantic import SecretStr

from tests.cli.doctor_bench import GOOD, App, answering, page, stand_in, wall_clock
from tests.support.virtual_time import VirtualTimeLoop
from wallet_mcp.cli import probe as probe_module
from wallet_mcp.cli.anonymise import to_base58
from wallet_mcp.cli.probe import Notes, Options, Recording, Stopped, announcement, probe, record, target_of
from wallet_mcp.cli.probe_plan import Target, questions
from wallet_mcp.cli.probe_report import ProbeFolder
from wallet_mcp.sandbox.app import SANDBOX_API_KEY, SANDBOX_SECRET_KEY, Fault, Sandbox
from wallet_mcp.sandbox.replay import Replay
from wallet_mcp.sandbox.replies import Moment, rate_limited
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.settings import Settings, load_settings
from wallet_mcp.wallet_api.endpoints import ApiConfig, TokenRef, WalletApi
from wallet_mcp.wallet_api.signing import HEADER_API_KEY, HmacSigner

NEVER = 1e9
SIGNATURE = to_base58(bytes(range(1, 65)))
RICH, HISTORY = WALLETS["rich"], WALLETS["history"]
KEY_HEADER = HEADER_API_KEY.lower().encode()
HEX = re.compile(r"0x[0-9a-fA-F]{40,}")


def settings_of(**changes: str) -> Settings:
    return load_settings(GOOD | {f"WALLET_MCP_{name}": value for name, value in changes.items()})


def target(address: str = RICH, chain: str = "", tx_hash: str = "") -> Target:
    return target_of(Options(address, chain, tx_hash), settings_of())


async def recorded(app: Any, aim: Target, settings: Settings | None = None, notes: Notes | None = None) -> Recording:
    settings = settings or settings_of()
    assert settings.credentials is not None
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return await record(aim, settings, settings.credentials, transport, wall_clock, notes)


def facts_of(folder: Path) -> dict[str, tuple[str, str]]:
    """Fact -> (observed, verdict) of the report in a folder."""
    rows = [
        line.strip("| ").split(" | ") for line in (folder / "report.md").read_text().splitlines() if " | " in line
    ]
    return {row[0]: (row[4], row[5]) for row in rows[2:]}


def fixtures_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted((folder / "fixtures").glob("*.json"))]


async def probed(app: Any, aim: Target, folder: Path) -> dict[str, tuple[str, str]]:
    notes = Notes(aim, settings_of(), folder)
    await recorded(app, aim, notes=notes)
    notes.finish()
    return facts_of(folder)


@pytest.mark.anyio
async def test_what_it_announces_is_what_it_sends() -> None:
    app = stand_in()
    recording = await recorded(app, target(HISTORY, "1"))
    plan = questions(target(HISTORY, "1"))
    assert [question.name for question, _ in recording.exchanges] == [question.name for question in plan]
    assert recording.requests == len(plan) == 25
    assert recording.requests == len(app.requests)
    assert {seen.api_key for seen in app.requests} == {SANDBOX_API_KEY}
    assert {seen.method for seen in app.requests} == {"GET", "POST"}
    told = announcement(target(HISTORY, "1"), settings_of(), Path("out"))
    assert f"at most {len(plan)} read-only requests" in told
    assert "https://web3.binance.com/build" in told
    assert all(f"  {question.name} " in told for question in plan)
    assert SANDBOX_SECRET_KEY not in told
    # The first three come within a second, all others spare half of the rate.
    times = [seen.at for seen in app.requests]
    assert times[2] - times[0] < 0.1
    assert all(later - earlier > 0.39 for earlier, later in pairwise(times[2:]))


@pytest.mark.anyio
async def test_no_question_is_about_anybody_else_and_none_writes() -> None:
    app = stand_in()
    await recorded(app, target())
    paths = {seen.path.rpartition("/")[2] for seen in app.requests}
    assert paths == {
        "chain",
        "all-token-balances-by-address",
        "token-balances-by-address",
        "transactions-by-address",
        "transaction-detail-by-txhash",
    }
    asked = {match for seen in app.requests for match in re.findall(r"address=(\w+)", seen.query)}
    assert asked == {RICH, "0x123"}


@pytest.mark.anyio
async def test_the_facts_of_the_sandbox_are_found(tmp_path: Path) -> None:
    facts = await probed(stand_in(), target(HISTORY, "1"), tmp_path)
    for fact, observed in {
        "rate limit of the key": "limit 5",
        "one rate bucket for all endpoints": "shared: remaining 4, weight 1; remaining 3, weight 2; ",
        "several chains, all balances": "40001, HTTP 200: Parameter (chains) error: only a single chain is supported",
        "unknown chain, supported/chain": "code 0, 0 entries",
        "HTTP status of 40001": "200",
        "native coin's contract, all balances": "blank",
        "order of tokenAssets": "by contract",
        "cursor at the end of a page": "text (1)",
        "newest first": "yes",
        "names in the detail": "chainIndex, txhash",
        "unknown hash": "code 0, 0 entries",
        "timestamp without milliseconds": "40103, HTTP 401",
    }.items():
        assert facts[fact][0].startswith(observed), fact
        assert facts[fact][1] in ("as expected", "settled"), fact
    assert facts["cursor continues"] == ("code 0, 1 entry, 100 rows; 1 hashes of the page before", "as expected")
    assert "two chains in one history request" in facts
    report = (tmp_path / "report.md").read_text()
    assert "source sandbox, HMAC-SHA256, an address of the family evm on chain 1." in report


@pytest.mark.parametrize(("unit", "setting"), [("base", "base"), ("scaled", "scaled")])
@pytest.mark.anyio
async def test_the_unit_of_amounts_is_found_and_becomes_a_setting(unit: Any, setting: str, tmp_path: Path) -> None:
    facts = await probed(stand_in(amount_unit=unit), target(), tmp_path)
    words = {"base": "base units", "scaled": "coins, with decimals"}[unit]
    assert facts["unit of amount, history"][0].startswith(words)
    assert facts["unit of txFee, history"][0].startswith("coins, with decimals")
    assert f"- WALLET_MCP_TX_AMOUNT_UNIT={setting}: " in (tmp_path / "report.md").read_text()
    proved = {title: text for title, (text, verdict) in facts.items() if "amount" in title and verdict == "settled"}
    assert all(text.startswith(words) for text in proved.values())
    assert len(proved) >= 3


@pytest.mark.anyio
async def test_a_refused_blank_contract_and_a_full_limit_are_told(tmp_path: Path) -> None:
    facts = await probed(stand_in(native_blank="refuse", rate=1200), target(), tmp_path)
    assert facts["native coin asked as a blank contract"][1] == "differs"
    assert facts["native coin asked as 0xeeee...eeee"][1] == "as expected"
    assert facts["rate limit of the key"] == ("limit 1200", "differs")


@pytest.mark.parametrize("wallet", ["solana", "empty", "whale", "broken_history", "unavailable"])
@pytest.mark.anyio
async def test_any_wallet_gives_a_report_that_shows_nobody(wallet: str, tmp_path: Path) -> None:
    address = WALLETS[wallet]
    app = stand_in()
    facts = await probed(app, target(address), tmp_path)
    assert len(facts) > 45
    report = (tmp_path / "report.md").read_text()
    assert address not in report
    assert not HEX.search(report.replace("0xeeee...eeee", ""))
    assert {verdict for _, verdict in facts.values()} <= {"as expected", "differs", "settled", "no evidence"}
    if wallet in ("broken_history", "unavailable"):
        assert facts["forms of methodId"][1] == "no evidence"


def sensitive(app: Sandbox) -> Iterator[str]:
    """Every address, hash and cursor of the sandbox's recorded world that a fixture must not hold."""
    for wallet in (RICH, HISTORY):
        yield wallet
        for chain in ("1", "56", "8453", "42161"):
            for tx in app.world.transactions(wallet, chain):
                yield tx.hash
                yield tx.sender


@pytest.mark.anyio
async def test_the_fixtures_point_to_nobody_and_fit_together(tmp_path: Path) -> None:
    app = stand_in()
    aim = target(HISTORY, "1")
    await probed(app, aim, tmp_path)
    written = " ".join(file.read_text() for file in (tmp_path / "fixtures").iterdir())
    folded = written.lower()
    assert all(value.lower() not in folded for value in sensitive(app))
    for secret in (SANDBOX_API_KEY, SANDBOX_SECRET_KEY, "x-oc-trace-id", "x-wallet-mcp", "eyJ"):
        assert secret not in written
    by_name = {each["name"]: each for each in fixtures_of(tmp_path)}
    address = dict(by_name["balances"]["request"]["query"])["address"]
    assert address != HISTORY
    (page_,) = by_name["balances"]["response"]["body"]["data"]
    assert {row["address"] for row in page_["tokenAssets"]} == {address}
    (first,) = by_name["history"]["response"]["body"]["data"]
    assert dict(by_name["history-next-page"]["request"]["query"])["cursor"] == first["cursor"]
    hashes = {row["txHash"] for row in first["transactionList"]}
    assert dict(by_name["detail"]["request"]["query"])["txHash"] in hashes
    assert [each["name"] for each in fixtures_of(tmp_path) if each["varied"]] == [
        "recv-window-60001",
        "timestamp-seconds",
    ]


def client(app: Any) -> WalletApi:
    config = ApiConfig(SecretStr(SANDBOX_API_KEY), HmacSigner(SecretStr(SANDBOX_SECRET_KEY)))
    return WalletApi(config, transport=httpx.ASGITransport(app=app), wall=wall_clock)


class KeptReplacements:
    """The anonymiser of a recording, so that the true answers can be replaced the same way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from wallet_mcp.cli import anonymise

        self.of_recording = anonymise.Anonymiser(b"kept")
        monkeypatch.setattr(anonymise, "Anonymiser", lambda salt: self.of_recording)

    def of(self, answer: Any) -> Any:
        return self.of_recording.value([row.model_dump(mode="json") for row in answer])


@pytest.mark.anyio
async def test_client_and_replay_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replacements = KeptReplacements(monkeypatch)
    app = stand_in()
    aim = target(HISTORY, "1")
    await probed(app, aim, tmp_path)
    replay = Replay(tmp_path / "fixtures")
    live, again = client(app), client(replay)
    address = replacements.of_recording.text(HISTORY)
    assert list(replay.wallets.values()) == [address]

    chains, same_chains = await live.supported_chains(deadline=NEVER), await again.supported_chains(deadline=NEVER)
    assert same_chains.data == chains.data
    assert same_chains.sandbox
    held = await live.all_token_balances(HISTORY, "1", page=1, page_size=100, deadline=NEVER)
    held_again = await again.all_token_balances(address, "1", page=1, page_size=100, deadline=NEVER)
    assert replacements.of([held.data]) == [held_again.data.model_dump(mode="json")]
    coin = await live.token_balances(HISTORY, [TokenRef("1", "")], deadline=NEVER)
    coin_again = await again.token_balances(address, [TokenRef("1", "")], deadline=NEVER)
    assert replacements.of(coin.data) == [row.model_dump(mode="json") for row in coin_again.data]
    pages = await live.transactions(HISTORY, ["1"], limit=100, deadline=NEVER)
    pages_again = await again.transactions(address, ["1"], limit=100, deadline=NEVER)
    assert replacements.of(pages.data) == [row.model_dump(mode="json") for row in pages_again.data]
    cursor = pages_again.data[0].cursor
    following = await again.transactions(address, ["1"], cursor=cursor, limit=100, deadline=NEVER)
    assert following.data[0].transaction_list
    (tx_hash,) = {
        dict(each["request"]["query"])["txHash"] for each in fixtures_of(tmp_path) if each["name"] == "detail"
    }
    (detail,) = (await again.transaction_detail("1", tx_hash, deadline=NEVER)).data
    assert detail.txhash == tx_hash
    await live.close()
    await again.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"API_KEY": "BX-nobody"}, "refuses this key or this place (40101)"),
        ({"SECRET_KEY": "wrong"}, "(40102)"),
        ({"API_KEY": "BX-sandbox-no-wallet"}, "(40104)"),
        ({"API_KEY": "BX-sandbox-40304"}, "(40304)"),
    ],
)
@pytest.mark.anyio
async def test_it_stops_where_the_api_refuses_the_key(settings: Mapping[str, str], said: str) -> None:
    app = stand_in()
    with pytest.raises(Stopped, match=re.escape(said)):
        await recorded(app, target(), settings_of(**settings))
    assert len(app.requests) == 1


@pytest.mark.anyio
async def test_it_stops_where_nothing_answers_at_the_start_but_goes_on_later() -> None:
    with pytest.raises(Stopped, match="cannot be reached \\(not_json\\)"):
        await recorded(page(200), target())
    app = stand_in(faults=(Fault("empty", path="transactions-by-address"),))
    recording = await recorded(app, target())
    assert recording.exchanges[-1][0].name == "timestamp-seconds"


@pytest.mark.anyio
async def test_fixtures_hold_no_pages_and_no_missing_answers(tmp_path: Path) -> None:
    app = stand_in(faults=(Fault("hang", path="by-txhash"), Fault("html502", path="transactions-by-address")))
    facts = await probed(app, target(), tmp_path)
    assert facts["unknown hash"] == ("no answer (timeout)", "no evidence")
    names = {each["name"] for each in fixtures_of(tmp_path)}
    assert "detail-unknown" not in names
    assert "history" not in names
    assert "balances" in names


@pytest.mark.anyio
async def test_a_wrong_clock_costs_one_request_and_a_full_rate_a_pause() -> None:
    app = stand_in(clock_offset_s=3600)
    recording = await recorded(app, target())
    assert recording.requests == len(recording.exchanges) + 1
    limited = stand_in(faults=(Fault("42900", times=1), Fault("429_date", times=1, path="by-txhash")))
    recording = await recorded(limited, target())
    assert recording.requests == len(recording.exchanges) + 2
    assert limited.requests[1].at - limited.requests[0].at >= 2


def limited(retry_after: Callable[[], str]) -> tuple[App, list[float]]:
    """A sandbox whose rate is used up at the first request, and the times of all requests."""
    app, times = stand_in(), list[float]()

    async def once(scope: Any, receive: Any, send: Any) -> None:
        times.append(wall_clock())
        if len(times) > 1:
            return await app(scope, receive, send)
        refusal = rate_limited(Moment(int(wall_clock() * 1e9)), retry_after())
        headers = [(name.encode(), value.encode("latin-1")) for name, value in refusal.headers]
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "http.response.body", "body": refusal.body})

    return once, times


@pytest.mark.parametrize(
    ("retry_after", "pause_s"),
    [
        (lambda: "3", 4),
        (lambda: "0", 1),
        (lambda: "soon", 2),
        # Digits to Python's isdigit, and no number to float().
        (lambda: "²", 2),
        (lambda: formatdate(wall_clock() + 7, usegmt=True), 8),
        (lambda: formatdate(wall_clock() - 7, usegmt=True), 1),
        (lambda: "100000", 16),
    ],
)
@pytest.mark.anyio
async def test_a_full_rate_is_waited_for_as_long_as_the_api_asks_within_reason(
    retry_after: Callable[[], str], pause_s: float
) -> None:
    app, times = limited(retry_after)
    recording = await recorded(app, target())
    assert recording.exchanges[0][1].code == 0
    assert times[1] - times[0] == pytest.approx(pause_s, abs=0.1)


@pytest.mark.anyio
async def test_a_wrong_clock_that_cannot_be_told_stops_it() -> None:
    with pytest.raises(Stopped, match="40103"):
        await recorded(answering(40103, 40103), target())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options("0x123"), "address"),
        (Options("canary seed phrase"), "address"),
        (Options(RICH, "nowhere"), "There is no such chain"),
        (Options(RICH, "solana"), "one family"),
        (Options(WALLETS["solana"], "bsc"), "one family"),
        (Options(RICH, "bsc", SIGNATURE), "one family"),
        (Options(RICH, "bsc", RICH), "hash"),
    ],
)
def test_wrong_words_are_refused_in_a_sentence(options: Options, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        target_of(options, settings_of())
    assert "canary" not in str(caught.value)


def test_labels_and_chains_by_name() -> None:
    settings = settings_of(WALLETS=f"treasury={RICH}")
    tx_hash = "0x" + "AB" * 32
    aim = target_of(Options("Treasury", "ethereum", tx_hash), settings)
    assert (aim.address.text, aim.chain.id, aim.other, aim.tx_hash) == (RICH, "1", "56", tx_hash.lower())
    assert (target().chain.id, target().other) == ("56", "1")
    sol = target(WALLETS["solana"])
    assert (sol.chain.id, sol.other) == ("CT_501", "")
    assert len(questions(sol)) == 23
    assert "a few for" not in announcement(sol, settings, Path("out"))


@pytest.mark.anyio
async def test_a_given_hash_is_the_one_looked_up() -> None:
    app = stand_in()
    tx_hash = app.world.transactions(RICH, "56")[3].hash
    await recorded(app, target(RICH, "56", tx_hash))
    assert f"binanceChainId=56&txHash={tx_hash}" in {seen.query for seen in app.requests}


class Terminal:
    """The command as a person runs it, with the embedded sandbox and these words on the keyboard."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._patch = monkeypatch
        self.folder = folder / "out"

    def run(self, said: str | None, **options: Any) -> int:
        def typed(prompt: str) -> str:
            assert prompt == "Send these requests? [y/N] "
            if said is None:
                raise EOFError
            return said

        self._patch.setattr("builtins.input", typed)
        words = {"address": RICH, "out": str(self.folder), "sandbox": True, **options}
        return probe(Options(**words))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminal:
    for name in ("API_KEY", "SECRET_KEY", "PRIVATE_KEY", "SANDBOX", "BASE_URL"):
        monkeypatch.delenv(f"WALLET_MCP_{name}", raising=False)

    quickly = partial(anyio.run, backend_options={"loop_factory": VirtualTimeLoop})
    monkeypatch.setattr(anyio, "run", quickly)
    return Terminal(monkeypatch, tmp_path)


@pytest.mark.parametrize(
    ("said", "status", "told"),
    [
        ("", 0, "Nothing was sent."),
        ("n", 0, "Nothing was sent."),
        ("yeah", 0, "Nothing was sent."),
        (None, 2, "nobody agreed. --yes agrees beforehand."),
    ],
)
def test_without_consent_nothing_is_sent_or_written(
    said: str | None, status: int, told: str, terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal.run(said) == status
    written = capsys.readouterr()
    assert "This sends at most 25 read-only requests, signed with your key, to the embedded sandbox" in written.out
    assert told in written.out + written.err
    assert not terminal.folder.exists()


@pytest.mark.parametrize("options", [{}, {"yes": True}])
def test_with_consent_report_and_fixtures_are_written(
    options: dict[str, bool], terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal.run(None if options else "Y", **options) == 0
    assert capsys.readouterr().out.splitlines()[-2].startswith("24 requests sent. Report: ")
    assert len(facts_of(terminal.folder)) > 45
    assert len(fixtures_of(terminal.folder)) == 24
    assert terminal.run("y") == 2
    assert "is not empty" in capsys.readouterr().err


def test_a_folder_in_use_settings_and_refusals_are_told(
    terminal: Terminal, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    assert terminal.run("y", out=str(tmp_path / "full")) == 2
    assert terminal.run("y", out=str(tmp_path / "full" / "x")) == 2
    assert terminal.run("y", address="canary") == 2
    assert terminal.run("y", sandbox=False) == 1
    assert "wallet-mcp doctor" in capsys.readouterr().err

    async def stopped(*_: Any) -> Recording:
        raise Stopped("The API cannot be reached.")

    async def full(*_: Any) -> Recording:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(probe_module, "record", stopped)
    assert terminal.run("y") == 1
    assert not terminal.folder.exists()
    monkeypatch.setattr(probe_module, "record", full)
    assert terminal.run("yes") == 1
    assert "(No space left on device)" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_sent(
    terminal: Terminal, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")

    async def sent(*_: Any) -> Recording:
        raise AssertionError("a request was sent")

    monkeypatch.setattr(probe_module, "record", sent)
    assert terminal.run("y", out=str(tmp_path / "file" / "out")) == 1
    assert "out cannot be written (Not a directory). Nothing was sent." in capsys.readouterr().err


class Ended(Sandbox):
    """A sandbox in which something happens at its ninth request."""

    happens: Any

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and len(self.requests) == 8:
            await self.happens(scope, receive, send)
        await super().__call__(scope, receive, send)


@pytest.mark.parametrize(("how", "status"), [("refused", 1), ("interrupted", None), ("no space", 1)])
def test_what_was_found_before_the_end_is_kept(
    how: str,
    status: int | None,
    terminal: Terminal,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def happens(scope: Any, receive: Any, send: Any) -> None:
        fixtures = sorted(terminal.folder.glob("fixtures/*.json"))
        # Each was written as it came.
        assert len(fixtures) == 8
        if how == "interrupted":
            raise KeyboardInterrupt
        if how == "no space":
            monkeypatch.setattr(ProbeFolder, "add", no_space)
        else:
            scope["headers"] = [(name, b"x" if name == KEY_HEADER else value) for name, value in scope["headers"]]

    def no_space(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ended, "happens", staticmethod(happens), raising=False)
    monkeypatch.setattr("wallet_mcp.sandbox.app.Sandbox", Ended)
    if status is None:
        with pytest.raises(KeyboardInterrupt):
            terminal.run("y")
    else:
        assert terminal.run("y") == status
    told = capsys.readouterr().err
    assert len(fixtures_of(terminal.folder)) == 8
    if how == "no space":
        assert "cannot be written (No space left on device)" in told
        return
    assert f"What was found until then is in {terminal.folder}." in told
    report = (terminal.folder / "report.md").read_text()
    assert "**Incomplete:** 8 of 25 questions were asked. " in report
    assert "\n9 requests; " in report
    facts = facts_of(terminal.folder)
    assert facts["unknown chain, supported/chain"][1] == "settled"
    assert facts["timestamp without milliseconds"][1] == "no evidence"
