"""``farebox packaging``: the margin of an outcome, which customers lose money, and how to bill it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.cli.periods import read_moment
from farebox.discovery import find_flow
from farebox.runtime import Runtime, get_runtime
from pricing import UsageError, format_money

if TYPE_CHECKING:
    from pricing.analysis import Packaging
    from pricing.reports import CostTrend, PastSales

Json = Annotated[bool, Parameter(name="--json", negative="")]

_out = terminal()
_NAMED = 5
"""The number of loss-making customers that are listed, largest loss first."""


@app.command
def packaging(
    name: str,
    /,
    *,
    quality: str = "fast",
    since: str = "30d",
    per_day: Annotated[float | None, Parameter(validator=validators.Number(gt=0, lte=10_000))] = None,
    margin: Annotated[float, Parameter(validator=validators.Number(gte=0, lt=1))] = 0.6,
    json: Json = False,
) -> None:
    """Show what an outcome costs and earns now, which customers lose money, and how to bill it.

    If costs have changed in the last 7 days, the advice is based on those days.

    Args:
        name: which automation.
        quality: fast or best.
        since: the start of the period: 2026-11-01, 30d, 12h, today, ever.
        per_day: how often it runs for one customer; by default as often as each customer's runs show.
        margin: the gross margin to reach: 0.6 is 60 %.
        json: print JSON.
    """
    from farebox.automations import automation_of
    from pricing.analysis import advise_packaging as advise

    runtime, spec = get_runtime(), automation_of(find_flow(name))
    runtime.replica.sync()
    past = _past(runtime, spec.name, quality, since)
    advice = advise(
        past.sold.sales,
        spec.price.worth(runtime.settings.credits.value),
        days=past.sold.days,
        runs_per_day=per_day,
        target_margin=margin,
    )
    if advice is None:
        raise UsageError(
            f"No run of {spec.name} at quality {quality} has completed since {past.since:%Y-%m-%d}.",
            next_step=f"Look further back (--since ever), or run it a few times: `farebox run {spec.name}`.",
        )
    if json:
        print_json(_plain(past, advice, spec.name, quality))
    else:
        _show(past, advice, spec.price.text)


@dataclass(frozen=True, slots=True)
class _Past:
    """The runs that advice is based on, from ``since`` on, and how costs have changed."""

    sold: PastSales
    since: datetime
    now: datetime
    trend: CostTrend | None
    sandbox: bool


def _past(runtime: Runtime, automation: str, quality: str, since: str) -> _Past:
    """Runs answered by models if there are any, else by the sandbox; only recent days if their costs differ."""
    from pricing.reports import cost_trends, sales

    now, begins = datetime.now(UTC), read_moment(since, runtime.settings.zone)
    trends = [one for one in cost_trends(runtime.replica, begins, automation, now=now) if one.quality == quality]
    trend = min(trends, key=lambda one: one.stand_in, default=None)
    start = begins or datetime.fromtimestamp(0, UTC)
    if trend is not None:
        start = trend.now_since
    known = runtime.imported.count(automation, quality) > 0
    sandbox = trend is not None and trend.stand_in and not known
    if known and trend is not None and trend.stand_in:
        trend, start = None, begins or datetime.fromtimestamp(0, UTC)
    sold = sales(runtime.replica, automation, quality, stand_in=sandbox, since=start, until=now)
    return _Past(sold, start, now, trend, sandbox)


def _plain(past: _Past, advice: Packaging, automation: str, quality: str) -> dict[str, Any]:
    about = {"automation": automation, "quality": quality, "sandbox": past.sandbox, "since": past.since.isoformat()}
    trend = past.trend and past.trend.to_json()
    changed = list(past.trend.sentences(until=past.now)) if past.trend else []
    return {**about, **advice.to_json(), "trend": trend, "changes": changed}


def _show(past: _Past, advice: Packaging, price: str) -> None:
    for line in past.trend.sentences(until=past.now) if past.trend else ():
        _out.print(line, style="yellow", markup=False)
    for line in _economics(past, advice, price):
        _out.print(line, markup=False)
    _out.print(_table(advice))
    for line in (*_advice(advice), *_customers(advice)):
        _out.print(line, markup=False)
    if advice.few:
        _out.print("With so few runs, these figures are rough.", style="yellow")


def _economics(past: _Past, advice: Packaging, price: str) -> Iterator[str]:
    from pricing.reports import plural

    unit = advice.economics
    where = " (answers by the sandbox)" if past.sandbox else ""
    yield f"One outcome, from {plural(unit.runs, 'run')}{where} since {past.since:%Y-%m-%d}, {unit.outcomes} completed:"
    yield (
        f"  cost {format_money(unit.cost_nano)} (failed runs included)  "
        f"p50 {format_money(unit.p50_nano)}  p95 {format_money(unit.p95_nano)}"
    )
    if unit.price_nano is None:
        yield f"  sold for {price}; the value of a credit is not set: set [credits] value in farebox.toml"
    else:
        yield (
            f"  sold for {price} = {format_money(unit.price_nano)}  gross margin {_percent(unit.gross_margin)} "
            f"(markup {_percent(unit.markup)})  at the p95 {_percent(unit.at_p95)}"
        )
    if not advice.customers:
        yield "No run names a customer, so all count as one customer's: set user or org to see how customers differ."
        return
    text = f"Invoices are drawn for {plural(advice.customers, 'customer')}, each from its own runs"
    pooled = f"; {advice.pooled} with fewer than 5 runs share theirs" if advice.pooled else ""
    unowned = f"; {plural(advice.unowned, 'run')} without an owner count as one customer's" if advice.unowned else ""
    yield f"{text}{pooled}{unowned}."


def _table(advice: Packaging) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("billed", "runs", "loss-making", "95 % interval", "95 % lose nothing at", "suggested"):
        table.add_column(heading, justify="left" if heading == "billed" else "right")
    for one in advice.packages:
        between = "–" if one.loss_low is None else f"{_percent(one.loss_low)} to {_percent(one.loss_high)}"
        prices = format_money(one.safe_nano), format_money(one.suggested_nano)
        table.add_row(one.period, str(one.runs), _percent(one.loss), between, *prices)
    return table


def _advice(advice: Packaging) -> Iterator[str]:
    price = advice.economics.price_nano
    if advice.best:
        yield f"Bill it {advice.best}: the shortest period with at most 5 % loss-making invoices at this price."
    elif price is not None:
        yield f"At {format_money(price)}, more than 5 % of invoices lose money, however it is billed."
    yield (
        f"Suggested: per outcome, for a gross margin of {_percent(advice.target_margin)} on the mean, with 95 % of "
        "invoices losing nothing."
    )


def _customers(advice: Packaging) -> Iterator[str]:
    from pricing.reports import plural

    if not advice.losing:
        return
    lost = sum(one.lost_per_month_nano for one in advice.losing)
    yield f"{plural(len(advice.losing), 'customer')} lose money at this price, {format_money(lost)} a month:"
    for one in advice.losing[:_NAMED]:
        own = f"a price of {format_money(one.price_nano)}" if one.price_nano is not None else "no price: none completed"
        scope, _, name = one.customer.partition(":")
        yield (
            f"  {one.customer}: {plural(one.runs, 'run')}, cost {format_money(one.cost_nano)} for "
            f"{format_money(one.charged_nano)}; {format_money(one.lost_per_month_nano)} lost a month. "
            f"Needs {own}, or a limit: `farebox budgets set {scope} {name} month "
            f'"{_dollars(one.limit_nano)} USD"` cuts the loss to {format_money(one.lost_with_limit_nano)}.'
        )
    if len(advice.losing) > _NAMED:
        yield f"  and {len(advice.losing) - _NAMED} more (--json lists all)."
    if advice.tier:
        yield (
            f"With a tier of their own at {format_money(advice.tier.price_nano)} an outcome, the others need "
            f"{format_money(advice.tier.others_nano)}."
        )


def _dollars(nano: int) -> str:
    return f"{nano / 1_000_000_000:.2f}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
