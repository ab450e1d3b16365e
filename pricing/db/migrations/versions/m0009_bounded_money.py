"""Columns of money hold whole nano-dollars within bounds (``pricing.db.migrations.money``)."""

from alembic import op

from pricing.db.migrations.money import constrain

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    constrain(op.get_bind())
