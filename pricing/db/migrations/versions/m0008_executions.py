"""Executions of runs, and the repair of holds that could not be settled.

Before, the refusal of a run that was started again within its lease took the ordinal of the settlement that its live
hold was to end in. Settling the hold then failed, and with it the reaping that every run begins with.
"""

from alembic import op

from pricing.db.migrations.sql import apply

revision = "0008"
down_revision = "0007"

_REPAIR = """
UPDATE holds
SET ordinal = (SELECT MAX(settlements.ordinal) + 1 FROM settlements WHERE settlements.run_id = holds.run_id)
WHERE ordinal <= (SELECT MAX(settlements.ordinal) FROM settlements WHERE settlements.run_id = holds.run_id)
"""


def upgrade() -> None:
    apply(revision)
    op.execute(_REPAIR)
