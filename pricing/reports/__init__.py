"""Reports: what runs cost, where it went and how that compares to their quotes; read from the replica alone."""

from pricing.reports.breakdown import BY, Breakdown, breakdown
from pricing.reports.choosing import Choice
from pricing.reports.html import render_html
from pricing.reports.markdown import render_markdown
from pricing.reports.overview import overview
from pricing.reports.overview_shapes import Overview
from pricing.reports.rendering import render_terminal
from pricing.reports.run_list import RunLine, runs
from pricing.reports.run_lookup import automations
from pricing.reports.run_report import run_report
from pricing.reports.run_shapes import RunReport

__all__ = [
    "BY",
    "Breakdown",
    "Choice",
    "Overview",
    "RunLine",
    "RunReport",
    "automations",
    "breakdown",
    "overview",
    "render_html",
    "render_markdown",
    "render_terminal",
    "run_report",
    "runs",
]
