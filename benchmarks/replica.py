"""How fast the replica follows the ledger: ``python -m benchmarks.replica``.

A rebuild of 200,000 rows, and syncs of 10,000 new attempts each. The minimum is reading the same rows from the ledger
and doing nothing with them.
"""

from __future__ import annotations

from statistics import median

import sqlalchemy as sa

from benchmarks import harness, past
from pricing.db import schema
from pricing.db.database import Store
from pricing.replica.replica import Replica

ROWS = 200_000
FRESH = 10_000
REBUILDS = 3
SYNCS = 7


def read_all(store: Store) -> int:
    with store.read() as connection:
        return sum(
            len(chunk)
            for table in schema.FACTS
            for chunk in connection.execution_options(yield_per=50_000).execute(sa.select(table)).partitions()
        )


def count(replica: Replica) -> int:
    with replica.read() as connection:
        union = " + ".join(f"(SELECT count(*) FROM {table.name})" for table in schema.FACTS)
        return int(connection.execute(f"SELECT {union}").fetchall()[0][0])


def main() -> None:
    harness.quiet_environment()
    rebuilt, read, synced = [], [], []
    with harness.workplace() as folder:
        store = Store(f"sqlite:///{folder / 'ledger.db'}")
        runs = ROWS // (past.ATTEMPTS + 2)
        rows = past.fill(store, runs, "1")
        replica = Replica(folder / "replica.duckdb", store)
        replica.rebuild()
        for _ in range(REBUILDS):
            read.append(harness.milliseconds(lambda: read_all(store)) / 1000)
            rebuilt.append(harness.milliseconds(replica.rebuild) / 1000)
        idle = [harness.milliseconds(replica.sync) / 1000 for _ in range(SYNCS)]
        fresh = 0
        for _ in range(SYNCS):
            fresh = past.fill_attempts(store, -(-FRESH // past.ATTEMPTS), "1", first=runs)
            runs += fresh
            synced.append(harness.milliseconds(replica.sync) / 1000)
        harness.expect(replica.sync().rows == 0 and count(replica) == rows + SYNCS * fresh)
        store.close()
    lines = [
        (what, f"{count:,}", harness.spread(seconds, 3), f"{count / median(seconds):,.0f}", beside)
        for what, count, seconds, beside in (
            ("reading the ledger alone", rows, read, ""),
            ("rebuild", rows, rebuilt, f"{median(rebuilt) / median(read):.2f} × reading"),
            ("sync of nothing new", 0, idle, ""),
            ("sync of new attempts", fresh, synced, f"{median(synced) - median(idle):.3f} s above one of nothing"),
        )
    ]
    harness.table("replica, SQLite ledger", ("", "rows", "s [quartiles]", "rows/s", ""), lines)


if __name__ == "__main__":
    main()
