"""One run: its cost against its estimate, what lowered its quality, and where the money went."""

from __future__ import annotations

from farebox.web.site import Site
from farebox.web.view import Link, PageRequest, PageRoute, View
from pricing.reports import page_of, run_report


def view(site: Site, asked: PageRequest) -> View:
    """The page of one run.

    Raises:
        UsageError: there is no such run, or several begin or end like this.
    """
    report = run_report(site.replica, asked.path["run"])
    run = report.run
    links = (
        Link("Trace", site.link("runs", run.run_id, "trace")),
        Link(run.automation, site.link("automations", run.automation)),
    )
    return View(page_of(report), report.to_json(), links=links)


PAGE = PageRoute("/runs/{run}", view, kept="unchanged")
