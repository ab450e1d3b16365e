"""The charts of the overview."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pricing.money import Nano, format_money
from pricing.reports.charts import (
    BarRow,
    Bars,
    Chart,
    ChartBand,
    ChartTone,
    Grid,
    Point,
    columns,
    flow,
    histogram,
    linear,
    lines,
    ordinal,
    scatter,
    shares,
)
from pricing.reports.charts.data import Tick, tone
from pricing.reports.format import count, moment, percent, plural
from pricing.reports.overview.data import AutomationLine, BurnDown, SpendSection

_MOST_SERIES = 7
_MOST_ROWS = 8
_REST = "others"
_PER = 1_000
_FAR = 4.0
"""Times a run's point, beyond which it is drawn at the edge."""


def money(amount: float) -> str:
    """An amount on an axis."""
    return format_money(round(amount))


def cost_per_day(section: SpendSection) -> Chart:
    """The cost of runs by day and operation; small operations are summed."""
    totals: dict[str, Nano] = {}
    for day in section.days:
        for name, cost in day.operations.items():
            totals[name] = totals.get(name, 0) + cost
    ranked = sorted(totals, key=lambda name: -totals[name])
    named, rest = ranked[:_MOST_SERIES], ranked[_MOST_SERIES:]
    first, last = section.days[0].day, section.days[-1].day
    by_day = {one.day: one.operations for one in section.days}
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    series = {name: [by_day.get(day, {}).get(name, 0) for day in days] for name in named}
    if rest:
        series[_REST] = [sum(by_day.get(day, {}).get(name, 0) for name in rest) for day in days]
    costliest = max(section.days, key=lambda one: one.spent_nano)
    text = f"The most expensive day was {costliest.day:%d %B}, with {format_money(costliest.spent_nano)}."
    names = [f"{day:%d %b}" for day in days]
    return columns("Cost per day, by operation", text, names, series or {"nothing": [0] * len(days)}, text=money)


def by_model(section: SpendSection) -> Bars:
    """The cost of each operation by model."""
    models = list(dict.fromkeys(one.model for one in section.operations))
    shade: dict[str, ChartTone] = {name: tone(place) for place, name in enumerate(models)}
    operations = list(dict.fromkeys(one.operation for one in section.operations))
    costs = {
        name: [(one.model, one.cost_nano) for one in section.operations if one.operation == name] for name in operations
    }
    ranked = sorted(operations, key=lambda name: -sum(cost for _, cost in costs[name]))[:_MOST_ROWS]
    rows = [
        BarRow(
            name,
            tuple((cost, shade[model]) for model, cost in costs[name]),
            format_money(sum(cost for _, cost in costs[name])),
            percent(sum(cost for _, cost in costs[name]) / section.spent_nano) if section.spent_nano else "",
        )
        for name in ranked
    ]
    return shares(
        "Cost by operation and model",
        "What each product action cost, and which model was paid for it.",
        rows,
        legend=[(name, shade[name]) for name in models[: len(models)]],
    )


def distribution(line: AutomationLine) -> Chart:
    """The distribution of the cost of runs, with the price."""
    marks: list[tuple[str, float, ChartTone]] = []
    if line.p50_nano is not None and line.p95_nano is not None:
        marks += [
            (f"p50 {format_money(line.p50_nano)}", line.p50_nano, "quiet"),
            (f"p95 {format_money(line.p95_nano)}", line.p95_nano, "warn"),
        ]
    above = line.bins[-1].high_nano
    text = f"What {plural(sum(one.runs for one in line.bins), 'run')} of {line.automation} cost."
    if line.price_nano is not None:
        if line.price_nano <= 3 * above:
            marks.append((f"price {format_money(line.price_nano)}", line.price_nano, "good"))
        else:
            text += f" The price, {format_money(line.price_nano)}, is far to the right."
    bins = [(one.low_nano, one.high_nano, one.runs) for one in line.bins]
    return histogram(f"Cost of a run: {line.automation}", text, bins, marks, text=money, across_label="cost of a run")


def quoted(section: SpendSection) -> Chart:
    """The newest runs in multiples of their point estimate, with the band from p50 to p95."""
    found = [one for one in section.newest if one.point_nano]
    scores = [one.spent_nano / one.point_nano for one in found]
    xs = tuple(float(place) for place in range(len(found)))
    highs = tuple(min(one.p95_nano / one.point_nano, _FAR * 2) for one in found)
    band = ChartBand(
        "quoted: p50 to p95", xs, tuple(min(one.p50_nano / one.point_nano, _FAR * 2) for one in found), highs, "s1"
    )
    above = [one.spent_nano > one.p95_nano or one.outcome != "completed" for one in found]
    points = [
        Point(
            x,
            score,
            f"{one.automation}, {moment(one.started_at)}: {format_money(one.spent_nano)} of a p95 of "
            f"{format_money(one.p95_nano)}",
            "bad" if over else "s3",
        )
        for x, score, one, over in zip(xs, scores, found, above, strict=True)
    ]
    high = min(max([*scores, *highs, 1.0]), _FAR * 2)
    axes = (
        ordinal(len(found), label="newest runs, in order"),
        linear(0, high, lambda value: f"{value:g} ×", label="cost, as a multiple of the point quoted"),
    )
    ends = [Tick(0, f"{found[0].started_at:%d %b}"), Tick(100, f"{found[-1].started_at:%d %b}")]
    rows = tuple(
        (
            one.automation,
            moment(one.started_at),
            one.outcome.replace("_", " "),
            *(format_money(amount) for amount in (one.point_nano, one.p50_nano, one.p95_nano, one.spent_nano)),
        )
        for one in reversed(found)
    )
    heads = ("automation", "began", "outcome", "point", "p50", "p95", "cost")
    text = f"{sum(above):,} of the newest {plural(len(found), 'run')} cost more than their p95, or were stopped."
    return scatter(
        "Quoted and actual",
        text,
        points,
        axes,
        Grid(heads, rows, 3),
        across=tuple(ends),
        band=band,
        legend=[
            ("within the quote", "s3"),
            ("above its p95, or stopped by a budget", "bad"),
            ("quoted, p50 to p95", "s1"),
        ],
    )


def savings(section: SpendSection) -> Bars:
    """Routing, prompt caching and stored answers on one scale."""
    found = [] if section.routing is None else [("by routing", section.routing.saved_nano, "at least")]
    found += [
        ("by prompt caching", section.saved.caching_nano, ""),
        ("by stored answers", section.saved.stored_nano, plural(section.saved.stored_turns, "answer")),
    ]
    rows = [BarRow(name, ((max(amount, 0), "s3"),), format_money(amount), note) for name, amount, note in found]
    return shares("Not spent", "What was saved, next to the full cost.", rows)


def fallback(section: SpendSection) -> Chart:
    """Turns that fell back: from the target that failed to the next one."""
    links: dict[tuple[str, str], int] = {}
    for one in section.moves:
        end = one.target if one.answered else "not answered"
        links[one.origin, end] = links.get((one.origin, end), 0) + one.turns
    made = [(origin, end, number) for (origin, end), number in links.items()]
    answered = sum(one.turns for one in section.moves if one.answered)
    share = percent(answered / sum(links.values()))
    text = f"Left: the target that failed. Right: who answered instead, {share} of the times."
    return flow(
        "Where turns went on to", text, made, heads=("failed at", "answered by", "turns"), bad=("not answered",)
    )


def blocks(section: SpendSection) -> Bars:
    """Refusals per thousand turns or runs."""
    rows = [
        BarRow(
            one.reason.replace("_", " "),
            ((one.count / whole, "s2" if one.what == "run" else "s1"),),
            f"{one.count / whole * _PER:.3g} per 1,000",
            f"{count(one.count)} {one.what if one.count == 1 else one.what + 's'}",
        )
        for one in section.blocks[:_MOST_ROWS]
        for whole in [max(section.runs if one.what == "run" else section.turns, 1)]
    ]
    legend: list[tuple[str, ChartTone]] = [("of turns", "s1"), ("of runs, refused before they began", "s2")]
    return shares("Block rates by reason", "How often a guard, a limit or a budget said no.", rows, legend=legend)


def burn_down(budget: BurnDown) -> Chart:
    """The remainder of a budget over its window."""
    start = datetime.combine(budget.begins, datetime.min.time(), UTC)
    end = datetime.combine(budget.ends, datetime.min.time(), UTC)
    span = (end - start).total_seconds()
    places = [(0.0, float(budget.limit_nano))]
    for when, left in budget.left:
        x = min(max((when - start).total_seconds() / span, 0.0), 1.0)
        places += [(x, places[-1][1]), (x, float(left))]
    low = min(0.0, *(left for _, left in places))
    axes = ordinal(2), linear(low, budget.limit_nano, money, label="left")
    left = budget.left[-1][1]
    rules: list[tuple[str, float, ChartTone]] = []
    if budget.soft_nano is not None:
        rules.append(("soft threshold", budget.limit_nano - budget.soft_nano, "warn"))
    text = (
        f"{format_money(max(left, 0))} of {format_money(budget.limit_nano)} "
        f"({percent(max(left, 0) / budget.limit_nano) if budget.limit_nano else '–'}) was left after the last run."
    )
    rows = tuple((moment(when), format_money(amount)) for when, amount in _thinned(budget.left))
    days = [Tick(0, f"{budget.begins:%d %b}"), Tick(100, f"{budget.ends:%d %b}")]
    name = f"{budget.scope} {budget.key} per {budget.span}"
    return lines(name, text, {"left": places}, axes, Grid(("after", "left"), rows), across=tuple(days), rules=rules)


def _thinned(steps: tuple[tuple[datetime, Nano], ...]) -> tuple[tuple[datetime, Nano], ...]:
    """The last step of each day, if there are many."""
    if len(steps) <= _PER // 10:
        return steps
    return tuple({when.date(): (when, left) for when, left in steps}.values())
