"""Batches that runs have sent to providers, and their lines."""

from pricing.db.migrations.sql import apply

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    apply(revision)
