"""What several tests of the archive share."""

import pytest
import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.ledger.block_reviews import Reviews
from pricing.ledger.budgets import BudgetRule
from pricing.money import USD
from pricing.replica import archive
from tests.support.report_books import CENT, DAY, Books

RULES = (BudgetRule("org", "acme", "month", 100 * USD),)


OLD, KEPT = 5, 2


def a_run(books: Books, run_id: str) -> None:
    """Two turns, one of them after a fallback, and a guard that blocked and one that did not: 15 cents."""
    run = books.run(run_id, rules=RULES, org_id="acme")
    first = f"{run_id}-1"
    books.end(books.intent(run, first), 0, "server_error")
    books.end(books.intent(run, first, hop=1, ordinal=1, target="groq-oss", provider="groq"), 5 * CENT)
    books.turn(run, first, 2)
    books.answered(run, f"{run_id}-2", 10 * CENT, operation="plan", worst=20 * CENT)
    books.decided(run, "block", "scope", guard="scope", turn_id=first)
    books.decided(run, "allow", None)
    books.clock += 1_000_000
    books.ledger.settle(run.run_id, "completed")


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
