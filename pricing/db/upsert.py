"""``INSERT … ON CONFLICT``: the same words on SQLite and Postgres, which SQLAlchemy keeps in two places."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

    Upsert: TypeAlias = postgresql.Insert | sqlite.Insert


def insert_into(dialect: str, table: sa.Table) -> Upsert:
    """An insert that may go on with ``on_conflict_do_nothing`` or ``on_conflict_do_update``.

    Only the dialect of the database at hand is loaded: each takes as long as a short command's own work.
    """
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
