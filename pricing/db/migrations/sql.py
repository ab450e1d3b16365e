"""A migration is a file of SQL for each dialect, beside its revision."""

from pathlib import Path

from alembic import op


def apply(revision: str) -> None:
    """Execute ``versions/<revision>.<dialect>.sql``, statement by statement."""
    path = Path(__file__).parent / "versions" / f"{revision}.{op.get_bind().dialect.name}.sql"
    for statement in path.read_text("utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)
