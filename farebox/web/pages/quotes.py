"""Past quotes against what runs cost, by automation, quality and size."""

from __future__ import annotations

from collections.abc import Sequence

from farebox.web.grids import audits_grid, sizes_grid
from farebox.web.site import Site
from farebox.web.view import PageRequest, PageRoute, View
from pricing.reports import ENOUGH, Page, QuoteAudit, Section, quote_audits


def view(site: Site, asked: PageRequest) -> View:
    """The page of past quotes against actual cost.

    Raises:
        UsageError: no run of that automation is known.
    """
    since = asked.given("since") or "ever"
    found = quote_audits(site.replica, asked.given("automation"), since=asked.moment("since", site))
    warnings = tuple(f"{one.automation} {one.quality}: {warning}." for one in found for warning in one.warnings)
    lead = warnings or (_verdict(found),)
    sections = []
    if found:
        text = f"An honest p95 covers 93 to 97 % of runs; fewer than {ENOUGH} runs are not enough to judge."
        sections.append(Section("By automation", (text,), grid=audits_grid(found)))
    if any(one.sizes for one in found):
        sections.append(
            Section(
                "By size", ("The runs of each automation in four parts, by their estimate.",), grid=sizes_grid(found)
            )
        )
    page = Page(
        "Quotes against actual cost", "the newest 2,000 runs of each automation", lead, sections=tuple(sections)
    )
    return View(page, [one.to_json() for one in found], links=site.periods(since, "quotes"))


def _verdict(found: Sequence[QuoteAudit]) -> str:
    """What is said where there is nothing to warn of."""
    if not found:
        return "No run has ended yet."
    if all(one.p95.runs < ENOUGH for one in found):
        return f"No p95 can be judged yet: this takes {ENOUGH} runs of an automation."
    return "Every p95 that can be judged is honest."


PAGE = PageRoute("/quotes", view, kept="stale", has_periods=True)
