"""What several tests of the upgrade share."""

from pathlib import Path

import sqlalchemy as sa

import pricing

VERSIONS = Path(pricing.__file__).parent / "db" / "migrations" / "versions"


def lay(connection: sa.Connection, version: int) -> None:
    """The tables of a version, as its migrations made them."""
    for revision in range(1, version + 1):
        for statement in (VERSIONS / f"{revision:04}.{connection.dialect.name}.sql").read_text().split(";\n"):
            if statement.strip():
                connection.execute(sa.text(statement))
    connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(sa.text("INSERT INTO alembic_version VALUES (:version)"), {"version": f"{version:04}"})
