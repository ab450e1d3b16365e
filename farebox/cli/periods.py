"""Moments as people type them: ``2026-11-01``, ``2026-11-01T08:00``, ``30d``, ``12h``, ``today``, ``ever``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pricing import UsageError

_BACK = re.compile(r"(?P<number>[0-9]{1,5})(?P<unit>[hdw])")
_DAYS = {"d": 1, "w": 7}
_FIRST, _LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9998, 12, 30, tzinfo=UTC)
"""No ledger has anything before or after."""
_EVER_DAYS = 20_000.0


def read_moment(text: str, zone: ZoneInfo, *, now: datetime | None = None) -> datetime | None:
    """The moment, in the project's time zone; ``None`` for ``ever``.

    Hours are hours that pass: ``24h`` is as long on the day the clocks change as on any other. Days and weeks are those
    of the calendar: ``1d`` is the same time of the day before, 23 to 25 hours ago. Dates are midnights of the time
    zone. Of a time that comes twice the first is meant; one that the clocks skip counts as if they had not yet.

    Args:
        text: what was typed.
        zone: the project's time zone.
        now: an aware moment; the present, if left out.

    Raises:
        UsageError: it is none of these.

    >>> f"{read_moment('2026-11-01T08:00', ZoneInfo('Europe/Berlin')):%Y-%m-%d %H:%M %z}"
    '2026-11-01 08:00 +0100'
    """
    present = (now or datetime.now(UTC)).astimezone(UTC)
    here, word = present.astimezone(zone).replace(tzinfo=None, fold=0), text.strip().lower()
    if word == "ever":
        return None
    if word in {"today", "yesterday"}:
        return _moment(datetime.combine(here.date() - timedelta(days=word == "yesterday"), time()), zone)
    if found := _BACK.fullmatch(word):
        number, unit = int(found["number"]), found["unit"]
        back = present - timedelta(hours=number) if unit == "h" else here - timedelta(days=number * _DAYS[unit])
        return _moment(back, zone)
    try:
        return _moment(datetime.fromisoformat(text.strip()), zone)
    except ValueError:
        raise UsageError(
            f"{text[:40]!a} is not a valid date or period.",
            next_step="Write it like 2026-11-01, 2026-11-01T08:00, 30d, 12h, today or ever.",
        ) from None


def read_since(text: str, zone: ZoneInfo, *, now: datetime | None = None) -> datetime | None:
    """The moment from which on is looked back; ``None`` for ``ever``.

    Raises:
        UsageError: it is no moment, or it is not over yet.
    """
    present = now or datetime.now(UTC)
    since = read_moment(text, zone, now=present)
    if since is not None and since >= present:
        raise UsageError(f"{text[:40]!a} is in the future.", next_step="Name a moment that is over, such as 30d.")
    return since


def days_since(text: str, zone: ZoneInfo, *, now: datetime | None = None) -> float:
    """How many days ago the moment was, for what looks back by days; a hundred years for ``ever``.

    Raises:
        UsageError: it is no moment, or it is not over yet.

    >>> days_since("2026-11-01", ZoneInfo("UTC"), now=datetime(2026, 11, 2, 12, tzinfo=UTC))
    1.5
    """
    present = now or datetime.now(UTC)
    since = read_since(text, zone, now=present)
    if since is None:
        return _EVER_DAYS
    return min((present - since) / timedelta(days=1), _EVER_DAYS)


def _moment(given: datetime, zone: ZoneInfo) -> datetime:
    """What was given in the zone, as there it is; by way of UTC, so that a time which no clock shows becomes one."""
    if not _FIRST.year <= given.year <= _LAST.year:
        return (_FIRST if given.year < _FIRST.year else _LAST).astimezone(zone)
    return (given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC).astimezone(zone)
