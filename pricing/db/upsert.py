"""``INSERT … ON CONFLICT``: the same words on SQLite and Postgres, which SQLAlchemy keeps in two places."""

from __future__ import annotations

from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

Upsert: TypeAlias = postgresql.Insert | sqlite.Insert


def insert_into(dialect: str, table: sa.Table) -> Upsert:
    """An insert that may go on with ``on_conflict_do_nothing`` or ``on_conflict_do_update``."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
