"""The static part of each request's prompt, by keyed hashes: why a prompt cache is read less than before."""

from pricing.db.migrations.sql import apply

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    apply(revision)
