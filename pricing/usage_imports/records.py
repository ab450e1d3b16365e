"""One line of usage in one shape, whatever its source calls things."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pricing.money import LARGEST, USD, Nano
from pricing.usage import Usage

FIELDS: Final = (
    *("run", "time", "model", "provider", "operation", "input", "output", "cache_read", "cache_write", "reasoning"),
    *("requests", "cost", "failed", "user", "org"),
)
"""What a column of a CSV or a field of JSON may be mapped to."""
_MOST_TOKENS: Final = 10**12
_EARLIEST: Final = 1_262_304_000
"""2010, in seconds: an earlier time cannot be that of a model's answer."""
_NAMES: Final = 200


class BadRecord(ValueError):
    """A line that is not usage; its text says why, without what the line holds."""


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """Usage of one model: of one request, or of several that an export sums up.

    Args:
        line: where it stands in its file, from 1.
        run: what it belongs to, such as a trace; empty where nothing says so: then it is a run of its own.
        at: microseconds since 1970 UTC.
        model: as the source calls it.
        provider: likewise; empty where it does not say.
        operation: a product action; empty where it does not say.
        usage: input includes cached, output includes reasoning.
        requests: how many there were.
        cost_nano: nano-dollars, where the source says.
        failed: whether it got no answer.
        user: whose it was, where that is mapped.
        org: likewise.
    """

    line: int
    run: str
    at: int
    model: str
    provider: str
    operation: str
    usage: Usage
    requests: int = 1
    cost_nano: Nano | None = None
    failed: bool = False
    user: str | None = None
    org: str | None = None


def record_of(line: int, fields: Mapping[str, Any]) -> UsageRecord:
    """A record from the values of ``FIELDS``.

    Raises:
        BadRecord: a value is missing or makes no sense.
    """
    model = text_of(fields, "model")
    if not model:
        raise BadRecord("it names no model")
    read = _count(fields, "cache_read") or 0
    written = _count(fields, "cache_write") or 0
    counted, output = _count(fields, "input"), _count(fields, "output")
    usage = Usage(
        None if counted is None else max(counted, read + written),
        output,
        _count(fields, "cache_read"),
        _count(fields, "cache_write"),
        reasoning_tokens=_count(fields, "reasoning"),
    )
    cost = _money(fields.get("cost"))
    if not usage.known and cost is None:
        raise BadRecord("it has neither tokens (input and output) nor a cost")
    requests = _count(fields, "requests")
    if requests == 0:
        raise BadRecord("it is of 0 requests")
    return UsageRecord(
        line,
        text_of(fields, "run"),
        _time(fields.get("time")),
        model,
        text_of(fields, "provider").lower(),
        text_of(fields, "operation"),
        usage,
        requests or 1,
        cost,
        _truth(fields.get("failed")),
        text_of(fields, "user") or None,
        text_of(fields, "org") or None,
    )


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """A field as a name.

    Raises:
        BadRecord: it is not a name.
    """
    value = fields.get(name)
    if value is None or value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadRecord(f"its {name} is not a name")
    found = str(value).strip()
    if len(found) > _NAMES or not found.isprintable():
        raise BadRecord(f"its {name} is longer than {_NAMES} characters or not printable")
    return found


def first(*values: Any) -> Any:
    """The first value that is there."""
    return next((value for value in values if value is not None and value != ""), None)


def at_path(value: Any, path: str) -> Any:
    """What lies under a dotted path of JSON; ``None`` where nothing does. A key may have dots itself.

    >>> at_path({"a": {"b.c": 3}}, "a.b.c"), at_path({"a.b": {"c": 4}}, "a.b.c"), at_path({"a": 1}, "a.b")
    (3, 4, None)
    """
    if not path:
        return value
    if not isinstance(value, dict):
        return None
    steps = path.split(".")
    for end in range(len(steps), 0, -1):
        if (key := ".".join(steps[:end])) in value:
            return at_path(value[key], ".".join(steps[end:]))
    return None


def sum_of(values: Sequence[Any], of: Callable[[Any], Any] = lambda value: value) -> int | None:
    """The sum of counts, ``None`` where all are missing.

    Raises:
        BadRecord: one is not a count.
    """
    found = [_whole(one, "counts") for value in values if (one := of(value)) is not None]
    return sum(found) if found else None


def _count(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    return None if value is None or value == "" else _whole(value, name)


def _whole(value: Any, name: str) -> int:
    try:
        number = Decimal(str(value).replace(",", "")) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number != number.to_integral_value() or not 0 <= number <= _MOST_TOKENS:
        raise BadRecord(f"its {name} is not a whole number from 0")
    return int(number)


def _money(value: Any) -> Nano | None:
    """Nano-dollars of a cost in dollars, rounded up: sources give fractions of a nano-dollar."""
    if value is None or value == "":
        return None
    try:
        amount = Decimal(str(value).strip().removeprefix("$").replace(",", "")) * USD
    except (InvalidOperation, ValueError):
        amount = Decimal("NaN")
    if isinstance(value, bool) or not amount.is_finite() or not 0 <= amount <= LARGEST:
        raise BadRecord("its cost is not an amount of dollars")
    return math.ceil(amount)


def _truth(value: Any) -> bool:
    if isinstance(value, str):
        lowered = value.strip().lower()
        if lowered in {"", "false", "0", "no", "ok", "success", "succeeded", "default"}:
            return False
        if lowered in {"true", "1", "yes", "error", "failure", "failed"}:
            return True
        raise BadRecord("its failed is neither true nor false")
    return bool(value)


def _time(value: Any) -> int:
    """Microseconds since 1970 of a time in ISO 8601, or of seconds, milli-, micro- or nanoseconds since 1970."""
    try:
        if isinstance(value, str) and not value.strip().replace(".", "", 1).isdigit():
            moment = datetime.fromisoformat(value.strip().replace(" UTC", "+00:00"))
            seconds = Decimal(str((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))
        else:
            seconds = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
        while seconds.is_finite() and seconds > 100 * _EARLIEST:
            seconds /= 1000
        if not seconds.is_finite() or not _EARLIEST <= seconds <= Decimal(datetime.now(UTC).timestamp()) + 86_400:
            raise BadRecord("its time is before 2010 or to come")
        return int(seconds * 1_000_000)
    except (InvalidOperation, ValueError, OverflowError) as error:
        if isinstance(error, BadRecord):
            raise
        raise BadRecord("its time is not a date with a time") from None
