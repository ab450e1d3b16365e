from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pricing.db.database import Store
from pricing.ledger.facts import Run
from pricing.replica.replica import Replica
from tests.support.report_books import CENT, SECOND, Books


@pytest.fixture
def replica(store: Store, tmp_path: Path) -> Replica:
    """Of the store of each kind in turn."""
    return Replica(tmp_path / "data" / "replica.duckdb", store)


@pytest.fixture
def books(store: Store) -> Books:
    return Books(store)


@pytest.fixture
def light_store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'light.db'}")
    yield opened
    opened.close()


@pytest.fixture
def light_books(light_store: Store) -> Books:
    """On SQLite alone."""
    return Books(light_store)


@pytest.fixture
def light_replica(light_store: Store, tmp_path: Path) -> Replica:
    return Replica(tmp_path / "light.duckdb", light_store)


def eventful(books: Books, run_id: str = "aaaa-eventful", *, stand_in: bool = False) -> Run:
    """A run with a fallback, a repair, a failed turn, a block and two guards' events. It spends 15 cents."""
    run = books.run(run_id, stand_in=stand_in)
    first = books.intent(run, "t1")
    books.end(first, 0, "server_error")
    books.clock += SECOND
    books.end(books.intent(run, "t1", ordinal=1, reason="retry 1 after server_error"), 5 * CENT, "timeout", status=None)
    groq: dict[str, Any] = {"target": "groq-oss", "provider": "groq", "model": "gpt-oss-120b"}
    books.end(books.intent(run, "t1", hop=1, ordinal=2, reason="timeout at haiku", **groq), 1 * CENT)
    books.turn(run, "t1", 3, target="groq-oss")
    books.clock += SECOND
    books.end(books.intent(run, "t2", operation="plan"), 2 * CENT)
    repair = "repair: the answer did not follow its schema"
    books.end(books.intent(run, "t2", operation="plan", ordinal=1, reason=repair), 3 * CENT)
    books.turn(run, "t2", 2, operation="plan", repaired=True)
    books.clock += SECOND
    books.answered(run, "t3", 4 * CENT)
    books.turn(run, "t4", 0, "blocked", reason="scope", started_at=books.clock + 1)
    books.decided(run, "redact", "pii")
    books.decided(run, "redact", "pii")
    books.decided(run, "allow", None)
    books.decided(run, "block", "scope", guard="scope")
    books.decided(run, "block", "brand", guard="brand", mode="shadow", direction="output")
    books.clock += SECOND
    books.ledger.settle(run.run_id, "completed")
    return run
