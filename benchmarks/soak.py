"""10,000 tool calls from 20 concurrent MCP clients, 30 % of all requests struck by a fault: `make soak`.

Part one runs on virtual time with the sandbox in process. There every kind of fault comes in its full length (an
attempt that hangs takes its 10 s), hours of load take a minute, durations are exact, and a seed gives the same run.
Part two is real: 20 clients of a `wallet-mcp serve --http` process, which calls a `wallet-mcp sandbox` process. It
shows that nothing of this hangs on the virtual clock, and the memory of a server that does nothing else.

The exit status is 1 when a must is broken: a wrong answer, a call past its deadline, a secret in an answer or an
output, an internal error, memory that grows after the warm-up, or fewer calls than promised.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import gc
import io
import logging
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from mcp import Client

from benchmarks.processes import Processes
from benchmarks.report import put, table
from benchmarks.soak_questions import Question, Questions
from tests.support.fault_transport import Failure, FaultTransport
from tests.support.mcp import read_failure, usable_settings, wall_clock
from tests.support.virtual_time import VirtualTimeLoop
from wallet_mcp.sandbox.app import SANDBOX_API_KEY, SANDBOX_SECRET_KEY, Fault, Sandbox, SandboxOptions
from wallet_mcp.sandbox.world import World
from wallet_mcp.server.app import build_server
from wallet_mcp.wallet_api.cache import AnswerCache

CLIENTS: Final = 20
ROUNDS: Final = 10
WARM_UP: Final = 3
"""Of the rounds."""

WARM_UP_CALLS: Final = 500
"""With fewer, the first fault of a kind still comes after the warm-up, and memory is shown but not judged."""

RATE: Final = 50
DEADLINE_S: Final = 25.0
GRACE_S: Final = 0.5
"""The server's own: after it a call is cut off, whatever it does."""

BLOCKS_GROWTH: Final = 0.01
RSS_GROWTH_KIB: Final = 8 * 1024
LIMIT_S: Final = 450.0

# In percent of all requests, together 30.
HTTP_FAULTS: Final[Mapping[str, float]] = {
    "50001": 5.0, "50000": 3.0, "html502": 3.0, "duplicate": 1.5, "40103": 1.0, "truncated": 1.5, "not_json": 1.5,
    "empty": 1.0, "42900": 0.3, "42900_in_200": 0.2, "429_plain": 0.2, "429_date": 0.1, "40001": 0.3, "40101": 0.3,
    "40102": 0.2, "40104": 0.2, "40304": 0.3, "40411": 0.2, "59999": 0.2, "framework": 0.2, "404": 0.2, "414": 0.2,
    "redirect": 0.3, "wrong_type": 0.3, "code_false": 0.2, "data_null": 0.2, "data_object": 0.2, "oversized": 0.1,
    "gzip_bomb": 0.1, "slow": 0.4,
}  # fmt: skip
BELOW_HTTP: Final[Mapping[Failure, float]] = {
    "reset": 2.5,
    "half body": 2.0,
    "timeout before headers": 0.5,
    "timeout after headers": 0.4,
    "slow drip": 0.4,
    "dns": 1.0,
    "refused": 0.7,
    "tls": 0.3,
}
OUTAGES: Final = ("50001", "html502", "50000", "42900")
CALM_S, OUTAGE_S = 400.0, 12.0

LARGE: Final = ("oversized", "gzip_bomb")
SOCKET_FAULTS: Final = {
    # Bodies of 8 MiB leave free space behind that the C library keeps: from outside it looks like growth.
    **{kind: HTTP_FAULTS[kind] for kind in HTTP_FAULTS if kind[:2] != "42" and kind not in LARGE},
    "42900": 0.1, "half_body": 4.0, "hang": 0.15, "hang_body": 0.15, "slow": 0.3, "slow_drip": 2.5,
}  # fmt: skip
SOCKET_CALLS: Final = 2_000
DELAYS_S: Final = {"slow": 4.0, "slow_drip": 0.02}

_SIGNATURE = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])")


def secrets_in(text: str) -> int:
    """How often a text holds the secret, the key's id or a signature."""
    return text.count(SANDBOX_SECRET_KEY) + text.count(SANDBOX_API_KEY) + len(_SIGNATURE.findall(text))


@dataclass(slots=True)
class Tally:
    """What a part of the soak saw."""

    calls: int = 0
    answers: int = 0
    stale: int = 0
    incomplete: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    late: int = 0
    secrets: int = 0
    slowest_s: float = 0.0
    seconds: float = 0.0
    requests: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[int, int]] = field(default_factory=list)

    def take(self, question: Question, result: Any, seconds: float, grace_s: float) -> None:
        """Count a call and judge its answer."""
        self.calls += 1
        self.slowest_s = max(self.slowest_s, seconds)
        self.late += seconds > DEADLINE_S + grace_s
        self.secrets += secrets_in(result.model_dump_json(by_alias=True))
        if result.is_error:
            self.errors[str(read_failure(result).meta["code"])] += 1
            return
        answer = result.structured_content
        self.answers += 1
        self.stale += answer.get("stale") is True
        self.incomplete += "could not be read" in answer.get("incomplete_because", "")
        wrong = question.check(answer)
        if answer.get("stale") and answer["age_seconds"] > 600:
            wrong = wrong or "older than WALLET_MCP_MAX_STALE_S"
        if wrong:
            self.wrong[f"{question.tool}: {wrong}"] += 1


class Weather(httpx.AsyncBaseTransport):
    """Strikes some requests below HTTP and counts all."""

    def __init__(self, inner: httpx.AsyncBaseTransport, rng: random.Random, tally: Tally) -> None:
        self._inner = inner
        self._rng = rng
        self._tally = tally

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._tally.requests += 1
        kinds: list[Failure | None] = [*BELOW_HTTP, None]
        (failure,) = self._rng.choices(kinds, [*BELOW_HTTP.values(), 100 - sum(BELOW_HTTP.values())])
        if failure is not None:
            self._tally.struck[failure] += 1
        return await FaultTransport(self._inner, failure).handle_async_request(request)


def conditional(shares: Mapping[str, float], among: float = 100.0) -> list[Fault]:
    """Faults whose shares, in percent of all, come out when each is tried after those before it failed to strike."""
    faults, left = [], among
    # Those of the clock are tried first, in a pass of their own.
    for kind in sorted(shares, key=lambda kind: kind not in ("40103", "duplicate")):
        faults.append(Fault(kind, shares[kind] / left, delay_s=DELAYS_S.get(kind, 0.0)))
        left -= shares[kind]
    return faults


class Scanner(io.TextIOBase):
    """An output that is searched for secrets and kept nowhere."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def write(self, text: str) -> int:
        self._tally.secrets += secrets_in(text)
        return len(text)


@contextmanager
def captured(tally: Tally) -> Iterator[None]:
    """Everything that is printed or logged in the meantime, at any level, goes into the search for secrets."""
    scanner = Scanner(tally)
    handler = logging.StreamHandler(scanner)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(scanner), redirect_stderr(scanner):
            yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def rss_kib(pid: int | str = "self") -> int:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])


def give_back() -> None:
    """Have the C library return what is free, so that resident memory is memory in use; glibc alone can."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


async def ask(client: Client, question: Question, tally: Tally, grace_s: float) -> None:
    started = asyncio.get_running_loop().time()
    result = await client.call_tool(question.tool, question.arguments)
    tally.take(question, result, asyncio.get_running_loop().time() - started, grace_s)


def forget_answers() -> None:
    """Drop what is kept for a day, such as final transactions: bounded by bytes, and of another size each round."""
    for each in gc.get_objects():
        if isinstance(each, AnswerCache):
            each.forget()


async def on_virtual_time(calls: int, seed: int, stop_at: float) -> Tally:
    """Part one: the sandbox in process, every fault in its full length."""
    tally, rng = Tally(), random.Random(seed)
    sandbox = Sandbox(SandboxOptions(rate=RATE, seed=seed), wall_clock=wall_clock)
    among = 100 - sum(BELOW_HTTP.values())
    weather = Weather(httpx.ASGITransport(app=sandbox, raise_app_exceptions=False), random.Random(seed + 1), tally)
    server = build_server(usable_settings(), weather, wall=wall_clock, rng=random.Random(seed + 2))
    questions = Questions(sandbox.world, rng)
    loop = asyncio.get_running_loop()
    started = loop.time()

    async def outages() -> None:
        for number in range(10_000):
            sandbox.set_faults(conditional(HTTP_FAULTS, among), seed=seed + number)
            await asyncio.sleep(CALM_S)
            sandbox.set_faults([Fault(OUTAGES[number % len(OUTAGES)], 0.97)], seed=seed + number)
            await asyncio.sleep(OUTAGE_S)

    async def work(client: Client) -> None:
        for _ in range(calls // CLIENTS // ROUNDS):
            if time.monotonic() < stop_at:
                await ask(client, questions.draw(), tally, GRACE_S)
                await asyncio.sleep(rng.uniform(0, 6))

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(server)) for _ in range(CLIENTS)]
        changing = asyncio.create_task(outages())
        for _ in range(ROUNDS):
            await asyncio.gather(*(work(client) for client in clients))
            # Nothing is under way, and what the cache kept for questions of this round is outdated.
            await asyncio.sleep(700)
            tally.struck.update(seen.fault for seen in sandbox.requests if seen.fault)
            sandbox.requests.clear()
            forget_answers()
            gc.collect()
            give_back()
            tally.memory.append((sys.getallocatedblocks(), rss_kib()))
        changing.cancel()
        tally.seconds = loop.time() - started
    return tally


async def over_sockets(calls: int, seed: int, stop_at: float) -> Tally:
    """Part two: clients, server and sandbox as processes of their own."""
    tally, rng = Tally(), random.Random(seed)
    faults = [
        part
        for fault in conditional(SOCKET_FAULTS)
        for part in ("--fault", f"{fault.kind}:{fault.probability:.6f},delay={fault.delay_s}")
    ]
    with Processes() as processes:
        printed = processes.start("stdout", 3, "sandbox", "--port", "0", "--rate", str(RATE), *faults)
        settings = dict(line.removeprefix("WALLET_MCP_").split("=", 1) for line in printed)
        (announced,) = processes.start("stderr", 1, "serve", "--http", "--port", "0", LOG_LEVEL="debug", **settings)
        url, server = announced.rpartition(" ")[2], processes.pids[-1]
        questions = Questions(World(int(time.time() * 1000)), rng)
        started = time.monotonic()
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(url)) for _ in range(CLIENTS)]

            async def work(client: Client) -> None:
                for _ in range(calls // CLIENTS):
                    if time.monotonic() < stop_at:
                        # The way to the server and back comes on top.
                        await ask(client, questions.draw(), tally, GRACE_S + 0.5)
                        if tally.calls % (calls // ROUNDS) == 0:
                            tally.memory.append((0, rss_kib(server)))

            await asyncio.gather(*(work(client) for client in clients))
        tally.seconds = time.monotonic() - started
    tally.secrets += secrets_in(processes.output)
    for process in processes.failed:
        tally.wrong[process] += 1
    return tally


def growth(values: list[int]) -> float:
    """By which part of it the memory after the warm-up has grown at the end."""
    return values[-1] / values[WARM_UP - 1] - 1


def report(tally: Tally, title: str) -> str:
    """What a part saw, as Markdown."""
    blocks, rss = zip(*tally.memory, strict=True)
    rows: list[tuple[object, ...]] = [
        ("calls", tally.calls),
        ("duration", f"{tally.seconds:,.0f} s"),
        ("answers", f"{tally.answers} ({100 * tally.answers / tally.calls:.1f} %)"),
        ("of these stale, with their age", tally.stale),
        ("of these with a part that could not be read, and says so", tally.incomplete),
        ("errors", sum(tally.errors.values())),
        ("**wrong answers**", sum(tally.wrong.values())),
        ("**internal errors**", tally.errors["internal"]),
        ("**calls past the deadline**", f"{tally.late} (slowest: {tally.slowest_s:.2f} s)"),
        ("**secrets in answers and outputs**", tally.secrets),
    ]
    if tally.requests:
        struck = sum(tally.struck.values())
        rows += [
            ("upstream requests", f"{tally.requests}, {100 * struck / tally.requests:.1f} % struck by a fault"),
            ("upstream requests per answer", f"{tally.requests / tally.answers:.2f}"),
            (
                "**growth of live memory blocks after warm-up**",
                f"{100 * growth(list(blocks)):+.2f} % ({blocks[WARM_UP - 1]:,} to {blocks[-1]:,})",
            ),
        ]
    rows.append(
        (
            "**growth of resident memory after warm-up**",
            f"{rss[-1] - rss[WARM_UP - 1]:+,} KiB ({rss[-1] // 1024} MiB)",
        )
    )
    codes = ", ".join(f"{code} {count}" for code, count in tally.errors.most_common())
    lines = [f"{title}\n", table(("seen", "figure"), rows), f"Errors by code: {codes}.\n"]
    if tally.struck:
        kinds = ", ".join(f"{kind} {count}" for kind, count in tally.struck.most_common())
        lines.append(f"Requests struck, by fault: {kinds}.\n")
    return "\n".join(lines)


def broken(tally: Tally, calls: int) -> Iterator[str]:
    """The musts that do not hold."""
    if tally.calls < calls:
        yield f"{tally.calls} calls of {calls} within the time"
    yield from (f"wrong answer, {count} times: {what}" for what, count in tally.wrong.items())
    for name, count in (
        ("internal errors", tally.errors["internal"]),
        ("late", tally.late),
        ("secrets", tally.secrets),
    ):
        if count:
            yield f"{name}: {count}"
    if calls * WARM_UP // ROUNDS < WARM_UP_CALLS:
        return
    blocks, rss = zip(*tally.memory, strict=True)
    if blocks[0] and growth(list(blocks)) > BLOCKS_GROWTH:
        yield f"memory blocks grow: {blocks}"
    if rss[-1] - rss[WARM_UP - 1] > RSS_GROWTH_KIB:
        yield f"resident memory grows: {rss} KiB"


def main() -> int:
    """Run both parts, print the report; 1 when a must is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000, help="of part one (10000)")
    parser.add_argument("--socket-calls", type=int, default=SOCKET_CALLS, help=f"of part two ({SOCKET_CALLS})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the report into docs/reliability.md")
    options = parser.parse_args()
    begun = time.monotonic()
    first = Tally()
    with captured(first), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        seen = runner.run(on_virtual_time(options.calls, options.seed, begun + LIMIT_S))
    seen.secrets += first.secrets
    print(f"part one took {time.monotonic() - begun:.0f} s", file=sys.stderr)
    second = asyncio.run(
        over_sockets(options.socket_calls, options.seed, max(begun + LIMIT_S, time.monotonic() + 60))
    )
    text = report(seen, f"**Part one, on virtual time: {CLIENTS} clients in memory, seed {options.seed}.**")
    text += "\n" + report(
        second, f"**Part two, over sockets: {CLIENTS} HTTP clients, a server process, a sandbox process.**"
    )
    print(text)
    if options.write:
        put("soak", text)
    failures = [
        *broken(seen, options.calls),
        *(f"over sockets: {each}" for each in broken(second, options.socket_calls)),
    ]
    for failure in failures:
        print(f"broken: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
