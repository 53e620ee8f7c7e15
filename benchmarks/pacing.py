"""How well the rate window does: `make bench` prints the table that docs/reliability.md holds.

The bursts run on virtual time against the sandbox in process, which counts arrivals as the gateway does: exact, and
the same each time. The last part is real: two `wallet-mcp` processes over stdio share one key of a
`wallet-mcp sandbox`.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from mcp import Client, StdioServerParameters

from benchmarks.processes import Processes
from benchmarks.report import put, table
from tests.cli.process import command, environment
from tests.support.virtual_time import VirtualTimeLoop
from tests.support.wallet_api import Jittery, asgi, loop_time, make_api, wall_clock, within
from wallet_mcp.sandbox.app import Sandbox, SandboxOptions
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.server.guidance import META_KEY
from wallet_mcp.wallet_api.endpoints import WalletApi
from wallet_mcp.wallet_api.errors import ApiError, Code

RATE = 5
BURST = 100
SEEDS = range(5)
LOAD = 40
"""Calls of each of the two processes."""

DEADLINE_S = 25


@dataclass(frozen=True, slots=True)
class Network:
    """A way to the gateway: what it adds to each answer, and random extras there and back."""

    name: str
    delay_ms: int = 0
    out_s: float = 0.0
    back_s: float = 0.0

    @property
    def seeds(self) -> Sequence[int]:
        return SEEDS if self.out_s or self.back_s else (0,)


NETWORKS = (
    *(Network(f"{delay} ms", delay) for delay in (0, 20, 100, 250)),
    Network("up to 100 ms on the way there", 0, 0.1, 0.0),
    Network("up to 100 ms on the way back", 0, 0.0, 0.1),
    Network("up to 50 ms each way", 0, 0.05, 0.05),
    Network("100 ms, and up to 50 ms each way", 100, 0.05, 0.05),
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended, `answer` or a code, and after how many seconds."""

    code: Code
    after_s: float


async def burst(apis: Sequence[WalletApi], count: int, deadline_s: float) -> list[Ended]:
    """So many distinct calls at once, spread over the clients."""
    started = loop_time()

    async def one(number: int) -> Ended:
        try:
            await apis[number % len(apis)].transactions(
                WALLETS["empty"], ["1"], begin_ms=number, limit=1, deadline=within(deadline_s)
            )
        except ApiError as error:
            return Ended(error.code, loop_time() - started)
        return Ended("answer", loop_time() - started)

    return await asyncio.gather(*(one(number) for number in range(count)))


def on_virtual_time(
    network: Network, seed: int, clients: int, count: int, deadline_s: float
) -> tuple[list[Ended], int]:
    """How the calls of a burst ended, and how many requests the gateway refused for their rate."""

    async def main() -> tuple[list[Ended], int]:
        sandbox = Sandbox(SandboxOptions(rate=RATE, delay_ms=network.delay_ms), wall_clock=wall_clock)
        apis = [
            make_api(Jittery(asgi(sandbox), network.out_s, network.back_s, seed + n), seed=seed + n)
            for n in range(clients)
        ]
        ended = await burst(apis, count, deadline_s)
        return ended, sum(request.status == 429 for request in sandbox.requests)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


def burst_rows() -> Iterator[tuple[object, ...]]:
    for network in NETWORKS:
        rates, refusals = [], 0
        for seed in network.seeds:
            ended, refused = on_virtual_time(network, seed, 1, BURST, 600)
            refusals += refused
            # The first five go at once; the rate is about the others.
            rates.append((BURST - RATE) / RATE / max(end.after_s for end in ended))
        yield network.name, len(rates) * BURST, refusals, f"{100 * min(rates):.0f} %"


def overload_rows() -> Iterator[tuple[object, ...]]:
    for network in NETWORKS:
        ends: Counter[str] = Counter()
        latest = 0.0
        for seed in network.seeds:
            ended, _ = on_virtual_time(network, seed, 1, 2 * BURST, DEADLINE_S)
            for end in ended:
                ends["busy at once" if end.code == "busy" and end.after_s == 0 else str(end.code)] += 1
            latest = max(latest, *(end.after_s for end in ended))
        mean = {name: f"{count / len(network.seeds):g}" for name, count in ends.items()}
        others = (
            ", ".join(f"{mean[name]} {name}" for name in sorted(mean.keys() - {"answer", "busy at once"})) or "none"
        )
        yield network.name, mean["answer"], mean["busy at once"], others, f"{latest:.1f} s"


def shared_rows() -> Iterator[tuple[object, ...]]:
    for network in (NETWORKS[0], NETWORKS[6]):
        for clients in (2, 3):
            seen: Counter[Code] = Counter()
            refusals, latest = 0, 0.0
            for seed in SEEDS:
                ended, refused = on_virtual_time(network, 10 * seed, clients, 2 * LOAD, DEADLINE_S)
                seen.update(end.code for end in ended)
                refusals += refused
                latest = max(latest, *(end.after_s for end in ended))
            calls = len(SEEDS) * 2 * LOAD
            yield (
                f"{clients} clients in one program, {network.name}",
                calls,
                seen["answer"],
                seen[42900],
                refusals,
                f"{latest:.1f} s",
            )
    yield asyncio.run(two_processes())


async def two_processes() -> tuple[object, ...]:
    """Two stdio servers on one key, each with more calls at once than the key allows."""
    seen: Counter[object] = Counter()
    with Processes() as processes:
        printed = processes.start("stdout", 3, "sandbox", "--port", "0", "--rate", str(RATE))
        settings = dict(line.removeprefix("WALLET_MCP_").split("=", 1) for line in printed)
        program, *arguments = command()
        parameters = StdioServerParameters(command=program, args=arguments, env=environment(**settings))
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(parameters)) for _ in range(2)]
            started = loop_time()

            async def one(client: Client, page: int) -> None:
                asked = {"address": WALLETS["empty"], "chain": "1", "page": page}
                result: Any = await client.call_tool("wallet_list_balances", asked)
                seen[(result.meta or {})[META_KEY]["code"] if result.is_error else "answer"] += 1

            await asyncio.gather(*(one(client, page) for client in clients for page in range(1, LOAD + 1)))
            latest = loop_time() - started
    return (
        "2 `wallet-mcp` processes over stdio, a sandbox process on loopback",
        2 * LOAD,
        seen["answer"],
        seen[42900],
        "not seen from outside",
        f"{latest:.1f} s",
    )


def main() -> int:
    """Print the tables; 1 when a bound of the policy is broken."""
    bursts, overloads, shared = list(burst_rows()), list(overload_rows()), list(shared_rows())
    text = "\n".join(
        (
            f"A burst of {BURST} distinct calls, {RATE} requests a second allowed "
            f"(with jitter the slowest of {len(SEEDS)} runs):\n",
            table(("network", "calls", "refused", "of the allowed rate"), bursts),
            f"{2 * BURST} distinct calls at once, each with a deadline of {DEADLINE_S} s "
            "(with jitter the mean of the runs):\n",
            table(("network", "answered", "busy at once", "other ends", "last end"), overloads),
            "Two and more clients on one key, which know nothing of each other:\n",
            table(
                ("clients", "calls", "answered", "42900 seen by a caller", "refused by the gateway", "last answer"),
                shared,
            ),
        )
    )
    print(text)
    if "--write" in sys.argv:
        put("pacing", text)
    broken = [row for row in bursts if row[2]] + [row for row in shared if row[3] or row[1] != row[2]]
    for row in broken:
        print(f"broken: {row}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
