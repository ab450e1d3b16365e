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
