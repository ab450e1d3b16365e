"""What many-run reports are about: a period, and an automation, an organisation or a user of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pricing.clock import from_us, to_us
from pricing.ledger.calibration_scores import CALIBRATION
from pricing.replica.rollups import DAY_US
from pricing.reports.query import ReplicaReading
from pricing.reports.run_lookup import check_automation

_END_OF_TIME = 2**62
_QUARTER_US = 900_000_000
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class RunSelection:
    """Runs that began from ``since`` (from the first, if None) up to ``until`` (to the last), of one automation,
    organisation or user, if named. Days are those of ``zone``.
    """

    since: datetime | None = None
    until: datetime | None = None
    automation: str | None = None
    org: str | None = None
    user: str | None = None
    zone: ZoneInfo = _UTC

    @property
    def about(self) -> str | None:
        """The owner of the runs as text; None for all owners."""
        named = [
            self.automation,
            None if self.org is None else f"organisation {self.org}",
            None if self.user is None else f"user {self.user}",
        ]
        return ", ".join(name for name in named if name is not None) or None


def choose(source: ReplicaReading, choice: RunSelection, *, run_by_run: bool = False) -> bool:
    """Make the views ``chosen_…`` of the runs and what they came to, and the table ``quarters`` that tells their days;
    whether anything was chosen.

    Args:
        source: the replica.
        choice: which runs.
        run_by_run: sums are asked for by what only runs know: their moment, organisation or user.

    Raises:
        UsageError: no run of that automation is known.
    """
    check_automation(source, choice.automation)
    since = to_us(choice.since) if choice.since else 0
    until = to_us(choice.until) if choice.until else _END_OF_TIME
    [closed] = source.rows("closed")
    owned = choice.org is not None or choice.user is not None
    days, quarters = (
        (until, until) if apart else _whole(since, min(until, closed["until"]), unit) or (until, until)
        for unit, apart in ((DAY_US, run_by_run or owned), (_QUARTER_US, owned or choice.automation is not None))
    )
    source.set(
        since=since,
        until=until,
        automation=choice.automation,
        org=choice.org,
        user=choice.user,
        calibration=CALIBRATION,
        first_day=days[0],
        after_days=days[1],
        first_quarter=quarters[0],
        after_quarters=quarters[1],
    )
    source.run("chosen")
    [span] = source.rows("chosen_span")
    if span["first"] is None:
        return False
    source.run("chosen_days", midnights=json.dumps(_midnights(**span, zone=choice.zone)))
    return True


def _whole(since: int, until: int, unit: int) -> tuple[int, int] | None:
    """From where to where a period has whole days or quarters; None where it has none."""
    low, high = -(-since // unit) * unit, until // unit * unit
    return (low, high) if low < high else None


def _midnights(first: int, last: int, zone: ZoneInfo) -> list[int]:
    """When each day from that of ``first`` to that of ``last`` begins, and the next; days may have 23 or 25 hours."""
    day, end = (from_us(moment).astimezone(zone).date() for moment in (first, last))
    midnights = []
    while day <= end + timedelta(days=1):
        midnights.append(to_us(datetime.combine(day, time(), zone).astimezone(UTC)))
        day += timedelta(days=1)
    return midnights
