"""Charts as plain shapes: drawn as SVG that keeps its text at one size on every screen, with a table beside each."""

from pricing.reports.charts.axes import Axis, linear, logarithmic, ordinal
from pricing.reports.charts.bars import Share, shares
from pricing.reports.charts.columns import columns, histogram
from pricing.reports.charts.flow import flow
from pricing.reports.charts.points import Band, Point, lines, scatter
from pricing.reports.charts.shapes import Bars, Chart, Grid, Tone

__all__ = [
    "Axis",
    "Band",
    "Bars",
    "Chart",
    "Grid",
    "Point",
    "Share",
    "Tone",
    "columns",
    "flow",
    "histogram",
    "linear",
    "lines",
    "logarithmic",
    "ordinal",
    "scatter",
    "shares",
]
