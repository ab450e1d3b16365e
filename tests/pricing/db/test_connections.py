"""The connections of one process: threads that write while they read do not wait for each other's."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from pricing.db import database
from pricing.db.database import Store
from pricing.errors import LedgerBusy
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from tests.support.ledger import NOON, RULES, a_run
from tests.support.waiting import PATIENCE


def test_more_threads_than_connections_admit_runs(database_url: str, monkeypatch: pytest.MonkeyPatch):
    """Each reads what a quote needs, and holds it before that transaction ends."""
    monkeypatch.setattr(database, "_POOL", {"pool_size": 2, "max_overflow": 2})
    monkeypatch.setattr(database, "_READERS", 2)
    store = Store(database_url)
    with closing(Ledger(store, lease_seconds=3600, clock=lambda: NOON)) as ledger:
        assert ledger.budgets() == []
        threads, counting, reading, most = 12, threading.Lock(), 0, 0
        first = threading.Barrier(2)

        def admit(number: int) -> None:
            nonlocal reading, most
            run = a_run()
            with store.read():
                with counting:
                    reading += 1
                    most = max(most, reading)
                if number < 2:
                    first.wait(PATIENCE)
                assert not ledger.knows(run.run_id)
                assert ledger.admit(run, RULES) == []
                with counting:
                    reading -= 1

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(admit, range(threads)))
        assert most == 2, "half of the connections"
        [budget] = ledger.budgets()
        assert budget.held == threads * USD


def test_the_pool_has_as_many_connections_for_writers_as_for_readers():
    assert database._POOL["pool_size"] + database._POOL["max_overflow"] == 2 * database._READERS


def test_connections_that_others_keep_are_no_traceback(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "_READERS", 1)
    with closing(Store(database_url, busy_seconds=0.05)) as store, store.read(), ThreadPoolExecutor(1) as pool:

        def read() -> None:
            with store.read():
                raise AssertionError

        with pytest.raises(
            LedgerBusy, match=r"All connections to the ledger .* stayed in use for 0\.05 s\."
        ) as refused:
            pool.submit(read).result()
        assert refused.value.next_step == "Start fewer runs at once in one process."
