"""What outcomes are sold for and who pays: prices, wallets; and budgets that warn, or are of one operation."""

from pricing.db.migrations.sql import apply

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    apply(revision)
