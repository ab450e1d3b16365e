"""One suite for the ledger, over SQLite and Postgres."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import LedgerUnusable, RunExpired
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.facts import Turn
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from tests.support.clock import Clock
from tests.support.ledger import NOON, a_run, an_intent, ok, per_day, rows


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def ledger(store: Store, clock: Clock) -> Ledger:
    return Ledger(store, zone=ZoneInfo("Europe/Madrid"), lease_seconds=60, clock=clock)


def is_ours(sqlite: bool, _: object, name: str, kind: str, *__: object) -> bool:
    """Not of a journal, whose table is not part of the schema, nor an index that only Postgres has."""
    return "journal_entries" not in name and not (sqlite and kind == "index" and name.endswith("_xid"))


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'", "ignore:Can't validate argument")
def test_migrations_build_exactly_the_schema(empty_database_url: str):
    store = Store(empty_database_url)
    with store.write() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": partial(is_ours, store.is_sqlite)})
        differences = compare_metadata(context, schema.runs.metadata)
    assert differences == []
    with store.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == schema.VERSION
        assert connection.execute(sa.select(schema.meta.c.value)).scalar()
    store.close()


def test_two_processes_worth_of_stores_migrate_one_database(empty_database_url: str):
    stores = [Store(empty_database_url) for _ in range(6)]

    def first_use(store: Store) -> int:
        with store.read() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(schema.meta)).scalar_one()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(first_use, stores)) == [1] * 6
    for store in stores:
        store.close()


def test_a_ledger_of_a_newer_version_is_refused(store: Store, database_url: str):
    with store.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerUnusable, match="newer version"), Store(database_url).read():
        pass


def test_a_run_is_held_charged_settled_and_released(ledger: Ledger):
    run = a_run(held=USD)
    rule = per_day(5 * USD)
    assert ledger.admit(run, [rule]) == []
    assert [(b.held, b.spent) for b in ledger.budgets()] == [(USD, 0)]
    intent = an_intent(run)
    assert ledger.begin(intent).result() == []
    ledger.end(intent, ok(30_000_000)).result()
    settled = ledger.settle(run.run_id, "completed")
    assert settled is not None
    assert (settled.held, settled.spent, settled.released, settled.lost) == (USD, 30_000_000, USD - 30_000_000, 0)
    assert [(b.held, b.spent) for b in ledger.budgets()] == [(0, 30_000_000)]
    [fact] = rows(ledger, schema.attempts)
    assert (fact["outcome"], fact["input_tokens"], fact["cache_read_tokens"], fact["cost_nano"]) == (
        "ok",
        10,
        None,
        30_000_000,
    )
    assert rows(ledger, schema.inflight) == rows(ledger, schema.holds) == rows(ledger, schema.hold_budgets) == []
    assert ledger.settle(run.run_id, "completed") is None
    [past] = ledger.history("digest", "fast", stand_in=True)
    assert past.score == pytest.approx(30_000_000 / (USD // 2))
    assert ledger.history("digest", "fast", stand_in=False) == []


def test_several_budgets_hold_all_or_nothing(ledger: Ledger):
    wide, narrow = per_day(5 * USD), BudgetRule("automation", "digest", "month", USD // 2)
    run = a_run(held=USD)
    [refusal] = ledger.admit(run, [wide, narrow])
    assert refusal.budget.window == "month"
    assert refusal.short == USD // 2
    assert "short by $0.50" in refusal.explain()
    assert "resets" in refusal.explain()
    assert all(budget.held == 0 for budget in ledger.budgets())
    [settlement] = rows(ledger, schema.settlements)
    assert (settlement["outcome"], settlement["spent_nano"], settlement["held_nano"]) == ("over_budget", 0, 0)
    assert rows(ledger, schema.holds) == []


def test_a_hold_is_extended_while_budgets_have_room_and_refused_after(ledger: Ledger):
    run = a_run(held=USD)
    assert ledger.admit(run, [per_day(2 * USD)]) == []
    first, second, third = an_intent(run, USD), an_intent(run, USD), an_intent(run, 1)
    assert ledger.begin(first).result() == []
    assert ledger.begin(second).result() == []
    assert [b.held for b in ledger.budgets()] == [2 * USD]
    [refusal] = ledger.begin(third).result()
    assert refusal.short == 1
    assert [b.held for b in ledger.budgets()] == [2 * USD]
    assert len(rows(ledger, schema.inflight)) == 2
    ledger.end(first, ok(USD // 2)).result()
    assert ledger.begin(third).result() == []


def test_more_than_the_worst_case_is_recorded_even_past_a_limit(ledger: Ledger):
    run = a_run(held=USD)
    assert ledger.admit(run, [per_day(USD)]) == []
    intent = an_intent(run, USD)
    assert ledger.begin(intent).result() == []
    ledger.end(intent, ok(3 * USD)).result()
    assert [(b.held, b.left) for b in ledger.budgets()] == [(3 * USD, -2 * USD)]
    settled = ledger.settle(run.run_id, "completed")
    assert settled is not None
    assert settled.spent == 3 * USD
    assert [(b.held, b.spent) for b in ledger.budgets()] == [(0, 3 * USD)]


def test_a_dead_run_is_reaped_with_what_it_sent_priced_at_its_worst(ledger: Ledger, clock: Clock):
    run = a_run(held=USD)
    ledger.admit(run, [per_day(2 * USD)])
    done, lost = an_intent(run, USD // 10), an_intent(run, USD // 5)
    ledger.begin(done).result()
    ledger.end(done, ok(1_000)).result()
    ledger.begin(lost).result()
    assert ledger.reap() == 0
    clock.now += 61_000_000
    assert ledger.reap() == 1
    assert ledger.reap() == 0
    by_id = {fact["attempt_id"]: fact for fact in rows(ledger, schema.attempts)}
    assert by_id[lost.attempt_id]["outcome"] == "lost"
    assert by_id[lost.attempt_id]["priced"] == "worst_case"
    assert by_id[lost.attempt_id]["cost_nano"] == USD // 5
    assert [(b.held, b.spent) for b in ledger.budgets()] == [(0, 1_000 + USD // 5)]
    with pytest.raises(RunExpired):
        ledger.begin(an_intent(run)).result()

    ledger.end(lost, ok(7_000)).result()
    [adjustment] = rows(ledger, schema.adjustments)
    assert adjustment["cost_delta_nano"] == 7_000 - USD // 5
    assert [(b.held, b.spent) for b in ledger.budgets()] == [(0, 8_000)]


def test_a_renewed_lease_is_not_reaped(ledger: Ledger, clock: Clock):
    run = a_run()
    ledger.admit(run, [])
    clock.now += 50_000_000
    assert ledger.renew(run.run_id)
    clock.now += 50_000_000
    assert ledger.reap() == 0
    assert ledger.has_hold(run.run_id)


def test_a_failure_in_one_piece_of_work_leaves_its_neighbours_alone(ledger: Ledger):
    run = a_run(held=10 * USD)
    ledger.admit(run, [])
    stranger = an_intent(a_run())
    intents = [an_intent(run, 1) for _ in range(40)]
    futures = [ledger.begin(intent) for intent in [*intents[:20], stranger, *intents[20:]]]
    with pytest.raises(RunExpired):
        futures[20].result()
    assert [future.result() for index, future in enumerate(futures) if index != 20] == [[]] * 40
    assert len(rows(ledger, schema.inflight)) == 40


def test_a_run_held_again_after_a_retry_is_settled_again(ledger: Ledger):
    run = a_run(held=USD)
    for _ in range(2):
        assert ledger.admit(run, [per_day(5 * USD)]) == []
        intent = an_intent(run)
        ledger.begin(intent).result()
        ledger.end(intent, ok(1_000)).result()
        settled = ledger.settle(run.run_id, "failed", "its code raised ValueError")
    assert settled is not None
    assert [(row["ordinal"], row["spent_nano"]) for row in rows(ledger, schema.settlements)] == [(0, 1_000), (1, 1_000)]
    assert len(rows(ledger, schema.runs)) == 1


def test_a_lowered_limit_counts_at_once(ledger: Ledger):
    assert ledger.admit(a_run(held=USD), [per_day(5 * USD)]) == []
    [refusal] = ledger.admit(a_run(held=USD), [per_day(USD)])
    assert refusal.budget.left == 0


def test_turns_and_decisions_are_written(ledger: Ledger):
    turn = Turn(
        "t", "r", "summarize", "summarize.j2", "ab12", json.dumps([]), "answered", None, "light", 2, False, NOON, 5
    )
    ledger.record_turn(turn).result()
    [row] = rows(ledger, schema.turns)
    assert row["attempts"] == 2


@pytest.mark.parametrize("content", [b"this is no database" * 300, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_corrupt_file_is_one_clear_error(tmp_path, content):
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    with pytest.raises(LedgerUnusable, match="corrupt") as caught, Store(f"sqlite:///{path}").read():
        pass
    assert "backup" in caught.value.next_step
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(LedgerUnusable, match="cannot be opened"),
        Store(f"sqlite:///{tmp_path}/file/x/ledger.db").write(),
    ):
        pass
