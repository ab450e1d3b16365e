"""Two ledgers that two threads of one process open for the first time at the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pricing.db.database import Store
from tests.support.made_ledgers import migrated_for_real
from tests.support.report_books import Books


def test_ledgers_of_several_threads_are_migrated_apart(tmp_path: Path):
    together = threading.Barrier(3)

    def first_run(name: str) -> str:
        store = Store(f"sqlite:///{tmp_path / name}.db")
        together.wait(60)
        try:
            Books(store).run(name)
            return Books(store).ledger.run(name).run_id  # type: ignore[union-attr]
        finally:
            store.close()

    names = ["one", "two", "three"]
    with migrated_for_real(), ThreadPoolExecutor(3) as pool:
        assert list(pool.map(first_run, names)) == names
