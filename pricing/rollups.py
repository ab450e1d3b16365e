"""Rollups: what each run came to, kept beside the facts, so that no report adds up every attempt again.

They are exact: whenever a fact about a run is new, all that is known of that run is added up again, in the transaction
that brought the fact. So it does not matter in which order facts arrive, nor how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pricing.duck import execute
from pricing.segments import Segment, span

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_OF_RUNS = ("runs", "turns", "attempts", "adjustments", "settlements", "guard_decisions")
"""The tables of facts that are about one run each and are rolled up."""
_ELSEWHERE = """
    SELECT count(*) FROM run_totals AS known SEMI JOIN touched USING (run_id)
    LEFT JOIN (SELECT run_id, min(seq) AS seq FROM runs GROUP BY run_id) AS seen USING (run_id)
    WHERE seen.seq IS DISTINCT FROM known.seq
"""
"""Runs that are known by a row that cannot be seen: it was archived before, and facts came later."""


def create_rollups(duck: DuckDBPyConnection) -> None:
    """Empty rollups."""
    execute(duck, "rollup_tables")


def newest_rows(duck: DuckDBPyConnection) -> dict[str, int]:
    """Where each table of facts ends now, for ``roll_up_since``."""
    return {
        name: duck.execute(f"SELECT coalesce(max(rowid), -1) FROM facts.{name}").fetchall()[0][0]  # noqa: S608
        for name in _OF_RUNS
    }


def roll_up_since(duck: DuckDBPyConnection, ends: dict[str, int], segments: Sequence[Segment]) -> None:
    """Roll up the runs that facts were added about, since the tables ended where ``ends`` says."""
    found = " UNION ".join(f"SELECT run_id FROM facts.{name} WHERE rowid > {end}" for name, end in ends.items())  # noqa: S608
    _touch(duck, found, segments, [])


def roll_up_segment(duck: DuckDBPyConnection, segment: Segment, segments: Sequence[Segment]) -> None:
    """Roll up the runs that were archived in one segment, which is the last of ``segments``."""
    path = str(segment.path("runs")).replace("'", "''")
    _touch(duck, f"SELECT run_id FROM read_parquet('{path}')", segments, [segment])  # noqa: S608


def roll_up_tables(duck: DuckDBPyConnection) -> None:
    """Roll up every run whose facts are in the tables."""
    span(duck, [])
    for name in _OF_RUNS:
        duck.execute(f"CREATE OR REPLACE TEMP VIEW these_{name} AS FROM {name}")
    _roll_up(duck)
    for name in _OF_RUNS:
        duck.execute(f"DROP VIEW these_{name}")


def _touch(duck: DuckDBPyConnection, runs: str, segments: Sequence[Segment], near: Sequence[Segment]) -> None:
    """Roll up these runs, from the tables and the segments ``near``; from all segments if some of them need it."""
    duck.execute(f"CREATE OR REPLACE TEMP TABLE touched AS {runs}")
    span(duck, near)
    if segments and duck.execute(_ELSEWHERE).fetchall() != [(0,)]:
        span(duck, segments)
    for name in _OF_RUNS:
        duck.execute(f"CREATE OR REPLACE TEMP TABLE these_{name} AS FROM {name} SEMI JOIN touched USING (run_id)")
    _roll_up(duck)


def _roll_up(duck: DuckDBPyConnection) -> None:
    execute(duck, "costs")
    execute(duck, "roll_up")
