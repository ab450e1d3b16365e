"""Moments as people type them: ``2026-11-01``, ``2026-11-01T08:00``, ``30d``, ``today``, ``ever``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pricing.errors import UsageError

_BACK = re.compile(r"(?P<number>[0-9]{1,5})(?P<unit>[hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def read_moment(text: str, zone: ZoneInfo, *, now: datetime | None = None) -> datetime | None:
    """The moment; ``None`` for ``ever``. Dates are midnights of the project's time zone.

    Raises:
        UsageError: it is none of these.
    """
    here = now or datetime.now(zone)
    word = text.strip().lower()
    if word == "ever":
        return None
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
    if word in {"today", "yesterday"}:
        return midnight - timedelta(days=word == "yesterday")
    if found := _BACK.fullmatch(word):
        return here - timedelta(**{_UNITS[found["unit"]]: int(found["number"])})
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{text[:40]!r} is no moment.", next_step="Write it like 2026-11-01, 30d, 12h, today or ever."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
