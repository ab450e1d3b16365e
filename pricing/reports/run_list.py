"""Lists of runs, newest first: the latest, or those that a filter chooses, page by page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pricing.clock import from_us, to_us
from pricing.errors import UsageError
from pricing.money import Nano
from pricing.reports.format import Plain, ratio
from pricing.reports.query import read_replica
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
    org: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list: those that meet all that is given.

    Args:
        automation: the automation's name.
        outcome: how the run ended; ``running`` or ``suspended`` if it has not.
        owner: the organisation or the user it ran for.
        tag: one of its tags.
        since: it began then or later.
        until: it began before.
        id_part: a part of its id.
    """

    automation: str | None = None
    outcome: str | None = None
    owner: str | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    id_part: str | None = None


@dataclass(frozen=True, slots=True)
class RunPage(Plain):
    """One page of a list; ``next`` is what ``after`` takes for the page that follows, None on the last one."""

    runs: tuple[RunLine, ...]
    next: str | None


def runs(replica: Replica, *, limit: int = 20, automation: str | None = None) -> list[RunLine]:
    """The latest runs, newest first; refused ones and those of the sandbox among them, marked as such.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    return list(run_page(replica, RunFilter(automation), limit=limit).runs)


def run_page(replica: Replica, chosen: RunFilter, *, limit: int = 50, after: str | None = None) -> RunPage:
    """A page of the runs that a filter chooses, newest first.

    Args:
        replica: the copy of the ledger to read.
        chosen: which runs.
        limit: how many at most.
        after: ``next`` of the page before. Runs that begin meanwhile move nothing from one page to another.

    Raises:
        UsageError: no run of that automation is known, or ``after`` is not from a page.
        LedgerBusy: somebody holds the replica's file.
    """
    last = (2**62, 2**62) if after is None else _key(after)
    with read_replica(replica) as source:
        check_automation(source, chosen.automation)
        rows = source.rows(
            "runs",
            limit=limit + 1,
            automation=chosen.automation,
            outcome=chosen.outcome,
            suspended=json.dumps(sorted(source.suspended())),
            owner=chosen.owner,
            tag=chosen.tag,
            since=None if chosen.since is None else to_us(chosen.since),
            until=None if chosen.until is None else to_us(chosen.until),
            id_part=None if chosen.id_part is None else chosen.id_part.strip().lstrip("…").lower(),
            last_at=last[0],
            last_seq=last[1],
        )
    shown = rows[:limit]
    more = f"{shown[-1]['started_at']}.{shown[-1]['seq']}" if len(rows) > limit else None
    return RunPage(tuple(_line(**row) for row in shown), more)


def _key(after: str) -> tuple[int, int]:
    began, _, seq = after.partition(".")
    if not (began.isdecimal() and seq.isdecimal() and max(len(began), len(seq)) < 19):  # noqa: PLR2004 - of 64 bits
        raise UsageError(f"{after[:40]!r} is not a page of the list of runs.", next_step="Begin at the first page.")
    return int(began), int(seq)


def _line(seq: int, started_at: int, ended_at: int | None, **row: Any) -> RunLine:
    del seq
    return RunLine(
        **row,
        started_at=from_us(started_at),
        ended_at=None if ended_at is None else from_us(ended_at),
        duration_us=None if ended_at is None else ended_at - started_at,
        of_point=ratio(row["spent_nano"], row["point_nano"]),
        of_p95=ratio(row["spent_nano"], row["p95_nano"]),
    )
