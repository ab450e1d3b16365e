"""A run that completed stays completed whatever becomes of its report: else a scheduler would run it, and pay, again."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from farebox.prefect import artifacts
from farebox.runtime import Runtime
from flows.daily_digest import daily_digest
from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import LedgerUnusable
from pricing.replica.replica import Replica
from tests.support.books import assert_replica_equals_ledger, rows
from tests.support.command import Call, farebox_into
from tests.support.prefect_runs import server_of_commands
from tests.support.project import REPOSITORY, Project

_HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@contextmanager
def held(project: Project) -> Iterator[None]:
    """Another program has the replica open."""
    path = project.home / "replica.duckdb"
    project.home.mkdir(exist_ok=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    yield
    holder.communicate()


@contextmanager
def blocked(project: Project) -> Iterator[None]:
    """A folder lies where the replica is to be."""
    folder = project.home / "replica.duckdb"
    folder.mkdir(parents=True)
    yield
    folder.rmdir()


@contextmanager
def no_folder(project: Project) -> Iterator[None]:
    """A file lies where reports are to be: what is shown needs none."""
    project.home.mkdir(exist_ok=True)
    (project.home / "reports").write_text("")
    yield
    (project.home / "reports").unlink()


@pytest.fixture(autouse=True)
def _flows(project: Project) -> None:
    (project.root / "flows").symlink_to(REPOSITORY / "flows")


TROUBLES = [
    (held, "held by another process", False),
    (held, "held by another process", True),
    (blocked, "replica.duckdb", False),
    (no_folder, "not published", True),
]


@pytest.mark.usefixtures("prefect")
@pytest.mark.parametrize(("trouble", "told", "as_json"), TROUBLES)
def test_a_completed_run_ends_with_0_and_a_warning(
    project: Project,
    runtime: Runtime,
    call: Call,
    trouble: Callable[[Project], Any],
    told: str,
    as_json: bool,
):
    with trouble(project):
        said = call("run", "daily-digest", "--source", str(project.documents), *(["--json"] if as_json else []))
    assert said.code == 0, said.all
    assert "Traceback" not in said.all
    assert "warning: " in said.err
    assert told in said.err
    if as_json:
        assert json.loads(said.out)["outcome"] == "completed"
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert settlement["outcome"] == "completed"
    runtime.replica.sync()
    assert_replica_equals_ledger(runtime)


@pytest.mark.usefixtures("prefect")
@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("tidy", OSError(28, "No space left on device")),
        ("sync", LedgerUnusable("It is damaged.")),
        ("report_of", ValueError("odd")),
        ("_publish_artifacts", RuntimeError("no server")),
    ],
)
def test_nothing_that_follows_changes_the_state_in_prefect(
    project: Project, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
):
    def failing(*_: object, **__: object) -> None:
        raise error

    owner: Any = {"sync": Replica, "tidy": type(runtime.captures)}.get(step, artifacts)
    monkeypatch.setattr(owner, step, failing)
    state = daily_digest(str(project.documents), return_state=True)
    assert state.is_completed(), state.message
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert settlement["outcome"] == "completed"


@pytest.mark.usefixtures("prefect")
def test_a_watcher_that_fails_does_not_change_the_state(project: Project, runtime: Runtime):
    class Watching:
        def quoted(self, *_: object) -> None: ...

        def turn(self, *_: object) -> None: ...

        def batches(self, *_: object) -> None: ...

        def settled(self, *_: object) -> None:
            raise BrokenPipeError

    runtime.watchers.append(Watching())
    assert daily_digest(str(project.documents), return_state=True).is_completed()


@pytest.mark.usefixtures("prefect")
@pytest.mark.parametrize("json_asked", [False, True], ids=["shown", "json"])
def test_nobody_reads_what_a_run_prints(project: Project, tmp_path: Path, json_asked: bool):
    """As in ``farebox run … | head -1``."""
    reading, writing = os.pipe()
    os.close(reading)
    own = {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_API_URL": server_of_commands(tmp_path / "prefect")}
    arguments = ["run", "daily-digest", "--source", "documents", *(["--json"] if json_asked else [])]
    done = farebox_into(writing, project.root, *arguments, **own)
    os.close(writing)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    store = Store(f"sqlite:///{project.home / 'ledger.db'}")
    with store.read() as ledger:
        assert ledger.execute(schema.settlements.select()).one().outcome == "completed"
    store.close()
