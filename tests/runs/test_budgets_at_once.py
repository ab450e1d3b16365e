"""A budget that fits five runs admits exactly five of twenty that start at once in four processes.

There is one target, so that no economic route is cheaper and lets more of them in.
"""

from collections import Counter
from pathlib import Path

import pytest

from farebox.automations import automation_of
from farebox.runs.admission import price_run
from flows.daily_digest import daily_digest
from pricing.db import schema
from pricing.money import dollars
from tasks.sandbox import Sandbox
from tests.support.books import rows
from tests.support.postgres import Postgres
from tests.support.project import TARGETS, make_project
from tests.support.worker import Crew

PROCESSES, EACH, FITTING = 4, 5, 5
ONE_TARGET = "[[targets]]" + TARGETS.split("[[targets]]")[1]


@pytest.mark.parametrize(("kind", "window"), [("sqlite", "day"), ("postgres", "day"), ("postgres", "month")])
def test_exactly_as_many_as_fit(
    tmp_path: Path, sandbox: Sandbox, kind: str, window: str, request: pytest.FixtureRequest
):
    """On a day's window the automation's own limit and the one in farebox.toml are the same budget."""
    ledger_url = ""
    if kind == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        ledger_url = postgres.ledger()
    root = tmp_path / "project"
    project = make_project(root, sandbox.url, ledger_url=ledger_url, documents=2, targets=ONE_TARGET)
    with project.runtime_here() as runtime:
        parameters = {"source": str(project.documents), "limit": 2, "quality": "fast"}
        hold = price_run(runtime, automation_of(daily_digest), parameters).hold
    limit = f"{dollars(FITTING * hold + hold - 1):f} USD"  # five, and all but a nano-dollar of a sixth
    budget = f'[[budgets]]\nscope = "automation"\nkey = "daily-digest"\nwindow = "{window}"\nlimit = "{limit}"\n'
    project = make_project(root, sandbox.url, ledger_url=ledger_url, documents=2, targets=ONE_TARGET, more=budget)

    with Crew(project, *[f"admit:{EACH}"] * PROCESSES) as crew:
        crew.pids()
        crew.wait_for_all("ready")
        crew.tell("go")
        said = crew.wait_for_all("decided")
        assert Counter(said) == {"admitted": FITTING, "refused": PROCESSES * EACH - FITTING}
        with project.runtime_here() as runtime:
            ours = [budget for budget in rows(runtime.ledger, schema.budgets) if budget["span"] == window]
            assert any(budget["held_nano"] == FITTING * hold for budget in ours)
            assert len(rows(runtime.ledger, schema.holds)) == FITTING
            crew.tell("settle")
            crew.finish()
            assert {budget["held_nano"] for budget in rows(runtime.ledger, schema.budgets)} == {0}
            assert rows(runtime.ledger, schema.holds) == []
            outcomes = Counter(row["outcome"] for row in rows(runtime.ledger, schema.settlements))
            assert outcomes == {"completed": FITTING, "over_budget": PROCESSES * EACH - FITTING}
    assert not sandbox.journal.read_bytes(), "something was called"
