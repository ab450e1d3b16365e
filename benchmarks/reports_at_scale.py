"""Every report on many turns, and the same questions put to Postgres: ``python -m benchmarks reports_at_scale``.

First the questions that reports put to the replica, beside the same ones over the facts in Postgres with covering
indexes; both must say the same. Then the reports themselves, each beside what Postgres took for those of its questions
that were put to it: a report asks more. A million turns by default, ten with ``--turns 10000000``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa

from benchmarks import harness, synthetic_history
from pricing import reports as face
from pricing.db.database import Store
from pricing.replica.replica import Replica
from pricing.reports.breakdowns import BY, OF_COSTS
from pricing.reports.economics import signs
from pricing.reports.guards import guard_report
from pricing.reports.past_sales import sales
from pricing.reports.query import ReplicaReading
from pricing.reports.quote_audit import quote_audits
from pricing.reports.selection import RunSelection, choose
from pricing.reports.targets import target_health

SAMPLES = 5
DAY_US = 86_400_000_000
MONTH = synthetic_history.LAST_US - 30 * DAY_US

INDEXES = (
    "CREATE INDEX ON attempts (run_id) INCLUDE (cost_nano, operation, provider, model, hop, turn_id, input_tokens)",
    "CREATE INDEX ON attempts (operation, provider, model) INCLUDE (cost_nano, input_tokens, output_tokens, attempt_id)",
    "CREATE INDEX ON attempts (hop) INCLUDE (run_id, turn_id, target, outcome, reason) WHERE hop > 0",
    "CREATE INDEX ON runs (started_at) INCLUDE (run_id, automation, org_id, p95_nano)",
    "CREATE INDEX ON runs (automation) INCLUDE (run_id, started_at)",
    "CREATE INDEX ON settlements (run_id) INCLUDE (outcome, ended_at, automation)",
    "CREATE INDEX ON turns (operation, outcome) INCLUDE (attempts)",
    "CREATE INDEX ON adjustments (attempt_id) INCLUDE (cost_delta_nano, run_id)",
    "CREATE INDEX ON guard_decisions (decided_at) INCLUDE (guard, action, latency_us)",
)
_COSTS = """WITH costs AS (
    SELECT run_id, sum(cost_nano)::BIGINT AS cost_nano
    FROM (SELECT run_id, cost_nano FROM attempts UNION ALL SELECT run_id, cost_delta_nano FROM adjustments) AS all_of_it
    GROUP BY run_id
) """
_MONTHS = f"""WITH chosen AS (SELECT run_id, org_id, automation, started_at FROM runs WHERE started_at >= {MONTH}),
    costs AS (
        SELECT run_id, sum(cost_nano)::BIGINT AS cost_nano FROM (
            SELECT run_id, cost_nano FROM attempts JOIN chosen USING (run_id)
            UNION ALL SELECT run_id, cost_delta_nano FROM adjustments JOIN chosen USING (run_id)) AS all_of_it
        GROUP BY run_id
    ) """
_QUANTILES = """percentile_disc(0.5) WITHIN GROUP (ORDER BY cost_nano),
    percentile_disc(0.95) WITHIN GROUP (ORDER BY cost_nano)"""
QUESTIONS = {
    "cost per automation per day": (
        f"""SELECT automation, started_at // {DAY_US} AS day, sum(cost_nano)::BIGINT FROM run_totals
        GROUP BY ALL ORDER BY ALL""",
        _COSTS
        + f"""SELECT automation, started_at / {DAY_US} AS day, sum(cost_nano)::BIGINT FROM runs JOIN costs USING (run_id)
        GROUP BY 1, 2 ORDER BY 1, 2""",
    ),
    "cost per automation per day, 30 days": (
        f"""SELECT automation, started_at // {DAY_US} AS day, sum(cost_nano)::BIGINT FROM run_totals
        WHERE started_at >= {MONTH} GROUP BY ALL ORDER BY ALL""",
        _MONTHS
        + f"""SELECT automation, started_at / {DAY_US} AS day, sum(cost_nano)::BIGINT FROM chosen JOIN costs USING (run_id)
        GROUP BY 1, 2 ORDER BY 1, 2""",
    ),
    "run cost p50 and p95": (
        """SELECT automation, quantile_disc(cost_nano, 0.5), quantile_disc(cost_nano, 0.95) FROM run_totals
        GROUP BY automation ORDER BY automation""",
        _COSTS + f"SELECT automation, {_QUANTILES} FROM runs JOIN costs USING (run_id) GROUP BY 1 ORDER BY 1",
    ),
    "run cost p50 and p95 by organisation, 30 days": (
        f"""SELECT org_id, quantile_disc(cost_nano, 0.5), quantile_disc(cost_nano, 0.95) FROM run_totals
        WHERE started_at >= {MONTH} GROUP BY org_id ORDER BY org_id""",
        _MONTHS + f"SELECT org_id, {_QUANTILES} FROM chosen JOIN costs USING (run_id) GROUP BY 1 ORDER BY 1",
    ),
    "run cost p50 and p95, 30 days": (
        f"""SELECT automation, quantile_disc(cost_nano, 0.5), quantile_disc(cost_nano, 0.95) FROM run_totals
        WHERE started_at >= {MONTH} GROUP BY automation ORDER BY automation""",
        _MONTHS + f"SELECT automation, {_QUANTILES} FROM chosen JOIN costs USING (run_id) GROUP BY 1 ORDER BY 1",
    ),
    "cost by operation × model, 30 days": (
        f"""SELECT operation, provider, model, sum(attempts)::BIGINT, sum(cost_nano)::BIGINT FROM run_costs
        WHERE started_at >= {MONTH} GROUP BY ALL ORDER BY ALL""",
        f"""SELECT operation, provider, model, count(*), sum(cost_nano + coalesce(delta, 0))::BIGINT FROM attempts
        JOIN (SELECT run_id FROM runs WHERE started_at >= {MONTH}) AS chosen USING (run_id)
        LEFT JOIN (SELECT attempt_id, sum(cost_delta_nano) AS delta FROM adjustments GROUP BY 1) AS late USING (attempt_id)
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
    ),
    "turns by operation and outcome, 30 days": (
        f"""SELECT operation, outcome, sum(turns)::BIGINT FROM run_turns WHERE started_at >= {MONTH}
        GROUP BY ALL ORDER BY ALL""",
        f"""SELECT operation, outcome, count(*) FROM turns
        JOIN (SELECT run_id FROM runs WHERE started_at >= {MONTH}) AS chosen USING (run_id)
        GROUP BY 1, 2 ORDER BY 1, 2""",
    ),
    "run cost p50 and p95 by organisation": (
        """SELECT org_id, quantile_disc(cost_nano, 0.5), quantile_disc(cost_nano, 0.95) FROM run_totals
        GROUP BY org_id ORDER BY org_id""",
        _COSTS + f"SELECT org_id, {_QUANTILES} FROM runs JOIN costs USING (run_id) GROUP BY 1 ORDER BY 1",
    ),
    "cost by operation × model": (
        """SELECT operation, provider, model, sum(attempts)::BIGINT, sum(cost_nano)::BIGINT FROM chosen_costs
        GROUP BY ALL ORDER BY ALL""",
        """SELECT operation, provider, model, count(*), sum(cost_nano + coalesce(delta, 0))::BIGINT FROM attempts
        LEFT JOIN (SELECT attempt_id, sum(cost_delta_nano) AS delta FROM adjustments GROUP BY 1) AS late USING (attempt_id)
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
    ),
    "turns by operation and outcome": (
        "SELECT operation, outcome, sum(turns)::BIGINT FROM chosen_turns GROUP BY ALL ORDER BY ALL",
        "SELECT operation, outcome, count(*) FROM turns GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    "fallbacks by target": (
        "SELECT target, answered, sum(turns)::BIGINT FROM chosen_moves GROUP BY ALL ORDER BY ALL",
        """SELECT target, answered, count(*) FROM (SELECT turn_id, hop, max(target) AS target, bool_or(outcome = 'ok') AS
        answered FROM attempts WHERE hop > 0 GROUP BY 1, 2) AS hops GROUP BY 1, 2 ORDER BY 1, 2""",
    ),
    "how many runs their p95 covered": (
        """SELECT automation, sum(runs)::BIGINT, sum(covered)::BIGINT FROM chosen_totals
        WHERE outcome = 'completed' GROUP BY ALL ORDER BY ALL""",
        _COSTS
        + """SELECT runs.automation, count(*), count(*) FILTER (WHERE cost_nano <= p95_nano) FROM runs
        JOIN costs USING (run_id) JOIN settlements USING (run_id) WHERE outcome = 'completed' GROUP BY 1 ORDER BY 1""",
    ),
    "decisions by guard": (
        "SELECT guard, action, sum(decisions)::BIGINT FROM day_decisions GROUP BY ALL ORDER BY ALL",
        "SELECT guard, action, count(*) FROM guard_decisions GROUP BY 1, 2 ORDER BY 1, 2",
    ),
}


def load(store: Store, replica: Replica, folder: Path) -> None:
    """The same facts into Postgres, then its indexes."""
    with replica.read() as duck:
        for table in synthetic_history.tables():
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
    return median(harness.milliseconds(work) / 1000 for _ in range(samples))


def questions(replica: Replica, store: Store) -> dict[str, float]:
    """Milliseconds that Postgres takes for each question; both databases must give the same answer."""
    rows, theirs_took = [], {}
    with replica.read() as duck, store._opened().connect() as postgres:
        postgres.exec_driver_sql("SET work_mem = '256MB'")
        choose(ReplicaReading(replica, duck), RunSelection())
        for name, (ours, theirs) in QUESTIONS.items():
            harness.expect(list(map(tuple, postgres.exec_driver_sql(theirs))) == duck.execute(ours).fetchall())
            own = seconds(lambda: duck.execute(ours).fetchall())  # noqa: B023
            other = seconds(lambda: postgres.exec_driver_sql(theirs).fetchall(), 3)  # noqa: B023
            theirs_took[name] = other
            rows.append((name, f"{own:.3f}", f"{other:.3f}", f"{other / own:.0f} ×"))
    heads = ("", "replica, s", "Postgres, s", "ratio")
    harness.table(f"the same questions, {SAMPLES} times each", heads, rows, _sizes(replica, store))
    return theirs_took


def _sizes(replica: Replica, store: Store) -> list[str]:
    notes = [f"The replica takes {replica.path.stat().st_size / 1e6:,.0f} MB."]
    with store.read() as connection:
        size, indexes = (
            connection.execute(sa.text(f"SELECT sum({what}(oid)) FROM pg_class WHERE relkind = 'r'")).scalar_one()
            for what in ("pg_table_size", "pg_indexes_size")
        )
    notes.append(f"Postgres takes {float(size) / 1e6:,.0f} MB, its indexes {float(indexes) / 1e6:,.0f} MB.")
    return notes


def reports(replica: Replica, theirs: Mapping[str, float]) -> None:
    """What the commands call, rendering left out; beside it how long Postgres took for the questions in each."""
    month = RunSelection(since=datetime.fromtimestamp(MONTH / 1e6, UTC))
    one = RunSelection(automation="automation-1")
    overviewed = (
        *("cost per automation per day", "run cost p50 and p95", "cost by operation × model"),
        *("turns by operation and outcome", "fallbacks by target", "how many runs their p95 covered"),
    )
    of_month = (
        *(
            "cost per automation per day, 30 days",
            "run cost p50 and p95, 30 days",
            "cost by operation × model, 30 days",
        ),
        "turns by operation and outcome, 30 days",
    )
    by_model, by_runs = ("cost by operation × model",), ("run cost p50 and p95",)
    asked: dict[str, tuple[Callable[[], Any], Sequence[str]]] = {
        "overview of all": (lambda: face.overview(replica), overviewed),
        "overview of 30 days": (lambda: face.overview(replica, month), of_month),
        "overview of one automation": (lambda: face.overview(replica, one), ()),
        "overview of one organisation": (lambda: face.overview(replica, RunSelection(org="org-1")), ()),
        **{
            f"breakdown by {by}": (
                partial(face.breakdown, replica, [by]),
                by_model if by in OF_COSTS else ("run cost p50 and p95 by organisation",) if by == "org" else by_runs,
            )
            for by in BY
        },
        "breakdown by org, 30 days": (
            lambda: face.breakdown(replica, ["org"], month),
            ("run cost p50 and p95 by organisation, 30 days",),
        ),
        "breakdown by org and operation": (lambda: face.breakdown(replica, ["org", "operation"]), ()),
        "economics, 90 days": (
            lambda: signs(replica, RunSelection(since=datetime.fromtimestamp((MONTH - 60 * DAY_US) / 1e6, UTC))),
            (),
        ),
        "audit of all quotes": (lambda: quote_audits(replica), ("how many runs their p95 covered",)),
        "what an outcome sells for": (lambda: sales(replica, "automation-1", "fast", stand_in=False), ()),
        "guards, 30 days": (lambda: guard_report(replica, MONTH), ()),
        "guards, all": (lambda: guard_report(replica), ("decisions by guard", "turns by operation and outcome")),
        "health of targets": (lambda: target_health(replica), ()),
        "the last 20 runs": (lambda: face.runs(replica), ()),
        "report of one run": (lambda: face.run_report(replica, "last"), ()),
    }
    rows = []
    for name, (work, put) in asked.items():
        own, began = seconds(work), time.process_time()
        work()
        cpu = time.process_time() - began
        other = sum(theirs[question] for question in put) if theirs and put else None
        choice_text = ("", "") if other is None else (f"{other:.2f}", f"{other / own:.0f} ×")
        rows.append((name, f"{own:.3f}", f"{cpu:.3f}", *choice_text))
    heads = ("", "s", "CPU s", "Postgres, its questions, s", "ratio")
    harness.table(f"reports, {SAMPLES} times each", heads, rows)


def in_archive(replica: Replica, store: Store, folder: Path, turns: int) -> None:
    """A history that is in Parquet files; the replica has its rollups alone."""
    made = harness.milliseconds(lambda: synthetic_history.archive(replica, store, folder, turns)) / 1000
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    print(f"{turns:,} turns were archived and the replica built from them in {made:.0f} s")
    print(
        f"The archive takes {size / 1e6:,.0f} MB, the replica {replica.path.stat().st_size / 1e6:,.0f} MB.", flush=True
    )
    reports(replica, {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=1_000_000)
    parser.add_argument("--no-postgres", action="store_true", help="the replica alone: loading Postgres takes minutes")
    parser.add_argument("--archived", action="store_true", help="all of it in the archive, and no Postgres")
    options = parser.parse_args()
    harness.quiet_environment()
    with ExitStack() as stack:
        folder = stack.enter_context(harness.workplace())
        empty = Store(f"sqlite:///{folder / 'ledger.db'}")
        stack.callback(empty.close)
        replica = Replica(folder / "replica.duckdb", empty)
        if options.archived:
            in_archive(replica, empty, folder / "archive", options.turns)
            return
        made = harness.milliseconds(lambda: synthetic_history.fill(replica, empty, options.turns)) / 1000
        print(f"{options.turns:,} turns were made and rolled up in {made:.0f} s", flush=True)
        theirs: dict[str, float] = {}
        if not options.no_postgres and "Postgres" in (kinds := harness.ledgers(stack)):
            store = Store(kinds["Postgres"]())
            stack.callback(store.close)
            print(f"loaded into Postgres in {harness.milliseconds(lambda: load(store, replica, folder)) / 1000:.0f} s")
            theirs = questions(replica, store)
        reports(replica, theirs)


if __name__ == "__main__":
    main()
