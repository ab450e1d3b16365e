"""An approval says what runs, and that is what runs: the route, what it costs, and what is lowered."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from farebox import Budget, ask, automation, llm_task, plan
from farebox.automations import automation_of
from farebox.cli.approve import _explained
from farebox.runs.admission import Admission, Automation
from farebox.runs.approval import AskedRoute, approval_text
from farebox.runtime import Runtime
from pricing import OverBudget, format_money, now_us
from pricing.ledger import ApprovalDecision, ApprovalRequest, BudgetRule
from tasks.routing import economic_reason
from tests.support.project import make_project
from tests.support.report_books import Books

NOWHERE = "http://127.0.0.1:9"
LIMIT = 20_000_000


@llm_task(operation="compose", tier="premium", max_tokens=300)
def compose(text: str) -> str:
    return ask("say.j2", text=text)


@automation(
    price="1 credit", budget=Budget(per_day="0.02 USD"), plan=plan(compose, input_tokens=600, output_tokens=200)
)
def weekly(text: str) -> str:
    return compose(text)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with make_project(tmp_path, NOWHERE).runtime_here() as runtime:
        yield runtime


class Gate:
    """Where a run of ``weekly`` asks to be admitted while others spend from its budget."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.automation: Automation = automation_of(weekly)
        self.books = Books(runtime.store)
        self.books.clock = now_us()
        execution = runtime.ledger.start("run-one")
        self.admission = Admission(runtime, self.automation, "run-one", {"text": "x"}, execution)

    def spend(self, run_id: str, cost: int) -> None:
        rule = BudgetRule("automation", "weekly", "day", LIMIT)
        run = self.books.run(run_id, automation="weekly", held=cost, rules=(rule,))
        self.books.answered(run, f"{run_id}-t", cost, worst=cost)
        self.books.ledger.settle(run_id, "completed")

    def hold(self, run_id: str, amount: int) -> None:
        """By another run: what is only held does not put routing under pressure."""
        rule = BudgetRule("automation", "weekly", "day", LIMIT)
        self.books.run(run_id, automation="weekly", held=amount, rules=(rule,))

    def question(self) -> ApprovalRequest:
        tried = self.admission.take(final=False)
        assert tried.refusals
        question = self.admission.question(tried, timedelta(hours=1))
        self.runtime.approvals.ask(question)
        return question


def refusal() -> OverBudget:
    return OverBudget("no room", automation="weekly", budgets=[], asked_nano=1, short_nano=1)


@pytest.mark.parametrize("choice", ["once", "raise"])
def test_a_run_that_was_approved_as_asked_runs_as_asked(runtime: Runtime, choice: str):
    gate = Gate(runtime)
    gate.spend("first", LIMIT * 79 // 100)
    gate.hold("other", LIMIT * 20 // 100)
    question = gate.question()
    form, route = approval_text(question, refusal()), AskedRoute.of(question)
    assert "runs as asked, about" in form
    assert "Quality is not lowered." in form
    [(operation, target, model)] = route.targets
    assert f"*{operation}* by *{target}*" in form
    assert (operation, target, model, route.economic) == ("compose", "sonnet", "claude-sonnet-4-5", None)
    expected = format_money(question.run.p50_nano)
    assert f"about {expected} in all" in form
    assert _explained("once", question).startswith(f": as asked (compose by sonnet), about {expected} in all")
    gate.books.ledger.settle("other", "completed")
    gate.spend("second", LIMIT * 11 // 100)  # now routing would take the economic route
    decision = ApprovalDecision("once", "ana") if choice == "once" else ApprovalDecision("raise", "ana", LIMIT * 9)
    tried = gate.admission.carry_out(question, decision)
    assert not tried.refusals
    routes = json.loads(tried.run.routes)
    assert economic_reason(routes) is None
    assert routes["compose"][0]["target"] == "sonnet"
    assert tried.run.held_nano <= question.hold


def test_what_is_lowered_is_said_and_is_what_runs(runtime: Runtime):
    gate = Gate(runtime)
    gate.spend("first", LIMIT * 98 // 100)
    question = gate.question()
    form, route = approval_text(question, refusal()), AskedRoute.of(question)
    assert route.economic is not None
    assert "runs on the economic route, the cheapest targets first, about" in form
    assert "Quality is lowered because budget 'weekly per day' is 98% spent." in form.replace("\\", "")
    tried = gate.admission.carry_out(question, ApprovalDecision("once", "ana"))
    assert not tried.refusals
    assert economic_reason(json.loads(tried.run.routes)) == route.economic


def test_cheaper_models_are_the_cheapest_and_say_who_chose_them(runtime: Runtime):
    gate = Gate(runtime)
    gate.spend("first", LIMIT * 79 // 100)
    gate.hold("other", LIMIT * 20 // 100)
    tried = gate.admission.carry_out(gate.question(), ApprovalDecision("cheaper", "ana"))
    assert not tried.refusals
    assert economic_reason(json.loads(tried.run.routes)) == "ana chose it"
