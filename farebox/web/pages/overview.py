"""What runs cost, sell for and leave, over a period."""

from __future__ import annotations

from farebox.overview import make_overview
from farebox.web.site import PERIOD, Site
from farebox.web.view import PageRequest, PageRoute, View
from pricing.reports import RunSelection, page_of


def view(site: Site, asked: PageRequest) -> View:
    """The page of costs, sales and margins over a period."""
    since = asked.given("since") or PERIOD
    found = make_overview(
        site.runtime,
        RunSelection(since=asked.moment("since", site, PERIOD), until=asked.moment("until", site), zone=site.zone),
    )
    return View(page_of(found), found.to_json(), links=site.periods(since))


PAGE = PageRoute("/", view, kept="stale", has_periods=True)
