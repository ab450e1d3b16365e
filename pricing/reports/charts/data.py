"""What a chart is made of: marks at places, ticks, a legend; the page draws them.

Horizontal places are percent of the chart's width, so that it fits every screen; vertical ones are pixels from the
top, so that its text keeps its size. Nothing here knows money or time: what is shown is text already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

ChartTone: TypeAlias = Literal["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "good", "warn", "bad", "quiet"]
"""A colour by what it means, light and dark: series, or a judgement."""
SERIES: tuple[ChartTone, ...] = ("s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8")
HEIGHT = 220


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis; a ``minor`` one is left out where there is little space."""

    at: float
    text: str
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Rect:
    """A filled rectangle; ``tip`` is shown when the pointer is over it."""

    x: float
    y: float
    width: float
    height: float
    tone: ChartTone
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    """A round point; one of a quantity's ``low`` and ``high`` is drawn as a whisker through it."""

    x: float
    y: float
    tone: ChartTone
    tip: str = ""
    label: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """A text at a place; it begins there, or ends there where it is ``last``."""

    x: float
    y: float
    text: str
    last: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """A line, or an area where ``filled``; ``d`` as SVG has it, x of 0–100."""

    d: str
    tone: ChartTone
    filled: bool = False
    dashed: bool = False
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A named line across: upright at ``x``, level at ``y``; its name is ``row`` lines below the top."""

    text: str
    tone: ChartTone
    x: float | None = None
    y: float | None = None
    row: int = 0


@dataclass(frozen=True, slots=True)
class LegendKey:
    """An entry of the legend."""

    text: str
    tone: ChartTone


class LinkedText(str):
    """A cell that leads to another page: its text, and where to. Files have none, since nothing is beside them.

    Example:
        >>> LinkedText("daily-digest", "/automations/daily-digest").href
        '/automations/daily-digest'
    """

    __slots__ = ("href",)

    href: str

    def __new__(cls, text: str, href: str) -> Self:
        """A text that leads to ``href``."""
        made = super().__new__(cls, text)
        made.href = href
        return made


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. Its first ``names`` columns are texts, the others figures."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing. ``title`` names it, ``description`` says in a sentence what it shows, also to screen readers;
    ``grid`` has the figures it is drawn from.
    """

    title: str
    description: str
    grid: Grid
    height: int = HEIGHT
    across: tuple[Tick, ...] = ()
    up: tuple[Tick, ...] = ()
    paths: tuple[Path, ...] = ()
    rects: tuple[Rect, ...] = ()
    dots: tuple[Dot, ...] = ()
    rules: tuple[Rule, ...] = ()
    labels: tuple[Label, ...] = ()
    legend: tuple[LegendKey, ...] = ()
    across_label: str = ""
    up_label: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of level bars, each part a share of the longest; its figures are shown beside it."""

    name: str
    parts: tuple[tuple[float, ChartTone], ...]
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """Level bars, one row each: chart and table in one."""

    title: str
    description: str
    rows: tuple[Bar, ...]
    legend: tuple[LegendKey, ...] = ()


def tone(position: int) -> ChartTone:
    """The colour of the series at this position; after the eighth they begin again."""
    return SERIES[position % len(SERIES)]
