"""Upright columns: amounts by day, and distributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pricing.reports.charts.axes import linear
from pricing.reports.charts.data import HEIGHT, Chart, ChartTone, Grid, LegendKey, Rect, Rule, Tick, tone

_WHOLE = 100.0
_MOST_LABELS = 8
_GAP = 0.2
"""Share of a column's place that is left empty; thin ones touch so that they stay visible."""
_THIN = 60


def columns(
    title: str,
    description: str,
    names: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    text: Callable[[float], str],
    up_label: str = "",
    first: str = "day",
) -> Chart:
    """Stacked columns, one per name, the first series at the bottom.

    Args:
        title: the chart's name.
        description: what it shows, in a sentence.
        names: of the columns, in order.
        series: by its name, one amount per column.
        text: an amount as text.
        up_label: what the amounts are.
        first: the heading of the names in the table.
    """
    totals = [sum(amounts) for amounts in zip(*series.values(), strict=True)]
    axis = linear(0, max(totals, default=0) or 1, text)
    rects: list[Rect] = []
    for place in range(len(names)):
        base = 0.0
        for position, (name, amounts) in enumerate(series.items()):
            if amounts[place] > 0:
                top, bottom = axis.y(base + amounts[place], HEIGHT), axis.y(base, HEIGHT)
                left, width = _place(place, len(names))
                tip = f"{names[place]}, {name}: {text(amounts[place])}"
                rects.append(Rect(left, top, width, max(round(bottom - top, 1), 1.0), tone(position), tip))
            base += amounts[place]
    rows = [
        (name, *(text(amounts[place]) for amounts in series.values()), text(totals[place]))
        for place, name in enumerate(names)
    ]
    return Chart(
        title,
        description,
        Grid((first, *series, "total"), tuple(rows)),
        across=_labels(names),
        up=axis.up(HEIGHT),
        rects=tuple(rects),
        legend=tuple(LegendKey(name, tone(position)) for position, name in enumerate(series)),
        up_label=up_label,
    )


def histogram(
    title: str,
    description: str,
    bins: Sequence[tuple[float, float, int]],
    marks: Sequence[tuple[str, float, ChartTone]],
    *,
    text: Callable[[float], str],
    across_label: str = "",
    counted: str = "runs",
) -> Chart:
    """How often a value fell where: ``bins`` are low, high and count, in order; ``marks`` are named values.

    A wider last bin holds what is far from the others: it is drawn as wide as these, and says where it ends. A mark
    beyond it widens the axis to show it.
    """
    step = min(end - start for start, end, _ in bins)
    low = min([one[0] for one in bins] + [value for _, value, _ in marks])
    high = max([one[0] + step for one in bins] + [value for _, value, _ in marks])
    axis, up = linear(low, high, text), linear(0, max(one[2] for one in bins), lambda n: f"{n:,.0f}", whole=True)
    rects = [
        Rect(
            axis.x(start),
            up.y(count, HEIGHT),
            round(axis.x(start + step) - axis.x(start), 2),
            round(HEIGHT - up.y(count, HEIGHT), 1),
            "s1",
            f"{text(start)} to {text(end)}: {count:,} {counted}",
        )
        for start, end, count in bins
        if count
    ]
    ordered = sorted(marks, key=lambda mark: mark[1])
    rules = [Rule(name, shade, x=axis.x(value), row=row) for row, (name, value, shade) in enumerate(ordered)]
    rows = [(f"{text(start)} to {text(end)}", f"{count:,}") for start, end, count in bins if count]
    return Chart(
        title,
        description,
        Grid((across_label or "from, to", counted), tuple(rows)),
        across=axis.across(),
        up=up.up(HEIGHT),
        rects=tuple(rects),
        rules=tuple(rules),
        across_label=across_label,
        up_label=counted,
    )


def _place(place: int, places: int) -> tuple[float, float]:
    """Left edge and width of a column, in percent."""
    width = _WHOLE / places
    gap = width * _GAP if places <= _THIN else 0.0
    return round(place * width + gap / 2, 2), round(width - gap, 2)


def _labels(names: Sequence[str]) -> tuple[Tick, ...]:
    every = -(-len(names) // _MOST_LABELS)
    width = _WHOLE / max(len(names), 1)
    chosen = list(range(0, len(names), every))
    return tuple(
        Tick(round((place + 0.5) * width, 2), names[place], minor=number % 2 == 1)
        for number, place in enumerate(chosen)
    )
