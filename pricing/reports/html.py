"""Reports as HTML: one self-contained file each."""

from __future__ import annotations

from pricing.reports.overview_page import overview_page
from pricing.reports.overview_shapes import Overview
from pricing.reports.page import render_page
from pricing.reports.run_page import run_page
from pricing.reports.run_shapes import RunReport


def render_html(report: RunReport | Overview) -> str:
    """The report as one HTML document that asks the network for nothing."""
    return render_page(run_page(report) if isinstance(report, RunReport) else overview_page(report))
