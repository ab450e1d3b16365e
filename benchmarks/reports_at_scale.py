"""Every report on many turns, and the same questions put to Postgres: ``python -m benchmarks reports_at_scale``.

First the questions that reports put to the replica, beside the same ones over the facts in Postgres with covering
indexes; both must say the same. Then the reports themselves. A million turns by default, ten with ``--turns 10000000``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa

from benchmarks import lab, much
from pricing.clock import to_us
from pricing.replica import Replica
from pricing.store import Store

SAMPLES = 5
MONTH = to_us(datetime(2026, 9, 1, tzinfo=UTC))
YEAR = much.LAST_US - much.YEAR_US

INDEXES = (
    "CREATE INDEX ON attempts (run_id) INCLUDE (cost_nano, operation, provider, model, hop, turn_id, input_tokens)",
    "CREATE INDEX ON attempts (operation, provider, model) INCLUDE (cost_nano, input_tokens, output_tokens, attempt_id)",
    "CREATE INDEX ON runs (started_at) INCLUDE (run_id, automation, org_id, p95_nano)",
    "CREATE INDEX ON runs (automation) INCLUDE (run_id, started_at)",
    "CREATE INDEX ON settlements (run_id) INCLUDE (outcome, ended_at, automation)",
    "CREATE INDEX ON turns (operation, outcome) INCLUDE (attempts)",
    "CREATE INDEX ON adjustments (attempt_id) INCLUDE (cost_delta_nano, run_id)",
)
_COSTS = """WITH costs AS (
    SELECT run_id, sum(cost_nano)::BIGINT AS cost_nano
    FROM (SELECT run_id, cost_nano FROM attempts UNION ALL SELECT run_id, cost_delta_nano FROM adjustments) AS all_of_it
    GROUP BY run_id
) """
QUESTIONS = {
    "cost per automation per day": (
        f"""SELECT automation, started_at // 86400000000 AS day, sum(cost_nano)::BIGINT FROM run_totals
        WHERE started_at >= {YEAR} GROUP BY ALL ORDER BY ALL""",
        _COSTS
        + f"""SELECT automation, started_at / 86400000000 AS day, sum(cost_nano)::BIGINT FROM runs JOIN costs USING (run_id)
        WHERE started_at >= {YEAR} GROUP BY 1, 2 ORDER BY 1, 2""",
    ),
    "run cost p50 and p95": (
        """SELECT automation, quantile_disc(cost_nano, 0.5), quantile_disc(cost_nano, 0.95) FROM run_totals
        GROUP BY automation ORDER BY automation""",
        _COSTS
        + """SELECT automation, percentile_disc(0.5) WITHIN GROUP (ORDER BY cost_nano),
        percentile_disc(0.95) WITHIN GROUP (ORDER BY cost_nano) FROM runs JOIN costs USING (run_id)
        GROUP BY automation ORDER BY automation""",
    ),
    "cost by operation × model": (
        """SELECT operation, provider, model, sum(attempts)::BIGINT, sum(cost_nano)::BIGINT FROM run_costs
        GROUP BY ALL ORDER BY ALL""",
        """SELECT operation, provider, model, count(*), sum(cost_nano + coalesce(delta, 0))::BIGINT FROM attempts
        LEFT JOIN (SELECT attempt_id, sum(cost_delta_nano) AS delta FROM adjustments GROUP BY 1) AS late USING (attempt_id)
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
    ),
    "month to date by organisation": (
        f"""SELECT org_id, count(*), sum(cost_nano)::BIGINT FROM run_totals WHERE started_at >= {MONTH}
        GROUP BY ALL ORDER BY ALL""",
        f"""WITH chosen AS (SELECT run_id, org_id FROM runs WHERE started_at >= {MONTH}), costs AS (
        SELECT run_id, cost_nano FROM attempts JOIN chosen USING (run_id)
        UNION ALL SELECT run_id, cost_delta_nano FROM adjustments JOIN chosen USING (run_id))
        SELECT org_id, count(DISTINCT run_id), sum(cost_nano)::BIGINT FROM chosen JOIN costs USING (run_id)
        GROUP BY 1 ORDER BY 1""",
    ),
    "turns by operation and outcome": (
        "SELECT operation, outcome, sum(turns)::BIGINT FROM run_turns GROUP BY ALL ORDER BY ALL",
        "SELECT operation, outcome, count(*) FROM turns GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    "how many runs their p95 covered": (
        """SELECT automation, count(*), count(*) FILTER (WHERE cost_nano <= p95_nano) FROM run_totals
        WHERE outcome = 'completed' GROUP BY ALL ORDER BY ALL""",
        _COSTS
        + """SELECT runs.automation, count(*), count(*) FILTER (WHERE cost_nano <= p95_nano) FROM runs
        JOIN costs USING (run_id) JOIN settlements USING (run_id) WHERE outcome = 'completed' GROUP BY 1 ORDER BY 1""",
    ),
}


def load(store: Store, replica: Replica, folder: Path) -> None:
    """The same facts into Postgres, then its indexes."""
    with replica.read() as duck:
        for table in much.tables():
            path = folder / f"{table}.csv"
            duck.execute(
                f"COPY facts.{table} TO '{path}' (HEADER false, NULLSTR '\\N', DELIMITER '\t', QUOTE '', ESCAPE '')"
            )
            names = ", ".join(column[0] for column in duck.execute(f"DESCRIBE facts.{table}").fetchall())
            with (
                store.write() as connection,
                path.open("rb") as file,
                connection.connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy,
            ):
                while block := file.read(1 << 20):
                    copy.write(block)
            path.unlink()
    with store._opened().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET maintenance_work_mem = '1GB'")
        for index in INDEXES:
            connection.exec_driver_sql(index)
        connection.exec_driver_sql("VACUUM ANALYZE")


def seconds(work: Callable[[], object], samples: int = SAMPLES) -> float:
    """The median, warm."""
    work()
    return median(lab.milliseconds(work) / 1000 for _ in range(samples))


def questions(replica: Replica, store: Store | None) -> None:
    rows = []
    with replica.read() as duck, ExitStack() as stack:
        postgres = stack.enter_context(store._opened().connect()) if store else None
        if postgres is not None:
            postgres.exec_driver_sql("SET work_mem = '256MB'")
        for name, (ours, theirs) in QUESTIONS.items():
            own = seconds(lambda: duck.execute(ours).fetchall())  # noqa: B023
            if postgres is None:
                rows.append((name, f"{own:.3f}", "", ""))
                continue
            lab.expect(list(map(tuple, postgres.exec_driver_sql(theirs))) == duck.execute(ours).fetchall())
            other = seconds(lambda: postgres.exec_driver_sql(theirs).fetchall(), 3)  # noqa: B023
            rows.append((name, f"{own:.3f}", f"{other:.3f}", f"{other / own:.0f} ×"))
    heads = ("", "replica, s", "Postgres, s", "ratio")
    lab.table(f"the same questions, {SAMPLES} times each", heads, rows, _sizes(replica, store))


def _sizes(replica: Replica, store: Store | None) -> list[str]:
    notes = [f"The replica takes {replica.path.stat().st_size / 1e6:,.0f} MB."]
    if store is not None:
        with store.read() as connection:
            size, indexes = (
                connection.execute(sa.text(f"SELECT sum({what}(oid)) FROM pg_class WHERE relkind = 'r'")).scalar_one()
                for what in ("pg_table_size", "pg_indexes_size")
            )
        notes.append(f"Postgres takes {float(size) / 1e6:,.0f} MB, its indexes {float(indexes) / 1e6:,.0f} MB.")
    return notes


def reports(replica: Replica) -> None:
    """What the commands call, rendering left out."""
    from pricing import reports as face
    from pricing.reports.choosing import Choice
    from pricing.reports.guard_report import guard_report
    from pricing.reports.quote_audit import quote_audits
    from pricing.reports.sales import sales
    from pricing.reports.target_health import target_health

    month = Choice(since=datetime.fromtimestamp((much.LAST_US - 30 * 86_400_000_000) / 1e6, UTC))
    asked: dict[str, Callable[[], Any]] = {
        "overview of all": lambda: face.overview(replica),
        "overview of 30 days": lambda: face.overview(replica, month),
        "the last 20 runs": lambda: face.runs(replica),
        "report of one run": lambda: face.run_report(replica, "last"),
        "audit of all quotes": lambda: quote_audits(replica),
        "what an outcome sells for": lambda: sales(replica, "automation-1", "fast", stand_in=False),
        "health of targets": lambda: target_health(replica),
        "guards, 30 days": lambda: guard_report(replica, much.LAST_US - 30 * 86_400_000_000),
        "guards, all": lambda: guard_report(replica),
    }
    rows = [(name, f"{seconds(work):.3f}") for name, work in asked.items()]
    lab.table(f"reports, {SAMPLES} times each", ("", "s"), rows)


def in_archive(replica: Replica, store: Store, folder: Path, turns: int) -> None:
    """A history that is in Parquet files; the replica has its rollups alone."""
    made = lab.milliseconds(lambda: much.archive(replica, store, folder, turns, max(1, turns // 2_000_000))) / 1000
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    print(f"{turns:,} turns were archived and the replica built from them in {made:.0f} s")
    print(
        f"The archive takes {size / 1e6:,.0f} MB, the replica {replica.path.stat().st_size / 1e6:,.0f} MB.", flush=True
    )
    reports(replica)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=1_000_000)
    parser.add_argument("--no-postgres", action="store_true", help="the replica alone: loading Postgres takes minutes")
    parser.add_argument("--archived", action="store_true", help="all of it in the archive, and no Postgres")
    options = parser.parse_args()
    lab.quiet_environment()
    with ExitStack() as stack:
        folder = stack.enter_context(lab.workplace())
        empty = Store(f"sqlite:///{folder / 'ledger.db'}")
        stack.callback(empty.close)
        replica = Replica(folder / "replica.duckdb", empty)
        if options.archived:
            in_archive(replica, empty, folder / "archive", options.turns)
            return
        made = lab.milliseconds(lambda: much.fill(replica, empty, options.turns)) / 1000
        print(f"{options.turns:,} turns were made and rolled up in {made:.0f} s", flush=True)
        reports(replica)
        store = None
        if not options.no_postgres and "Postgres" in (kinds := lab.ledgers(stack)):
            store = Store(kinds["Postgres"]())
            stack.callback(store.close)
            print(f"loaded into Postgres in {lab.milliseconds(lambda: load(store, replica, folder)) / 1000:.0f} s")
        questions(replica, store)


if __name__ == "__main__":
    main()
