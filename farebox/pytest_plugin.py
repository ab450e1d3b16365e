"""The pytest plugin: ``farebox_project`` and ``farebox_answers`` for tests of automations and steps.

pytest loads it in every project that shares the environment, so that it imports nothing here but pytest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from farebox.testing import ScriptedAnswers, TestProject


@pytest.fixture(scope="session")
def farebox_prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prefect with a home and a server of its own, which starts with the first flow or task that is called."""
    from farebox.hidden_packages import check_hidden

    check_hidden()
    from farebox.testing import prefect_apart

    with prefect_apart(tmp_path_factory.mktemp("prefect")):
        yield


@pytest.fixture
def farebox_project(
    farebox_prefect: None,  # noqa: ARG001 - what a test calls must not reach the Prefect of the machine
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[TestProject]:
    """The project of the test, with its own ledger, answered by the sandbox, without access to other machines.

    Example:
        ``def test_it(farebox_project): assert summarize.fn("…"); assert farebox_project.spent("summarize") > 0``
    """
    from farebox.testing import project_apart

    with project_apart(request.config.rootpath, tmp_path / "farebox", monkeypatch) as project:
        yield project


@pytest.fixture
def farebox_answers(farebox_project: TestProject) -> Iterator[ScriptedAnswers]:
    """The answers of models in this test; an unused answer fails the test.

    Example:
        ``def test_it(farebox_answers): farebox_answers.add("A summary."); assert summarize.fn("…") == "A summary."``
    """
    yield farebox_project.answers
    farebox_project.answers.check_all_used()
