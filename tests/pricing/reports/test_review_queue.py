"""The queue of decisions to review reads only the newest days, and shows what reading all of them would."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.db import schema
from pricing.db.database import Store
from pricing.replica.replica import Replica
from pricing.reports.guards import review_queue
from tests.support.examples import examples
from tests.support.report_books import DAY, NOON, Books

decisions = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["allow", "block", "redact"]), st.sampled_from(["pii", "tone"]), st.booleans()),
    max_size=40,
)  # fmt: skip


@settings(max_examples=examples(6), deadline=None)
@given(decisions, st.integers(1, 6), st.sampled_from([None, "pii", "tone", "nobody"]))
def test_the_queue_is_that_of_all_decisions(
    tmp_path_factory, made: list[tuple[int, str, str, bool]], most: int, guard: str | None
):
    folder: Path = tmp_path_factory.mktemp("queue")
    store = Store(f"sqlite:///{folder / 'ledger.db'}")
    books = Books(store)
    run = books.run("run-one")
    for day, action, name, _ in made:
        books.decided(run, action, "pii" if action != "allow" else None, guard=name, decided_at=NOON - day * DAY)
    with store.write() as connection:
        rows = connection.execute(schema.guard_decisions.select()).all()
        reviewed = [row.seq for row, (*_, seen) in zip(rows, made, strict=True) if seen]
        if reviewed:
            verdicts = [{"decision": seq, "verdict": "right", "origin": "cli", "reviewed_at": 1} for seq in reviewed]
            connection.execute(schema.guard_reviews.insert(), verdicts)
    replica = Replica(folder / "replica.duckdb", store)
    replica.sync()
    open_ones = [
        row for row in rows if row.action != "allow" and row.seq not in reviewed and guard in {None, row.guard}
    ]
    newest = sorted(open_ones, key=lambda row: (row.decided_at, row.seq), reverse=True)[:most]
    assert [one.decision for one in review_queue(replica, guard, most)] == [row.seq for row in newest]
    store.close()
