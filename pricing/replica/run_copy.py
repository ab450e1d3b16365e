"""One run's facts, copied from the ledger for one report: for machines that keep no replica."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.ledger import holds
from pricing.replica import duckdb_tables, rollups
from pricing.replica.segments import TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class RunCopy:
    """What a replica would say of one run; it lives in memory while it is read.

    Args:
        store: the ledger's database.
        run_id: which run.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run_id = run_id

    @contextmanager
    def read(self) -> Iterator[DuckDBPyConnection]:
        """A connection that reads, as a replica's does.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        import duckdb

        with duckdb.connect(":memory:") as memory:
            duckdb_tables.create_facts(memory)
            rollups.create_rollups(memory)
            with self._store.read() as ledger:
                for table in (*TABLES, schema.approvals):
                    if table is not schema.guard_reviews:
                        columns = [table.c[name] for name in duckdb_tables.columns(table)]
                        rows = ledger.execute(sa.select(*columns).where(table.c.run_id == self._run_id)).all()
                        duckdb_tables.append(memory, table, rows)
            rollups.roll_up_tables(memory)
            yield memory

    def suspended(self) -> set[str]:
        """The ids of the runs that are suspended now.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        with self._store.read() as ledger:
            return {run_id for run_id, _ in holds.suspended(ledger)}

    def narrow(self, connection: DuckDBPyConnection, run_id: str) -> None:
        """There is only one run."""

    def verify(self, connection: DuckDBPyConnection, tables: Collection[str]) -> None:
        """Nothing of it comes from the archive."""
