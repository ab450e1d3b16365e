"""Approvals of runs that exceed a budget: questions and decisions."""

from pricing.db.migrations.sql import apply

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    apply(revision)
