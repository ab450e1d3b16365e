"""Reading the replica: queries are files in ``sql/``, rows come back as dicts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:  # the database's library takes longer to load than a command line's help
    from duckdb import DuckDBPyConnection

Row: TypeAlias = dict[str, Any]

_SQL = Path(__file__).parent / "sql"
_SOURCES = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)")
_COSTS = {"attempts", "adjustments"}
"""What the view ``costs`` reads."""


class ReadableReplica(Protocol):
    """A replica, or what stands for one."""

    def read(self) -> AbstractContextManager[DuckDBPyConnection]:
        """A connection that reads."""

    def suspended(self) -> set[str]:
        """The ids of the runs that are suspended now."""

    def narrow(self, connection: DuckDBPyConnection, run_id: str) -> None:
        """Let it see the facts of one run only."""

    def verify(self, connection: DuckDBPyConnection, tables: Collection[str]) -> None:
        """Make sure that what was archived of these tables is what was sealed."""


class ReplicaReading:
    """One connection's worth of queries, all of them on the same state of the replica."""

    def __init__(self, replica: ReadableReplica, connection: DuckDBPyConnection) -> None:
        self._replica = replica
        self._connection = connection
        self._narrowed = False

    def suspended(self) -> set[str]:
        """The ids of the runs that are suspended now: they wait for batches or for an approval."""
        return self._replica.suspended()

    def narrow(self, run_id: str) -> None:
        """Ask for the facts of one run only from here on."""
        self._replica.narrow(self._connection, run_id)
        self._narrowed = True

    def run(self, name: str, **parameters: Any) -> None:
        """Execute ``sql/<name>.sql`` for its effect: a temporary view or table."""
        query = (_SQL / f"{name}.sql").read_text()
        if not self._narrowed:  # what is read of one run was verified when it was narrowed
            tables = {*_SOURCES.findall(query)}
            self._replica.verify(self._connection, tables | _COSTS if "costs" in tables else tables)
        self._connection.execute(query, parameters)

    def execute(self, query: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Execute a statement that is made up, not kept in a file; its rows."""
        return self._connection.execute(query, list(parameters)).fetchall()

    def set(self, **variables: str | int | None) -> None:
        """Give variables their values, for ``getvariable`` in queries and views."""
        for name, value in variables.items():
            self._connection.execute(f"SET VARIABLE {name} = $value", {"value": value})

    def rows(self, name: str, **parameters: Any) -> list[Row]:
        """What ``sql/<name>.sql`` selects; its named parameters must be exactly those given."""
        self.run(name, **parameters)
        names = [column[0] for column in self._connection.description or []]
        return [dict(zip(names, row, strict=True)) for row in self._connection.fetchall()]


@contextmanager
def read_replica(replica: ReadableReplica) -> Iterator[ReplicaReading]:
    """The replica as it is now: facts, the view ``costs`` of attempts as later findings corrected them, rollups.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    with replica.read() as connection:
        yield ReplicaReading(replica, connection)
