"""What guards tell beside their spans, what people found of it, and moving windows of rate limits."""

from pricing.db.migrations.sql import apply

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    apply(revision)
