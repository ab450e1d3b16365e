"""Service tiers: which one an attempt asked for, and which one it is priced at."""

from pricing.db.migrations.sql import apply

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    apply(revision)
