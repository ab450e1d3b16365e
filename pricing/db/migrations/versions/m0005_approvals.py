"""What people are asked about runs that no budget has room for, and what they decided."""

from pricing.db.migrations.sql import apply

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    apply(revision)
