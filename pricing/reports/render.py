"""Rendering of reports: terminal and HTML. The view of each kind of report is loaded when one is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pricing.reports.breakdowns import Breakdown
    from pricing.reports.overview.data import Overview
    from pricing.reports.page import Page
    from pricing.reports.run.data import RunReport
    from pricing.reports.run_list import RunLine

_IN_TERMINAL = {
    "Breakdown": "pricing.reports.overview.terminal:breakdown_in_terminal",
    "Overview": "pricing.reports.overview.terminal:overview_in_terminal",
    "RunReport": "pricing.reports.run.terminal:run_in_terminal",
    "list": "pricing.reports.run_list_terminal:runs_in_terminal",
    "tuple": "pricing.reports.run_list_terminal:runs_in_terminal",
}
_PAGES = {
    "Overview": "pricing.reports.overview.page:overview_page",
    "RunReport": "pricing.reports.run.page:run_page",
}


def render_terminal(report: RunReport | Overview | Breakdown | Sequence[RunLine]) -> RenderableType:
    """What a ``rich.console.Console`` prints of a report, a list of runs or an overview, at 80 columns and above."""
    shown: RenderableType = _view(_IN_TERMINAL, report)(report)
    return shown


def page_of(report: RunReport | Overview) -> Page:
    """The report as a page, for a server that shows it among others."""
    page: Page = _view(_PAGES, report)(report)
    return page


def render_html(report: RunReport | Overview) -> str:
    """The report as one HTML document that asks the network for nothing."""
    from pricing.reports.page import render_page

    return render_page(page_of(report))


def _view(views: Mapping[str, str], report: object) -> Callable[[Any], Any]:
    module, _, name = views[type(report).__name__].partition(":")
    view: Callable[[Any], Any] = getattr(import_module(module), name)
    return view
