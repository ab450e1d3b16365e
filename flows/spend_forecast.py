"""What this month comes to, as a table in Prefect and a page beside the reports. To be scheduled each day."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_table_artifact

from farebox import get_runtime
from farebox.spend_forecast import make_spend_forecast, write_forecast
from pricing.reports import forecast_rows, forecast_sentences


@flow(name="spend-forecast")
def spend_forecast() -> str:
    """Forecast this month's spend and revenue, by automation, customer and budget; the page's place."""
    runtime = get_runtime()
    found = make_spend_forecast(runtime)
    create_table_artifact(forecast_rows(found), key="spend-forecast", description=" ".join(forecast_sentences(found)))
    return str(write_forecast(runtime, found))
