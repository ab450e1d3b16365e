"""Usage that a team has from elsewhere, as history of its automations: gateways' logs, traces, providers' exports."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from pricing.usage_imports.readers import FORMATS, read_usage
    from pricing.usage_imports.records import FIELDS, UsageRecord
    from pricing.usage_imports.runs import RunShape, group_runs

__all__ = ["FIELDS", "FORMATS", "RunShape", "UsageRecord", "group_runs", "read_usage"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "FIELDS": "pricing.usage_imports.records",
            "FORMATS": "pricing.usage_imports.readers",
            "RunShape": "pricing.usage_imports.runs",
            "UsageRecord": "pricing.usage_imports.records",
            "group_runs": "pricing.usage_imports.runs",
            "read_usage": "pricing.usage_imports.readers",
        },
    )
