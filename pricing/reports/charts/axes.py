"""Axes: where a value lies between the ends, and ticks at round values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, log10

from pricing.reports.charts.data import Tick

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_WHOLE = 100.0


@dataclass(frozen=True, slots=True)
class Axis:
    """From ``low`` to ``high``, ticks at ``values``; ``text`` puts one into words.

    A logarithmic one shows ratios: equal distances are equal factors.
    """

    low: float
    high: float
    values: tuple[float, ...]
    text: Callable[[float], str]
    logarithmic: bool = False
    label: str = ""

    def share(self, value: float) -> float:
        """The position of a value: 0 at the low end, 1 at the high end; values beyond an end are at it."""
        within = min(max(value, self.low), self.high)
        if self.logarithmic:
            return log10(within / self.low) / log10(self.high / self.low)
        return (within - self.low) / (self.high - self.low)

    def x(self, value: float) -> float:
        """The horizontal position of a value, in percent."""
        return round(self.share(value) * _WHOLE, 2)

    def y(self, value: float, height: int) -> float:
        """The vertical position of a value, in pixels from the top."""
        return round((1 - self.share(value)) * height, 1)

    def across(self) -> tuple[Tick, ...]:
        """The ticks along the bottom; every second one is minor."""
        return tuple(
            Tick(self.x(value), self.text(value), minor=place % 2 == 1) for place, value in enumerate(self.values)
        )

    def up(self, height: int) -> tuple[Tick, ...]:
        """The ticks along the side."""
        return tuple(Tick(self.y(value, height), self.text(value)) for value in self.values)


def linear(
    low: float, high: float, text: Callable[[float], str], *, most: int = 5, label: str = "", whole: bool = False
) -> Axis:
    """From ``low`` or less to ``high`` or more, with at most so many steps of 1, 2, 2.5 or 5 × 10ⁿ between; ``whole``:
    the steps are whole numbers.
    """
    span = (high - low) or abs(high) or 1.0
    exact = span / most
    ten = 10.0 ** floor(log10(exact))
    step = next(step * ten for step in _STEPS if step * ten >= exact * (1 - 1e-9))
    if whole:
        step = max(1.0, float(ceil(step)))
    first, last = floor(low / step + 1e-9), ceil((low + span) / step - 1e-9)
    values = tuple(round(number * step, 12) for number in range(first, last + 1))
    return Axis(values[0], values[-1], values, text, label=label)


def ordinal(number: int, *, label: str = "") -> Axis:
    """Places 0 to ``number`` - 1, one after the other, without ticks."""
    return Axis(0.0, max(number - 1.0, 1.0), (), str, label=label)


def logarithmic(low: float, high: float, text: Callable[[float], str], *, label: str = "") -> Axis:
    """Between round values around ``low`` and ``high``, both above 0; ticks at 1, 2 and 5 × 10ⁿ."""
    steps = [
        step * 10.0**power for power in range(floor(log10(low)) - 1, ceil(log10(high)) + 2) for step in (1.0, 2.0, 5.0)
    ]
    first = max(value for value in steps if value <= low * (1 + 1e-9))
    last = min(value for value in steps if value >= high * (1 - 1e-9) and value > first)
    values = tuple(value for value in steps if first <= value <= last)
    return Axis(first, last, values, text, logarithmic=True, label=label)
