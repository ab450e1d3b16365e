"""``farebox packaging``: what an outcome earns, and how to bill it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.discovery import find_flow
from farebox.runtime import get_runtime
from pricing import UsageError, format_money

if TYPE_CHECKING:
    from pricing.analysis import Packaging

Json = Annotated[bool, Parameter(name="--json", negative="")]

_out = terminal()


@app.command
def packaging(
    name: str,
    /,
    *,
    quality: str = "fast",
    per_day: Annotated[float, Parameter(validator=validators.Number(gt=0, lte=10_000))] = 1.0,
    margin: Annotated[float, Parameter(validator=validators.Number(gte=0, lt=1))] = 0.6,
    json: Json = False,
) -> None:
    """Say what an outcome costs and earns, and whether to bill it by the day, the week or the month.

    Args:
        name: which automation.
        quality: fast or best.
        per_day: how often it runs for one customer.
        margin: the gross margin to reach: 0.6 is 60 %.
        json: print JSON.
    """
    from farebox.automations import automation_of
    from pricing.analysis import advise_packaging as advise
    from pricing.reports import sales

    runtime, spec = get_runtime(), automation_of(find_flow(name))
    runtime.replica.sync()
    found = [sales(runtime.replica, spec.name, quality, stand_in=stand_in) for stand_in in (False, True)]
    advice = advise(
        found[0] or found[1],
        spec.price.worth(runtime.settings.credits.value),
        runs_per_day=per_day,
        buffer_percent=runtime.settings.holds.buffer_percent,
        target_margin=margin,
    )
    if advice is None:
        raise UsageError(
            f"No run of {spec.name} at quality {quality} has reached its outcome yet.",
            next_step=f"Run it a few times: `farebox run {spec.name}`.",
        )
    if json:
        print_json({"automation": spec.name, "quality": quality, "sandbox": not found[0], **advice.to_json()})
    else:
        _show(advice, spec.price.text, sandbox=not found[0])


def _show(advice: Packaging, price: str, *, sandbox: bool) -> None:
    from rich.table import Table

    from pricing.reports import plural

    unit = advice.economics
    where = " (answers by the sandbox)" if sandbox else ""
    _out.print(
        f"One outcome, from {plural(unit.runs, 'run')}{where}, {unit.outcomes} of which reached it:", markup=False
    )
    _out.print(
        f"  cost {format_money(unit.cost_nano)} (failed runs included)  "
        f"p50 {format_money(unit.p50_nano)}  p95 {format_money(unit.p95_nano)}"
    )
    if unit.price_nano is None:
        _out.print(
            f"  sold for {price}; what a credit is worth is not known: set [credits] value in farebox.toml",
            markup=False,
        )
    else:
        _out.print(
            f"  sold for {price} = {format_money(unit.price_nano)}  gross margin {_percent(unit.gross_margin)} "
            f"(markup {_percent(unit.markup)})  at the p95 {_percent(unit.at_p95)}"
        )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("billed", "runs", "buffer needed", f"{advice.buffer_percent} % fits", "loss-making", "suggested"):
        table.add_column(heading, justify="left" if heading == "billed" else "right")
    for one in advice.packages:
        fits, suggested = "yes" if one.fits else "no", format_money(one.suggested_nano)
        table.add_row(one.period, str(one.runs), _percent(one.buffer), fits, _percent(one.loss), suggested)
    _out.print(table)
    best = f"Bill it {advice.best}: the shortest period that a buffer of {advice.buffer_percent} % covers."
    _out.print(best if advice.best else f"No period is covered by {advice.buffer_percent} %: take the suggested price.")
    _out.print(f"Suggested: per outcome, for a gross margin of {_percent(advice.target_margin)}.", style="dim")
    if advice.few:
        _out.print("So few runs say little about the distribution.", style="yellow")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
