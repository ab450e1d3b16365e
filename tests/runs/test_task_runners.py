"""Steps on other machines' processes: an automation's mapped steps under Dask and Ray, and books that agree."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from farebox.runtime import Runtime
from flows.daily_digest import daily_digest
from pricing.db import schema
from tasks.sandbox import Sandbox
from tasks.turn.executor import TurnEvent
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.project import Project

pytestmark = pytest.mark.usefixtures("prefect")


class Here:
    """The turns of this process."""

    def __init__(self) -> None:
        self.operations: list[str] = []

    def quoted(self, *_: object) -> None:
        pass

    def turn(self, event: TurnEvent) -> None:
        self.operations.append(event.operation)

    def batches(self, *_: object) -> None:
        pass

    def settled(self, *_: object) -> None:
        pass


def on_dask() -> Any:
    from prefect_dask.task_runners import DaskTaskRunner

    return DaskTaskRunner(cluster_kwargs={"n_workers": 1, "threads_per_worker": 4, "dashboard_address": None})


def on_ray() -> Any:
    from prefect_ray.task_runners import RayTaskRunner

    local = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 100_000_000}
    return RayTaskRunner(init_kwargs={**local, "runtime_env": {"env_vars": {"RAY_USAGE_STATS_ENABLED": "0"}}})


@pytest.mark.parametrize("kind, runner", [("dask", on_dask), ("ray", on_ray)])
def test_mapped_steps_find_their_run_wherever_they_are(
    kind: str,
    runner: Callable[[], Any],
    project: Project,
    runtime: Runtime,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
):
    if find_spec(f"prefect_{kind}") is None:
        pytest.skip(f"prefect-{kind} is not installed: `pip install -e '.[{kind}]'`, or `make test-extras`")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    digest = daily_digest.with_options(task_runner=runner())
    here = Here()
    runtime.watchers.append(here)
    state = digest(str(project.documents), limit=2, return_state=True)
    assert state.is_completed(), state
    attempts = assert_ledger_equals_journal(runtime, sandbox.journal)
    assert_ledger_adds_up(runtime)
    [run] = rows(runtime.ledger, schema.runs)
    assert {attempt["run_id"] for attempt in attempts} == {run["run_id"]}
    assert sorted(attempt["operation"] for attempt in attempts) == ["classify"] * 2 + ["compose"] + ["summarize"] * 2
    assert here.operations == ["compose"], "the mapped steps were to run in other processes"
