"""The span of a history: what its two ends mean, how far back the API goes, and which part was really searched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from wallet_mcp.server.arguments import shown
from wallet_mcp.server.context import ToolContext
from wallet_mcp.server.continuation import changed_call
from wallet_mcp.server.output import listed
from wallet_mcp.server.problems import ArgumentProblem
from wallet_mcp.server.resolve import served_chains
from wallet_mcp.server.scan import Scan
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.cursor import Position
from wallet_mcp.wallet.times import BadTime, Side, is_age, iso_ms, months_before, parse_time
from wallet_mcp.wallet_api.errors import ApiError

HORIZON_MONTHS: Final = 6
"""How far back upstream's history goes (contract §3.4)."""


class ClockProblem(ArgumentProblem):
    """A refusal that is right only if the time is what it is taken for."""


@dataclass(frozen=True, slots=True)
class Span:
    """The inclusive ends asked for, and now, in Unix milliseconds."""

    begin_ms: int | None
    end_ms: int | None
    now_ms: int

    @property
    def horizon_ms(self) -> int:
        """Before this the API has nothing to tell."""
        return months_before(self.now_ms, HORIZON_MONTHS)

    @property
    def begins_too_early(self) -> bool:
        """Whether a part of what was asked for lies before the horizon, where no call can find it."""
        return self.begin_ms is not None and self.begin_ms < self.horizon_ms

    def searched(self, scan: Scan, after: Position | None, read_at: float | None) -> tuple[int, int]:
        """The first and the last millisecond that was looked at.

        `read_at` (Unix seconds): when the oldest answer was given, for one from the cache has not looked at what
        came after it; None where there was none.
        """
        first = self.horizon_ms if self.begin_ms is None else max(self.begin_ms, self.horizon_ms)
        read_ms = self.now_ms if read_at is None else int(read_at * 1000)
        last = read_ms if self.end_ms is None else min(self.end_ms, read_ms)
        if after is not None:
            last = min(last, -after[0])
        # The span was searched whole where its end was reached, even if not all that was found is shown.
        if not scan.finished:
            first = last if scan.consumed is None else max(first, min(-scan.consumed[0], self.now_ms))
        return min(first, last), last

    def incomplete_because(self, scan: Scan, by_id: Mapping[str, Chain], longest: int = 0, cut: int = 0) -> str:
        """Why this is not all there is, "" where it is.

        `longest`: the characters that more transactions would have been too long for; 0 where that was not so. `cut`:
        how many transactions are shown without some of their movements.
        """
        reasons = [
            f"{by_id[chain].name} ({chain}) could not be read (error {error.code})"
            for chain, error in scan.failures.items()
        ]
        reasons += [
            f"{by_id[chain].name} ({chain}) could not be read further (error {error.code})"
            for chain, error in scan.interruptions.items()
        ]
        reasons += [
            f"the API gave rows twice on {by_id[chain].name} ({chain}), counted once" for chain in scan.repeated
        ]
        reasons += [
            f"at {iso_ms(at)} {by_id[chain].name} ({chain}) has more rows than can be read: what is flagged partial "
            "lacks some, and others of that millisecond may be missing"
            for chain, at in scan.given_up.items()
        ]
        if scan.out_of_time:
            reasons.append("the search reached its limit of time or requests")
        if cut:
            reasons.append(f"{cut} transaction{' is' if cut == 1 else 's are'} shown in part (more_movements)")
        if longest:
            reasons.append(f"no more fit into {longest:,} characters")
        if scan.beyond:
            least = "" if scan.finished else "at least "
            reasons.append(f"{least}{len(scan.beyond)} more of this span follow")
        elif not scan.finished and not scan.out_of_time and not scan.interruptions:
            reasons.append("older transactions follow")
        if self.begins_too_early:
            horizon = iso_ms(self.horizon_ms)
            reasons.append(f"the API keeps six months of history, so nothing before {horizon} can be found")
        return listed(reasons)


def clock_of(context: ToolContext) -> float:
    """The API's time less the time that has passed: it changes only where the clock is corrected or stepped."""
    return context.now() - asyncio.get_running_loop().time()


async def ask_the_time(context: ToolContext) -> None:
    """Learn the API's time from any answer: since the last one the local clock may have been stepped."""
    if context.api.clock.offset_s is None:
        await served_chains(context)
    else:
        with suppress(ApiError):
            await context.api.probe(deadline=context.deadline)


def read_span(begin: str | None, end: str | None, now: float, call: Mapping[str, object]) -> Span:
    """The span that two texts mean at `now` (Unix seconds).

    Raises `ArgumentProblem`: for a text that is no time, for an end before all history, and, as `ClockProblem` where
    another now would change it, for a begin in the future or after the end. `call`: the arguments as they may be
    repeated, for the call that is right.
    """
    begin_ms, end_ms = _parsed(begin, now, "begin"), _parsed(end, now, "end")
    span = Span(begin_ms, end_ms, int(now * 1000))
    if begin is not None and begin_ms is not None and begin_ms > now * 1000:
        raise ClockProblem("begin", f"a time in the past; it is {iso_ms(int(now) * 1000)} now", shown(begin))
    if end_ms is not None and end_ms < span.horizon_ms:
        rule = f"later than {iso_ms(span.horizon_ms)}: the API keeps six months of history"
        raise ArgumentProblem("end", rule, shown(end))
    if begin is not None and end is not None and begin_ms is not None and end_ms is not None and begin_ms > end_ms:
        kind = ClockProblem if is_age(begin) is not is_age(end) else ArgumentProblem
        raise kind("begin", f"not later than end ({iso_ms(end_ms)})", shown(begin), _swapped(begin, end, now, call))
    return span


def _parsed(text: str | None, now: float, side: Side) -> int | None:
    if text is None:
        return None
    try:
        return parse_time(text, now, side)
    except BadTime as bad:
        raise ArgumentProblem(side, str(bad), shown(text)) from None


def _swapped(begin: str, end: str, now: float, call: Mapping[str, object]) -> dict[str, object] | None:
    """The call with the two ends changed over, for that is what was meant; a cursor belonged to another question."""

    def repeated(text: str, side: Side) -> str:
        # A time may be written with any character between date and hour, which must not come back as it is.
        return text if shown(text) == text else iso_ms(parse_time(text, now, side))

    return changed_call(call, begin=repeated(end, "begin"), end=repeated(begin, "end"), cursor=None)
