"""The budgets that hold now: limit, spent, held, left; and the limits that people set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from farebox.web.site import Site
from farebox.web.view import PageRequest, PageRoute, View
from pricing import format_money
from pricing.ledger import BudgetState, Limit
from pricing.reports import Figure, Page, Section, moment, percent
from pricing.reports.charts import Grid

_NEAR = 0.8
"""Spent and held together, as a share of the limit."""


def view(site: Site, asked: PageRequest) -> View:
    """The page of budgets. They are read from the ledger, since the replica has no current holds."""
    del asked
    states = sorted(site.runtime.ledger.budgets(), key=lambda state: (-_taken(state), state.name))
    limits = site.runtime.limits.all()
    shared, own = ([one for one in states if (one.scope == "run") == which] for which in (False, True))
    full = sum(state.left <= 0 for state in shared)
    near = sum(state.left > 0 and _taken(state) >= _NEAR for state in shared)
    sections = []
    if shared:
        sections.append(Section("Open windows", grid=_grid(site, shared)))
    if own:
        sections.append(Section("Single runs under way", grid=_grid(site, own)))
    if limits:
        sections.append(Section("Limits set on the command line", grid=_limits(limits)))
    page = Page(
        "Budgets",
        "limits, and what is left of them",
        lead=() if states else ("No budget has an open window yet; the first run opens one.",),
        figures=(
            Figure("Open budgets", f"{len(shared):,}"),
            Figure("Used up", f"{full:,}", "nothing left", "bad" if full else None),
            Figure("Above 80 %", f"{near:,}", "spent and held together", "warn" if near else None),
            Figure("Runs under way", f"{len(own):,}", "each with a budget of its own"),
        )
        if states
        else (),
        sections=tuple(sections),
    )
    data = {"budgets": [_plain(state) for state in states], "set": [_plain_limit(limit) for limit in limits]}
    return View(page, data)


def _taken(state: BudgetState) -> float:
    """The share of the limit that is spent or held, from 0."""
    return (state.spent + state.held) / state.limit if state.limit else 1.0


def _grid(site: Site, states: Sequence[BudgetState]) -> Grid:
    heads = ("budget", "scope", "resets", "limit", "spent", "held", "left", "used")
    rows = tuple(
        (
            state.name if state.scope != "run" else state.key,
            state.scope,
            moment(state.resets_at.astimezone(site.zone)) if state.resets_at else "with the run",
            *(format_money(amount) for amount in (state.limit, state.spent, state.held, state.left)),
            percent(_taken(state)),
        )
        for state in states
    )
    return Grid(heads, rows, 3)


def _limits(limits: Sequence[Limit]) -> Grid:
    rows = tuple((limit.key, limit.scope, limit.window, limit.soft, format_money(limit.limit)) for limit in limits)
    return Grid(("key", "scope", "window", "soft", "limit"), rows, 4)


def _plain(state: BudgetState) -> dict[str, Any]:
    return {
        "id": state.budget_id,
        "name": state.name,
        "scope": state.scope,
        "key": state.key,
        "window": state.window,
        "starts_at": state.starts_at,
        "resets_at": state.resets_at,
        "limit_nano": state.limit,
        "spent_nano": state.spent,
        "held_nano": state.held,
        "left_nano": state.left,
        "soft_nano": state.soft,
        "raised": state.raised,
    }


def _plain_limit(limit: Limit) -> dict[str, Any]:
    return {
        "scope": limit.scope,
        "key": limit.key,
        "window": limit.window,
        "limit_nano": limit.limit,
        "soft": limit.soft,
    }


PAGE = PageRoute("/budgets", view)
