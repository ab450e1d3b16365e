"""The list of runs, with filters, page by page."""

from __future__ import annotations

from farebox.web.grids import runs_grid
from farebox.web.site import Site
from farebox.web.view import Field, Link, PageRequest, PageRoute, View
from pricing.reports import Page, RunFilter, Section, run_page

_ROWS = 50
_OUTCOMES = ("running", "suspended", "completed", "failed", "blocked", "over_budget", "cancelled", "lost")
_NAMES = ("automation", "outcome", "owner", "tag", "since", "until", "id")


def view(site: Site, asked: PageRequest) -> View:
    """A page of the list of runs.

    Raises:
        UsageError: a filter is wrong, or no run of that automation is known.
    """
    given = {name: asked.given(name) for name in _NAMES}
    chosen = RunFilter(
        automation=given["automation"],
        outcome=asked.one_of("outcome", _OUTCOMES),
        owner=given["owner"],
        tag=given["tag"],
        since=asked.moment("since", site),
        until=asked.moment("until", site),
        id_part=given["id"],
    )
    after = asked.given("after")
    found = run_page(site.replica, chosen, limit=_ROWS, after=after)
    filtered = any(given.values())
    empty = "No run meets these filters." if filtered else "No runs yet. Try “farebox demo”."
    page = Page(
        "Runs",
        "newest first",
        lead=() if found.runs else (empty,),
        sections=(Section("Filtered runs" if filtered else "All runs", grid=runs_grid(site, found.runs)),)
        if found.runs
        else (),
    )
    pager = []
    if after is not None:
        pager.append(Link("← Newest", site.link("runs", **given)))
    if found.next is not None:
        pager.append(Link("Older →", site.link("runs", **given, after=found.next)))
    return View(page, found.to_json(), fields=_fields(site, given), pager=tuple(pager))


def _fields(site: Site, given: dict[str, str | None]) -> tuple[Field, ...]:
    def value(name: str) -> str:
        return given[name] or ""

    names = (("", "all"), *((name, name) for name in site.automations()))
    outcomes = (("", "all"), *((word, word.replace("_", " ")) for word in _OUTCOMES))
    return (
        Field("automation", "Automation", value("automation"), names),
        Field("outcome", "Outcome", value("outcome"), outcomes),
        Field("owner", "Organisation or user", value("owner")),
        Field("tag", "Tag", value("tag")),
        Field("since", "Since", value("since"), hint="30d, 2026-11-01"),
        Field("until", "Until", value("until"), hint="2026-12-01"),
        Field("id", "Id contains", value("id")),
    )


PAGE = PageRoute("/runs", view, kept="unchanged")
