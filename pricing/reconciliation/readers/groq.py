"""Groq: it exports nothing but invoices, so their totals, as a file with the columns start, end, amount and model."""

from pricing.reconciliation.readers.base import Item, Reader

READER = Reader(
    name="Groq",
    provider="groq",
    stages={".csv": "groq_csv"},
    describe=lambda item: Item(item, "all"),
    splits_tiers=False,
    expects=(
        "the totals of its invoices as .csv with the columns start, end (the last day), amount (US dollars) and model "
        "(may be empty): Groq has no export of costs"
    ),
)
