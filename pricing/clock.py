"""Time as the ledger keeps it: integer microseconds since 1970, UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_us() -> int:
    """The current wall-clock time in microseconds since 1970."""
    return time.time_ns() // 1000


def to_us(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970.

    >>> to_us(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    return round(moment.timestamp() * 1_000_000)


def from_us(microseconds: int) -> datetime:
    """Microseconds since 1970 as a datetime in UTC.

    >>> from_us(86_400_000_000).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return datetime.fromtimestamp(microseconds / 1_000_000, tz=UTC)
