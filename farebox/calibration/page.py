"""The page of a calibration: quality against cost with intervals, the choice, and what it saves in a month."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from farebox.calibration.lockfile import LockedRoute
from farebox.calibration.telling import COLUMNS, rows, sentence
from farebox.runtime import Runtime
from pricing import schema
from pricing.clock import now_us
from pricing.money import format_money
from pricing.reports.charts.axes import linear, logarithmic
from pricing.reports.charts.points import Point, scatter
from pricing.reports.charts.shapes import Grid
from pricing.reports.page import Figure, Page, Section, render_page

_MONTH_US = 30 * 86_400_000_000


def write_page(runtime: Runtime, key: str, lock: LockedRoute) -> Path:
    """Write it beside the reports of runs."""
    path = runtime.home / "reports" / f"calibration-{key.replace('/', '-')}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(calibration_page(key, lock, turns_of_late(runtime, key))), "utf-8")
    return path


def turns_of_late(runtime: Runtime, key: str) -> int:
    """Turns of the operation in the last 30 days."""
    automation, _, operation = key.partition("/")
    turns, runs = schema.turns.c, schema.runs.c
    query = (
        sa.select(sa.func.count())
        .join_from(schema.turns, schema.runs, runs.run_id == turns.run_id)
        .where(runs.automation == automation, turns.operation == operation, turns.started_at >= now_us() - _MONTH_US)
    )
    with runtime.ledger.store.read() as connection:
        return int(connection.execute(query).scalar_one())


def calibration_page(key: str, lock: LockedRoute, turns: int) -> Page:
    """The page of a lock, with what it saves at so many turns a month."""
    grid = Grid(COLUMNS, tuple(rows(lock)))
    points = [
        Point(
            x=float(max(one.cost, 1)),
            y=one.score,
            tip=f"{' → '.join(one.route)}: {one.score:.2f} at {format_money(one.cost)} a case",
            tone="s1" if one.route == lock.route else "s2",
            label=" → ".join(one.route) if one.route in {lock.route, (lock.best,)} else "",
            low=one.score_low,
            high=one.score_high,
        )
        for one in lock.candidates
        if one.n
    ]
    costs = [point.x for point in points]
    axes = (
        logarithmic(min(costs), max(costs), lambda nano: format_money(round(nano)), label="cost of a case"),
        linear(min(p.low or 0.0 for p in points), 1.0, lambda share: f"{share:.2f}", label="score"),
    )
    told = "Each point is a route; the bars are where its true score lies."
    chart = scatter("Quality and cost", told, points, axes, grid)
    saved = lock.reference.cost - lock.chosen.cost
    figures = (
        Figure("Locked", " → ".join(lock.route)),
        Figure("A case", format_money(lock.chosen.cost), f"{format_money(lock.reference.cost)} at {lock.best}"),
        Figure("Saved a month", format_money(saved * turns), f"at the {turns:,} turns of the last 30 days"),
    )
    warning = "The answers are the sandbox's: they say nothing of real models." if lock.sandbox else ""
    return Page(
        title=f"Calibration of {key}",
        under=f"{lock.n} cases · margin {lock.margin:g} · confidence {lock.confidence:.0%} · {lock.date}",
        lead=(sentence(key, lock),),
        figures=figures,
        sections=(Section("Quality and cost", drawings=(chart,), grid=grid),),
        warning=warning,
    )
