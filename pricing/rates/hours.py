"""Hours of the day in which a rate holds: a provider's off-peak windows, by the clocks of its own time zone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple

from pricing.errors import ConfigError
from pricing.records import record

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo  # loads what the interpreter was built with

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:-[a-z]{3})?(?:,[a-z]{3}(?:-[a-z]{3})?)*) )?"
    r"(?P<begin>\d{2}:\d{2}) ?- ?(?P<end>\d{2}:\d{2})",
    re.ASCII,
)
_HOUR = 60
_MIDNIGHT = 24 * _HOUR
_SHOWN = 40
_SECOND = timedelta(seconds=1)


class PriceWindow(NamedTuple):
    """Minutes of the day from ``begin`` up to ``end``, which is on the next day where it is not after ``begin``.

    ``days`` are those that it begins on; Monday is 0.
    """

    days: frozenset[int]
    begin: int
    end: int

    def shows(self, day: int, minute: int) -> bool:
        """Whether a minute of a weekday is in the window."""
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        return (day in self.days and minute >= self.begin) or ((day - 1) % 7 in self.days and minute < self.end)


@record(frozen=True, slots=True)
class Hours:
    """Windows by the clocks of one time zone.

    Whether a moment lies in them is what clocks there show then: an hour that is shown twice, when they are set back,
    counts both times.

    Args:
        windows: as farebox.toml has them: ``22:00-06:00`` or ``sat,sun 00:00-24:00``; a window of days that crosses
            midnight belongs to the day that it begins on.
        timezone: whose clocks show them.

    Raises:
        ConfigError: a window cannot be read.

    Example:
        >>> hours = Hours(("mon-fri 22:00-06:00",), "Asia/Shanghai")
        >>> hours.cover(datetime(2026, 11, 30, 14, 30, tzinfo=UTC))
        True
    """

    windows: tuple[str, ...]
    timezone: str = "UTC"
    _read: tuple[PriceWindow, ...] = field(init=False, repr=False, compare=False)
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        from zoneinfo import ZoneInfo

        object.__setattr__(self, "_read", tuple(_window(text) for text in self.windows))
        try:
            object.__setattr__(self, "_zone", ZoneInfo(self.timezone))
        except (LookupError, ValueError, OSError):
            raise ConfigError(
                f"{self.timezone[:_SHOWN]!r} is not a time zone.", next_step="Write one like Asia/Shanghai."
            ) from None

    def __str__(self) -> str:
        return f"{', '.join(self.windows)} {self.timezone}"

    def cover(self, moment: datetime) -> bool:
        """Whether a moment (without a zone: UTC) is in one of the windows."""
        shown = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(self._zone)
        minute = shown.hour * 60 + shown.minute
        return any(window.shows(shown.weekday(), minute) for window in self._read)

    def changes(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The moments after ``start`` and up to ``end`` at which they begin or end to hold, in UTC and in order."""
        return (
            moment
            for moment in sorted(set(self._bounds(start, end)))
            if start < moment <= end and self.cover(moment) != self.cover(moment - _SECOND)
        )

    def _bounds(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The moments at which the rate can change: bounds of windows, and clock changes."""
        day, last = start.astimezone(self._zone).date() - timedelta(days=1), end.astimezone(self._zone).date()
        while day <= last + timedelta(days=1):
            for minute in {minute % _MIDNIGHT for window in self._read for minute in (window.begin, window.end)}:
                shown = datetime.combine(day, time(minute // 60, minute % 60))
                yield from (shown.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1))
            yield from self._set_on(day)
            day += timedelta(days=1)

    def _set_on(self, day: date) -> Iterator[datetime]:
        """The clock changes on a day, to the second."""
        low, high = (
            datetime.combine(one, time(), self._zone).astimezone(UTC) for one in (day, day + timedelta(days=1))
        )
        if self._offset(low) == self._offset(high):
            return
        before = self._offset(low)
        while high - low > _SECOND:
            middle = low + (high - low) // 2
            low, high = (middle, high) if self._offset(middle) == before else (low, middle)
        yield high.replace(microsecond=0)

    def _offset(self, moment: datetime) -> timedelta | None:
        return moment.astimezone(self._zone).utcoffset()


def changes_of(hours: Iterable[Hours], start: datetime, end: datetime) -> list[datetime]:
    """The moments after ``start`` and up to ``end`` at which any of several begins or ends to hold."""
    return sorted({moment for one in hours for moment in one.changes(start, end)})


def _window(text: str) -> PriceWindow:
    found = _WINDOW.fullmatch(" ".join(text.lower().split()))
    if found is not None:
        days = _days(found["days"]) if found["days"] else frozenset(range(7))
        begin, end = (_minute(found[name]) for name in ("begin", "end"))
        if days and begin is not None and end is not None and begin != end and begin < _MIDNIGHT:
            return PriceWindow(days, begin, end)
    raise ConfigError(
        f"{text[:_SHOWN]!r} is not a window of hours.",
        next_step='Write it like "22:00-06:00", "mon-fri 18:00-24:00" or "sat,sun 00:00-24:00".',
    )


def _days(text: str) -> frozenset[int]:
    """The weekdays of ``mon-fri,sun``; none where one has no such name."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not {first, last or first} <= set(_DAYS):
            return frozenset()
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        found.update(day % 7 for day in range(begin, end + 1 if end >= begin else end + 8))
    return frozenset(found)


def _minute(text: str) -> int | None:
    hour, minute = map(int, text.split(":"))
    return hour * _HOUR + minute if minute < _HOUR and hour * _HOUR + minute <= _MIDNIGHT else None
