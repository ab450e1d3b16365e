"""The trace of one run: its report, and each guard's decisions beside the turns they were about."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime

from pricing.clock import from_us
from pricing.money import Nano
from pricing.reports.format import Plain
from pricing.reports.query import ReadableReplica, Row, read_replica
from pricing.reports.run.data import RunReport
from pricing.reports.run.report import read_report


@dataclass(frozen=True, slots=True)
class GuardEvent:
    """One decision of a guard; ``found`` is how often it found which kind. Times in microseconds."""

    guard: str
    version: str
    mode: str
    direction: str
    action: str
    reason: str | None
    latency_us: int
    cost_nano: Nano
    decided_at: datetime
    found: dict[str, int]


@dataclass(frozen=True, slots=True)
class RunTrace(Plain):
    """A run as tracing tools show it; ``guards`` are the decisions by the id of their turn, in order."""

    report: RunReport
    guards: dict[str, list[GuardEvent]]


def run_trace(replica: ReadableReplica, run_id: str) -> RunTrace:
    """The trace of one run.

    Args:
        replica: the copy of the ledger to read, or of this run alone.
        run_id: the run's id, at least four characters that it alone begins with, or ``last``.

    Raises:
        UsageError: no such run, or several; the next step names some ids.
        LedgerBusy: somebody holds the replica's file.
    """
    with read_replica(replica) as source:
        report = read_report(source, run_id)
        rows = source.rows("run_decisions", run_id=report.run.run_id)
    guards: dict[str, list[GuardEvent]] = defaultdict(list)
    for row in rows:
        guards[row["turn_id"]].append(_event(row))
    return RunTrace(report, dict(guards))


def _event(row: Row) -> GuardEvent:
    return GuardEvent(
        guard=row["guard"],
        version=row["version"],
        mode=row["mode"],
        direction=row["direction"],
        action=row["action"],
        reason=row["reason"],
        latency_us=row["latency_us"],
        cost_nano=row["cost_nano"],
        decided_at=from_us(row["decided_at"]),
        found=dict(Counter(kind for _, _, _, kind in json.loads(row["spans"]))),
    )
