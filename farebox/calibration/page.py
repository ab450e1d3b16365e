"""The page of a calibration: quality against cost with intervals, the choice, and the saving per month."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from farebox.calibration.lockfile import LockedCandidate, LockedRoute
from farebox.calibration.report import COLUMNS, VERDICTS, row, sentence
from farebox.runtime import Runtime
from pricing import format_money
from pricing.reports import Figure, Page, Section, asked_turns, plural, render_page
from pricing.reports.charts import Chart, ChartTone, Grid, Point, linear, logarithmic, scatter

DAYS = 30
"""The length of a month, in days."""
_LOCKED: ChartTone = "s1"
_BEST: ChartTone = "s3"
_ENOUGH: ChartTone = "s2"
_REST: ChartTone = "quiet"


def write_page(runtime: Runtime, key: str, lock: LockedRoute) -> Path:
    """Write the page beside the reports of runs."""
    path = runtime.home / "reports" / f"calibration-{key.replace('/', '-')}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(calibration_page(key, lock, turns_of_late(runtime, key, lock))), "utf-8")
    return path


def turns_of_late(runtime: Runtime, key: str, lock: LockedRoute) -> int:
    """Turns of the last 30 days that a lock applies to: of ``quality=fast``, and of the sandbox if its evidence is."""
    automation, _, operation = key.partition("/")
    since = datetime.now(UTC) - timedelta(days=DAYS)
    runtime.replica.sync()
    return asked_turns(runtime.replica, automation, operation, quality="fast", stand_in=lock.sandbox, since=since)


def calibration_page(key: str, lock: LockedRoute, turns: int) -> Page:
    """The page of a lock, with its saving at this many turns in 30 days."""
    measured = sorted((one for one in lock.candidates if one.n), key=lambda one: (one.cost, -one.score))
    summary = (
        "A route is good enough if its difference, case by case, is known to be above minus the margin of "
        f"{lock.margin:g}. In brackets: the confidence interval."
    )
    compared = Section("Routes compared", (summary,), (_drawn(lock, measured),), _table(lock, measured))
    warning = "The sandbox gave the answers: they do not represent real models." if lock.sandbox else ""
    return Page(
        title=f"Calibration of {key}",
        under=f"{plural(lock.n, 'case')} · margin {lock.margin:g} · confidence {lock.confidence:.0%} · {lock.date}",
        lead=(sentence(key, lock),),
        figures=tuple(_figures(lock, turns)),
        sections=(compared,),
        warning=warning,
    )


def _figures(lock: LockedRoute, turns: int) -> Iterator[Figure]:
    chosen, best = lock.chosen, lock.reference
    stays = lock.route == best.route
    yield Figure("Locked", _name(chosen), "the best" if stays else f"instead of {lock.best}, the best")
    yield Figure("A case", format_money(chosen.cost), "" if stays else f"{format_money(best.cost)} at {lock.best}")
    if stays:
        return
    saved, of_whom = best.cost - chosen.cost, "sandbox turns" if lock.sandbox else "turns"
    if turns:
        note = f"against {lock.best}, at the {turns:,} {of_whom} of quality=fast in the last {DAYS} days"
        yield Figure("Saved a month", format_money(saved * turns), note)
    else:
        note = f"against {lock.best}; no {of_whom} of quality=fast in the last {DAYS} days"
        yield Figure("Saved in 1,000 turns", format_money(saved * 1_000), note)


def _drawn(lock: LockedRoute, measured: Sequence[LockedCandidate]) -> Chart:
    points = [
        Point(
            x=float(max(one.cost, 1)),
            y=one.score,
            tip=f"{_name(one)}: {one.score:.2f} at {format_money(one.cost)} a case, {VERDICTS[one.verdict]}",
            tone=_tone(lock, one),
            low=one.score_low,
            high=one.score_high,
        )
        for one in measured
    ]
    costs = [point.x for point in points]
    axes = (
        logarithmic(min(costs), max(costs), lambda nano: format_money(round(nano)), label="cost of a case"),
        linear(min(p.low or 0.0 for p in points), 1.0, lambda share: f"{share:.2f}", label="score"),
    )
    used = {point.tone for point in points}
    names: dict[ChartTone, str] = {
        _LOCKED: f"locked: {_name(lock.chosen)}", _BEST: f"the best: {lock.best}", _ENOUGH: "good enough",
        _REST: "not good enough, or not known to be",
    }  # fmt: skip
    figures = tuple((_name(one), f"{one.score:.2f}", format_money(one.cost)) for one in measured)
    return scatter(
        "Quality against cost",
        "Each point is a route, each bar its confidence interval. The line joins routes that no cheaper one matches.",
        sorted(points, key=lambda point: point.tone in {_LOCKED, _BEST}),  # drawn above others at the same point
        axes,
        Grid(("route", "score", "a case"), figures),
        line=tuple(_frontier(points)),
        legend=[(name, shade) for shade, name in names.items() if shade in used],
    )


def _frontier(points: Sequence[Point]) -> Iterator[tuple[float, float]]:
    """The points that no cheaper point reaches, by cost."""
    highest = -1.0
    for point in points:
        if point.y > highest:
            highest = point.y
            yield point.x, point.y


def _table(lock: LockedRoute, measured: Sequence[LockedCandidate]) -> Grid:
    """The figures, with each verdict beside the route's name."""
    *figures, _ = COLUMNS[1:]
    lines = []
    for one in measured:
        _, *values, verdict = row(lock, one)
        locked = ", locked" if one.route == lock.route else ""
        lines.append((_name(one), f"{verdict}{locked}", *values))
    return Grid(("route", "found", *figures), tuple(lines), names=2)


def _tone(lock: LockedRoute, one: LockedCandidate) -> ChartTone:
    if one.route == lock.route:
        return _LOCKED
    return _BEST if one.verdict == "best" else _ENOUGH if one.verdict == "enough" else _REST


def _name(one: LockedCandidate) -> str:
    return " → ".join(one.route)
