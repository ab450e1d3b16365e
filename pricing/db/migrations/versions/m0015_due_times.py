"""Due times of runs."""

from pricing.db.migrations.sql import apply

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    apply(revision)
