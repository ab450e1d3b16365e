"""Rollups: what each run came to, kept beside the facts, so that no report adds up every attempt again.

They are exact: whenever a fact about a run is new, all that is known of that run is added up again, in the transaction
that brought the fact. So it does not matter in which order facts arrive, nor how often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pricing.duck import execute

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_OF_RUNS = ("runs", "turns", "attempts", "adjustments", "settlements")
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


def roll_up_since(duck: DuckDBPyConnection, ends: dict[str, int]) -> None:
    """Roll up the runs that facts were added about, since the tables ended where ``ends`` says."""
    found = " UNION ".join(f"SELECT run_id FROM facts.{name} WHERE rowid > {end}" for name, end in ends.items())  # noqa: S608
    duck.execute(f"CREATE OR REPLACE TEMP TABLE touched AS {found}")
    for name in _OF_RUNS:
        duck.execute(f"CREATE OR REPLACE TEMP TABLE these_{name} AS FROM {name} SEMI JOIN touched USING (run_id)")
    _roll_up(duck)


def roll_up_all(duck: DuckDBPyConnection) -> None:
    """Roll up every run whose facts can be seen."""
    for name in _OF_RUNS:
        duck.execute(f"CREATE OR REPLACE TEMP VIEW these_{name} AS FROM {name}")
    _roll_up(duck)


def _roll_up(duck: DuckDBPyConnection) -> None:
    execute(duck, "costs")
    execute(duck, "roll_up")
