"""Level bars with their figures beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pricing.reports.charts.data import Bar, Bars, ChartTone, LegendKey

_WHOLE = 100.0


@dataclass(frozen=True, slots=True)
class BarRow:
    """One row: its parts one after the other, and what is written beside it."""

    name: str
    parts: tuple[tuple[float, ChartTone], ...]
    text: str
    note: str = ""


def shares(title: str, about: str, rows: Sequence[BarRow], *, legend: Sequence[tuple[str, ChartTone]] = ()) -> Bars:
    """Rows of bars on one scale: the longest fills the width."""
    longest = max((sum(part for part, _ in row.parts) for row in rows), default=0) or 1
    return Bars(
        title,
        about,
        tuple(
            Bar(
                row.name,
                tuple((round(max(part, 0) / longest * _WHOLE, 2), tone) for part, tone in row.parts),
                row.text,
                row.note,
            )
            for row in rows
        ),
        tuple(LegendKey(text, tone) for text, tone in legend),
    )
