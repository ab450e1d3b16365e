"""Every automation that ran: what its outcomes cost and earn."""

from __future__ import annotations

from farebox.overview import make_overview
from farebox.web.pages import automation
from farebox.web.site import PERIOD, Site
from farebox.web.view import PageRequest, PageRoute, View
from pricing.reports import Page, RunSelection, Section, automation_grid, automations, plural
from pricing.reports.charts import Grid

_NEAR = 20
"""Automations whose pages are made while somebody reads the list."""


def view(site: Site, asked: PageRequest) -> View:
    """The page of all automations."""
    since = asked.given("since") or PERIOD
    known = automations(site.replica)
    found = make_overview(site.runtime, RunSelection(since=asked.moment("since", site, PERIOD), zone=site.zone))
    parts = [part for part in (found.real, found.sandbox) if part is not None]
    seen = {one.automation for part in parts for one in part.automations}
    sections = [
        Section("Answered by the sandbox" if part.stand_in else "Answered by models", grid=automation_grid(part))
        for part in parts
    ]
    if idle := [name for name in known if name not in seen]:
        sections.append(Section("Without runs in this period", grid=Grid(("automation",), tuple((n,) for n in idle))))
    page = Page(
        "Automations",
        f"{plural(len(known), 'automation')}, {plural(len(seen), 'of them', 'of them')} with runs in this period",
        lead=() if known else ("No automation has run yet. Try “farebox demo”.",),
        sections=tuple(sections),
    )
    kinds = [part for name in ("real", "sandbox") if (part := found.to_json()[name]) is not None]
    lines = [{"sandbox": part["stand_in"], **one} for part in kinds for one in part["automations"]]
    return View(page, {"known": known, "automations": lines}, links=site.periods(since, "automations"))


def _near(shown: View) -> list[tuple[PageRoute, PageRequest]]:
    """The pages of the automations that this page lists, the most recent first."""
    return [(automation.PAGE, PageRequest({"automation": name}, {})) for name in shown.data["known"][:_NEAR]]


PAGE = PageRoute("/automations", view, kept="stale", has_periods=True, near=_near)
