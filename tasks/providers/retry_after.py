"""How long a provider asks us to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

_NUMBER = re.compile(r"\d{1,15}(?:\.\d{0,9})?", re.ASCII)


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds to wait at least; ``None`` if no header says so in a form that makes sense.

    ``headers`` has lower-case names. ``retry-after-ms`` (OpenAI) is finer than ``retry-after`` (seconds or an HTTP
    date, RFC 9110 §10.2.3), which is commoner than ``x-amz-retry-after`` (milliseconds, AWS SDKs).
    """
    for name, scale in (("retry-after-ms", 1000), ("retry-after", 1), ("x-amz-retry-after", 1000)):
        value = headers.get(name, "").strip()
        if _NUMBER.fullmatch(value):
            return float(value) / scale
        if name == "retry-after" and (seconds := _until(value, now)) is not None:
            return seconds
    return None


def duration(value: object) -> float | None:
    """Seconds of a protobuf duration such as ``"14.5s"`` (Gemini's ``RetryInfo.retryDelay``)."""
    if isinstance(value, str) and value.endswith("s") and _NUMBER.fullmatch(value[:-1]):
        return float(value[:-1])
    return None


def _until(date: str, now: datetime | None) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return seconds if seconds >= 0 else None
