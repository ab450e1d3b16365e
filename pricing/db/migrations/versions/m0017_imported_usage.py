"""Usage that a team has from elsewhere, as history of its automations."""

from alembic import op

from pricing.db.migrations.money import constrain
from pricing.db.migrations.sql import apply

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    apply(revision)
    constrain(op.get_bind())
