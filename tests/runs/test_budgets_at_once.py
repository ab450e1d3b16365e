"""A budget that fits five runs admits exactly five of twenty that start at once in four processes."""

from collections import Counter
from pathlib import Path

import pytest

from farebox.automations import automation_of
from farebox.gate import price_run
from flows.daily_digest import daily_digest
from pricing import schema
from pricing.money import dollars
from tasks.sandbox import Sandbox
from tests.support.books import rows
from tests.support.postgres import Postgres
from tests.support.project import make_project
from tests.support.worker import finish, start_worker, tell, wait_for_line

PROCESSES, EACH, FITTING = 4, 5, 5


@pytest.mark.parametrize("window", ["day", "month"])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_exactly_as_many_as_fit(
    tmp_path: Path, sandbox: Sandbox, kind: str, window: str, request: pytest.FixtureRequest
):
    if window == "month" and kind == "sqlite":
        pytest.skip("one window each is enough")
    ledger_url = ""
    if kind == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        ledger_url = postgres.database()
    root = tmp_path / "project"
    project = make_project(root, sandbox.url, ledger_url=ledger_url, documents=2)
    with project.runtime_here() as runtime:
        parameters = {"source": str(project.documents), "limit": 2, "quality": "fast"}
        hold = price_run(runtime, automation_of(daily_digest), parameters).hold
    limit = f"{dollars(FITTING * hold + hold - 1):f} USD"  # five, and all but a nano-dollar of a sixth
    budget = f'[[budgets]]\nscope = "automation"\nkey = "daily-digest"\nwindow = "{window}"\nlimit = "{limit}"\n'
    project = make_project(root, sandbox.url, ledger_url=ledger_url, documents=2, more=budget)

    workers = [start_worker(project, "admit", EACH) for _ in range(PROCESSES)]
    for worker in workers:
        wait_for_line(worker, "ready")
    for worker in workers:
        tell(worker)
    said: list[str] = []
    for worker in workers:
        assert worker.stdout is not None
        for line in worker.stdout:
            if line.strip() == "decided":
                break
            said.append(line.strip())
    assert Counter(said) == {"admitted": FITTING, "refused": PROCESSES * EACH - FITTING}

    with project.runtime_here() as runtime:
        ours = [budget for budget in rows(runtime.ledger, schema.budgets) if budget["span"] == window]
        assert any(budget["held_nano"] == FITTING * hold for budget in ours)
        assert len(rows(runtime.ledger, schema.holds)) == FITTING
        for worker in workers:
            tell(worker)
        finish(workers)
        assert {budget["held_nano"] for budget in rows(runtime.ledger, schema.budgets)} == {0}
        assert rows(runtime.ledger, schema.holds) == []
        outcomes = Counter(row["outcome"] for row in rows(runtime.ledger, schema.settlements))
        assert outcomes == {"completed": FITTING, "over_budget": PROCESSES * EACH - FITTING}
    assert not sandbox.journal.read_bytes(), "nothing was called"
