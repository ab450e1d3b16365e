"""A process that forks after Farebox has started: the child works on its own, and takes nothing from its parent."""

import multiprocessing
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from farebox.runtime import Runtime, get_runtime
from pricing.db import schema
from pricing.db.database import Store
from pricing.db.file_lock import InterprocessLock, acquire_file_lock
from tasks.event_loop import LoopThread
from tests.support.books import rows
from tests.support.project import make_project
from tests.support.turns import admitted, ask, unanswered

GENEROUS = 120.0


def forked(work: Callable[[], object]) -> str:
    """What a forked child says: the text of its result, or of its error. It is killed if it hangs."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = str(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, a child must not go on as its parent
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], GENEROUS)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    assert ready, "the child hangs"
    return said


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.chdir(tmp_path)
    project = make_project(tmp_path, "", retries=0)
    monkeypatch.chdir(project.root)
    get_runtime.cache_clear()
    built = get_runtime()
    yield built
    built.close()
    get_runtime.cache_clear()


async def one() -> int:
    return 1


def test_a_loop_that_was_running_is_started_anew_in_the_child():
    loop = LoopThread()
    assert loop.run(one()) == 1
    assert forked(lambda: loop.run(one())) == "1"
    assert loop.run(one()) == 1
    loop.stop()


def test_a_child_of_a_child_has_a_loop_too():
    loop = LoopThread()
    loop.run(one())
    assert forked(lambda: (loop.run(one()), forked(lambda: loop.run(one())))) == "(1, '1')"
    loop.stop()


def test_the_child_asks_within_its_parents_run_and_the_parent_goes_on(runtime: Runtime):
    with admitted(runtime) as run:
        assert unanswered(ask(runtime, run, 3, at_once=3)) == []
        assert forked(lambda: unanswered(ask(runtime, run, 3, at_once=3))) == "[]"  # the inherited runtime
        assert forked(lambda: unanswered(ask(get_runtime(), run, 3, at_once=3))) == "[]"  # one of its own
        assert forked(lambda: get_runtime() is runtime) == "False"
        assert unanswered(ask(runtime, run, 3, at_once=3)) == []
        assert get_runtime() is runtime
    attempts = rows(runtime.ledger, schema.attempts)
    assert [row["outcome"] for row in attempts] == ["ok"] * 12


def _ask_in_child(run: str, said: "multiprocessing.queues.SimpleQueue[list[str]]") -> None:
    said.put(unanswered(ask(get_runtime(), run, 2, at_once=2)))


def test_a_pool_of_forked_workers_asks(runtime: Runtime):
    context = multiprocessing.get_context("fork")
    said = context.SimpleQueue()
    with admitted(runtime) as run:
        assert unanswered(ask(runtime, run, 1)) == []
        workers = [context.Process(target=_ask_in_child, args=(run, said)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(GENEROUS)
            if worker.is_alive():
                worker.kill()
        assert [worker.exitcode for worker in workers] == [0, 0, 0]
        assert [said.get() for _ in workers] == [[], [], []]
    assert len(rows(runtime.ledger, schema.attempts)) == 7


def test_connections_stay_the_parents(store: Store):
    """Written and read on both sides of a fork, closed in the child: the parent's are as they were."""

    def count(connection: Connection) -> int:
        return int(connection.exec_driver_sql("SELECT count(*) FROM runs").scalar_one())

    def in_child() -> list[int]:
        counts = [store.transact(count), store.submit(count).result(GENEROUS)]
        store.close()
        return counts

    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM runs").scalar() == 0
    assert store.submit(count).result(GENEROUS) == 0
    assert forked(in_child) == "[0, 0]"
    assert store.submit(count).result(GENEROUS) == 0
    assert store.transact(count) == 0


def test_a_lock_that_the_parent_holds_is_not_the_childs(tmp_path: Path):
    gate = InterprocessLock(tmp_path / "gate")
    assert gate.enter()
    assert forked(lambda: gate.enter(0.05)) == "False"
    gate.leave()
    assert forked(gate.enter) == "True"
    assert gate.enter(GENEROUS)
    gate.leave()


def test_a_lock_is_let_go_although_a_child_has_inherited_its_file(tmp_path: Path):
    with acquire_file_lock(tmp_path / "lock"):
        child = os.fork()
        if child == 0:
            time.sleep(GENEROUS)
            os._exit(0)
    try:
        with acquire_file_lock(tmp_path / "lock", wait=GENEROUS / 2) as held:
            assert held
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
