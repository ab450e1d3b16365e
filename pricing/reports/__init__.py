"""Reports: what runs cost, where it went and how that compares to their quotes; read from the replica alone."""

from pricing.reports.rendering import render_terminal
from pricing.reports.run_report import run_report
from pricing.reports.run_shapes import RunReport

__all__ = ["RunReport", "render_terminal", "run_report"]
