"""The replica: the ledger's facts in DuckDB, for reports, and the archive of old facts."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from pricing.replica.archive import Archive
    from pricing.replica.comparison import Comparison
    from pricing.replica.replica import Replica
    from pricing.replica.run_copy import RunCopy
    from pricing.replica.segments import LEAST_DAYS

__all__ = ["LEAST_DAYS", "Archive", "Comparison", "Replica", "RunCopy"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Archive": "pricing.replica.archive",
            "Comparison": "pricing.replica.comparison",
            "LEAST_DAYS": "pricing.replica.segments",
            "Replica": "pricing.replica.replica",
            "RunCopy": "pricing.replica.run_copy",
        },
    )
