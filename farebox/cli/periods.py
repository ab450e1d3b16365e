"""Times as people type them: ``2026-11-01``, ``2026-11-01T08:00``, ``30d``, ``12h``, ``today``, ``ever``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pricing import UsageError

_BACK = re.compile(r"(?P<number>[0-9]{1,5})(?P<unit>[hdw])")
_DAYS = {"d": 1, "w": 7}
_FIRST, _LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9998, 12, 30, tzinfo=UTC)
"""No ledger has facts before or after."""
_EVER_DAYS = 20_000.0


def read_moment(text: str, zone: ZoneInfo, *, now: datetime | None = None) -> datetime | None:
    """Parse a time in the project's time zone; ``None`` for ``ever``.

    Hours are elapsed time: ``24h`` is 24 hours also on the day the clocks change. Days and weeks follow the calendar:
    ``1d`` is the same time on the day before, 23 to 25 hours ago. Dates are midnight in the time zone. A time that
    occurs twice means its first occurrence; one that the clocks skip is read with the offset before the change.

    Args:
        text: what was typed.
        zone: the project's time zone.
        now: an aware datetime; the present by default.

    Raises:
        UsageError: the text has none of these forms.

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
    """Parse the start of a period; ``None`` for ``ever``.

    Raises:
        UsageError: it is not a valid time, or it is in the future.
    """
    present = now or datetime.now(UTC)
    since = read_moment(text, zone, now=present)
    if since is not None and since >= present:
        raise UsageError(f"{text[:40]!a} is in the future.", next_step="Give a time in the past, such as 30d.")
    return since


def days_since(text: str, zone: ZoneInfo, *, now: datetime | None = None) -> float:
    """How many days ago a time was, for periods counted in days; a hundred years for ``ever``.

    Raises:
        UsageError: it is not a valid time, or it is in the future.

    >>> days_since("2026-11-01", ZoneInfo("UTC"), now=datetime(2026, 11, 2, 12, tzinfo=UTC))
    1.5
    """
    present = now or datetime.now(UTC)
    since = read_since(text, zone, now=present)
    if since is None:
        return _EVER_DAYS
    return min((present - since) / timedelta(days=1), _EVER_DAYS)


def _moment(given: datetime, zone: ZoneInfo) -> datetime:
    """The time in the zone; converted by way of UTC, so that a time that the clocks skip becomes one that exists."""
    if not _FIRST.year <= given.year <= _LAST.year:
        return (_FIRST if given.year < _FIRST.year else _LAST).astimezone(zone)
    return (given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC).astimezone(zone)
