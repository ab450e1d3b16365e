"""Rollups: totals per run and per day, kept beside the facts, so that reports do not sum every attempt again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pricing.replica.duckdb_tables import execute
from pricing.replica.segments import Segment, span

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


_OF_RUNS = ("runs", "turns", "attempts", "adjustments", "settlements", "guard_decisions")
"""The tables of facts that are about one run each and are rolled up."""


def create_rollups(duck: DuckDBPyConnection) -> None:
    """Create empty rollup tables."""
    execute(duck, "rollup_tables")


def newest_rows(duck: DuckDBPyConnection) -> dict[str, int]:
    """The newest row number of each table of facts, for ``roll_up_since``."""
    return {
        name: duck.execute(f"SELECT coalesce(max(rowid), -1) FROM facts.{name}").fetchall()[0][0]  # noqa: S608
        for name in _OF_RUNS
    }


def roll_up_since(duck: DuckDBPyConnection, ends: dict[str, int], segments: Sequence[Segment]) -> None:
    """Update the rollups of the runs that have facts newer than ``ends``."""
    found = " UNION ".join(f"SELECT run_id FROM facts.{name} WHERE rowid > {end}" for name, end in ends.items())  # noqa: S608
    _touch(duck, found, segments, [])


def roll_up_segment(duck: DuckDBPyConnection, segment: Segment, segments: Sequence[Segment]) -> None:
    """Update the rollups of the runs in the last of ``segments``."""
    path = str(segment.path("runs")).replace("'", "''")
    _touch(duck, f"SELECT run_id FROM read_parquet('{path}')", segments, [segment])  # noqa: S608
    duck.execute(
        "INSERT INTO run_segments SELECT min(seq) AS seq, ? FROM these_runs GROUP BY run_id ORDER BY seq",
        [segment.ordinal],
    )


def span_run(duck: DuckDBPyConnection, run_id: str, segments: Sequence[Segment]) -> list[Segment]:
    """Let the views of facts show, of these segments, only those that have facts of one run: which these are."""
    duck.execute("CREATE OR REPLACE TEMP TABLE touched AS SELECT ? AS run_id", [run_id])
    spanned = _known(duck, segments)
    span(duck, spanned)
    execute(duck, "costs")
    return spanned


def roll_up_tables(duck: DuckDBPyConnection) -> None:
    """Roll up every run whose facts are in the tables."""
    duck.execute("CREATE OR REPLACE TEMP TABLE known AS SELECT run_id, seq, started_at FROM run_totals")
    span(duck, [])
    for name in _OF_RUNS:
        duck.execute(f"CREATE OR REPLACE TEMP VIEW these_{name} AS FROM {name}")
    _roll_up(duck)
    for name in _OF_RUNS:
        duck.execute(f"DROP VIEW these_{name}")


def _touch(duck: DuckDBPyConnection, runs: str, segments: Sequence[Segment], near: Sequence[Segment]) -> None:
    """Roll up these runs, from the tables, from the segments ``near`` and from those that have facts of theirs."""
    duck.execute(f"CREATE OR REPLACE TEMP TABLE touched AS {runs}")
    span(duck, [*_known(duck, segments), *near])
    for name in _OF_RUNS:
        duck.execute(f"CREATE OR REPLACE TEMP TABLE these_{name} AS FROM {name} SEMI JOIN touched USING (run_id)")
    _roll_up(duck)


def _known(duck: DuckDBPyConnection, segments: Sequence[Segment]) -> list[Segment]:
    """Look up once which runs in ``touched`` are ``known``; the segments that have facts of those."""
    duck.execute(
        "CREATE OR REPLACE TEMP TABLE known AS "
        "SELECT run_id, seq, started_at FROM run_totals SEMI JOIN touched USING (run_id)"
    )
    found = duck.execute("SELECT DISTINCT ordinal FROM run_segments SEMI JOIN known USING (seq)").fetchall()
    return [segment for segment in segments if (segment.ordinal,) in found]


def _roll_up(duck: DuckDBPyConnection) -> None:
    execute(duck, "costs")
    execute(duck, "roll_up")


DAY_US = 86_400_000_000


def create_cells(duck: DuckDBPyConnection) -> None:
    """No cells yet."""
    execute(duck, "cell_tables")


def close_days(duck: DuckDBPyConnection) -> None:
    """Close the days before the newest one, and correct those that rolling up touched in this connection."""
    duck.execute("CREATE TEMP TABLE IF NOT EXISTS touched_days (day BIGINT)")
    [(closed, newest)] = duck.execute("SELECT max(until), (SELECT max(day) FROM touched_days) FROM closed").fetchall()
    until = max(closed, newest or 0)
    duck.execute("DELETE FROM touched_days WHERE day >= ?", [closed])
    if until > closed:
        days = f"SELECT DISTINCT started_at // {DAY_US} * {DAY_US} FROM run_totals"  # noqa: S608 - a number of our own
        duck.execute(f"INSERT INTO touched_days {days} WHERE started_at >= ? AND started_at < ?", [closed, until])
        duck.execute("UPDATE closed SET until = ?", [until])
        _between(duck, closed, until)
        execute(duck, "decisions")
    [(first, last)] = duck.execute("SELECT min(day), max(day) FROM touched_days").fetchall()
    if first is not None:
        _between(duck, first, last + DAY_US)
        execute(duck, "cells")
    duck.execute("DROP TABLE touched_days")


def count_decisions(duck: DuckDBPyConnection, decisions: str) -> None:
    """Count guards' decisions that were not known before: what stands behind ``FROM``."""
    duck.execute(f"""
        INSERT INTO day_decisions
        SELECT
            decided_at // {DAY_US} * {DAY_US} AS day, guard, version, mode, direction, action, reason, latency_us,
            count(*), sum(cost_nano)
        FROM {decisions}
        GROUP BY ALL
        ORDER BY day
    """)  # noqa: S608 - text of our own


def _between(duck: DuckDBPyConnection, first: int, after: int) -> None:
    duck.execute(f"SET VARIABLE first_day = {first}; SET VARIABLE after_days = {after}")
