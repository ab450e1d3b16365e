"""A ledger with old and new runs, for tests of the replica and the archive."""

import pytest
import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.ledger.block_reviews import Reviews
from pricing.replica import archive
from tests.support.archive import KEPT, OLD, RULES, a_run
from tests.support.report_books import DAY, Books


@pytest.fixture
def books(store: Store, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Five old runs of which quotes look back on two, a new one, and one that is under way since long ago."""
    monkeypatch.setattr(archive, "HISTORY", KEPT)
    monkeypatch.setattr(archive, "RAN", KEPT)
    books = Books(store)
    for number in range(OLD):
        a_run(books, f"{number:04}-old")
    lost = books.run("gone-old", automation="other")
    books.intent(lost, "t-lost")
    books.clock += 120_000_000
    books.ledger.reap()
    books.ledger.lease_us = 10**17
    books.run("held-old", rules=RULES)
    books.clock += 500 * DAY
    a_run(books, "9999-new")
    with store.read() as ledger:
        stopped = schema.guard_decisions.c
        decision = ledger.execute(
            sa.select(stopped.seq).where(stopped.action == "block").order_by(stopped.seq)
        ).scalar()
    Reviews(store).mark(int(decision or 0), "wrong")
    return books
