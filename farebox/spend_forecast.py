"""The forecast of this month, with what only the project knows: its budgets, its schedule, its time zone."""

from __future__ import annotations

from collections import defaultdict
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path

from farebox.runtime import Runtime
from pricing.analysis import Planned
from pricing.reports import (
    Moment,
    SpendForecast,
    forecast_page,
    forecast_rows,
    forecast_sentences,
    render_page,
    spend_forecast,
)


def make_spend_forecast(runtime: Runtime, now: datetime | None = None) -> SpendForecast:
    """This month's spend and revenue, to date and to its end.

    Runs that Prefect has scheduled count where a server is set; the quotes of their automations are their costs.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    runtime.ledger.reap()
    runtime.replica.sync()
    return forecast_now(runtime, now)


def forecast_now(runtime: Runtime, now: datetime | None = None) -> SpendForecast:
    """The same from the replica as it is: for those who keep it up to date beside this.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    moment = Moment(now or datetime.now(UTC), runtime.settings.zone)
    return spend_forecast(
        runtime.replica, moment, budgets=runtime.ledger.budgets(), planned=_scheduled(runtime, moment)
    )


def write_forecast(runtime: Runtime, found: SpendForecast) -> Path:
    """Write the forecast as a page below ``reports/``; its place."""
    folder = runtime.home / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"forecast-{found.begins:%Y-%m}.html"
    path.write_text(render_page(forecast_page(found)), "utf-8")
    return path


def publish_forecast(found: SpendForecast) -> None:
    """Show the forecast as a table in Prefect, from within a flow run."""
    from prefect.artifacts import create_table_artifact

    create_table_artifact(forecast_rows(found), key="spend-forecast", description=" ".join(forecast_sentences(found)))


def _scheduled(runtime: Runtime, moment: Moment) -> dict[str, list[Planned]]:
    """By automation, the runs that Prefect has scheduled until the month ends."""
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        return {}
    from farebox.prefect import forecast_schedule

    ends = datetime.combine(moment.month[1] + timedelta(days=1), datetime.min.time(), moment.zone)
    with chdir(runtime.root):  # parameters may be paths from there
        schedule = forecast_schedule(runtime, (ends - moment.now).total_seconds() / 3600, refuse=False)
    found: dict[str, list[Planned]] = defaultdict(list)
    for run in schedule.runs:
        if run.p50_nano is not None and run.p95_nano is not None and run.chance in {"fits", "tight"}:
            day = run.at.astimezone(moment.zone).date()
            found[run.deployment.partition("/")[0]].append(Planned(day, run.p50_nano, run.p95_nano))
    return dict(found)
