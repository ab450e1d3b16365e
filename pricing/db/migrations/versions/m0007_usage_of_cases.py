"""Whether the tokens of a calibrated case were told; those that were not used to be counted as 0."""

from pricing.db.migrations.sql import apply

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    apply(revision)
