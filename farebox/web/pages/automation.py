"""One automation: its outcomes, its latest runs, how its quotes held, and who approved what."""

from __future__ import annotations

from dataclasses import replace

from farebox.overview import make_overview
from farebox.web.grids import approvals_grid, audits_grid, runs_grid, sizes_grid
from farebox.web.site import PERIOD, Site
from farebox.web.view import Link, PageRequest, PageRoute, View
from pricing.reports import (
    RunFilter,
    RunSelection,
    Section,
    decided_approvals,
    page_of,
    quote_audits,
    run_page,
)

_LATEST = 10
_DECIDED = 20


def view(site: Site, asked: PageRequest) -> View:
    """The page of one automation.

    Raises:
        UsageError: no run of that automation is known.
    """
    name, since = asked.path["automation"], asked.given("since") or PERIOD
    choice = RunSelection(since=asked.moment("since", site, PERIOD), automation=name, zone=site.zone)
    found = make_overview(site.runtime, choice)
    latest = run_page(site.replica, RunFilter(automation=name), limit=_LATEST).runs
    audits, decided = quote_audits(site.replica, name), decided_approvals(site.replica, automation=name, most=_DECIDED)
    page, more = page_of(found), [Section("Latest runs", grid=runs_grid(site, latest, of_one=True))]
    if audits:
        warnings = tuple(f"{one.quality}: {warning}." for one in audits for warning in one.warnings)
        more.append(Section("Quotes against actual cost", warnings, grid=audits_grid(audits)))
        if any(one.sizes for one in audits):
            more.append(Section("Quotes by size", grid=sizes_grid(audits)))
    if decided:
        more.append(Section("Approvals", grid=approvals_grid(site, decided)))
    data = {
        "overview": found.to_json(),
        "latest_runs": [one.to_json() for one in latest],
        "quotes": [one.to_json() for one in audits],
        "approvals": [one.to_json() for one in decided],
    }
    links = (*site.periods(since, "automations", name), Link("All runs", site.link("runs", automation=name)))
    return View(replace(page, title=name, sections=(*page.sections, *more)), data, links=links)


PAGE = PageRoute("/automations/{automation:path}", view, kept="stale", has_periods=True)
