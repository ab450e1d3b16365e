"""What calibrations have paid for, so that no two of them pay for the same."""

from pricing.db.migrations.sql import apply

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    apply(revision)
