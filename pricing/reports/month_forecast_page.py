"""The forecast of a month for people: a page with a chart, and lines for the terminal and for Prefect."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from pricing.analysis.spend_forecast import Interval
from pricing.money import USD, format_money
from pricing.reports.charts import Chart, ChartBand, Grid, Point, linear, scatter
from pricing.reports.charts.data import Tick
from pricing.reports.format import SANDBOX, UNKNOWN, percent, plural
from pricing.reports.markdown_text import escape_markdown
from pricing.reports.month_forecast import BudgetForecast, ForecastLine, SpendForecast
from pricing.reports.page import Figure, Page, Section

_LIKELY = 0.5
_TICKS = 5


def forecast_page(found: SpendForecast) -> Page:
    """The forecast as a page."""
    total = found.total
    return Page(
        title=f"{found.begins:%B %Y}: spend and revenue",
        under=f"from {found.begins} to {found.ends}, as of {found.at:%Y-%m-%d %H:%M %Z}",
        lead=tuple(forecast_sentences(found)),
        figures=(
            Figure("Spent to date", format_money(total.spent_nano), plural(total.runs, "run")),
            Figure("Spend by the end of the month", format_money(total.spend.p50), between(total.spend)),
            Figure("Earned to date", format_money(total.earned_nano)),
            Figure("Revenue by the end of the month", format_money(total.revenue.p50), between(total.revenue)),
        ),
        sections=tuple(_sections(found)),
        warning=SANDBOX if found.stand_in else "",
    )


def forecast_sentences(found: SpendForecast) -> Iterator[str]:
    """The main figures of a forecast as sentences."""
    total = found.total
    yield (
        f"This month: {format_money(total.spend.p50)} ({between(total.spend)}); "
        f"{format_money(total.spent_nano)} of it is spent."
    )
    if total.revenue.p50:
        yield f"Revenue: {format_money(total.revenue.p50)} ({between(total.revenue)})."
    for one in found.budgets:
        if one.probability >= _LIKELY:
            yield f"Budget {one.name!r} ({format_money(one.limit_nano)}) will run out {when(one)}."
    yield basis(found)


def basis(found: SpendForecast) -> str:
    """A sentence about the data that the forecast is based on."""
    rests = [plural(found.history_days, "day") + " of history"] if found.history_days else []
    rests += [plural(found.scheduled, "scheduled run")] if found.scheduled else []
    if not rests:
        return "Nothing is known of past days and nothing is scheduled: run something, or deploy a schedule."
    return f"Based on {' and '.join(rests)}; intervals hold {percent(found.level)} of the months that may come."


def between(interval: Interval) -> str:
    """``$1.00 to $2.00``."""
    return f"{format_money(interval.low)} to {format_money(interval.high)}"


def when(one: BudgetForecast) -> str:
    """The day on which a budget runs out and how likely that is, as text."""
    if one.expected is not None:
        earliest = f", at the earliest {one.earliest}" if one.earliest not in {None, one.expected} else ""
        return f"on {one.expected} ({percent(one.probability)} likely{earliest})"
    return f"perhaps ({percent(one.probability)} likely)" if one.probability else "not before it resets"


def forecast_rows(found: SpendForecast) -> list[dict[str, str]]:
    """Rows of the table in Prefect; names are escaped for Markdown."""
    lines = [found.total, *found.automations, *found.customers]
    rows = [dict(zip(_HEADS, (one.by, escape_markdown(one.name), *_amounts(one)), strict=True)) for one in lines]
    for budget in found.budgets:
        values = (
            "budget",
            escape_markdown(budget.name),
            format_money(budget.spent_nano),
            format_money(budget.at_reset.p50),
        )
        rows.append(dict(zip(_HEADS, (*values, between(budget.at_reset), "", when(budget)), strict=True)))
    return rows


_HEADS = ("by", "name", "spent", "by the end", "90 % between", "earned", "revenue by the end")


def _amounts(one: ForecastLine) -> tuple[str, ...]:
    return (
        format_money(one.spent_nano),
        format_money(one.spend.p50),
        between(one.spend),
        format_money(one.earned_nano),
        format_money(one.revenue.p50),
    )


def line_grid(lines: tuple[ForecastLine, ...], head: str) -> Grid:
    """Lines as a table."""
    return Grid((head, *_HEADS[2:]), tuple((one.name, *_amounts(one)) for one in lines), 1)


def budget_grid(found: SpendForecast) -> Grid:
    """Budgets as a table."""
    heads = ("budget", "limit", "spent", "at its reset", "90 % between", "runs out")
    rows = tuple(
        (
            one.name,
            format_money(one.limit_nano),
            format_money(one.spent_nano),
            format_money(one.at_reset.p50),
            between(one.at_reset),
            when(one),
        )
        for one in found.budgets
    )
    return Grid(heads, rows, 1)


def _sections(found: SpendForecast) -> Iterator[Section]:
    yield Section("Spend by day", drawings=(forecast_chart(found),))
    if found.budgets:
        yield Section("Budgets", grid=budget_grid(found))
    if found.automations:
        yield Section("By automation", grid=line_grid(found.automations, "automation"))
    if found.customers:
        yield Section("By customer", grid=line_grid(found.customers, "customer"))


def forecast_chart(found: SpendForecast) -> Chart:
    """A chart of the month's cumulated spend, with the range of the forecast."""
    days = found.days
    highest = max((one.high_nano for one in days), default=0) / USD
    up = linear(0, highest or 1, lambda dollars: format_money(round(dollars * USD)), label="spend of the month")
    level = linear(0, max(len(days) - 1, 1), str)
    across = tuple(
        Tick(level.x(place), _short(one.day))
        for place, one in enumerate(days)
        if place % max(1, len(days) // _TICKS) == 0
    )
    places = tuple(float(place) for place in range(len(days)))
    grid = Grid(
        ("day", "spend", "low", "high"),
        tuple(
            (f"{one.day}", *(format_money(amount) for amount in (one.p50_nano, one.low_nano, one.high_nano)))
            for one in days
        ),
        1,
    )
    return scatter(
        "Spend of the month, day by day",
        "What is spent by the end of each day; the area is the range of the remaining days.",
        [
            Point(place, one.p50_nano / USD, tip=f"{one.day}: {format_money(one.p50_nano)}")
            for place, one in zip(places, days, strict=True)
        ],
        (level, up),
        grid,
        across=across,
        band=ChartBand(
            "90 % of the months that may come",
            places,
            tuple(one.low_nano / USD for one in days),
            tuple(one.high_nano / USD for one in days),
        ),
        line=[(place, one.p50_nano / USD) for place, one in zip(places, days, strict=True)],
    )


def _short(day: date) -> str:
    return f"{day:%b} {day.day}" if day else UNKNOWN
