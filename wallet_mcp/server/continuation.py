"""How a listing goes on: the cursor of a question, the calls that follow, and those that mend a question."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wallet_mcp.server.arguments import WITHHELD, shown
from wallet_mcp.server.output import NextCall
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.scan import Scan
from wallet_mcp.wallet.cursor import BadCursor, Position, decode_cursor, encode_cursor

_EVERY_CHAIN = ("every chain",)
"""Stands for the chains of a call that named none; no chain has such an id."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A question about a history, as its cursors know it.

    `repeat`: the arguments that every call of it gives, chains and cursor apart. `filters`: all that narrows it, in
    canonical spelling. `chains`: None where the call named none and goes over all of them.
    """

    tool: str
    repeat: Mapping[str, Any]
    filters: tuple[str, ...]
    chains: tuple[str, ...] | None

    def position(self, cursor: str | None, call: Mapping[str, object]) -> Position | None:
        """The position that a cursor of this question holds.

        Raises `ArgumentProblem` with the call that starts anew; `call`: the arguments as they may be repeated.
        """
        if cursor is None:
            return None
        try:
            return decode_cursor(cursor, self._question(self.chains))
        except BadCursor as bad:
            rule = "the cursor from next of an earlier answer, together with that call's other arguments, unchanged"
            rule = f"{rule}; this one is {bad}. Leave it out to start anew"
            raise ArgumentProblem("cursor", rule, shown(cursor), changed_call(call, cursor=None)) from None

    def next_calls(self, scan: Scan, after: Position | None, chains: Iterable[str]) -> list[NextCall]:
        """The calls that go on: behind what was looked at, and from where this one began for those that failed.

        Chains are named only where some of them failed, or where this question named them.
        """
        calls: list[NextCall] = []
        if not scan.finished or scan.beyond:
            read = self.chains
            if scan.failures:
                read = tuple(chain for chain in chains if chain not in scan.failures)
            calls.append(self._call(read, scan.consumed or after))
        if scan.failures:
            calls.append(self._call(tuple(scan.failures), after))
        return calls

    def _call(self, chains: Collection[str] | None, behind: Position | None) -> NextCall:
        arguments = dict(self.repeat)
        if chains is not None:
            arguments["chains"] = list(chains)
        if behind is not None:
            arguments["cursor"] = encode_cursor(behind, self._question(chains))
        return NextCall(tool=self.tool, arguments=arguments)

    def _question(self, chains: Collection[str] | None) -> list[str]:
        return [*self.filters, *(_EVERY_CHAIN if chains is None else sorted(chains))]


def changed_call(call: Mapping[str, object], **changes: object) -> dict[str, object] | None:
    """The arguments with some of them changed, those that are None left out.

    None where the call holds what must not be repeated.
    """
    changed = {name: value for name, value in {**call, **changes}.items() if value is not None}
    return None if WITHHELD in str(changed) else changed
