"""Limits on how often a user or an organisation may ask: moving windows that hold across processes."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from guardrails.base import Direction, GuardInput, Reason, Verdict, allow, block
from pricing.ledger import RateLimit, Use

_RATE = re.compile(r"\s*(?P<most>\d{1,7})\s*(?:per|/)\s*(?P<window>second|minute|hour|day)\s*")
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_NEAR = 0.8
"""The share of a limit from which on it is announced."""


class Windows(Protocol):
    """What counts: :class:`pricing.ledger.rate_limits.MovingWindows`."""

    def use(self, limits: Sequence[RateLimit]) -> list[Use]:
        """Use every limit once, or none if one is full."""


@dataclass(frozen=True, slots=True)
class RateGuard:
    """Blocks users with too many requests, and says when to try again.

    A run without a user (a schedule's) is not held to the limit per user, likewise for organisations.

    Args:
        windows: where uses are counted.
        place: where it is declared: each place counts for itself.
        per_user: like ``"60 per minute"``; second, minute, hour or day.
        per_org: likewise, for everybody of an organisation together.

    Raises:
        ValueError: neither is given, or one cannot be read.
    """

    windows: Windows = field(repr=False)
    place: str = ""
    per_user: str = ""
    per_org: str = ""

    name: ClassVar[str] = "rate"
    version: ClassVar[str] = "1"
    direction: ClassVar[Direction] = "input"
    rank: ClassVar[int] = 10

    def __post_init__(self) -> None:
        if not (self.per_user or self.per_org):
            raise ValueError('it needs per_user or per_org, like "60 per minute"')
        for rate in filter(None, (self.per_user, self.per_org)):
            _read(rate)

    def inspects(self, exchange: GuardInput) -> bool:
        """Never: it counts requests."""
        del exchange
        return False

    async def check(self, exchange: GuardInput) -> Verdict:
        """Block with ``rate``, else allow; from 80 % of a limit on the decision's facts tell of it."""
        whose = {"user": (exchange.user, self.per_user), "organisation": (exchange.org, self.per_org)}
        limits = {
            RateLimit(f"{self.place}\n{kind}\n{rate}\n{who}", *_read(rate)[:2]): (kind, rate)
            for kind, (who, rate) in whose.items()
            if who and rate
        }
        if not limits:
            return allow()
        uses = await asyncio.to_thread(self.windows.use, tuple(limits))
        fullest = max(uses, key=lambda use: (use.refused, use.used / use.limit.most))
        kind, rate = limits[fullest.limit]
        most, _, window = _read(rate)
        if fullest.refused:
            after = math.ceil(fullest.retry_after)
            return block(Reason.RATE, limit=most, window=window, subject=kind, retry_after=after)
        if fullest.used >= _NEAR * fullest.limit.most:
            return allow(limit=most, window=window, subject=kind, used=fullest.used, left=most - fullest.used)
        return allow()


def _read(rate: str) -> tuple[int, int, str]:
    """How many, within how many seconds, and what that stretch is called."""
    found = _RATE.fullmatch(rate)
    if found is None or int(found["most"]) == 0:
        raise ValueError(f'{rate!r} is not a valid rate; write one like "60 per minute"')
    return int(found["most"]), _SECONDS[found["window"]], found["window"]
