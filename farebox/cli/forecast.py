"""``farebox forecast``: this month's expected spend, and which budgets run out when."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.cli.tables import grid_table
from farebox.runtime import Runtime, get_runtime
from pricing import UsageError

Json = Annotated[bool, Parameter(name="--json", negative="")]

_out = terminal()


@app.command
def forecast(
    *,
    month: Annotated[bool, Parameter(name="--month", negative="")] = True,  # noqa: ARG001 - the one horizon there is
    audit: Annotated[bool, Parameter(negative="")] = False,
    automation: str | None = None,
    html: Path | None = None,
    json: Json = False,
) -> None:
    """Forecast this month's spend and revenue, and which budgets run out, from schedule, history and quotes.

    Args:
        month: to the end of this month, which is the default.
        audit: compare the forecasts of past weeks and months, recomputed from what was known then, with the actual
            figures.
        automation: with --audit, only this one's.
        html: write the page with its chart into this file instead of `.farebox/reports/`.
        json: print JSON; amounts are nano-dollars.
    """
    from farebox.spend_forecast import make_spend_forecast, write_forecast
    from pricing.reports import budget_grid, forecast_page, forecast_sentences, line_grid, render_page

    runtime = get_runtime()
    if audit:
        _audit(runtime, automation, json=json)
        return
    if automation is not None:
        raise UsageError("--automation needs --audit.", next_step="Add --audit, or remove --automation.")
    found = make_spend_forecast(runtime)
    if json:
        print_json(found.to_json())
        return
    for sentence in forecast_sentences(found):
        _out.print(sentence, markup=False)
    if found.budgets:
        _out.print(grid_table("Budgets", budget_grid(found)))
    for lines, name in ((found.automations, "automation"), (found.customers, "customer")):
        if lines:
            _out.print(grid_table(f"By {name}", line_grid(lines, name)))
    if html is None:
        path = write_forecast(runtime, found)
    else:
        path = html
        path.write_text(render_page(forecast_page(found)), "utf-8")
    _out.print(f"\nwritten to {path}", style="dim", markup=False)


def _audit(runtime: Runtime, automation: str | None, *, json: bool) -> None:
    from pricing.reports import Moment, audit_grid, audit_sentences, forecast_audit

    runtime.replica.sync()
    moment = Moment(datetime.now(UTC), runtime.settings.zone)
    found = forecast_audit(runtime.replica, moment, automation=automation)
    if json:
        print_json([one.to_json() for one in found])
        return
    for sentence in audit_sentences(found):
        _out.print(sentence, markup=False)
    if found:
        _out.print(grid_table("Past forecasts and actual figures", audit_grid(found)))
