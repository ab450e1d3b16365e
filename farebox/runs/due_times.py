"""Due times: by when a run is to be done, as people and programs write it, and which of them counts for a run.

A due time says how soon the answers of a run are needed; what a single turn may take is its deadline.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import WithJsonSchema

from farebox.runtime import Runtime
from pricing import UsageError, from_us, to_us
from tasks import current_run

Due: TypeAlias = Annotated[
    str | timedelta | time | datetime | None,
    WithJsonSchema({"type": "string", "title": "due"}),  # a form shows a field for text; an empty field gives None
]
"""When a run is to be done: ``"6h"``, ``"07:00"``, ``"07:00 Europe/Madrid"``, ``"2026-11-30T07:00"``, or a timedelta, a
time or a datetime. A time of day is the next one; without a time zone of its own it is in that of the schedule that
started the run, else of the project. ``None``: as soon as possible.
"""

SHORTEST = timedelta(minutes=1)
"""The earliest that a run can be due after its start."""
LONGEST = timedelta(days=7)
"""The latest that a run can be due after its start: no provider keeps a batch open for longer."""

_SHOWN = 40
_EXAMPLES = 'Write it like "6h", "1d 12h", "07:00" or "2026-11-30T07:00".'
_DURATION = re.compile(
    r"(?:(?P<days>\d{1,6}(?:\.\d{1,6})?) ?d(?:ays?)?)? ?(?:(?P<hours>\d{1,6}(?:\.\d{1,6})?) ?h(?:ours?)?)? ?"
    r"(?:(?P<minutes>\d{1,6}(?:\.\d{1,6})?) ?m(?:in(?:utes?)?)?)? ?(?:(?P<seconds>\d{1,6}) ?s(?:econds?)?)?",
    re.ASCII | re.IGNORECASE,
)
_ISO_DURATION = re.compile(
    r"P(?:(?P<days>\d{1,6})D)?(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,6}(?:\.\d+)?)S)?)?",
    re.ASCII,
)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?", re.ASCII)
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class _After:
    """So long after the start."""

    wait: timedelta

    def at(self, start: datetime, zone: Callable[[], ZoneInfo]) -> datetime:
        del zone
        return start + self.wait


@dataclass(frozen=True, slots=True)
class _Clock:
    """The next time that a clock shows it, in its own time zone if it has one."""

    clock: time
    zone: ZoneInfo | None

    def at(self, start: datetime, zone: Callable[[], ZoneInfo]) -> datetime:
        if self.clock.tzinfo is not None and self.clock.utcoffset() is not None:
            today = start.astimezone(self.clock.tzinfo).date()
            days = (datetime.combine(today + timedelta(days=more), self.clock) for more in (0, 1))
            return next(moment.astimezone(UTC) for moment in days if moment > start)
        return next_time(self.clock, start, self.zone or _zone_of(self.clock) or zone())


@dataclass(frozen=True, slots=True)
class _Moment:
    """A date and a time, in its own time zone if it has one."""

    moment: datetime
    zone: ZoneInfo | None

    def at(self, start: datetime, zone: Callable[[], ZoneInfo]) -> datetime:
        del start
        if self.moment.tzinfo is not None:
            return self.moment.astimezone(UTC)
        return self.moment.replace(tzinfo=self.zone or zone()).astimezone(UTC)


DueTime: TypeAlias = _After | _Clock | _Moment
"""A due time that was read: ``at(start, zone)`` is when it is."""


def next_time(clock: time, start: datetime, zone: ZoneInfo) -> datetime:
    """The first moment after ``start`` at which clocks in ``zone`` show ``clock``, in UTC.

    A time that clocks skip when they are set forward is as much later as they skip; of one that they show twice, when
    they are set back, it is the first that is still to come.

    Example:
        >>> next_time(time(7), datetime(2026, 11, 29, 1, tzinfo=UTC), ZoneInfo("Europe/Madrid")).isoformat()
        '2026-11-29T06:00:00+00:00'
    """
    today = start.astimezone(zone).date()
    found = [moment for more in (-1, 0, 1, 2) for moment in _shown_on(today + timedelta(days=more), clock, zone)]
    return min(moment for moment in found if moment > start)


def read_due(value: object) -> DueTime | None:
    """Read a due time; ``None`` where none was given (``None``, or the empty text of a form).

    Raises:
        UsageError: it cannot be read, or is before the earliest or after the latest that a run can be due.

    Example:
        >>> read_due("6h").at(datetime(2026, 11, 29, 1, tzinfo=UTC), lambda: ZoneInfo("UTC")).isoformat()
        '2026-11-29T07:00:00+00:00'
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, timedelta):
        return _within(value, str(value))
    if isinstance(value, datetime):
        return _Moment(value, None)
    if isinstance(value, time):
        return _Clock(value, None)
    if isinstance(value, str):
        return _read_text(" ".join(value.split()))
    raise UsageError(f"A value of type {type(value).__name__} is not a due time.", next_step=_EXAMPLES)


def due_time(
    value: object, *, start: datetime, zone: Callable[[], ZoneInfo], now: datetime | None = None
) -> int | None:
    """When a run that starts at ``start`` is due, in microseconds UTC; ``None`` where no due time was given.

    Args:
        value: the due time, in any form that ``read_due`` reads.
        start: when the run starts, or was to start.
        zone: the time zone of what has none of its own; asked only where it is needed.
        now: the present, for messages; ``start``, if left out.

    Raises:
        UsageError: it cannot be read, is over, or is before the earliest or after the latest that a run can be due.
    """
    read = read_due(value)
    if read is None:
        return None
    try:
        due = read.at(start, zone)
    except OverflowError:
        raise UsageError("The due time is in no year of the calendar.", next_step=_EXAMPLES) from None
    wait, shown = due - start, f"{due.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if wait <= timedelta():
        ago = _in_words((now or start) - due)
        raise UsageError(f"The run is due at {shown}, {ago} ago.", next_step="Give a time ahead, or no due time.")
    if wait < SHORTEST:
        raise UsageError(
            f"The run is due at {shown}, in {round(wait.total_seconds())} s; the earliest is {_in_words(SHORTEST)}.",
            next_step="Give a later time, or no due time: then it is done as soon as possible.",
        )
    if wait > LONGEST:
        raise UsageError(
            f"The run is due at {shown}, in {_in_words(wait)}; the latest is {_in_words(LONGEST)}.",
            next_step="Give an earlier time, or schedule the run to start later.",
        )
    return to_us(due)


def run_due_at(
    declared: object, parameters: Mapping[str, object], *, start: datetime, zone: Callable[[], ZoneInfo]
) -> int | None:
    """When a run is due, in microseconds UTC, by all who may say so.

    What its starter said (``farebox run --due``) counts before its parameter ``due``, and that before what its
    automation declares. A run that another one called is due when that one is; its parameter may only name an earlier
    time, and what its automation declares does not count.

    Raises:
        UsageError: the due time that counts cannot be kept or read.
    """
    outer, parameter = current_run(), parameters.get("due")
    if outer.run_id:
        own = None if read_due(parameter) is None else due_time(parameter, start=start, zone=zone)
        return min((due for due in (outer.due_at, own) if due is not None), default=None)
    if outer.due_at is not None:
        return outer.due_at
    given = parameter if read_due(parameter) is not None else declared
    return due_time(given, start=start, zone=zone)


def stated_due(runtime: Runtime, text: str | None) -> int | None:
    """The due time that a command was given, for a run that starts now.

    Raises:
        UsageError: it cannot be kept or read.
    """
    if text is not None and not text.strip():
        raise UsageError(f"{text!r} is not a due time.", next_step=_EXAMPLES)
    return due_time(text, start=datetime.now(UTC), zone=lambda: runtime.settings.zone)


def signature_with_due(function: Callable[..., Any], declared: object) -> inspect.Signature:
    """The signature of an automation's function; with a parameter ``due`` added to one that ``declared`` a due time and
    has no such parameter.
    """
    signature = inspect.signature(function, eval_str=True)
    if declared is None or "due" in signature.parameters:
        return signature
    added = inspect.Parameter("due", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Due)
    others = [*signature.parameters.values()]
    last = bool(others) and others[-1].kind is inspect.Parameter.VAR_KEYWORD
    others.insert(len(others) - last, added)
    return signature.replace(parameters=others)


def without_due(function: Callable[..., Any], declared: object) -> Callable[..., Any]:
    """The function as it is called with the parameter that ``signature_with_due`` added, which is not passed on."""
    signature = signature_with_due(function, declared)
    if "due" not in signature.parameters or "due" in inspect.signature(function).parameters:
        return function

    @functools.wraps(function)
    def call(*args: Any, due: object = None, **kwargs: Any) -> Any:
        del due
        return function(*args, **kwargs)

    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def shown_due(due_at: int, zone: ZoneInfo, now: datetime | None = None) -> str:
    """A due time as people read it: ``07:00``, with its date where that is not today's."""
    due = from_us(due_at).astimezone(zone)
    today = (now or datetime.now(UTC)).astimezone(zone).date()
    return f"{due:%H:%M}" if due.date() == today else f"{due:%Y-%m-%d %H:%M}"


def _read_text(text: str) -> DueTime:
    if (found := _DURATION.fullmatch(text)) or (found := _ISO_DURATION.fullmatch(text)):
        parts = {name: float(part) for name, part in found.groupdict().items() if part is not None}
        if parts:
            return _within(timedelta(**parts), text)
    written, _, name = text.rpartition(" ")
    zoned = _ZONE_NAME.fullmatch(name) and (_CLOCK.fullmatch(written) or _MOMENT.fullmatch(written))
    zone = _zone(name) if zoned else None
    stated = text if zone is None else written
    try:
        if _CLOCK.fullmatch(stated):
            return _Clock(time.fromisoformat(stated.zfill(len(stated) + (stated.index(":") == 1))), zone)
        if _MOMENT.fullmatch(stated):
            return _Moment(datetime.fromisoformat(stated), zone)
    except ValueError:
        pass  # 25:00, or the 30th of February: as unreadable as any other text
    raise UsageError(f"{text[:_SHOWN]!r} is not a due time.", next_step=_EXAMPLES)


def _within(wait: timedelta, text: str) -> _After:
    if not SHORTEST <= wait <= LONGEST:
        beyond, limit = ("earliest", SHORTEST) if wait < SHORTEST else ("latest", LONGEST)
        raise UsageError(
            f"The due time {text[:_SHOWN]!r} is not possible; the {beyond} is {_in_words(limit)} after the start.",
            next_step=_EXAMPLES,
        )
    return _After(wait)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"The due time names the time zone {name[:_SHOWN]!r}, which there is not."
        raise UsageError(message, next_step="Write one like Europe/Madrid.") from None


def _zone_of(clock: time) -> ZoneInfo | None:
    return clock.tzinfo if isinstance(clock.tzinfo, ZoneInfo) else None


def _shown_on(day: date, clock: time, zone: ZoneInfo) -> list[datetime]:
    """When clocks show a time on a day: once, or twice where they are set back."""
    naive = datetime.combine(day, clock.replace(tzinfo=None, fold=0))
    first, second = (naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return [first, second] if second > first else [first]


def _in_words(wait: timedelta) -> str:
    minutes = round(wait.total_seconds() / 60)
    for size, unit in ((1440, "days"), (60, "hours")):
        if minutes >= 2 * size:
            return f"{round(minutes / size, 1):,g} {unit}"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
