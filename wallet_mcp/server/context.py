"""What a tool's `run` is given: the API until a deadline, the settings, and where the answer's parts come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from wallet_mcp.server.guidance import CallContext
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE, NextCall, Provenance
from wallet_mcp.server.problems import SetupProblem
from wallet_mcp.server.units import AmountUnits
from wallet_mcp.settings import Settings
from wallet_mcp.wallet.assets import is_contract
from wallet_mcp.wallet.chains import Chain, is_own_name
from wallet_mcp.wallet.known_tokens import is_well_known
from wallet_mcp.wallet_api.cache import SingleFlight
from wallet_mcp.wallet_api.endpoints import WalletApi
from wallet_mcp.wallet_api.errors import ApiError
from wallet_mcp.wallet_api.retry import Outcome

ProbeResult = Outcome | ApiError
"""What a signed probe met."""


@dataclass(frozen=True, slots=True)
class KeptProbe:
    """The outcome of a probe, when it was made, and until when it stands for another one (event-loop seconds)."""

    at: float
    until: float
    result: ProbeResult


@dataclass(slots=True)
class Services:
    """What all calls of a server share. `api` is None while the settings allow no call.

    `joint_history_from`: the event-loop time before which history is not asked of several chains in one request,
    for upstream has refused or muddled such a request. `probe` is the last one, `probing` the one under way.
    """

    settings: Settings
    api: WalletApi | None
    wall: Callable[[], float]
    units: AmountUnits = field(default_factory=AmountUnits)
    joint_history_from: float = 0.0
    probe: KeptProbe | None = None
    probing: SingleFlight[KeptProbe] = field(default_factory=SingleFlight)

    def now(self) -> float:
        """The API's time as far as it is known, in Unix seconds."""
        return self.wall() if self.api is None else self.api.clock.now()


@dataclass(slots=True)
class ToolContext:
    """One call: what it shares with all others, its deadline (event-loop seconds), and what it has learned."""

    services: Services
    deadline: float
    provenance: Provenance
    call: CallContext
    notes: list[str] = field(default_factory=list)
    label: str | None = None
    progress: Callable[[float, str], Awaitable[None]] | None = None
    progress_total: float | None = None

    @property
    def settings(self) -> Settings:
        """The settings of the server."""
        return self.services.settings

    @property
    def api(self) -> WalletApi:
        """The client. Raises `SetupProblem` when the settings allow no call."""
        if self.services.api is None:
            raise setup_problem(self.services.settings)
        return self.services.api

    def require_api(self) -> None:
        """Raises `SetupProblem` when the settings allow no call."""
        _ = self.api

    def now(self) -> float:
        """The API's time in Unix seconds."""
        return self.services.now()

    def common(
        self, *, incomplete_because: str = "", next_call: NextCall | None = None, address: str = ""
    ) -> dict[str, Any]:
        """The common fields of the answer; `address` is the one asked about, if any."""
        common = self.provenance.common(
            self.now(),
            incomplete_because=incomplete_because,
            notes=self.notes,
            next_call=next_call,
            address=address,
        )
        return common if self.label is None else {**common, "label": self.label}

    async def report(self, done: float, what: str, total: float | None = None) -> None:
        """Tell a client that asked for progress how far the call is; `done` only ever grows.

        `total`: what `done` will be at the end, once that is known; it holds until another one is given.
        """
        if total is not None:
            self.progress_total = total
        if self.progress is not None:
            await self.progress(done, what)

    def note(self, text: str) -> None:
        """Add a sentence to the answer, once."""
        if text not in self.notes:
            self.notes.append(text)

    def note_symbols(self, shown: Iterable[tuple[str, str, str]]) -> None:
        """Warn of chain text: a symbol that is not the well-known one, or a contract that cannot be one."""
        for chain, contract, symbol in shown:
            if not is_contract(contract) or (symbol and not is_well_known(chain, contract, symbol)):
                self.note(CHAIN_TEXT_NOTICE)
                return

    def note_chains(self, shown: Iterable[Chain]) -> None:
        """Warn of foreign text where a shown chain is not called as in the table."""
        if not all(is_own_name(chain) for chain in shown):
            self.note(CHAIN_TEXT_NOTICE)


def setup_problem(settings: Settings) -> SetupProblem:
    """Why the settings allow no call: everything that is wrong, so that one correction suffices."""
    if settings.bad_credentials:
        return SetupProblem("bad_credentials", (*settings.bad_credentials, *settings.missing, *settings.problems))
    if settings.problems:
        return SetupProblem("bad_settings", (*settings.problems, *settings.missing))
    return SetupProblem("no_credentials", settings.missing)
