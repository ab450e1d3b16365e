"""What Farebox adds to Prefect: deployments, forms, events, artifacts, forecasts."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from farebox.prefect.batch_collection import batch_table, collect_batch, collect_batches
    from farebox.prefect.events import emit_rates_changed
    from farebox.prefect.forecast import forecast_schedule, shown

__all__ = ["batch_table", "collect_batch", "collect_batches", "emit_rates_changed", "forecast_schedule", "shown"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "batch_table": "farebox.prefect.batch_collection",
            "collect_batch": "farebox.prefect.batch_collection",
            "collect_batches": "farebox.prefect.batch_collection",
            "forecast_schedule": "farebox.prefect.forecast",
            "shown": "farebox.prefect.forecast",
            "emit_rates_changed": "farebox.prefect.events",
        },
    )
