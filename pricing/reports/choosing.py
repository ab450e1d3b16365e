"""What many-run reports are about: a period, and an automation, an organisation or a user of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pricing.clock import from_us, to_us
from pricing.reports.reading import Reading
from pricing.reports.run_lookup import check_automation

_END_OF_TIME = 2**62
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Choice:
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
        """Whose runs, in words; None for everybody's."""
        named = [
            self.automation,
            None if self.org is None else f"organisation {self.org}",
            None if self.user is None else f"user {self.user}",
        ]
        return ", ".join(name for name in named if name is not None) or None


def choose(source: Reading, choice: Choice) -> bool:
    """Make the views ``chosen_runs``, ``chosen_costs`` and ``chosen_turns``, and the table ``quarters`` that tells
    their days; whether anything was chosen.

    Raises:
        UsageError: no run of that automation is known.
    """
    check_automation(source, choice.automation)
    source.set(
        since=to_us(choice.since) if choice.since else 0,
        until=to_us(choice.until) if choice.until else _END_OF_TIME,
        automation=choice.automation,
        org=choice.org,
        user=choice.user,
    )
    source.run("chosen")
    [span] = source.rows("chosen_span")
    if span["first"] is None:
        return False
    source.run("chosen_days", midnights=_midnights(**span, zone=choice.zone), **span)
    return True


def _midnights(first: int, last: int, zone: ZoneInfo) -> list[int]:
    """When each day from that of ``first`` to that of ``last`` begins; days may have 23 or 25 hours."""
    day, end = (from_us(moment).astimezone(zone).date() for moment in (first, last))
    midnights = []
    while day <= end:
        midnights.append(to_us(datetime.combine(day, time(), zone).astimezone(UTC)))
        day += timedelta(days=1)
    return midnights
