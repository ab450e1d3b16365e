"""Whatever happens in whatever order: no hard limit is passed, and what is spent in the end is what attempts cost."""

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import RunExpired
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.facts import Intent
from pricing.ledger.ledger import Ledger
from tests.support.clock import Clock
from tests.support.ledger import NOON, a_run, an_intent, ok, rows
from tests.support.postgres import Postgres

HOUR = 3_600_000_000
OPERATIONS = ("summarize", "compose")
SCOPES = st.sampled_from(
    [
        ("automation", "digest"),
        ("user", "ana"),
        ("org", "acme"),
        ("tag", "nightly"),
        *(("operation", o) for o in OPERATIONS),
    ]
)


class Budgets(RuleBasedStateMachine):
    """On SQLite; ``url`` says where each example's ledger is."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="farebox-test-"))
        self.clock = Clock(NOON)
        self.store = Store(self.url())
        self.ledger = Ledger(self.store, lease_seconds=3 * 3600, clock=self.clock)
        self.limited: list[BudgetRule] = []
        self.runs: list[str] = []
        self.open: dict[str, Intent] = {}

    def url(self) -> str:
        return f"sqlite:///{self.folder / 'ledger.db'}"

    @initialize(
        drawn=st.lists(
            st.tuples(SCOPES, st.sampled_from(["day", "week", "month"]), st.integers(1, 300)), min_size=1, max_size=5
        )
    )
    def limits(self, drawn) -> None:
        seen = {(scope, window): limit for scope, window, limit in drawn}
        self.limited = [BudgetRule(s, k, w, limit, soft=limit // 2 + 1) for ((s, k), w), limit in seen.items()]

    @rule(held=st.integers(1, 120), mask=st.integers(0, 31), ceiling=st.integers(50, 400))
    def admit(self, held: int, mask: int, ceiling: int) -> None:
        run = a_run(held=held)
        chosen = [one for i, one in enumerate(self.limited) if mask >> i & 1]
        before = {b.budget_id: b for b in self.ledger.budgets()}
        refusals = self.ledger.admit(run, [*chosen, BudgetRule("run", run.run_id, "run", max(ceiling, held))])
        if not refusals:
            self.runs.append(run.run_id)
        for refusal in refusals:  # never while it is covered
            assert refusal.asked > refusal.budget.left
            known = before.get(refusal.budget.budget_id)
            assert known is None or known.left >= refusal.budget.left - held

    @precondition(lambda self: self.runs)
    @rule(worst=st.integers(1, 80), which=st.integers(0, 99), operation=st.sampled_from(OPERATIONS))
    def begin(self, worst: int, which: int, operation: str) -> None:
        run_id = self.runs[which % len(self.runs)]
        intent = replace(an_intent(a_run(), worst), run_id=run_id, operation=operation)
        try:
            refusals = self.ledger.begin(intent).result()
        except RunExpired:
            assert not self.ledger.has_hold(run_id)
            return
        if not refusals:
            self.open[intent.attempt_id] = intent

    @precondition(lambda self: self.open)
    @rule(share=st.floats(0, 1), which=st.integers(0, 99))
    def end(self, share: float, which: int) -> None:
        intent = self.open.pop(sorted(self.open)[which % len(self.open)])
        self.ledger.end(intent, ok(int(intent.worst_nano * share))).result()

    @precondition(lambda self: self.runs)
    @rule(which=st.integers(0, 99), outcome=st.sampled_from(["completed", "failed"]))
    def settle(self, which: int, outcome) -> None:
        self.ledger.settle(self.runs[which % len(self.runs)], outcome)

    @precondition(lambda self: self.runs)
    @rule(which=st.integers(0, 99))
    def renew(self, which: int) -> None:
        self.ledger.renew(self.runs[which % len(self.runs)])

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        self.clock.now += hours * HOUR
        self.ledger.reap()

    @invariant()
    def no_limit_is_passed(self) -> None:
        for budget in rows(self.ledger, schema.budgets):
            assert budget["held_nano"] >= 0
            assert budget["spent_nano"] + budget["held_nano"] <= budget["limit_nano"], budget

    def teardown(self) -> None:
        try:
            for run_id in self.runs:
                self.ledger.settle(run_id, "completed")
            self._spent_is_what_attempts_cost()
        finally:
            self.ledger.close()
            shutil.rmtree(self.folder)

    def _spent_is_what_attempts_cost(self) -> None:
        cost = {a["attempt_id"]: a["cost_nano"] for a in rows(self.ledger, schema.attempts)}
        for late in rows(self.ledger, schema.adjustments):
            cost[late["attempt_id"]] += late["cost_delta_nano"]
        held_on = {s["run_id"]: json.loads(s["budgets"]) for s in rows(self.ledger, schema.settlements)}
        for budget in rows(self.ledger, schema.budgets):
            mine = sum(
                cost[attempt["attempt_id"]]
                for attempt in rows(self.ledger, schema.attempts)
                if budget["budget_id"] in held_on[attempt["run_id"]]
                and (budget["scope"] != "operation" or budget["key"] == attempt["operation"])
            )
            assert (budget["held_nano"], budget["spent_nano"]) == (0, mine), budget
        assert rows(self.ledger, schema.holds) == rows(self.ledger, schema.inflight) == []
        assert rows(self.ledger, schema.hold_budgets) == []


TestBudgets = Budgets.TestCase
TestBudgets.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_budgets_on_postgres(postgres: Postgres):
    """A few of the same: there, locks are rows' and not the file's."""

    class OnPostgres(Budgets):
        def url(self) -> str:
            return postgres.ledger()

    run_state_machine_as_test(OnPostgres, settings=settings(TestBudgets.settings, max_examples=5))
