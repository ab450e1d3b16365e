"""Cells: what all runs of a day came to, kept beside the rollups, so that a report on a year adds up days.

A day is closed when runs of a later one are known: then its cells are made, and made anew whenever something about one
of its runs is rolled up. A run that ends today thus costs nothing here. Guards' decisions are never corrected: each is
counted once, in the transaction that brings it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pricing.duck import execute

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DAY_US = 86_400_000_000


def create_cells(duck: DuckDBPyConnection) -> None:
    """No cells yet."""
    execute(duck, "cell_tables")


def close_days(duck: DuckDBPyConnection) -> None:
    """Close the days before the newest one, and mend those that rolling up touched in this connection."""
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
