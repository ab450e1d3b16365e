"""What guards did: how often they stopped what, how long they took, how often they were wrong."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pricing.analysis.intervals import wilson
from pricing.clock import from_us
from pricing.money import Nano
from pricing.reports.format import Plain
from pricing.reports.query import read_replica
from pricing.reports.selection import RunSelection, choose

if TYPE_CHECKING:
    from pricing.replica.replica import Replica

_MOST_LEAKS = 50


@dataclass(frozen=True, slots=True)
class GuardLine(Plain):
    """The decisions of one guard in one version and mode. People reviewed ``reviewed`` of its blocks, redactions and
    retries and found ``wrong`` of them wrong; ``wrong_low`` to ``wrong_high`` is the 95 % interval of that share
    (Wilson).
    """

    guard: str
    version: str
    mode: str
    direction: str
    decisions: int
    blocked: int
    redacted: int
    retried: int
    failed: int
    p50_us: int
    p95_us: int
    cost_nano: Nano
    reviewed: int
    wrong: int
    wrong_low: float
    wrong_high: float

    @property
    def wrong_share(self) -> float | None:
        """The share of reviewed decisions that were wrong."""
        return self.wrong / self.reviewed if self.reviewed else None


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """An answer that a guard objected to. ``stands``: no person found an objection wrong; ``approved``: a person found
    the judge's objection wrong.
    """

    stands: bool
    approved: bool


@dataclass(frozen=True, slots=True)
class Reviewable(Plain):
    """A decision as a person sees it: never text, only where in it and of what kind; ``found`` is kind → how often."""

    decision: int
    run_id: str
    operation: str
    guard: str
    mode: str
    action: str
    decided_at: datetime
    found: dict[str, int]
    reason: str = ""
    direction: str = ""
    version: str = ""
    turn_id: str | None = None
    facts: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class GuardReport(Plain):
    """``turns`` of runs that began ``since``, and ``stopped`` of them per reason, context-limit hits among them."""

    since: datetime
    turns: int
    stopped: dict[str, int]
    guards: tuple[GuardLine, ...]
    leaks: tuple[Reviewable, ...]


def guard_report(replica: Replica, since: int = 0) -> GuardReport:
    """What guards did since a moment (microseconds since 1970), and what stopped turns of runs that began since.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    with read_replica(replica) as source:
        choose(source, RunSelection(since=from_us(since)))
        reasons = {row["reason"]: row["turns"] for row in source.rows("guards_reasons")}
        lines = source.rows("guards", since=since)
        leaks = source.rows("guards_leaks", since=since, most=_MOST_LEAKS)
    return GuardReport(
        since=from_us(since),
        turns=sum(reasons.values()),
        stopped={reason: turns for reason, turns in reasons.items() if reason},
        guards=tuple(_line(row) for row in lines),
        leaks=tuple(_reviewable(**row) for row in leaks),
    )


def review_queue(replica: Replica, guard: str | None = None, most: int = 50) -> list[Reviewable]:
    """Decisions that nobody has reviewed, newest first.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    with read_replica(replica) as source:
        [bound] = source.rows("guards_queue_since", guard=guard, most=most)
        return [_reviewable(**row) for row in source.rows("guards_queue", guard=guard, most=most, since=bound["since"])]


def judged_answers(replica: Replica, judge: str, since: int) -> dict[str, JudgedAnswer]:
    """Answers since then (microseconds) that guards objected to, by turn; ``judge`` is the judge's name.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    with read_replica(replica) as source:
        rows = source.rows("answers_judged", judge=judge, since=since)
    return {row.pop("turn_id"): JudgedAnswer(**row) for row in rows}


def _line(row: dict[str, Any]) -> GuardLine:
    low, high = wilson(row["wrong"], row["reviewed"])
    return GuardLine(**row, wrong_low=low, wrong_high=high)


def _reviewable(spans: str, decided_at: int, facts: str | None = None, **row: Any) -> Reviewable:
    found = dict(Counter(kind for _, _, _, kind in json.loads(spans)))
    return Reviewable(**row, decided_at=from_us(decided_at), found=found, facts=json.loads(facts) if facts else None)
