"""Spans and metrics of turns and attempts."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from tasks.telemetry.spans import BatchLineSpan, Telemetry

__all__ = ["BatchLineSpan", "Telemetry"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__, {"BatchLineSpan": "tasks.telemetry.spans", "Telemetry": "tasks.telemetry.spans"}
    )
