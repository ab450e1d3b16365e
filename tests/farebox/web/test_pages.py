"""The pages of the report server: what they show, in HTML and in JSON, is what reports say."""

import json
import re
from html import unescape
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from farebox.overview import make_overview
from farebox.runtime import Runtime
from farebox.web.app import PAGES
from farebox.web.view import PageRoute
from pricing import format_money
from pricing.ledger import BudgetRule
from pricing.reports import RunSelection, run_report, runs
from tests.support.report_books import CENT, Books
from tests.support.web_pages import page, said, texts

FIXED = [page for page in PAGES if "{" not in page.path]
HOSTILE = '"><script>document.title="owned"</script>{{ 7*7 }}/../x?y#z'


@pytest.mark.parametrize("one", FIXED, ids=lambda one: one.path)
def test_each_page_is_html_and_json(client: TestClient, one: PageRoute):
    html = page(client, one.path)
    assert html.lstrip().startswith("<!DOCTYPE html>")
    assert html.count('aria-current="page"') == 1
    by_header = said(client, one.path)
    suffixed = "/.json" if one.path == "/" else f"{one.path}.json"
    for path in (suffixed, f"{one.path}?format=json"):
        answer = client.get(path, headers={"accept": "text/html"})
        assert answer.headers["content-type"] == "application/json"
        told = answer.json()
        assert type(told) is type(by_header)
        assert list(told) == list(by_header) if isinstance(told, dict) else len(told) == len(by_header)


@pytest.mark.parametrize("one", FIXED, ids=lambda one: one.path)
def test_each_page_works_before_anything_ran(small: Runtime, one: PageRoute):
    from farebox.web import web_app

    with TestClient(web_app(small, follow=False), base_url="http://localhost") as client:
        assert "<h1>" in page(client, one.path)
        said(client, one.path)


def test_the_overview_is_that_of_the_command_line(client: TestClient, company: Runtime):
    found = make_overview(company, RunSelection(zone=company.settings.zone))
    assert said(client, "/?since=ever") == json.loads(json.dumps(found.to_json()))
    assert found.real is not None
    assert format_money(found.real.spent_nano) in texts(page(client, "/?since=ever"))


def test_a_run_and_its_trace_are_those_of_the_report(client: TestClient, company: Runtime):
    [line] = [one for one in runs(company.replica, limit=200) if one.outcome == "failed"][:1]
    report = run_report(company.replica, line.run_id)
    plain = json.loads(json.dumps(report.to_json()))
    assert said(client, f"/runs/{line.run_id}") == plain
    trace = said(client, f"/runs/{line.run_id}/trace")
    assert trace["report"] == plain
    html = texts(page(client, f"/runs/{line.run_id}/trace"))
    for turn in report.turns:
        for attempt in turn.attempts:
            assert f"{attempt.target} {attempt.model}" in html
    assert 'keep = ["' in html, "nothing is kept, and it says how to have it kept"


def test_filters_choose_and_pages_follow_each_other(client: TestClient, company: Runtime):
    everyone = said(client, "/runs")["runs"]
    seen, path = [], "/runs"
    while path:
        found = said(client, path)
        seen += [one["run_id"] for one in found["runs"]]
        path = f"/runs?after={found['next']}" if found["next"] else ""
    assert len(seen) == len(set(seen)) == len(runs(company.replica, limit=10_000))
    assert seen[:50] == [one["run_id"] for one in everyone]
    failed = said(client, "/runs?outcome=failed&automation=support-triage")["runs"]
    assert failed
    assert {(one["outcome"], one["automation"]) for one in failed} == {("failed", "support-triage")}
    owned = said(client, "/runs?owner=acme")["runs"]
    assert {one["org"] for one in owned} == {"acme"}
    person = owned[0]["user"]
    assert {one["user"] for one in said(client, f"/runs?owner={person}")["runs"]} == {person}
    wanted = everyone[7]["run_id"]
    assert [one["run_id"] for one in said(client, f"/runs?id={wanted[:8].upper()}")["runs"]] == [wanted]
    begun = everyone[0]["started_at"]
    assert said(client, f"/runs?since={begun[:10]}")["runs"][-1]["started_at"] >= begun[:10]
    assert said(client, f"/runs?until={begun[:10]}")["runs"][0]["started_at"] < begun[:10]
    assert "No run meets these filters." in page(client, "/runs?tag=none-has-it")


def test_a_filter_by_tag_looks_for_the_whole_tag(small: Runtime):
    from farebox.web import web_app

    books = Books(small.store)
    for run_id, tags in (("one", ["blue", "nightly"]), ("two", ["nightly-x"]), ("three", ['a"b'])):
        books.run(run_id, tags=json.dumps(tags))
    small.replica.sync()
    with TestClient(web_app(small, follow=False), base_url="http://localhost") as client:
        for tag, run_ids in (("nightly", ["one"]), ('a"b', ["three"]), ("night", [])):
            assert [one["run_id"] for one in said(client, f"/runs?tag={quote(tag)}")["runs"]] == run_ids


@pytest.mark.parametrize(
    "path, status, message",
    [
        ("/nowhere", 404, "There is no such page."),
        ("/runs/zzzzzz", 404, "There is no run 'zzzzzz' in the reports."),
        ("/runs/zzzzzz/trace", 404, "There is no run 'zzzzzz' in the reports."),
        ("/automations/weather", 404, "There are no runs of an automation 'weather'."),
        ("/runs?outcome=great", 400, "'great' is not a valid outcome."),
        ("/runs?since=soon", 400, "'soon' is not a valid date or period."),
        ("/runs?after=1;2", 400, "'1;2' is not a page of the list of runs."),
        ("/runs?after=9999999999999999999999.1", 400, "is not a page of the list of runs."),
        ("/?since=2026-13-01", 400, "'2026-13-01' is not a valid date or period."),
        ("/runs/last/trace?from=x", 404, "'x' is not the number of a turn."),
    ],
)
def test_a_wrong_address_gets_one_line(client: TestClient, path: str, status: int, message: str):
    assert message in texts(page(client, path, status))
    assert message in said(client, path, status)["error"]
    assert "Traceback" not in page(client, path, status)


def test_nothing_can_be_changed(client: TestClient):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = client.request(method, "/runs")
        assert answer.status_code == 405
        assert "read only" in answer.text


def test_a_fault_of_ours_is_one_line_too(company: Runtime, monkeypatch: pytest.MonkeyPatch):
    from farebox.web import web_app

    def broken() -> None:
        raise RuntimeError("secret text")

    monkeypatch.setattr(company.approvals, "waiting", broken)
    client = TestClient(web_app(company, follow=False), base_url="http://localhost", raise_server_exceptions=False)
    answer = client.get("/approvals")
    assert answer.status_code == 500
    assert "This page could not be made." in answer.text
    assert "secret text" not in answer.text


def test_names_stay_text_and_addresses_lead_to_them(small: Runtime):
    from farebox.web import web_app

    books = Books(small.store)
    run = books.run("hostile-run", automation=HOSTILE, org_id=HOSTILE)
    books.answered(run, "t1", CENT, operation=HOSTILE, target=HOSTILE, model=HOSTILE)
    books.decided(run, "block", HOSTILE, guard=HOSTILE, turn_id="t1")
    books.ledger.settle(run.run_id, "failed", HOSTILE)
    small.replica.sync()
    with TestClient(web_app(small, follow=False), base_url="http://localhost") as client:
        for path in (
            "/?since=ever",
            "/runs",
            "/automations?since=ever",
            "/runs/hostile-run/trace",
            "/guards?since=ever",
        ):
            html = page(client, path)
            assert "<script" not in html
            assert "<img" not in html
            assert re.findall(r"""\son\w+=""", html) == []
        [address] = set(re.findall(r'href="(/automations/[^"]+)"', page(client, "/runs")))
        assert said(client, unescape(address) + "?since=ever")["overview"]["automation"] == HOSTILE
        owned = said(client, f"/runs?owner={quote(HOSTILE)}")
        assert [one["run_id"] for one in owned["runs"]] == ["hostile-run"]


def test_budgets_and_waiting_approvals_are_those_of_the_ledger(small: Runtime):
    from farebox.web import web_app

    books = Books(small.store)
    rule = BudgetRule("automation", "digest", "day", 100 * CENT)
    books.ledger = small.ledger
    books.run("held", held=90 * CENT, rules=(rule,))
    with TestClient(web_app(small, follow=False), base_url="http://localhost") as client:
        [state] = said(client, "/budgets")["budgets"]
        assert (state["name"], state["limit_nano"], state["held_nano"]) == ("digest per day", 100 * CENT, 90 * CENT)
        assert "digest per day" in page(client, "/budgets")
