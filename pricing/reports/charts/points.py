"""Points and lines over two axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pricing.reports.charts.axes import Axis
from pricing.reports.charts.data import HEIGHT, Chart, ChartTone, Dot, Grid, LegendKey, Path, Rule, Tick, tone


@dataclass(frozen=True, slots=True)
class Point:
    """One point; ``low`` and ``high`` are how far its ``y`` is uncertain, ``label`` is written beside it."""

    x: float
    y: float
    tip: str = ""
    tone: ChartTone = "s1"
    label: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ChartBand:
    """An area between two heights, along ``xs``."""

    name: str
    xs: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    tone: ChartTone = "s1"


def scatter(
    title: str,
    description: str,
    points: Sequence[Point],
    axes: tuple[Axis, Axis],
    grid: Grid,
    *,
    across: tuple[Tick, ...] | None = None,
    band: ChartBand | None = None,
    line: Sequence[tuple[float, float]] = (),
    rules: Sequence[tuple[str, float, ChartTone]] = (),
    legend: Sequence[tuple[str, ChartTone]] = (),
) -> Chart:
    """Points over an axis across and one up.

    Args:
        title: the chart's name.
        description: what it shows, in a sentence.
        points: what is drawn.
        axes: the one across and the one up.
        grid: the figures behind it.
        across: labels along the bottom, in place of the axis's own.
        band: an area behind the points.
        line: a dashed line through these places, such as a frontier.
        rules: named heights.
        legend: what colours mean.
    """
    level, up = axes
    paths = []
    if band is not None:
        paths.append(_area(band, level, up))
    if line:
        paths.append(_line(line, level, up, "quiet", dashed=True))
    return Chart(
        title,
        description,
        grid,
        across=level.across() if across is None else across,
        up=up.up(HEIGHT),
        paths=tuple(paths),
        dots=tuple(_dot(point, level, up) for point in points),
        rules=tuple(Rule(name, shade, y=up.y(height, HEIGHT)) for name, height, shade in rules),
        legend=tuple(LegendKey(text, shade) for text, shade in legend),
        across_label=level.label,
        up_label=up.label,
    )


def lines(
    title: str,
    description: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    axes: tuple[Axis, Axis],
    grid: Grid,
    *,
    across: tuple[Tick, ...] | None = None,
    rules: Sequence[tuple[str, float, ChartTone]] = (),
    dashed: Sequence[str] = (),
) -> Chart:
    """A line per series, those named in ``dashed`` dashed."""
    level, up = axes
    return Chart(
        title,
        description,
        grid,
        across=level.across() if across is None else across,
        up=up.up(HEIGHT),
        paths=tuple(
            _line(places, level, up, tone(position), dashed=name in dashed)
            for position, (name, places) in enumerate(series.items())
        ),
        rules=tuple(Rule(name, shade, y=up.y(height, HEIGHT)) for name, height, shade in rules),
        legend=tuple(LegendKey(name, tone(position)) for position, name in enumerate(series))
        if len(series) > 1
        else (),
        across_label=level.label,
        up_label=up.label,
    )


def _dot(point: Point, level: Axis, up: Axis) -> Dot:
    low, high = (None if end is None else up.y(end, HEIGHT) for end in (point.low, point.high))
    return Dot(level.x(point.x), up.y(point.y, HEIGHT), point.tone, point.tip, point.label, low, high)


def _line(places: Sequence[tuple[float, float]], level: Axis, up: Axis, shade: ChartTone, *, dashed: bool) -> Path:
    return Path("M" + "L".join(_at(x, y, level, up) for x, y in places), shade, dashed=dashed)


def _area(band: ChartBand, level: Axis, up: Axis) -> Path:
    there = [_at(x, high, level, up) for x, high in zip(band.xs, band.highs, strict=True)]
    back = [_at(x, low, level, up) for x, low in zip(reversed(band.xs), reversed(band.lows), strict=True)]
    return Path("M" + "L".join(there + back) + "Z", band.tone, filled=True, tip=band.name)


def _at(x: float, y: float, level: Axis, up: Axis) -> str:
    return f"{level.x(x)},{up.y(y, HEIGHT)}"
