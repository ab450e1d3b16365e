"""Time as the ledger keeps it: integer microseconds since 1970, UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_us() -> int:
    """Microseconds since 1970 by the wall clock."""
    return time.time_ns() // 1000


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 of an aware moment."""
    return round(moment.timestamp() * 1_000_000)


def from_us(microseconds: int) -> datetime:
    """The moment in UTC."""
    return datetime.fromtimestamp(microseconds / 1_000_000, tz=UTC)
