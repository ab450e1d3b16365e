"""Where a run's time went: at providers, in guards, waiting within turns, and outside of turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from pricing.clock import to_us
from pricing.reports.run.data import AttemptLine, RunFacts, Timing, TurnLine

TimeSpan: TypeAlias = tuple[int, int]
"""From when to when, in microseconds since 1970."""


def time_spent(run: RunFacts, turns: Sequence[TurnLine], paid: Sequence[AttemptLine]) -> Timing | None:
    """How the run's wall-clock time divides; ``None`` before it has ended.

    Turns that are under way at the same time count once. ``provider`` is the time in which at least one request was
    under way; what is left of the time of turns is their guards' and, beyond that, waiting: for a retry, a free
    connection, a target in quarantine.
    """
    if run.duration_us is None:
        return None
    attempts = [_of_attempt(one) for one in (*(a for turn in turns for a in turn.attempts), *paid)]
    asked = [_of_turn(turn) for turn in turns if turn.duration_us is not None]
    provider = min(_covered(attempts), run.duration_us)
    in_turns = min(_covered([*attempts, *asked]), run.duration_us)
    guards = min(sum(turn.guards_us for turn in turns), in_turns - provider)
    return Timing(provider, guards, in_turns - provider - guards, run.duration_us - in_turns)


def guard_times(rows: Iterable[Mapping[str, int | str | None]]) -> dict[str, int]:
    """By turn, what its guards took, in microseconds."""
    return {str(row["turn_id"]): int(row["latency_us"] or 0) for row in rows if row["turn_id"] is not None}


def _of_attempt(attempt: AttemptLine) -> TimeSpan:
    begin = to_us(attempt.started_at)
    return begin, begin + attempt.duration_us


def _of_turn(turn: TurnLine) -> TimeSpan:
    begin = to_us(turn.started_at)
    return begin, begin + (turn.duration_us or 0)


def _covered(intervals: Iterable[TimeSpan]) -> int:
    """How long at least one of them lasted."""
    total, reached = 0, 0
    for begin, end in sorted(intervals):
        total += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return total
