"""What this month comes to, as a table in Prefect and a page beside the reports. To be scheduled each day."""

from __future__ import annotations

from prefect import flow

from farebox import get_runtime
from farebox.spend_forecast import make_spend_forecast, publish_forecast, write_forecast


@flow(name="spend-forecast")
def spend_forecast() -> str:
    """Forecast this month's spend and revenue, by automation, customer and budget; the page's place."""
    runtime = get_runtime()
    found = make_spend_forecast(runtime)
    publish_forecast(found)
    return str(write_forecast(runtime, found))
