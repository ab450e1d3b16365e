"""What this month comes to, and which budgets run out."""

from __future__ import annotations

from farebox.spend_forecast import forecast_now
from farebox.web.site import Site
from farebox.web.view import PageRequest, PageRoute, View
from pricing.reports import forecast_page


def view(site: Site, asked: PageRequest) -> View:
    """The page of this month's spend forecast."""
    del asked
    found = forecast_now(site.runtime)
    return View(forecast_page(found), found.to_json())


PAGE = PageRoute("/forecast", view, kept="stale")
