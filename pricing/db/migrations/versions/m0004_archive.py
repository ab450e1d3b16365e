"""What was archived, and where that stands."""

from pricing.db.migrations.sql import apply

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    apply(revision)
