"""Reports for people."""

from __future__ import annotations

from rich.console import RenderableType

from pricing.reports.run_shapes import RunReport
from pricing.reports.terminal_run import run_in_terminal


def render_terminal(report: RunReport) -> RenderableType:
    """What ``rich.print`` shows of a report, at 80 columns and above."""
    return run_in_terminal(report)
