"""What is left of a price: gross margin is a share of the price, markup one of the cost, and the two are never mixed.

A markup of 25 % is a gross margin of 20 %.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pricing.money import Nano

_SAFE = 0.95
_DRAWS, _SEED = 1_000, 20261125
_FULL = 100


def gross_margin(price: Nano | None, cost: Nano) -> float | None:
    """The share of ``price`` that is left after ``cost``: below 0 for a loss, ``None`` without a price.

    Example:
        >>> gross_margin(1_000_000_000, 250_000_000), gross_margin(None, 5)
        (0.75, None)
    """
    return None if not price else (price - cost) / price


def markup(price: Nano | None, cost: Nano) -> float | None:
    """What a price is above the cost, as a share of the cost; ``None`` without a price or a cost."""
    return None if not price or not cost else (price - cost) / cost


@dataclass(frozen=True, slots=True)
class Buffer:
    """Invoices of so many ``runs``: ``needed`` is what must be added to the mean cost so that 95 % of them lose
    nothing, ``beyond`` the share that costs more than the mean and the buffer one has.
    """

    runs: int
    needed: float
    beyond: float


def buffer(costs: Sequence[Nano], runs: int, percent: int) -> Buffer | None:
    """How a buffer of so many percent fares over invoices drawn from past costs; ``None`` where these are nothing.

    A seeded bootstrap: the same past gives the same answer.
    """
    mean = runs * sum(costs) / len(costs) if costs else 0
    if not mean:
        return None
    invoices = sorted(sum(map(costs.__getitem__, drawn)) for drawn in _draws(len(costs), runs))
    needed = max(0.0, invoices[round(_SAFE * _DRAWS) - 1] / mean - 1)
    within = bisect_right(invoices, mean * (_FULL + percent), key=lambda one: one * _FULL)
    return Buffer(runs, needed, (_DRAWS - within) / _DRAWS)


@cache
def _draws(among: int, runs: int) -> list[list[int]]:
    """Which past costs each invoice draws; the same for every automation that as many are known of."""
    dice = random.Random(_SEED)  # noqa: S311 - no secret is drawn
    return [dice.choices(range(among), k=runs) for _ in range(_DRAWS)]
