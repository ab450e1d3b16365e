"""Charts as plain shapes: drawn as SVG that keeps its text at one size on every screen, with a table beside each."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports
from pricing.reports.charts.columns import columns
from pricing.reports.charts.flow import flow

if TYPE_CHECKING:
    from pricing.reports.charts.axes import Axis, linear, logarithmic, ordinal
    from pricing.reports.charts.bars import BarRow, shares
    from pricing.reports.charts.columns import histogram
    from pricing.reports.charts.data import Bars, Chart, ChartTone, Grid, LinkedText
    from pricing.reports.charts.points import ChartBand, Point, lines, scatter

__all__ = [
    "Axis",
    "BarRow",
    "Bars",
    "Chart",
    "ChartBand",
    "ChartTone",
    "Grid",
    "LinkedText",
    "Point",
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

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Axis": "pricing.reports.charts.axes",
            "ChartBand": "pricing.reports.charts.points",
            "Bars": "pricing.reports.charts.data",
            "Chart": "pricing.reports.charts.data",
            "Grid": "pricing.reports.charts.data",
            "LinkedText": "pricing.reports.charts.data",
            "Point": "pricing.reports.charts.points",
            "BarRow": "pricing.reports.charts.bars",
            "ChartTone": "pricing.reports.charts.data",
            "histogram": "pricing.reports.charts.columns",
            "linear": "pricing.reports.charts.axes",
            "lines": "pricing.reports.charts.points",
            "logarithmic": "pricing.reports.charts.axes",
            "ordinal": "pricing.reports.charts.axes",
            "scatter": "pricing.reports.charts.points",
            "shares": "pricing.reports.charts.bars",
        },
    )
