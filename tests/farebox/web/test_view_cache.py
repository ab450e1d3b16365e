"""Pages that read much are shown again while they are refreshed; corrections of a run reach its page and its files."""

import os
import threading
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from farebox.prefect.report_files import refresh_report_files, write_report_files
from farebox.runtime import Runtime
from farebox.web import view_cache, web_app
from farebox.web.replica_state import ReplicaState, state_of
from farebox.web.view import View
from farebox.web.view_cache import ViewCache
from pricing import format_money
from pricing.reports import Page, run_report
from pricing.usage import Usage
from tests.support.report_books import CENT, SECOND, Books
from tests.support.waiting import until


class Replica:
    """A state that changes on request, and views that say of which they are."""

    def __init__(self) -> None:
        self.number = 0
        self.made: list[int] = []
        self.let_go = threading.Event()
        self.let_go.set()

    def state(self) -> ReplicaState:
        return ((self.number, 0, 0),)

    def make(self) -> View:
        number = self.number
        self.let_go.wait(60)
        self.made.append(number)
        return View(Page(str(number)), number)


def test_a_view_is_made_once_per_state_and_shown_while_the_next_is_made():
    replica = Replica()
    views = ViewCache(replica.state)
    views.start()
    try:
        assert [views.view("a", replica.make, stale=True).data for _ in range(3)] == [0, 0, 0]
        assert replica.made == [0]
        replica.number = 1
        replica.let_go.clear()
        assert views.view("a", replica.make, stale=True).data == 0, "nobody waits for the next one"
        replica.let_go.set()
        until("next view", lambda: views.view("a", replica.make, stale=True).data == 1)
        assert replica.made == [0, 1]
    finally:
        views.stop()


def test_a_view_that_must_be_right_is_made_by_the_request():
    replica = Replica()
    views = ViewCache(replica.state)
    assert views.view("a", replica.make, stale=False).data == 0
    assert views.view("a", replica.make, stale=False).data == 0
    replica.number = 1
    assert views.view("a", replica.make, stale=False).data == 1
    assert replica.made == [0, 1]


def test_a_view_that_nobody_asked_for_in_a_while_is_not_shown_old(monkeypatch: pytest.MonkeyPatch):
    replica = Replica()
    views = ViewCache(replica.state)
    views.view("a", replica.make, stale=True)
    replica.number = 1
    assert views.view("a", replica.make, stale=True).data == 0
    monkeypatch.setattr(view_cache, "_RECENT_SECONDS", -1.0)
    assert views.view("a", replica.make, stale=True).data == 1


def test_a_refresh_makes_what_reads_much_and_a_fault_is_met_by_who_asks():
    replica = Replica()
    views = ViewCache(replica.state)
    views.view("much", replica.make, stale=True)
    views.view("little", replica.make, stale=False)
    replica.number = 1

    def fails() -> View:
        raise RuntimeError

    views.want("broken", fails)
    views.start()
    try:
        views.refresh()
        until("refreshed", lambda: replica.made == [0, 0, 1])
        made: Callable[[], View] = replica.make
        assert views.view("broken", made, stale=True).data == 1
    finally:
        views.stop()


def test_what_may_be_asked_for_next_is_made_once_and_followed_while_it_is_expected(monkeypatch: pytest.MonkeyPatch):
    replica = Replica()
    views = ViewCache(replica.state)
    views.start()
    try:
        views.expect("next", replica.make)
        until("next view", lambda: replica.made == [0])
        views.expect("next", replica.make)
        assert views.view("next", replica.make, stale=True).data == 0
        replica.number = 1
        monkeypatch.setattr(view_cache, "_RECENT_SECONDS", -1.0)
        views.refresh()
        assert replica.made == [0], "nobody has expected it for a while"
        monkeypatch.undo()
        views.expect("next", replica.make)
        views.refresh()
        until("followed", lambda: replica.made == [0, 1])
    finally:
        views.stop()


def test_links_of_a_page_that_reads_much_are_made_before_they_are_followed(
    small: Runtime, monkeypatch: pytest.MonkeyPatch
):
    books = Books(small.store)
    for automation in ("digest", "triage"):
        books.answered(books.run(f"run-{automation}", automation=automation), f"t-{automation}", CENT)
    small.replica.sync()
    expected: list[tuple[str, ...]] = []
    monkeypatch.setattr(ViewCache, "expect", lambda _, key, make: expected.append((*key, make().page.title)))
    with TestClient(web_app(small, follow=False), base_url="http://localhost") as client:
        client.get("/automations")
        assert ("/automations", "?=", "since=90d", "Automations") in expected
        titles = {key[-1] for key in expected if key[0].startswith("/automations/")}
        assert titles == {"digest", "triage"}
        expected.clear()
        client.get("/automations/digest")
        assert [key[2] for key in expected] == ["?=", "?=", "?=", "?="]
        assert {key[-2] for key in expected} == {"since=7d", "since=30d", "since=90d", "since=ever"}
        expected.clear()
        client.get("/runs")
        assert expected == []


def test_a_sync_that_copies_something_changes_the_state(small: Runtime):
    small.replica.sync()
    before = state_of(small.replica.path)
    assert state_of(small.replica.path) == before
    Books(small.store).run("run-one")
    small.replica.sync()
    assert state_of(small.replica.path) != before


def test_a_run_that_is_suspended_is_so_at_once_and_filtered_by_it(small: Runtime):
    books = Books(small.store)
    books.answered(books.run("run-one"), "t1", CENT)
    small.replica.sync()
    with TestClient(web_app(small, follow=False), base_url="http://localhost") as client:

        def told() -> list[str]:
            [line] = client.get("/runs.json").json()["runs"]
            return [line["outcome"], client.get("/runs/run-one.json").json()["run"]["outcome"]]

        assert told() == ["running", "running"]
        books.ledger.suspend("run-one", books.ledger.execution("run-one"), books.clock + 3600 * SECOND)
        assert told() == ["suspended", "suspended"], "a kept view of before is not shown"
        assert "digest is suspended" in client.get("/runs/run-one").text
        assert client.get("/runs.json?outcome=running").json()["runs"] == []
        assert [one["run_id"] for one in client.get("/runs.json?outcome=suspended").json()["runs"]] == ["run-one"]


def test_a_run_that_is_cancelled_and_comes_back_late_costs_the_same_everywhere(small: Runtime):
    books = Books(small.store)
    run = books.run("run-one")
    books.answered(run, "t1", 3 * CENT)
    late = books.intent(run, "t2")
    books.ledger.settle("run-one", "cancelled", "interrupted")
    small.replica.sync()
    write_report_files(small, run_report(small.replica, "run-one"))
    files = [small.home / "reports" / f"run-one.{kind}" for kind in ("md", "html")]
    assert refresh_report_files(small) == 0
    for path in files:
        os.utime(path, (books.clock / 1e6, books.clock / 1e6))  # the clock of these books is not the machine's
    books.clock += 10 * SECOND
    with TestClient(web_app(small, follow=False), base_url="http://localhost") as client:
        for cost in (8 * CENT, 5 * CENT):
            if cost == 5 * CENT:
                books.end(late, 2 * CENT, usage=Usage(700, 80))
            small.replica.sync()
            refresh_report_files(small)
            assert client.get("/runs/run-one.json").json()["money"]["spent_nano"] == cost
            assert client.get("/runs.json").json()["runs"][0]["spent_nano"] == cost
            told = f"It cost {format_money(cost)}, "
            assert told in client.get("/runs/run-one").text
            for path in files:
                assert told in path.read_text("utf-8")
    assert refresh_report_files(small) == 0


def test_the_server_keeps_its_replica_up_to_date(small: Runtime):
    with TestClient(web_app(small), base_url="http://localhost") as client:
        books = Books(small.store)
        books.answered(books.run("run-one", started_at=books.clock), "t1", CENT)
        until("the run in the list", lambda: "run-one" in client.get("/runs").text)
