"""The table of journals: what runs that have not ended were answered, so that they can be continued.

It holds content, encrypted, so it is not part of the ledger's schema, migrations, facts or replica. Beside a SQLite
ledger it lies in a file of its own, which every connection attaches: an attempt's completion and the answer that it
paid for are one transaction. Beside a Postgres ledger it is a table of the same database, which other hosts reach.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateIndex, CreateTable

from pricing.errors import LedgerUnusable

FILE = "journal.db"
_SCHEMA = "journal"
_LOCK = 0x66616A  # any number, the same in every process
_metadata = sa.MetaData()

entries = sa.Table(
    "journal_entries",
    _metadata,
    sa.Column("entry_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("claimed", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("cost", sa.BigInteger, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=True),
    sa.Column("written_at", sa.BigInteger, nullable=False),
    sa.Index("ix_journal_entries_key", "run_id", "key"),
    sa.Index("ix_journal_entries_written_at", "written_at"),
)
"""One answer or one result of a tool. ``key`` is a digest of what was asked, ``claimed`` the number of the execution
of the run that has it: an older one's may be claimed again. ``holder`` is the run that asked: the same, or one that it
called. ``state`` is ``done``, ``begun`` (of a tool under way), or what a person decided about a tool that was
interrupted: ``retry``, ``skip``, ``fail``. ``cost`` is in nano-dollars."""


def attach(connection: sqlite3.Connection, ledger: Path) -> None:
    """Attach the file beside a SQLite ledger to a connection; statements then find the table by its name.

    Raises:
        LedgerUnusable: the file cannot be opened, or is none.
    """
    path = ledger.with_name(FILE)
    try:
        with suppress(FileExistsError):  # never opened where it is: closing it again would drop SQLite's locks on it
            path.touch(mode=0o600, exist_ok=False)
        connection.execute(f"ATTACH DATABASE ? AS {_SCHEMA}", (str(path),))
        connection.execute(f"PRAGMA {_SCHEMA}.journal_mode=WAL")
        connection.execute(f"PRAGMA {_SCHEMA}.synchronous=NORMAL")
        found = connection.execute(f"SELECT count(*) FROM {_SCHEMA}.sqlite_master WHERE name = ?", (entries.name,))  # noqa: S608 - ours
        if found.fetchone() == (0,):
            for statement in _statements():
                connection.execute(statement)
    except (sqlite3.Error, OSError) as error:
        cause = error.strerror if isinstance(error, OSError) else next(iter(str(error).splitlines()), "")
        raise LedgerUnusable(
            f"The journal {path} cannot be opened ({cause}).",
            next_step="Move it aside: runs that have not ended are then paid again where they are continued.",
        ) from None


def create(connection: Connection) -> None:
    """Make the table in a Postgres ledger's database, if it is not there."""
    if sa.inspect(connection).has_table(entries.name):
        return
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    connection.execute(CreateTable(entries, if_not_exists=True))
    for index in entries.indexes:
        connection.execute(CreateIndex(index, if_not_exists=True))
    connection.commit()


def _statements() -> list[str]:
    """What makes the table in the attached file."""
    from sqlalchemy.dialects import sqlite

    dialect: Any = sqlite.dialect()
    table = str(CreateTable(entries, if_not_exists=True).compile(dialect=dialect))
    made = [table.replace(f" {entries.name} ", f" {_SCHEMA}.{entries.name} ", 1)]
    for index in entries.indexes:
        text = str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect))
        made.append(text.replace(f" {index.name} ", f" {_SCHEMA}.{index.name} ", 1))
    return made
