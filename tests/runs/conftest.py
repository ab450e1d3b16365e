"""A sandbox and a project for every test, and its faults."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from farebox.runtime import Runtime
from tasks.sandbox import Latency, Sandbox
from tests.support.prefect_runs import prefect_server
from tests.support.project import Project, make_project

Inject = Callable[..., None]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(0, 0)) as running:
        yield running


@pytest.fixture
def inject(sandbox: Sandbox) -> Inject:
    def inject(*rules: dict[str, Any]) -> None:
        httpx.post(f"{sandbox.url}/_sandbox/faults", json=list(rules)).raise_for_status()

    return inject


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    return make_project(tmp_path / "project", sandbox.url)


@pytest.fixture
def runtime(project: Project) -> Iterator[Runtime]:
    """The process's runtime, in the project."""
    with project.runtime_here() as runtime:
        yield runtime


@pytest.fixture
def result_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prefect's result storage as a flow run would have it: without one around us Prefect would start a server."""
    from prefect import results
    from prefect.filesystems import LocalFileSystem

    folder = tmp_path / "results"
    storage = results.ResultStore(result_storage=LocalFileSystem(basepath=str(folder)))
    monkeypatch.setattr(results, "get_result_store", lambda: storage)
    return folder


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Prefect for all tests of this process."""
    with prefect_server(tmp_path_factory.mktemp("prefect")):
        yield
