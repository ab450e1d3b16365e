"""A run has one cost, whatever happened to it, in the terminal, in HTML, Markdown and JSON, in lists and on the server."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import unescape
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from farebox.web import web_app
from pricing.ledger.bill_corrections import BillCorrection, correct
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.facts import Intent, Run
from pricing.money import format_money
from pricing.replica.replica import Replica
from pricing.replica.run_copy import RunCopy
from pricing.reports import (
    RunSelection,
    breakdown,
    overview,
    render_html,
    render_markdown,
    render_terminal,
    run_report,
    runs,
)
from pricing.reports.sentences import cost_sentence, money_sentence
from pricing.usage import Usage
from tests.support.examples import examples
from tests.support.project import make_project
from tests.support.report_books import CENT, SECOND, Books
from tests.support.report_pages import shown
from tests.support.web_company import NOWHERE
from tests.support.web_pages import page, said, texts

NUMBERS = count(1)
WORST = 5 * CENT
STEPS = ("answered", "batched", "tool", "failed", "unknown", "replayed", "stored", "open")
ENDS = ("running", "suspended", "completed", "failed", "blocked", "over_budget", "cancelled", "killed", "started again")
step = st.tuples(st.sampled_from(STEPS), st.integers(0, 4))


class Life:
    """What happened to a run; ``cost`` is what it comes to."""

    def __init__(self, books: Books, *, held: int = 8 * CENT) -> None:
        self.books, self.cost = books, 0
        self.id = f"run-{next(NUMBERS)}"
        self.open: list[Intent] = []
        self.answered: list[str] = []
        """Attempts that a bill may name."""
        self._rule = BudgetRule("automation", self.id, "day", 1000 * CENT)
        self.run = books.run(self.id, automation=self.id, held=held, rules=(self._rule,))
        self._turns = 0

    def take(self, kind: str, cents: int) -> None:
        """One more turn or request."""
        self.books.clock += SECOND
        self._turns += 1
        turn, cost = f"{self.id}-t{self._turns}", cents * CENT
        if kind in {"replayed", "stored"}:
            self.books.turn(self.run, turn, 0, kind, saved_nano=cost)
            return
        extra: dict[str, Any] = {"batched": {"service_tier_asked": "batch"}, "tool": {"kind": "tool"}}.get(kind, {})
        intent = self.books.intent(self.run, turn, worst=WORST, **extra)
        if kind == "open":
            self.open.append(intent)
            return
        failed = {"failed": (0, "server_error"), "unknown": (WORST, "timeout")}
        cost, outcome = failed.get(kind, (cost, "ok"))
        self.books.end(intent, cost, outcome)
        self.cost += cost
        if outcome == "ok" and cost:
            self.answered.append(intent.attempt_id)
        if kind != "tool":
            self.books.turn(self.run, turn, 1, "failed" if kind in failed else "answered")

    def end(self, how: str) -> None:
        """Requests that are under way count at their worst case once the run has ended."""
        ledger = self.books.ledger
        if how == "running":
            return
        if how == "suspended":
            ledger.suspend(self.id, ledger.execution(self.id), self.books.clock + 3600 * SECOND)
            return
        if how in {"killed", "started again"}:
            self.books.clock += 120 * SECOND
            assert ledger.reap() >= 1, "this run, and any of before that is left"
        else:
            ledger.settle(self.id, how)  # type: ignore[arg-type]
        self.cost += WORST * len(self.open)
        if how == "started again":
            ledger.admit(self.run, (self._rule,))
            self.take("answered", 2)
            ledger.settle(self.id, "completed")

    def come_back(self, intent: Intent, cents: int, *, ended: bool) -> None:
        """A request ends after all."""
        self.books.clock += SECOND
        self.books.end(
            intent, cents * CENT, "ok" if cents else "connection", **({"usage": Usage(700, 80)} if cents else {})
        )
        self.cost += cents * CENT - (WORST if ended else 0)

    def bill(self, attempt_id: str, delta: int) -> None:
        """A provider's bill says otherwise."""
        correction = BillCorrection(attempt_id, self.id, "summarize", delta, "billed")
        with self.books.ledger.store.write() as connection:
            correct(connection, [correction], "rec-1", self.books.clock)
        self.cost += delta


@dataclass
class Office:
    """One project for all of these runs, and its server."""

    books: Books
    replica: Replica
    client: TestClient

    def agree(self, run: Run, cost: int) -> None:
        """Every view says that the run cost this."""
        books, replica, client = self.books, self.replica, self.client
        replica.sync()
        report = run_report(replica, run.run_id)
        told = cost_sentence(report)
        assert report.money.spent_nano == cost == books.ledger.spent(run.run_id)
        assert told.startswith(
            f"It cost {format_money(cost)}" if cost else ("It cost nothing", "It cost $0", "It was refused")
        )
        assert run_report(RunCopy(books.ledger.store, run.run_id), run.run_id) == report
        assert report.to_json()["money"]["spent_nano"] == cost
        assert [one.spent_nano for one in runs(replica, automation=run.automation)] == [cost]
        chosen = RunSelection(automation=run.automation)
        whole = overview(replica, chosen).real
        assert whole is not None
        assert whole.spent_nano == cost
        assert [one.cost_nano for one in breakdown(replica, ["automation"], chosen).lines] == [cost]
        for view in (shown(render_terminal(report)), render_markdown(report), text_of(render_html(report))):
            assert told in re.sub(r"\s+", " ", view)
        if cost and report.settlements:
            assert f"{format_money(cost)} spent" in money_sentence(report)
        assert all(0 <= one.released_nano <= one.held_nano for one in report.settlements)
        assert said(client, f"/runs/{run.run_id}")["money"]["spent_nano"] == cost
        assert [one["spent_nano"] for one in said(client, f"/runs?automation={quote(run.automation)}")["runs"]] == [
            cost
        ]
        assert told in texts(text_of(page(client, f"/runs/{run.run_id}")))
        assert said(client, f"/runs/{run.run_id}/trace")["report"]["money"]["spent_nano"] == cost


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    runtime = make_project(tmp_path_factory.mktemp("office"), NOWHERE).runtime()
    with TestClient(web_app(runtime, follow=False), base_url="http://localhost") as client:
        yield Office(Books(runtime.ledger.store), runtime.replica, client)
    runtime.close()


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


@settings(max_examples=examples(3), deadline=None)
@given(st.lists(step, max_size=6), st.sampled_from(ENDS), st.lists(st.integers(0, 4), max_size=2), st.integers(-1, 2))
def test_whatever_happened_there_is_one_cost(
    office: Office, steps: list[tuple[str, int]], end: str, late: list[int], billed: int
):
    life = Life(office.books)
    for kind, cents in steps:
        life.take(kind, cents)
    life.end(end)
    office.agree(life.run, life.cost)
    for intent, cents in zip(life.open, late, strict=False):
        life.come_back(intent, cents, ended=end not in {"running", "suspended"})
    if life.answered and end not in {"running", "suspended"}:
        life.bill(life.answered[0], billed * CENT)
    office.agree(life.run, life.cost)


def test_a_refused_run_costs_nothing_anywhere(office: Office):
    name = f"refused-{next(NUMBERS)}"
    rules = (BudgetRule("automation", name, "day", 10 * CENT),)
    office.agree(office.books.run(name, automation=name, held=50 * CENT, rules=rules), 0)


def test_a_run_outside_an_automation_has_one_cost_too(office: Office):
    name = f"guest-{next(NUMBERS)}"
    guest = replace(office.books.run(f"{name}-asked", automation=name), run_id=name, automation=f"ad-hoc:{name}")
    assert office.books.ledger.open_ad_hoc(guest, ()) == []
    office.books.answered(guest, f"{name}-t", 3 * CENT)
    office.agree(guest, 3 * CENT)
    office.books.ledger.settle(name, "completed")
    office.agree(guest, 3 * CENT)
