"""The text of a page that is one statement of Postgres.

It moves the run's hold if that covers what the page sets aside, and all else depends on that row: where the hold is not
moved, nothing is written. Whatever else is counted on makes it fail by a division by zero, which undoes all of it. The
hold is locked before the attempts in flight, as the settlement of a run does it. Rows come as JSON, so that the text is
the same for any number of them.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import sqlalchemy as sa

from pricing.db import journal_table, schema

TABLES = (schema.inflight, schema.attempts, schema.turns, schema.guard_decisions, journal_table.entries)
"""In the order in which they are written."""
_MOVE = (
    "hold AS (UPDATE holds SET inflight_nano = inflight_nano + %(worst)s, used_nano = used_nano + %(cost)s"
    " WHERE run_id = %(run)s AND execution <= %(execution)s AND NOT by_operation"
    " AND amount_nano - used_nano - inflight_nano >= %(worst)s + %(cost)s"
    " RETURNING amount_nano, used_nano)"
)
_END = (
    "ended AS (DELETE FROM inflight USING hold"
    " WHERE attempt_id = ANY(ARRAY(SELECT json_array_elements_text(%(ended)s::json))) RETURNING 1)"
)
_MARK = "mark AS (UPDATE meta SET value = %(after)s{source} WHERE key = %(key)s AND value = %(before)s RETURNING 1)"
_MARKED = "(SELECT count(*) FROM mark) = 1"
_ENDED = "(SELECT count(*) FROM ended) = %(ends)s"


@lru_cache
def page_sql(tables: Collection[str], *, moves: bool, ends: bool) -> str:
    """The statement of a page with rows of these tables, each a parameter of its name.

    Args:
        tables: names of :data:`TABLES`.
        moves: it moves the hold of ``run`` by ``worst`` and ``cost``, for ``execution`` or an older one.
        ends: the attempts ``ended``, so many as ``ends``, are no longer in flight.
    """
    source = "hold" if moves else "mark"
    rows = [_insert(table, source) for table in TABLES if table.name in tables]
    if not moves:
        parts = [_MARK.format(source=""), *rows]
        return f"WITH {', '.join(parts)} SELECT 1 / count(*) FROM mark"  # noqa: S608 - ours
    parts = [_MOVE, *([_END] if ends else []), *rows, _MARK.format(source=" FROM hold")]
    holds_good = " AND ".join([_MARKED, *([_ENDED] if ends else [])])
    return f"WITH {', '.join(parts)} SELECT amount_nano, used_nano, 1 / ({holds_good})::int FROM hold"  # noqa: S608


def _insert(table: sa.Table, source: str) -> str:
    """Rows of a table, for each row of ``source``."""
    name = table.name
    columns = [column.name for column in table.c if column.name not in {"seq", "xid"}]
    given = ", ".join(f"given.{column}" for column in columns)
    return (
        f"new_{name} AS (INSERT INTO {name} ({', '.join(columns)}) SELECT {given}"  # noqa: S608 - ours
        f" FROM {source}, json_populate_recordset(NULL::{name}, %({name})s::json) AS given)"
    )
