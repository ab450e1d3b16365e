"""The first ledger: facts, budgets, holds."""

from pricing.db.migrations.sql import apply

revision = "0001"
down_revision = None


def upgrade() -> None:
    apply(revision)
