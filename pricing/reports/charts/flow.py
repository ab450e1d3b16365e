"""A flow from where things began to where they ended: bands as wide as what went that way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from pricing.reports.charts.data import Chart, ChartTone, Grid, Label, Path, Rect, tone

_GAP = 30
"""Pixels between two ends: space for the name of the lower one."""
_TALL = 170
_LEFT, _RIGHT, _WIDE = 0.0, 98.0, 2.0


def flow(
    title: str,
    description: str,
    links: Sequence[tuple[str, str, int]],
    *,
    heads: tuple[str, str, str],
    bad: Iterable[str] = (),
) -> Chart:
    """Bands from the first names to the second; ends named in ``bad`` are drawn as failures.

    Args:
        title: the chart's name.
        description: what it shows, in a sentence.
        links: from, to and how many.
        heads: of the table: from, to, how many.
        bad: ends that nobody wanted.
    """
    starts, ends = Counter[str](), Counter[str]()
    for start, end, number in links:
        starts[start] += number
        ends[end] += number
    total = sum(starts.values()) or 1
    left, right = ([name for name, _ in side.most_common()] for side in (starts, ends))
    shade: dict[str, ChartTone] = {name: tone(place) for place, name in enumerate(left)}
    tops = _tops([starts[name] for name in left], total), _tops([ends[name] for name in right], total)
    out, into = dict(zip(left, tops[0], strict=True)), dict(zip(right, tops[1], strict=True))
    paths = []
    for start, end, number in sorted(links, key=lambda link: (left.index(link[0]), right.index(link[1]))):
        width = number / total * _TALL
        tip = f"{start} → {end}: {number:,}"
        paths.append(Path(_ribbon(out[start], into[end], width), "bad" if end in bad else shade[start], True, tip=tip))
        out[start] += width
        into[end] += width
    shades: dict[str, ChartTone] = shade | dict.fromkeys(bad, "bad")
    rects, labels = _ends((left, starts), (right, ends), tops, total, shades)
    height = round(_TALL + _GAP * max(len(left), len(right)) + 4)
    grid = Grid(heads, tuple((start, end, f"{number:,}") for start, end, number in links), names=2)
    return Chart(title, description, grid, height=height, paths=tuple(paths), rects=tuple(rects), labels=tuple(labels))


def _tops(amounts: Sequence[int], total: int) -> list[float]:
    heights = [amount / total * _TALL + _GAP for amount in amounts]
    return [_GAP - 8 + top for top in accumulate([0.0, *heights[:-1]])]


def _ribbon(start: float, end: float, width: float) -> str:
    """The SVG path of a band from the left side to the right."""
    left, right, middle = _LEFT + _WIDE, _RIGHT, (_LEFT + _RIGHT) / 2
    there = f"M{left},{start:.1f}C{middle},{start:.1f} {middle},{end:.1f} {right},{end:.1f}"
    low_start, low_end = start + width, end + width
    return f"{there}L{right},{low_end:.1f}C{middle},{low_end:.1f} {middle},{low_start:.1f} {left},{low_start:.1f}Z"


def _ends(
    left: tuple[list[str], Counter[str]],
    right: tuple[list[str], Counter[str]],
    tops: tuple[list[float], list[float]],
    total: int,
    shades: Mapping[str, ChartTone],
) -> tuple[list[Rect], list[Label]]:
    """The blocks at both sides, with their labels."""
    rects, names = [], []
    for (side, amounts), heights, x, at in ((left, tops[0], _LEFT, 0.0), (right, tops[1], _RIGHT, 100.0)):
        for name, top in zip(side, heights, strict=True):
            shade = shades.get(name, "quiet")
            tall = max(amounts[name] / total * _TALL, 1.0)
            rects.append(Rect(x, round(top, 1), _WIDE, round(tall, 1), shade, f"{name}: {amounts[name]:,}"))
            names.append(Label(at, round(top - 6, 1), f"{name} {amounts[name]:,}", last=at > 0))
    return rects, names
