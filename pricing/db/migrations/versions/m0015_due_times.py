"""Due times of runs, and what the service tier of an attempt saved."""

from alembic import op

from pricing.db.migrations.money import constrain
from pricing.db.migrations.sql import apply

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    apply(revision)
    constrain(op.get_bind())
