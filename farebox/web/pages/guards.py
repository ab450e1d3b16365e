"""What guards decided, how often people found them wrong, and what nobody has reviewed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from farebox.web.grids import UNKNOWN, between_shares
from farebox.web.site import PERIOD, Site
from farebox.web.view import PageRequest, PageRoute, View
from pricing import format_money, to_us
from pricing.reports import (
    Figure,
    GuardLine,
    Page,
    Reviewable,
    Section,
    duration,
    guard_report,
    moment,
    percent,
    plural,
    review_queue,
)
from pricing.reports.charts import Grid

_QUEUE = 50


def view(site: Site, asked: PageRequest) -> View:
    """The page of guard decisions and reviews."""
    word = asked.given("since") or PERIOD
    since = asked.moment("since", site, PERIOD) or datetime.now(UTC) - timedelta(days=36_500)
    found, queue = guard_report(site.replica, max(0, to_us(since))), review_queue(site.replica, most=_QUEUE)
    stopped = sum(found.stopped.values())
    sections = []
    if found.guards:
        sections.append(Section("Decisions by guard", grid=_guards(found.guards)))
    if found.stopped:
        rows = tuple((reason.replace("_", " "), f"{turns:,}") for reason, turns in found.stopped.items())
        sections.append(Section("Why turns were stopped", grid=Grid(("reason", "turns"), rows)))
    if queue:
        text = f"The newest {len(queue):,} that nobody has reviewed; “farebox guards review” shows them one by one."
        sections.append(Section("To review", (text,), grid=_queue(site, queue)))
    if found.leaks:
        sections.append(Section("Answers that would have leaked personal data", grid=_queue(site, found.leaks)))
    reviewed = sum(one.reviewed for one in found.guards)
    wrong = sum(one.wrong for one in found.guards)
    page = Page(
        "Guards",
        "what they stopped and changed, and whether that was right",
        lead=() if found.guards else ("No guard has decided anything in this period.",),
        figures=(
            Figure("Turns stopped", f"{stopped:,}", f"of {plural(found.turns, 'turn')}"),
            Figure("Reviewed", f"{reviewed:,}", "decisions that stopped or changed something"),
            Figure(
                "Found wrong",
                f"{wrong:,}",
                percent(wrong / reviewed) if reviewed else "nothing was reviewed",
                "warn" if wrong else None,
            ),
        ),
        sections=tuple(sections),
    )
    data = {"report": found.to_json(), "review": [one.to_json() for one in queue]}
    return View(page, data, links=site.periods(word, "guards"))


def _guards(lines: Sequence[GuardLine]) -> Grid:
    heads = (
        *("guard", "version", "mode", "direction", "decisions", "blocked", "redacted", "retried", "errors"),
        *("p50", "p95", "cost", "reviewed", "wrong", "95 % interval"),
    )
    rows = tuple(
        (
            *(one.guard, one.version, one.mode, one.direction),
            *(f"{n:,}" for n in (one.decisions, one.blocked, one.redacted, one.retried, one.failed)),
            *(duration(one.p50_us), duration(one.p95_us), format_money(one.cost_nano), f"{one.reviewed:,}"),
            f"{one.wrong:,}",
            between_shares(one.wrong_low, one.wrong_high) if one.reviewed else UNKNOWN,
        )
        for one in lines
    )
    return Grid(heads, rows, 4)


def _queue(site: Site, lines: Sequence[Reviewable]) -> Grid:
    heads = ("decided", "run", "operation", "guard", "mode", "did", "reason", "found")
    rows = tuple(
        (
            moment(one.decided_at.astimezone(site.zone)),
            *(one.run_id, one.operation, one.guard, one.mode, one.action, one.reason or UNKNOWN),
            ", ".join(f"{kind} × {times}" for kind, times in one.found.items()) or UNKNOWN,
        )
        for one in lines
    )
    return Grid(heads, rows, 8)


PAGE = PageRoute("/guards", view, kept="stale", has_periods=True)
