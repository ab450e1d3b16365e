"""Reconciliation: what providers billed beside what the ledger recorded, and why the two differ."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from pricing.reconciliation.comparison import Accepted, Difference, Reconciliation, accept, reconcile
    from pricing.reconciliation.readers import READERS
    from pricing.reconciliation.tables import cause_grid, difference_grid, reconciliation_sentences

__all__ = [
    "READERS",
    "Accepted",
    "Difference",
    "Reconciliation",
    "accept",
    "cause_grid",
    "difference_grid",
    "reconcile",
    "reconciliation_sentences",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "READERS": "pricing.reconciliation.readers",
            "Accepted": "pricing.reconciliation.comparison",
            "Difference": "pricing.reconciliation.comparison",
            "Reconciliation": "pricing.reconciliation.comparison",
            "accept": "pricing.reconciliation.comparison",
            "cause_grid": "pricing.reconciliation.tables",
            "difference_grid": "pricing.reconciliation.tables",
            "reconcile": "pricing.reconciliation.comparison",
            "reconciliation_sentences": "pricing.reconciliation.tables",
        },
    )
