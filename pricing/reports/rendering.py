"""Reports for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from pricing.reports.breakdown import Breakdown
from pricing.reports.overview_shapes import Overview
from pricing.reports.run_list import RunLine
from pricing.reports.run_shapes import RunReport
from pricing.reports.terminal_many import breakdown_in_terminal, overview_in_terminal, runs_in_terminal
from pricing.reports.terminal_run import run_in_terminal


def render_terminal(report: RunReport | Overview | Breakdown | Sequence[RunLine]) -> RenderableType:
    """What a ``rich.console.Console`` prints of a report, a list of runs or an overview, at 80 columns and above."""
    if isinstance(report, RunReport):
        return run_in_terminal(report)
    if isinstance(report, Breakdown):
        return breakdown_in_terminal(report)
    return overview_in_terminal(report) if isinstance(report, Overview) else runs_in_terminal(report)
