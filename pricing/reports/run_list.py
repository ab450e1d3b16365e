"""The latest runs, one line each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pricing.clock import from_us
from pricing.money import Nano
from pricing.reports.format import Plain, ratio
from pricing.reports.query import reading
from pricing.reports.run_lookup import check_automation

if TYPE_CHECKING:
    from pricing.replica.replica import Replica


@dataclass(frozen=True, slots=True)
class RunLine(Plain):
    """One run; the words are those of :class:`pricing.reports.RunReport`."""

    run_id: str
    automation: str
    quality: str
    outcome: str
    stand_in: bool
    started_at: datetime
    ended_at: datetime | None
    duration_us: int | None
    turns: int
    attempts: int
    point_nano: Nano
    p95_nano: Nano
    spent_nano: Nano
    of_point: float | None
    of_p95: float | None


def runs(replica: Replica, *, limit: int = 20, automation: str | None = None) -> list[RunLine]:
    """The latest runs, newest first; refused ones and those of the sandbox among them, marked as such.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    with reading(replica) as source:
        check_automation(source, automation)
        rows = source.rows("runs", limit=limit, automation=automation)
    return [_line(**row) for row in rows]


def _line(started_at: int, ended_at: int | None, **row: Any) -> RunLine:
    return RunLine(
        **row,
        started_at=from_us(started_at),
        ended_at=None if ended_at is None else from_us(ended_at),
        duration_us=None if ended_at is None else ended_at - started_at,
        of_point=ratio(row["spent_nano"], row["point_nano"]),
        of_p95=ratio(row["spent_nano"], row["p95_nano"]),
    )
