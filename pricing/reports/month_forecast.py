"""What this month comes to: spend and revenue to date and to its end, by automation and customer, and its budgets."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from pricing.analysis.spend_forecast import HISTORY_DAYS, LEVEL, Interval, Planned, SpendPaths, imagine
from pricing.clock import from_us, to_us
from pricing.ledger.budgets import BudgetState
from pricing.money import Nano
from pricing.reports.format import Plain
from pricing.reports.query import ReadableReplica, Row, read_replica

By: TypeAlias = Literal["total", "automation", "customer"]
Amounts: TypeAlias = dict[date, Nano]
_DAY_SECONDS = 86_400
NO_CUSTOMER = "(no customer)"
"""The runs that are for no organisation and no user."""


@dataclass(frozen=True, slots=True)
class ForecastLine:
    """Spend and revenue of one automation, one customer, or all: to date, and to the month's end, in nano-dollars."""

    by: By
    name: str
    spent_nano: Nano
    spend: Interval
    earned_nano: Nano
    revenue: Interval
    runs: int


@dataclass(frozen=True, slots=True)
class BudgetForecast:
    """An open budget: the share of imagined futures in which it is spent before it resets, and the day.

    ``expected`` is the day in the middle of them, ``earliest`` that of the first twentieth; ``None`` where it is not.
    """

    name: str
    scope: str
    limit_nano: Nano
    spent_nano: Nano
    at_reset: Interval
    resets_at: datetime
    probability: float
    expected: date | None
    earliest: date | None


@dataclass(frozen=True, slots=True)
class DayForecast:
    """The month's spend by the end of a day; ``low`` and ``high`` are the same where the day is over."""

    day: date
    p50_nano: Nano
    low_nano: Nano
    high_nano: Nano


@dataclass(frozen=True, slots=True)
class SpendForecast(Plain):
    """The month as it stands at ``at``; intervals hold ``level`` of the months that may come.

    ``history_days`` is how many days it rests on, ``scheduled`` how many runs of the schedule.
    """

    begins: date
    ends: date
    at: datetime
    level: float
    history_days: int
    scheduled: int
    stand_in: bool
    total: ForecastLine
    automations: tuple[ForecastLine, ...]
    customers: tuple[ForecastLine, ...]
    budgets: tuple[BudgetForecast, ...]
    days: tuple[DayForecast, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """The present time in the project's time zone."""

    now: datetime
    zone: ZoneInfo

    @property
    def today(self) -> date:
        """The current day."""
        return self.now.astimezone(self.zone).date()

    @property
    def month(self) -> tuple[date, date]:
        """The first and the last day of the current month."""
        first = self.today.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)

    @property
    def left_of_today(self) -> float:
        """The share of today that remains, 0 to 1."""
        here = self.now.astimezone(self.zone)
        return 1 - (here.hour * 3600 + here.minute * 60 + here.second) / _DAY_SECONDS

    def day_of(self, quarter: int) -> date:
        """The day of a quarter of an hour."""
        return from_us(quarter).astimezone(self.zone).date()


def spend_forecast(
    replica: ReadableReplica,
    moment: Moment,
    *,
    budgets: Sequence[BudgetState] = (),
    planned: Mapping[str, Sequence[Planned]] | None = None,
) -> SpendForecast:
    """The forecast of the month that ``moment`` is in.

    Args:
        replica: what was spent so far; answers of the sandbox count only where there are no others.
        moment: now, and the time zone.
        budgets: the open ones.
        planned: by automation, the runs that are scheduled.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    first, _ = moment.month
    since = to_us(
        datetime.combine(min(first, moment.today - timedelta(days=HISTORY_DAYS)), datetime.min.time(), moment.zone)
    )
    with read_replica(replica) as source:
        rows = source.rows("forecast_runs", since=since, stand_in=False)
        stand_in = not rows
        rows = rows or source.rows("forecast_runs", since=since, stand_in=True)
        operations = source.rows("forecast_operations", since=since, stand_in=stand_in)
    return _Month(moment, rows, operations, planned or {}).forecast(budgets, stand_in=stand_in)


class _Month:
    def __init__(
        self, moment: Moment, rows: Sequence[Row], operations: Sequence[Row], planned: Mapping[str, Sequence[Planned]]
    ) -> None:
        self._moment = moment
        self._first, self._last = moment.month
        self._rows = [row | {"day": moment.day_of(row["quarter"])} for row in rows]
        self._operations = [row | {"day": moment.day_of(row["quarter"])} for row in operations]
        self._planned = planned

    def forecast(self, budgets: Sequence[BudgetState], *, stand_in: bool) -> SpendForecast:
        total, paths = self._line("total", "all", self._rows, [run for runs in self._planned.values() for run in runs])
        known = {row["day"] for row in self._rows if row["day"] < self._moment.today}
        of_automation = _grouped(self._rows, lambda row: str(row["automation"]))
        names = sorted({*of_automation, *self._planned})
        lines = [
            self._line("automation", name, of_automation.get(name, []), self._planned.get(name, ()))[0]
            for name in names
        ]
        customers = [self._line("customer", *group, ())[0] for group in _grouped(self._rows, _customer).items()]
        return SpendForecast(
            begins=self._first,
            ends=self._last,
            at=self._moment.now,
            level=LEVEL,
            history_days=(self._moment.today - min(known)).days if known else 0,
            scheduled=sum(map(len, self._planned.values())),
            stand_in=stand_in,
            total=total,
            automations=_largest(lines),
            customers=_largest(customers),
            budgets=tuple(
                sorted(
                    (self._budget(state) for state in budgets if state.resets_at is not None),
                    key=lambda one: (-one.probability, one.expected or date.max, one.name),
                )
            ),
            days=self._by_day(paths),
        )

    def _line(
        self, by: By, name: str, rows: Sequence[Row], planned: Sequence[Planned]
    ) -> tuple[ForecastLine, SpendPaths]:
        cost, charged = _by_day(rows, "cost_nano"), _by_day(rows, "charged_nano")
        spent, earned = (self._to_date(amounts) for amounts in (cost, charged))
        paths = self._imagine(cost, self._last, planned)
        revenue = self._imagine(charged, self._last, ()).total()
        runs = sum(row["runs"] for row in rows if row["day"] >= self._first)
        line = ForecastLine(by, name, spent, paths.total().plus(spent), earned, revenue.plus(earned), runs)
        return line, paths

    def _imagine(self, amounts: Amounts, until: date, planned: Sequence[Planned]) -> SpendPaths:
        today, left = self._moment.today, self._moment.left_of_today
        return imagine(amounts, today, max(until, today), left_of_today=left, planned=planned)

    def _to_date(self, amounts: Amounts) -> Nano:
        return sum(amount for day, amount in amounts.items() if day >= self._first)

    def _by_day(self, paths: SpendPaths) -> tuple[DayForecast, ...]:
        cost = _by_day(self._rows, "cost_nano")
        days, spent = [], 0
        for number in range((self._moment.today - self._first).days + 1):
            day = self._first + timedelta(days=number)
            spent += cost.get(day, 0)
            if day < self._moment.today:
                days.append(DayForecast(day, spent, spent, spent))
        return (
            *days,
            *(
                DayForecast(day, *(getattr(found.plus(spent), name) for name in ("p50", "low", "high")))
                for day, found in paths.by_day()
            ),
        )

    def _budget(self, state: BudgetState) -> BudgetForecast:
        resets = state.resets_at
        if resets is None:
            raise ValueError("a budget without an end has no period")
        if state.scope == "operation":
            rows = [row for row in self._operations if row["operation"] == state.key]
        else:
            rows = [row for row in self._rows if _concerns(state, row)]
        last = (resets.astimezone(self._moment.zone) - timedelta(microseconds=1)).date()
        planned = self._planned.get(state.key, ()) if state.scope == "automation" else ()
        paths = self._imagine(_by_day(rows, "cost_nano"), last, planned)
        out = paths.runs_out(state.limit - state.spent)
        return BudgetForecast(
            name=state.name,
            scope=state.scope,
            limit_nano=state.limit,
            spent_nano=state.spent,
            at_reset=paths.total().plus(state.spent),
            resets_at=resets,
            probability=out.probability,
            expected=out.expected,
            earliest=out.earliest,
        )


def _concerns(state: BudgetState, row: Row) -> bool:
    match state.scope:
        case "automation":
            return bool(row["automation"] == state.key)
        case "org":
            return bool(row["org_id"] == state.key)
        case "user":
            return bool(row["user_id"] == state.key)
        case _:
            return state.key in json.loads(row["tags"] or "[]")


def _customer(row: Row) -> str:
    return str(row["org_id"] or row["user_id"] or NO_CUSTOMER)


def _grouped(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _by_day(rows: Iterable[Row], name: str) -> Amounts:
    sums: Amounts = defaultdict(int)
    for row in rows:
        sums[row["day"]] += row[name]
    return dict(sums)


def _largest(lines: Iterable[ForecastLine]) -> tuple[ForecastLine, ...]:
    return tuple(sorted(lines, key=lambda line: (-line.spend.p50, line.name)))
