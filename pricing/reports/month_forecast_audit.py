"""How good past forecasts were: each is made again with what was known then, and compared with what came.

A forecast rests on the ledger alone, and the ledger says when each cost became known, so forecasts need not be stored:
what was found out later, such as an adjustment or an attempt after midnight, is taken out again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import fmean
from typing import Literal, NamedTuple, TypeAlias

from pricing.analysis.intervals import clopper_pearson
from pricing.analysis.spend_forecast import HISTORY_DAYS, LEAST_DAYS, LEVEL, imagine
from pricing.clock import to_us
from pricing.money import Nano
from pricing.reports.charts import Grid
from pricing.reports.format import Plain, percent, plural
from pricing.reports.month_forecast import Amounts, Moment
from pricing.reports.query import ReadableReplica, Row, read_replica
from pricing.reports.run_lookup import check_automation

Series: TypeAlias = Literal["spend", "revenue"]
Horizon: TypeAlias = Literal["week", "month"]
IntervalVerdict: TypeAlias = Literal["consistent", "too narrow", "too wide"]
AUDIT_DAYS = 182
"""How far back forecasts are recomputed by default."""
_WEEK = 7
_DAYS_GONE = (0, 7, 14, 21)
"""Days of a month that are over when it is forecast."""
_COLUMNS: dict[Series, str] = {"spend": "cost_nano", "revenue": "charged_nano"}


@dataclass(frozen=True, slots=True)
class ForecastCoverage(Plain):
    """How many of the past forecasts of one horizon held what came.

    ``days_gone`` are the days of the month that were over; a week is forecast from its first day. No two of the
    ``forecasts`` are about the same day, so ``low`` to ``high`` is the exact interval (Clopper and Pearson, 95 %) for
    the share in the long run. ``level`` is the share that is promised. ``width`` is the mean width of the interval
    over what came, ``bias`` the mean error of the median, both as a share of what came; ``None`` where nothing did.
    """

    series: Series
    horizon: Horizon
    days_gone: int
    forecasts: int
    within: int
    below: int
    above: int
    share: float | None
    low: float
    high: float
    level: float
    width: float | None
    bias: float | None
    verdict: IntervalVerdict | None


class _Past(NamedTuple):
    """Past spend by day, and when it became known: per day, the amounts by the later day on which they appeared."""

    amounts: Amounts
    late: dict[date, list[tuple[date, Nano]]]

    def known_before(self, today: date) -> Amounts:
        """The spend of each day before ``today``, as far as it was known when ``today`` began."""
        return {
            day: amount - sum(nano for known, nano in self.late.get(day, ()) if known >= today)
            for day, amount in self.amounts.items()
            if day < today
        }


class _Outcome(NamedTuple):
    low: Nano
    p50: Nano
    high: Nano
    came: Nano


def forecast_audit(
    replica: ReadableReplica, moment: Moment, *, automation: str | None = None, days: int = AUDIT_DAYS
) -> list[ForecastCoverage]:
    """Make past forecasts again and count how many held what came.

    Weeks end yesterday, a week before that, and so on; months are those that are over, each forecast when 0, 7, 14 and
    21 days of it were. Days with fewer than seven days of history before them are left out, as are series that came to
    nothing. Schedules of the past are not known; forecasts with history do not use them.

    Args:
        replica: what was spent; answers of the sandbox count only where there are no others.
        moment: now, and the time zone.
        automation: only this one's runs.
        days: how many days back forecasts are made again.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.

    Example:
        ``[one.share for one in forecast_audit(replica, Moment(now, zone)) if one.horizon == "week"]``
    """
    begins = moment.today - timedelta(days=days + HISTORY_DAYS)
    since = to_us(datetime.combine(begins, datetime.min.time(), moment.zone))
    with read_replica(replica) as source:
        check_automation(source, automation)
        chosen = {"since": since, "stand_in": False, "automation": automation}
        rows = source.rows("forecast_past", **chosen)
        if not rows:
            chosen["stand_in"] = True
            rows = source.rows("forecast_past", **chosen)
        late = source.rows("forecast_late", **chosen)
    found: list[ForecastCoverage] = []
    for series in _COLUMNS:
        past = _past(series, rows, late, moment)
        if any(past.amounts.values()):
            found += _audits(series, past, moment.today, days)
    return found


def _past(series: Series, rows: Sequence[Row], late: Sequence[Row], moment: Moment) -> _Past:
    column = _COLUMNS[series]
    past = _Past(defaultdict(int), defaultdict(list))
    for row in rows:
        past.amounts[moment.day_of(row["quarter"])] += row[column]
    for row in late:
        day, known = moment.day_of(row["quarter"]), moment.day_of(row["known"])
        if known > day and row[column]:
            past.late[day].append((known, row[column]))
    return past


def _audits(series: Series, past: _Past, today: date, days: int) -> Iterator[ForecastCoverage]:
    first = max(min(past.amounts) + timedelta(days=LEAST_DAYS), today - timedelta(days=days))
    weeks = []
    begins = today - timedelta(days=_WEEK)
    while begins >= first:
        weeks.append(_forecast(past, begins, begins, begins + timedelta(days=_WEEK - 1)))
        begins -= timedelta(days=_WEEK)
    yield _coverage(series, "week", 0, weeks)
    for gone in _DAYS_GONE:
        months = [
            _forecast(past, begins, begins + timedelta(days=gone), ends)
            for begins, ends in _months_before(today, first)
            if begins + timedelta(days=gone) >= first
        ]
        yield _coverage(series, "month", gone, months)


def _months_before(today: date, first: date) -> Iterator[tuple[date, date]]:
    """Months that are over, newest first, as far as some of their days are not before ``first``."""
    ends = today.replace(day=1) - timedelta(days=1)
    while ends >= first:
        yield ends.replace(day=1), ends
        ends = ends.replace(day=1) - timedelta(days=1)


def _forecast(past: _Past, begins: date, made: date, ends: date) -> _Outcome:
    """The forecast made on the morning of ``made`` for the days ``begins`` to ``ends``, beside the actual spend."""
    known = past.known_before(made)
    spent = sum(amount for day, amount in known.items() if day >= begins)
    forecast = imagine(known, made, ends).total().plus(spent)
    came = sum(amount for day, amount in past.amounts.items() if begins <= day <= ends)
    return _Outcome(forecast.low, forecast.p50, forecast.high, came)


def _coverage(series: Series, horizon: Horizon, gone: int, made: Sequence[_Outcome]) -> ForecastCoverage:
    within = sum(one.low <= one.came <= one.high for one in made)
    low, high = clopper_pearson(within, len(made))
    came = [one for one in made if one.came > 0]
    verdict: IntervalVerdict = "too narrow" if high < LEVEL else "too wide" if low > LEVEL else "consistent"
    return ForecastCoverage(
        series=series,
        horizon=horizon,
        days_gone=gone,
        forecasts=len(made),
        within=within,
        below=sum(one.came < one.low for one in made),
        above=sum(one.came > one.high for one in made),
        share=within / len(made) if made else None,
        low=low,
        high=high,
        level=LEVEL,
        width=fmean((one.high - one.low) / one.came for one in came) if came else None,
        bias=fmean((one.p50 - one.came) / one.came for one in came) if came else None,
        verdict=verdict if made else None,
    )


def least_to_show_too_wide(level: float = LEVEL) -> int:
    """The number of forecasts below which even full coverage does not show that intervals are too wide."""
    forecasts = 1
    while clopper_pearson(forecasts, forecasts)[0] <= level:
        forecasts += 1
    return forecasts


def audit_sentences(found: Sequence[ForecastCoverage]) -> Iterator[str]:
    """The result of the audit as sentences, with its limits."""
    made = [one for one in found if one.forecasts]
    if not made:
        yield (
            "No past forecast can be audited yet: that takes a week that is over, with seven days of history before it."
        )
        return
    for one in made:
        if one.verdict != "consistent":
            yield (
                f"Intervals of {_name(one)} are {one.verdict}: {one.within} of {one.forecasts} held what came, "
                f"which is {percent(one.low)} to {percent(one.high)} in the long run; {percent(one.level)} is promised."
            )
    if all(one.verdict == "consistent" for one in made):
        yield f"What came does not contradict the {percent(LEVEL)} that is promised."
    least = least_to_show_too_wide()
    few = [one for one in made if one.forecasts < least]
    if few:
        yield (
            f"{len(few)} of {plural(len(made), 'row')} rest on fewer than {least} forecasts, too few to show that an "
            "interval is too wide."
        )


def audit_grid(found: Sequence[ForecastCoverage]) -> Grid:
    """The audit as a table."""
    heads = ("forecast", "made", "held", "below", "above", "coverage", "95 % sure", "width", "error", "verdict")
    rows = tuple(
        (
            _name(one),
            str(one.forecasts),
            str(one.within),
            str(one.below),
            str(one.above),
            "–" if one.share is None else percent(one.share),
            f"{percent(one.low)} to {percent(one.high)}",
            "–" if one.width is None else f"{one.width:.2f} ×",
            "–" if one.bias is None else f"{one.bias:+.0%}",
            one.verdict or "–",
        )
        for one in found
    )
    return Grid(heads, rows, 1)


def _name(one: ForecastCoverage) -> str:
    if one.horizon == "week":
        return f"{one.series} of the next 7 days"
    return f"{one.series} of the month, after {plural(one.days_gone, 'day')}"
