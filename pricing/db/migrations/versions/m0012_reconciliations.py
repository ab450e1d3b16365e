"""Reconciliations with providers' bills, the adjustments that they make, closes of months, statements,
and the outbox of usage events."""

from alembic import op

from pricing.db.migrations.money import constrain
from pricing.db.migrations.sql import apply

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    apply(revision)
    constrain(op.get_bind())
