"""Rendering of reports: terminal and HTML."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from pricing.reports.breakdowns import Breakdown
from pricing.reports.overview.data import Overview
from pricing.reports.overview.page import overview_page
from pricing.reports.overview.terminal import breakdown_in_terminal, overview_in_terminal, runs_in_terminal
from pricing.reports.page import Page, render_page
from pricing.reports.run.data import RunReport
from pricing.reports.run.page import run_page
from pricing.reports.run.terminal import run_in_terminal
from pricing.reports.run_list import RunLine


def render_terminal(report: RunReport | Overview | Breakdown | Sequence[RunLine]) -> RenderableType:
    """What a ``rich.console.Console`` prints of a report, a list of runs or an overview, at 80 columns and above."""
    if isinstance(report, RunReport):
        return run_in_terminal(report)
    if isinstance(report, Breakdown):
        return breakdown_in_terminal(report)
    return overview_in_terminal(report) if isinstance(report, Overview) else runs_in_terminal(report)


def page_of(report: RunReport | Overview) -> Page:
    """The report as a page, for whoever shows it among others."""
    return run_page(report) if isinstance(report, RunReport) else overview_page(report)


def render_html(report: RunReport | Overview) -> str:
    """The report as one HTML document that asks the network for nothing."""
    return render_page(page_of(report))
