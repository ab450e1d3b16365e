"""The first ledger: facts, budgets, holds."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    path = Path(__file__).with_name(f"{revision}.{op.get_bind().dialect.name}.sql")
    for statement in path.read_text().split(";\n"):
        if statement.strip():
            op.execute(statement)
