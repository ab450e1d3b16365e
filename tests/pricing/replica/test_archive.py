"""The archive: facts move, nothing is lost, reports say the same before and after, whatever is killed on the way."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.db.file_lock import acquire_file_lock
from pricing.errors import LedgerBusy, LedgerUnusable, ReplicaDamaged
from pricing.replica import archive, segments
from pricing.replica.archive import Archive
from pricing.replica.replica import Replica
from pricing.replica.segments import TABLES
from pricing.reports import overview, run_report
from pricing.usage import Usage
from tests.support.archive import KEPT, OLD, a_run
from tests.support.report_books import CENT, DAY, Books

STATE = (schema.budgets, schema.holds, schema.hold_budgets, schema.inflight, schema.wallets, schema.grants)


class Killed(BaseException):
    pass


@pytest.fixture
def replica(store: Store, tmp_path: Path) -> Replica:
    return Replica(tmp_path / "data" / "replica.duckdb", store)


@pytest.fixture
def kept_facts(books: Books, store: Store, replica: Replica, tmp_path: Path) -> Archive:
    return Archive(tmp_path / "data" / "archive", store, runs=2, clock=lambda: books.clock)


def everything(replica: Replica) -> dict[str, Any]:
    """All that a reader can see: every fact, every rollup, the overview, the report of an old run and of a new one."""
    replica.sync()
    names = [table.name for table in schema.FACTS] + ["run_totals", "run_costs", "run_turns", "last_attempts", "costs"]
    with replica.read() as duck:
        seen: dict[str, Any] = {name: Counter(duck.execute(f"SELECT * FROM {name}").fetchall()) for name in names}
    seen["overview"] = overview(replica)
    return seen | {run_id: run_report(replica, run_id) for run_id in ("0000-old", "9999-new")}


def in_ledger(store: Store, *tables: sa.Table) -> dict[str, list[Any]]:
    with store.read() as ledger:
        return {table.name: [tuple(row) for row in ledger.execute(sa.select(table))] for table in tables}


def test_facts_move_and_nothing_changes_for_readers(books: Books, store: Store, replica: Replica, kept_facts: Archive):
    before, state = everything(replica), in_ledger(store, *STATE)
    quoted = books.ledger.history("digest", "fast", stand_in=False)[-KEPT:]
    moved = kept_facts.move(books.clock - 400 * DAY)
    assert (moved.segments, moved.runs) == (2, OLD - KEPT + 1)
    left = {row[2] for row in in_ledger(store, schema.runs)["runs"]}
    assert left == {"0004-old", "gone-old", "held-old", "9999-new"}
    assert (
        sum(map(len, in_ledger(store, *TABLES).values()))
        == sum(sum(before[table.name].values()) for table in TABLES) - moved.rows
    )
    assert everything(replica) == before
    assert replica.rebuild().rebuilt
    assert everything(replica) == before
    assert in_ledger(store, *STATE) == state
    assert books.ledger.history("digest", "fast", stand_in=False)[-KEPT:] == quoted
    assert kept_facts.move(books.clock - 400 * DAY).runs == 0


@pytest.mark.parametrize("step", ["_write_file", "_seal", "_numbers"])
def test_killed_at_any_step_it_goes_on(
    step: str, books: Books, replica: Replica, kept_facts: Archive, monkeypatch: pytest.MonkeyPatch
):
    before = everything(replica)
    owner: Any = archive if hasattr(archive, step) else Archive
    real, calls = getattr(owner, step), []

    def dying(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise Killed
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(owner, step, dying)
        with pytest.raises(Killed):
            kept_facts.move(books.clock - 400 * DAY)
    replica.rebuild()
    assert everything(replica) == before
    kept_facts.move(books.clock - 400 * DAY)
    assert all(segment.pruned for segment in kept_facts.segments())
    assert sum(segment.files["runs"][0] for segment in kept_facts.segments()) == OLD - KEPT + 1
    assert everything(replica) == before


def test_facts_that_come_later_count(books: Books, store: Store, replica: Replica, kept_facts: Archive):
    """A correction of an archived attempt, and a run that is resumed after all this time."""
    run = books.ledger.run("0000-old")
    kept_facts.move(books.clock - 400 * DAY)
    replica.sync()
    late = dict.fromkeys(Usage.__dataclass_fields__) | {"cost_delta_nano": CENT, "recorded_at": books.clock}
    with store.write() as ledger:
        ledger.execute(schema.adjustments.insert().values(attempt_id="a3", run_id="0000-old", reason="late", **late))
    assert run is not None
    assert books.ledger.admit(dataclasses.replace(run, started_at=books.clock), []) == []
    books.answered(run, "t-again", 2 * CENT)
    books.ledger.settle(run.run_id, "completed")
    for fresh in (False, True):
        if fresh:
            replica.rebuild()
        replica.sync()
        report = run_report(replica, "0000-old")
        assert report.money.spent_nano == (15 + 1 + 2) * CENT
        assert len(report.settlements) == 2
        with replica.read() as duck:
            assert duck.execute("SELECT cost_nano FROM run_totals WHERE run_id = '0000-old'").fetchall() == [
                (18 * CENT,)
            ]
            [(in_all,)] = duck.execute("SELECT sum(cost_nano) FROM costs").fetchall()
            assert duck.execute("SELECT sum(cost_nano) FROM run_costs").fetchall() == [(in_all,)]


def test_only_the_segments_that_have_a_run_are_opened_for_it(
    books: Books, store: Store, replica: Replica, kept_facts: Archive
):
    """Of a run that was archived, resumed and archived again: two of many."""
    run = books.ledger.run("0000-old")
    kept_facts.move(books.clock - 400 * DAY)
    assert run is not None
    assert books.ledger.admit(dataclasses.replace(run, started_at=books.clock), []) == []
    books.answered(run, "t-again", 2 * CENT)
    books.ledger.settle(run.run_id, "completed")
    books.clock += 500 * DAY
    for number in range(KEPT):
        a_run(books, f"{number:04}-newest")
    replica.sync()
    before = run_report(replica, "0000-old")
    assert len(before.settlements) == 2
    assert kept_facts.move(books.clock - 400 * DAY).runs > 1
    for fresh in (False, True):
        if fresh:
            replica.rebuild()
        replica.sync()
        assert run_report(replica, "0000-old") == before
        with replica.read() as duck:
            assert opened(duck) == len(kept_facts.segments()) > 2
            replica.narrow(duck, "0000-old")
            assert opened(duck) == 2
            replica.narrow(duck, "0001-newest")
            assert opened(duck) == 0


def opened(duck: Any) -> int:
    """How many archived files are read for attempts."""
    found = duck.execute("SELECT sql FROM duckdb_views() WHERE view_name = 'attempts'").fetchall()
    return sum(sql.count(".parquet") for (sql,) in found)


def test_what_is_wrong_with_it_is_told(
    books: Books, store: Store, replica: Replica, kept_facts: Archive, tmp_path: Path
):
    kept_facts.folder.mkdir(parents=True)
    with acquire_file_lock(kept_facts.folder / ".lock"), pytest.raises(LedgerBusy, match="archiving"):
        kept_facts.move(books.clock)
    kept_facts.move(books.clock - 400 * DAY)
    replica.sync()
    kept_facts.folder.rename(tmp_path / "elsewhere")
    with pytest.raises(LedgerUnusable, match=r"missing.*archive\.folder"), replica.read():
        pass
    with pytest.raises(LedgerUnusable, match="missing"):
        replica.rebuild()
    moved = Replica(replica.path, store, tmp_path / "elsewhere")
    moved.sync()
    [path] = (tmp_path / "elsewhere").glob("*-000001/turns.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(LedgerUnusable, match="changed"):
        moved.rebuild()


def test_an_altered_or_missing_file_is_named_by_what_reads_it(
    books: Books, store: Store, replica: Replica, kept_facts: Archive, monkeypatch: pytest.MonkeyPatch
):
    """Not as a damaged replica: rebuilding it would not help. What does not read it still answers."""
    kept_facts.move(books.clock - 400 * DAY)
    replica.sync()
    [path] = kept_facts.folder.glob("*-000001/attempts.parquet")
    whole = path.read_bytes()
    middle = len(whole) // 2
    altered = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for spoiled, told in ((None, "missing"), (altered, "changed"), (whole[:-9], "changed"), (b"", "changed")):
        path.unlink(missing_ok=True)
        if spoiled is not None:
            path.write_bytes(spoiled)
        with pytest.raises(LedgerUnusable, match=told) as caught:
            run_report(Replica(replica.path, store), "0000-old")
        assert str(path) in caught.value.message
        assert "backup" in caught.value.next_step
        assert not isinstance(caught.value, ReplicaDamaged)
    path.write_bytes(whole)
    again, digested = Replica(replica.path, store), list[Path]()
    real = segments.digest_of

    def counted(file: Path) -> str:
        digested.append(file)
        return real(file)

    monkeypatch.setattr(segments, "digest_of", counted)
    overview(again)
    run_report(again, "9999-new")
    assert path not in digested  # nothing of it was read
    run_report(again, "0000-old")
    run_report(again, "0000-old")
    assert digested.count(path) == 1
    path.write_bytes(altered)
    with pytest.raises(LedgerUnusable, match="changed"):
        run_report(again, "0000-old")
