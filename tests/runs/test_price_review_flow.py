"""The review as a Prefect flow: a page, an artifact, and nothing to do while the rates are those of the last one."""

from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client

from farebox.runtime import Runtime
from flows.price_review import price_review
from tests.support.project import Project
from tests.support.runs import digest_run

pytestmark = pytest.mark.usefixtures("prefect")


def published() -> dict[UUID, object]:
    """What reviews are on the server, which other tests use too."""
    with get_client(sync_client=True) as client:
        return {artifact.id: artifact.data for artifact in client.read_artifacts() if artifact.key == "price-review"}


def test_a_review_is_published_once_per_version_of_the_rates(runtime: Runtime, project: Project):
    before = published()
    digest_run(runtime, str(project.documents), 1)
    path = price_review(only_if_rates_changed=True)
    assert path is not None
    page = Path(path).read_text()
    assert "daily-digest" in page
    assert price_review(only_if_rates_changed=True) is None
    assert [data for key, data in published().items() if key not in before] == [page]
