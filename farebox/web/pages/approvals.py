"""Runs that wait for a decision, and who decided what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from farebox.web.grids import approvals_grid, budget_amounts
from farebox.web.site import Site
from farebox.web.view import PageRequest, PageRoute, View
from pricing import format_money
from pricing.ledger import ApprovalRequest
from pricing.reports import Figure, Page, Section, decided_approvals, moment
from pricing.reports.charts import Grid


def view(site: Site, asked: PageRequest) -> View:
    """The page of approvals: open questions come from the ledger, decisions from the replica."""
    waiting = site.runtime.approvals.waiting()
    decided = decided_approvals(site.replica, automation=asked.given("automation"))
    sections = []
    if waiting:
        text = "Decide in the Prefect UI: open the run and choose Resume; or in the terminal that started it."
        sections.append(Section("Waiting for a decision", (text,), grid=_waiting(site, waiting)))
    if decided:
        sections.append(Section("Decided", grid=approvals_grid(site, decided)))
    page = Page(
        "Approvals",
        "runs that exceeded a budget, and what people decided",
        lead=() if sections else ("No run has asked for an approval yet.",),
        figures=(
            Figure("Waiting", f"{len(waiting):,}", "for a decision", "warn" if waiting else None),
            Figure("Approved", f"{sum(one.choice in _APPROVED for one in decided):,}", "of those listed"),
            Figure(
                "Refused or too late", f"{sum(one.choice not in _APPROVED for one in decided):,}", "of those listed"
            ),
        )
        if sections
        else (),
        sections=tuple(sections),
    )
    data = {"waiting": [_plain(one) for one in waiting], "decided": [one.to_json() for one in decided]}
    return View(page, data)


_APPROVED = {"once", "cheaper", "raise", "finish"}


def _waiting(site: Site, waiting: Sequence[ApprovalRequest]) -> Grid:
    heads = ("waiting run", "automation", "until", "budgets", "to hold", "cheapest")
    rows = tuple(
        (
            one.run.run_id,
            one.run.automation,
            moment(one.due_at.astimezone(site.zone)),
            budget_amounts("", one.lacking),
            format_money(one.hold),
            format_money(one.cheaper),
        )
        for one in waiting
    )
    return Grid(heads, rows, 4)


def _plain(one: ApprovalRequest) -> dict[str, Any]:
    return {
        "run_id": one.run.run_id,
        "automation": one.run.automation,
        "hold_nano": one.hold,
        "cheaper_nano": one.cheaper,
        "lacking_nano": dict(one.lacking),
        "due_at": one.due_at,
    }


PAGE = PageRoute("/approvals", view)
