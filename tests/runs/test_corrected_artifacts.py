"""The cost report of a run in Prefect follows what is found out after the run has ended."""

import logging
import os
from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate

from farebox.prefect.report_files import refresh_report_files, write_report_files
from farebox.runtime import Runtime
from pricing import format_money
from pricing.ledger.facts import Intent
from pricing.reports import run_report
from pricing.usage import Usage
from tests.support.report_books import CENT, SECOND, Books

pytestmark = pytest.mark.usefixtures("prefect")


class Cancelled:
    """A run that was cancelled while a request was under way, with its report in Prefect."""

    def __init__(self, runtime: Runtime, books: Books) -> None:
        self.run_id = str(uuid4())
        self._runtime, self._books = runtime, books
        run = books.run(self.run_id)
        books.answered(run, f"{self.run_id}-1", 3 * CENT, attempt_id=f"{self.run_id}-1")
        self.late: Intent = books.intent(run, f"{self.run_id}-2", attempt_id=f"{self.run_id}-2")
        books.ledger.settle(self.run_id, "cancelled", "interrupted")
        runtime.replica.sync()
        markdown = write_report_files(runtime, run_report(runtime.replica, self.run_id))
        written = books.clock / 1e6  # the clock of these books is not the machine's
        os.utime(runtime.home / "reports" / f"{self.run_id}.md", (written, written))
        with get_client(sync_client=True) as client:
            made = ArtifactCreate(key="digest-cost", type="markdown", data=markdown, flow_run_id=self.run_id)
            self._artifact = client.create_artifact(made).id

    def comes_back(self) -> int:
        self._books.clock += 10 * SECOND
        self._books.end(self.late, 2 * CENT, usage=Usage(700, 80))
        self._runtime.replica.sync()
        return refresh_report_files(self._runtime)

    def shown(self) -> str:
        with get_client(sync_client=True) as client:
            [found] = [one for one in client.read_artifacts() if one.id == self._artifact]
            return str(found.data)


def cost(cents: int) -> str:
    return f"It cost {format_money(cents * CENT)}, "


def test_a_late_completion_rewrites_the_artifact(runtime: Runtime):
    run, other = (Cancelled(runtime, Books(runtime.ledger.store)) for _ in range(2))
    refresh_report_files(runtime)
    assert cost(8) in run.shown()
    assert run.comes_back() == 1
    assert cost(5) in run.shown()
    assert cost(8) in other.shown()
    assert run.shown() == (runtime.home / "reports" / f"{run.run_id}.md").read_text("utf-8")


def test_a_server_that_does_not_answer_is_asked_again_by_the_next_sync(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    run = Cancelled(runtime, Books(runtime.ledger.store))
    refresh_report_files(runtime)

    def away(*_: object) -> None:
        raise httpx.ConnectError("no route")

    with monkeypatch.context() as gone, caplog.at_level(logging.WARNING):
        gone.setattr(SyncPrefectClient, "update_artifact", away)
        assert run.comes_back() == 1
    assert f"Prefect did not take the corrected cost report of run {run.run_id} (ConnectError)." in caplog.text
    assert cost(8) in run.shown()
    assert refresh_report_files(runtime) == 0, "its file is right already"
    assert cost(5) in run.shown()


def test_without_a_server_only_files_are_written(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    run = Cancelled(runtime, Books(runtime.ledger.store))
    refresh_report_files(runtime)
    with monkeypatch.context() as alone:
        alone.setattr("farebox.prefect.report_artifacts._has_server", lambda: False)
        assert run.comes_back() == 1
    assert cost(5) in (runtime.home / "reports" / f"{run.run_id}.md").read_text("utf-8")
    assert cost(8) in run.shown()
