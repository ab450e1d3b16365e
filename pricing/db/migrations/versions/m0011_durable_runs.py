"""Durable runs: which runs keep a journal, and which execution of a run each turn, attempt and settlement is of."""

from pricing.db.migrations.sql import apply

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    apply(revision)
