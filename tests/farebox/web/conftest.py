from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from farebox.runtime import Runtime
from farebox.web import web_app
from tests.support.business import write_business
from tests.support.project import make_project
from tests.support.web_company import NOWHERE


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A project with a month of runs in its ledger and its replica."""
    runtime = make_project(tmp_path_factory.mktemp("company"), NOWHERE).runtime()
    write_business(runtime.ledger.store, days=12)
    runtime.replica.sync()
    yield runtime
    runtime.close()


@pytest.fixture(scope="session")
def client(company: Runtime) -> Iterator[TestClient]:
    """Its report server."""
    with TestClient(web_app(company, follow=False), base_url="http://127.0.0.1:4201") as opened:
        yield opened


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Runtime]:
    """A project without runs."""
    runtime = make_project(tmp_path / "small", NOWHERE).runtime()
    yield runtime
    runtime.close()
