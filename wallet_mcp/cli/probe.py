"""`wallet-mcp probe`: with a key holder's consent, requests that only read settle what the contract leaves open."""

from __future__ import annotations

import secrets
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    import httpx

    from wallet_mcp.cli.probe_plan import Question, Target
    from wallet_mcp.cli.probe_report import Summary
    from wallet_mcp.server.setup.asking import Asked, Asker
    from wallet_mcp.settings import Credentials, Settings
    from wallet_mcp.wallet_api.retry import Call

DONE, OPERATOR_MUST_ACT, WRONG_ARGUMENTS = 0, 1, 2
_QUIET_CAP_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Options:
    """The words of the command line."""

    address: str
    chain: str = ""
    tx_hash: str = ""
    out: str = "wallet-mcp-probe"
    yes: bool = False
    sandbox: bool = False


class Stopped(Exception):
    """The probe ended early; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The questions that were asked, each with its answer, and how many requests were sent."""

    exchanges: tuple[tuple[Question, Asked], ...]
    requests: int


def probe(options: Options) -> int:
    """Ask for consent, send the requests, write report and fixtures; the exit status is 0, 1 or 2 as for `call`."""
    import os

    from wallet_mcp.cli.wiring import on_the_sandbox
    from wallet_mcp.settings import load_settings

    settings = load_settings(os.environ, sandbox=options.sandbox)
    transport: httpx.AsyncBaseTransport | None = None
    if settings.sandbox:
        settings, transport, _ = on_the_sandbox(settings)
    try:
        target = target_of(options, settings)
        folder = _new_folder(options.out)
    except ValueError as error:
        return _told(str(error), WRONG_ARGUMENTS)
    if settings.credentials is None or not settings.usable:
        faults = " ".join((*settings.bad_credentials, *settings.missing, *settings.problems))
        return _told(f"Nothing was sent. {faults} `wallet-mcp doctor` tells more.", OPERATOR_MUST_ACT)
    print(announcement(target, settings, folder))
    if not options.yes:
        try:
            agreed = input("Send these requests? [y/N] ").strip().lower() in ("y", "yes")
        except EOFError:
            return _told("\nNothing was sent: nobody agreed. --yes agrees beforehand.", WRONG_ARGUMENTS)
        if not agreed:
            return _told("Nothing was sent.", DONE)
    try:
        notes = Notes(target, settings, folder)
    except OSError as error:
        return _told(f"{folder} cannot be written ({error.strerror}). Nothing was sent.", OPERATOR_MUST_ACT)
    try:
        try:
            anyio.run(record, target, settings, settings.credentials, transport, time.time, notes)
            notes.finish()
        except Stopped as stopped:
            return _told(f"{stopped}{notes.finish(incomplete=str(stopped))}", OPERATOR_MUST_ACT)
        except KeyboardInterrupt:
            _told(f"Interrupted.{notes.finish(incomplete='It was interrupted.')}", OPERATOR_MUST_ACT)
            raise
    except OSError as error:
        return _told(f"{folder} cannot be written ({error.strerror}).", OPERATOR_MUST_ACT)
    print(f"{notes.requests} requests sent. Report: {folder / 'report.md'}. Read it and attach it to an issue.")
    print("The fixtures beside it hold amounts, times and symbols: docs/probe.md says who could recognise them.")
    return DONE


def target_of(options: Options, settings: Settings) -> Target:
    """Address, chain and hash of the command line, checked. Raises `ValueError` with a sentence."""
    from wallet_mcp.cli.probe_plan import Target
    from wallet_mcp.wallet.addresses import AddressRefused, parse_address, parse_tx_hash
    from wallet_mcp.wallet.chains import ChainUnresolved, resolve_chain

    try:
        labelled = settings.wallets.find(options.address)
        address = labelled[1] if labelled else parse_address(options.address)
        evm = address.family == "evm"
        chain = resolve_chain(options.chain or ("56" if evm else "CT_501"))
        tx_hash = parse_tx_hash(options.tx_hash) if options.tx_hash else None
    except AddressRefused as refused:
        raise ValueError(refused.message) from None
    except ChainUnresolved:
        raise ValueError("There is no such chain; `wallet-mcp call wallet_list_chains` lists them.") from None
    if chain.family != address.family or (tx_hash is not None and tx_hash.family != address.family):
        raise ValueError("Address, chain and hash must be of one family: EVM or Solana.")
    other = ("1" if chain.id != "1" else "56") if evm else ""
    return Target(address, chain, other, tx_hash.text if tx_hash else "")


def announcement(target: Target, settings: Settings, folder: Path) -> str:
    """What will be sent where, and what is written: what a person agrees to."""
    from wallet_mcp.cli.probe_plan import questions

    where = "the embedded sandbox" if settings.sandbox else settings.base_url
    plan = questions(target)
    chains = f"chain {target.chain.id}" + (f", a few for {target.other}" if target.other else "")
    lines = [
        f"This sends at most {len(plan)} read-only requests, signed with your key, to {where},",
        f"about the address {target.address.text} on {chains}:",
        *(f"  {question.name:<28}{question.shows}" for question in plan),
        "About a third of them are meant to be refused. They count towards the rate limit of the key; one that the",
        "limit or a wrong clock refuses is sent once more.",
        f"Into {folder} it writes a report without addresses, hashes and amounts, and the answers with addresses,",
        "hashes and keys replaced. Nothing is sent to anybody else.",
    ]
    return "\n".join(lines)


async def record(
    target: Target,
    settings: Settings,
    credentials: Credentials,
    transport: httpx.AsyncBaseTransport | None = None,
    wall: Callable[[], float] = time.time,
    notes: Notes | None = None,
) -> Recording:
    """Ask all questions. Raises `Stopped` when the API refuses the key or cannot be reached at all.

    `notes` get each answer as it comes and, however it ends, how many requests were sent.
    """
    from wallet_mcp.cli.probe_plan import questions
    from wallet_mcp.server.setup.asking import Asker

    asker = Asker(settings.base_url, wall, transport)
    answers: dict[str, Asked] = {}
    exchanges: list[tuple[Question, Asked]] = []
    try:
        for question in questions(target):
            call = question.make(answers)
            if call is None:
                continue
            asked = await _ask(asker, question, settings, credentials, call)
            if not question.varied:
                _check(asked, first=not answers)
            answers[question.name] = asked
            exchanges.append((question, asked))
            if notes is not None:
                notes.keep(question, asked)
    finally:
        if notes is not None:
            notes.requests = asker.sent
        await asker.close()
    return Recording(tuple(exchanges), asker.sent)


class Notes:
    """What a probe has found so far: each answer becomes a fixture at once, all of them the report.

    Making it makes the folder. All of it raises `OSError`. `requests`: how many were sent.
    """

    def __init__(self, target: Target, settings: Settings, folder: Path) -> None:
        from wallet_mcp.cli.anonymise import Anonymiser
        from wallet_mcp.cli.probe_report import ProbeFolder

        self._target = target
        self._settings = settings
        self._path = folder
        self._folder = ProbeFolder(folder)
        self._exchanges: list[tuple[Question, Asked]] = []
        self.requests = 0
        self._anonymiser = Anonymiser(secrets.token_bytes(32))
        if settings.credentials is not None:
            self._anonymiser.hide(settings.credentials.api_key.get_secret_value(), "KEY")

    def keep(self, question: Question, asked: Asked) -> None:
        """Take an answer."""
        from wallet_mcp.cli.probe_report import fixture

        self._exchanges.append((question, asked))
        made = fixture(question, asked, self._anonymiser)
        if made is not None:
            self._folder.add(made)

    def finish(self, *, incomplete: str = "") -> str:
        """Write the report of what there is, nothing where there is nothing; a sentence on it for the terminal."""
        from wallet_mcp.cli.probe_facts import find_facts
        from wallet_mcp.cli.probe_findings import Findings
        from wallet_mcp.cli.probe_plan import questions
        from wallet_mcp.cli.probe_report import report
        from wallet_mcp.cli.probe_units import field_units, settings_that_follow

        if not self._exchanges:
            self._folder.give_up()
            return ""
        answers = {question.name: asked for question, asked in self._exchanges}
        findings = Findings(answers, self._target, self._anonymiser.message)
        units = field_units(findings)
        facts = [*find_facts(findings), *(unit.as_fact() for unit in units)]
        recording = Recording(tuple(self._exchanges), self.requests)
        summary = _summary(recording, self._target, self._settings)
        if incomplete:
            asked = f"{len(answers)} of {len(questions(self._target))} questions were asked."
            incomplete = f"{asked} {incomplete}"
        self._folder.write_report(report(summary, facts, settings_that_follow(units, summary.longest_s), incomplete))
        return f" What was found until then is in {self._path}." if incomplete else ""


async def _ask(asker: Asker, question: Question, settings: Settings, credentials: Credentials, call: Call) -> Asked:
    from wallet_mcp.server.setup.asking import Signature
    from wallet_mcp.wallet_api.retry import retry_after

    def signature() -> Signature:
        window = question.recv_window or str(settings.recv_window_ms)
        if question.write_time is None:
            return Signature(credentials.api_key, credentials.signer, recv_window=window)
        return Signature(credentials.api_key, credentials.signer, recv_window=window, write_time=question.write_time)

    asked = await asker.ask(call, signature(), at_once=question.at_once)
    if asked.code == 42900 and asked.received is not None:
        wait = retry_after(asked.received.headers, asked.sent_at + (asked.clock_offset_s or 0.0))
        await anyio.sleep(min(_QUIET_CAP_S, 1.0 if wait is None else wait) + 1)
        return await asker.ask(call, signature())
    if asked.code == 40103 and asked.clock_offset_s is not None and not question.varied:
        asker.correct_clock(asked.clock_offset_s)
        return await asker.ask(call, signature())
    return asked


def _check(asked: Asked, *, first: bool) -> None:
    """Go on only where answers can be had."""
    if asked.reached_the_api and not str(asked.code).startswith(("401", "403")):
        return
    if asked.reached_the_api:
        raise Stopped(f"The API refuses this key or this place ({asked.code}). `wallet-mcp doctor` tells why.")
    if first:
        raise Stopped(f"The API cannot be reached ({asked.code}). `wallet-mcp doctor` tells why.")


def _summary(recording: Recording, target: Target, settings: Settings) -> Summary:
    from wallet_mcp.cli.probe_report import Summary
    from wallet_mcp.server.output import source_of
    from wallet_mcp.wallet_api.retry import HEADER_SANDBOX

    asked = [asked for _, asked in recording.exchanges]
    sandbox = any(each.received is not None and HEADER_SANDBOX in each.received.headers for each in asked)
    taken = [each.round_trip_s for each in asked]
    return Summary(
        source=source_of(settings.base_url, sandbox=sandbox),
        algorithm=settings.credentials.algorithm if settings.credentials else "",
        family=target.address.family,
        chain=target.chain.id,
        day=f"{datetime.fromtimestamp(asked[0].sent_at, UTC):%Y-%m-%d}",
        requests=recording.requests,
        usual_s=statistics.median(taken),
        longest_s=max(taken),
    )


def _new_folder(out: str) -> Path:
    """The folder to write into. Raises `ValueError` where something is there already."""
    folder = Path(out).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not empty; name another folder with --out.")
    return folder


def _told(text: str, status: int) -> int:
    print(text, file=sys.stdout if status == DONE else sys.stderr)
    return status
