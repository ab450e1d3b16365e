"""The windows of budgets, in one table: how each is called, when it begins and when it is over.

Everything that reads, opens or shows a window looks it up here; a name that is not in the table is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from pricing.errors import UsageError

Window: TypeAlias = str
"""A name in ``WINDOWS``, or ``RUN``."""
RUN: Window = "run"
"""The window of a single run: it begins with the run and has no end."""


@dataclass(frozen=True, slots=True)
class CalendarWindow:
    """A window of whole days. Days begin at local midnight, so they may have 23 or 25 hours.

    Args:
        begins: its first day, from any day in it.
        ends: the first day after it, from its first day.
    """

    begins: Callable[[date], date]
    ends: Callable[[date], date]


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


WINDOWS: dict[Window, CalendarWindow] = {
    "day": CalendarWindow(lambda day: day, lambda first: first + timedelta(days=1)),
    "week": CalendarWindow(lambda day: day - timedelta(days=day.weekday()), lambda first: first + timedelta(days=7)),
    "month": CalendarWindow(lambda day: day.replace(day=1), _next_month),
}
"""Shortest first; weeks begin on Monday."""


def calendar_window(name: Window) -> CalendarWindow:
    """The calendar window of that name.

    Raises:
        UsageError: it is not a budget period.
    """
    try:
        return WINDOWS[name]
    except (KeyError, TypeError):
        *others, last = WINDOWS
        raise UsageError(
            f"{str(name)[:40]!r} is not a budget period.", next_step=f"Use {', '.join(others)} or {last}."
        ) from None


def read_window(text: str) -> Window:
    """The window that a person named.

    Raises:
        UsageError: it is not a budget period.

    Example:
        >>> read_window("week")
        'week'
    """
    calendar_window(text)
    return text


def window_bounds(window: Window, moment: datetime, zone: ZoneInfo) -> tuple[datetime, datetime | None]:
    """Start and end of the window that ``moment`` lies in, at local midnights of ``zone``.

    A ``run`` window begins with the moment and has no end.

    Raises:
        UsageError: it is not a budget period.

    Example:
        >>> from datetime import UTC
        >>> begins, ends = window_bounds("week", datetime(2026, 11, 25, 9, tzinfo=UTC), ZoneInfo("UTC"))
        >>> f"{begins:%a %d %b}", f"{ends:%a %d %b}"
        ('Mon 23 Nov', 'Mon 30 Nov')
    """
    if window == RUN:
        return moment.astimezone(UTC), None
    rule = calendar_window(window)
    first = rule.begins(moment.astimezone(zone).date())
    return _midnight(first, zone), _midnight(rule.ends(first), zone)


def per_window(window: Window) -> str:
    """The suffix of a budget's name: ``" per day"``; empty for a run.

    Raises:
        UsageError: it is not a budget period.
    """
    return "" if window == RUN else f" per {read_window(window)}"


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
