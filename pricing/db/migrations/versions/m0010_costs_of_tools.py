"""Costs that are not tokens: an attempt says what kind it is, and how many units were bought."""

from pricing.db.migrations.sql import apply

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    apply(revision)
