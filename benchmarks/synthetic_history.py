"""A history of any size, made by DuckDB itself: runs of a year, by many automations and organisations, ten turns each in
three steps, each looked at by a guard; one in fifty falls back and one in ten thousand is corrected later.

Every figure is a function of a row's number, so that the same history can be made again, in parts too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pricing.db import schema
from pricing.db.database import Store
from pricing.replica import duckdb_tables
from pricing.replica.replica import Replica

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TURNS = 10
"""Per run."""
YEAR_US = 365 * 86_400 * 1_000_000
LAST_US = 1_790_000_000_000_000
"""When the newest run began."""

_RUNS = """
    SELECT
        r, printf('%08x-run-%04x', r, (hash(r) // 2)::BIGINT % 65536) AS run_id, 'automation-' || ((hash(r) // 2)::BIGINT % 20) AS automation,
        'org-' || ((hash(r + 7) // 2)::BIGINT % 200) AS org_id, {last} - {year} + r * ({year} // {runs}) AS started_at,
        (hash(r + 3) // 2)::BIGINT % 100 AS luck
    FROM range({low}, {high}) AS t(r)
"""
_TURNS = """
    SELECT
        runs.*, n, r * {turns} + n AS t, run_id || '-' || n AS turn_id,
        CASE WHEN n < 6 THEN 'summarize' WHEN n < 9 THEN 'classify' ELSE 'compose' END AS operation,
        1 + ((hash(r, n, 5) // 2)::BIGINT % 50 = 0)::INT AS tries, 2000000 + ((hash(r, n, 9) // 2)::BIGINT % 6000000)::BIGINT AS price
    FROM runs, range({turns}) AS s(n)
"""
_FACTS = {
    "runs": """
        SELECT
            r + 1 AS seq, run_id, automation, 'fast' AS quality, NULL AS user_id, org_id, '[]' AS plan, '{{}}' AS routes,
            'card' AS rate_version, 'conformal' AS method, 300 AS history, 50000000 AS point_nano, 48000000 AS p50_nano,
            60000000 AS p95_nano, 900000000 AS ceiling_nano, 75000000 AS held_nano, false AS stand_in, started_at,
            '[]' AS tags, 3 AS price_credits, 300000000 AS price_nano
        FROM runs ORDER BY r""",
    "turns": """
        SELECT
            t + 1 AS seq, turn_id, run_id, operation, 'prompt.j2' AS prompt, 'v' AS prompt_version, '[]' AS route,
            CASE WHEN (hash(t) // 2)::BIGINT % 100 = 0 THEN 'failed' ELSE 'answered' END AS outcome, NULL AS reason, 'haiku' AS target,
            tries AS attempts, false AS repaired, NULL AS complexity, 0 AS saved_nano,
            started_at + n * 1000000 AS started_at, 800000 AS duration_us
        FROM turns ORDER BY t""",
    "attempts": """
        SELECT
            t * 2 + hop + 1 AS seq, turn_id || '-' || hop AS attempt_id, turn_id, run_id, operation, hop,
            hop AS ordinal, CASE WHEN hop = 0 THEN 'primary, light' ELSE 'timeout at haiku' END AS reason,
            CASE WHEN hop = 0 THEN 'haiku' ELSE 'gpt-oss' END AS target,
            CASE WHEN hop = 0 THEN 'bedrock' ELSE 'groq' END AS provider, 'default' AS account,
            CASE WHEN hop = 0 THEN CASE WHEN n = 9 OR r % 20 = 0 THEN 'sonnet' ELSE 'haiku' END ELSE 'gpt-oss-120b' END AS model,
            'light' AS tier, false AS stand_in, CASE WHEN hop + 1 < tries THEN 'timeout' ELSE 'ok' END AS outcome,
            200 AS status, NULL AS code, NULL AS phase, NULL AS request_id,
            900 + ((hash(t) // 2)::BIGINT % 400)::BIGINT AS input_tokens, 90 + ((hash(t) // 2)::BIGINT % 60)::BIGINT AS output_tokens,
            0 AS cache_read_tokens, 0 AS cache_write_tokens, 0 AS cache_write_1h_tokens, NULL AS reasoning_tokens,
            9000000 AS worst_nano, price AS cost_nano, 'usage' AS priced, 0 AS saved_nano, 'card' AS rate_version,
            started_at + n * 1000000 AS started_at, 700000 + ((hash(t) // 2)::BIGINT % 90000)::BIGINT AS duration_us,
            NULL AS estimated_input, 'model' AS kind, NULL AS units
        FROM turns, range(tries) AS u(hop) ORDER BY t, hop""",
    "settlements": """
        SELECT
            r + 1 AS seq, run_id, 0 AS ordinal, automation, 'fast' AS quality, false AS stand_in,
            CASE WHEN luck < 96 THEN 'completed' WHEN luck < 98 THEN 'failed' ELSE 'over_budget' END AS outcome,
            NULL AS reason, '[]' AS budgets, 75000000 AS held_nano, spent AS spent_nano, 75000000 - spent AS released_nano,
            1.0 AS score, 'card' AS rate_version, started_at + 12000000 AS ended_at, NULL AS wallet,
            3 AS charged_credits, CASE WHEN luck < 96 THEN 300000000 ELSE 0 END AS charged_nano
        FROM runs JOIN (SELECT r, sum(price * tries)::BIGINT AS spent FROM turns GROUP BY r) USING (r) ORDER BY r""",
    "guard_decisions": """
        SELECT
            t + 1 AS seq, run_id, operation, 'pii' AS guard, '1' AS version, 'enforce' AS mode, 'input' AS direction,
            CASE WHEN (hash(t) // 2)::BIGINT % 3 = 0 THEN 'redact' ELSE 'allow' END AS action,
            CASE WHEN (hash(t) // 2)::BIGINT % 3 = 0 THEN 'pii' END AS reason, ((hash(t) // 2)::BIGINT % 500)::BIGINT AS latency_us, 0 AS cost_nano,
            '[]' AS spans, started_at AS decided_at, NULL AS facts, turn_id
        FROM turns ORDER BY t""",
    "adjustments": """
        SELECT
            t + 1 AS seq, turn_id || '-0' AS attempt_id, run_id, 'came back' AS reason, 900 AS input_tokens,
            90 AS output_tokens, NULL AS cache_read_tokens, NULL AS cache_write_tokens, NULL AS cache_write_1h_tokens,
            NULL AS reasoning_tokens, -1000000 AS cost_delta_nano, started_at AS recorded_at
        FROM turns WHERE (hash(t, 2) // 2)::BIGINT % 10000 = 0 ORDER BY t""",
}


def select(table: str, low: int, high: int, runs: int) -> str:
    """The rows of a table about the runs from ``low`` up to ``high`` of so many."""
    values = {"low": low, "high": high, "runs": runs, "turns": TURNS, "year": YEAR_US, "last": LAST_US}
    body = _FACTS[table].replace("{{}}", "{}")
    return f"WITH runs AS ({_RUNS.format(**values)}), turns AS ({_TURNS.format(**values)}) {body}"


def modestly(connection: DuckDBPyConnection, folder: Path) -> None:
    """Leave memory for others on the machine."""
    connection.execute(
        f"SET memory_limit = '8GB'; SET temp_directory = '{folder / 'spill'}'; SET preserve_insertion_order = true"
    )


def fill(replica: Replica, store: Store, turns: int) -> None:
    """A replica with such a history in its tables, rolled up; its ledger stays empty."""
    import duckdb

    from pricing.replica import rollups
    from pricing.replica import rollups as cells

    replica.sync()
    runs = turns // TURNS
    with store.read(), duckdb.connect(str(replica.path)) as filled:
        modestly(filled, replica.path.parent)
        for table in _FACTS:
            for low in range(0, runs, 200_000):
                filled.execute(
                    f"INSERT INTO facts.{table} BY NAME {select(table, low, min(runs, low + 200_000), runs)}"
                )
        rollups.roll_up_tables(filled)
        cells.count_decisions(filled, "facts.guard_decisions")
        cells.close_days(filled)


def archive(replica: Replica, store: Store, folder: Path, turns: int) -> None:
    """The same history as archived segments of a ledger that has nothing else; the replica is built from them."""
    import json

    import duckdb
    import sqlalchemy as sa

    from pricing.replica.archive import RUNS
    from pricing.replica.segments import TABLES, digest_of, folder_of

    runs = turns // TURNS
    segments = -(-runs // RUNS)
    with store.read() as ledger:
        epoch = ledger.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == "epoch")).scalar_one()
    with duckdb.connect(":memory:") as memory:
        modestly(memory, folder)
        duckdb_tables.create_facts(memory)
        for number in range(segments):
            low, high = (runs * part // segments for part in (number, number + 1))
            place = folder_of(folder, epoch, number + 1)
            place.mkdir(parents=True)
            files = {}
            for table in TABLES:
                path = place / f"{table.name}.parquet"
                rows = 0
                made = f"FROM facts.{table.name}"
                if table.name in _FACTS:
                    names = ", ".join(
                        f"{name}::{kind} AS {name}" for name, kind in duckdb_tables.columns(table).items()
                    )
                    made = f"SELECT {names} FROM ({select(table.name, low, high, runs)})"
                [(rows,)] = memory.execute(
                    f"COPY ({made}) TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000)"
                ).fetchall()
                files[table.name] = (rows, digest_of(path))
            row = {"ordinal": number + 1, "runs": high - low, "before": LAST_US, "files": json.dumps(files)}
            with store.write() as ledger:
                ledger.execute(schema.segments.insert().values(**row, sealed_at=LAST_US, pruned_at=LAST_US))
    replica.sync()


def tables() -> list[str]:
    """Those that are filled."""
    return [table.name for table in schema.FACTS if table.name in _FACTS]
