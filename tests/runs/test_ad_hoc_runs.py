"""Steps outside an automation: in a script, in a loop that runs already, and in a plain Prefect flow."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from prefect import flow as plain_flow

from farebox import ask, automation, llm_task, plan
from farebox.prefect.artifacts import report_of
from farebox.runtime import Runtime
from pricing import OverBudget
from pricing.ledger import AD_HOC
from pricing.reports import render_html, render_markdown
from tasks import RunContext, Step, StepContext
from tasks.sandbox import Sandbox
from tests.support.books import assert_ledger_equals_journal
from tests.support.project import REPOSITORY, Project
from tests.support.waiting import PATIENCE


@llm_task(operation="note", max_tokens=120)
def note(text: str) -> str:
    return ask("say.j2", text=text)


def script(project: Project, *arguments: str, name: str = "outside") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "tests" / "support" / f"{name}.py"), *arguments],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def ended(runtime: Runtime) -> list[tuple[str, str, str]]:
    """Automation, method and outcome of each settled run."""
    from pricing.db import schema

    query = schema.settlements.join(schema.runs, schema.settlements.c.run_id == schema.runs.c.run_id).select()
    with runtime.ledger.store.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [(row["automation"], row["method"], row["outcome"]) for row in rows]


@pytest.mark.parametrize("mode, turns", [("script", 1), ("loop", 3)])
def test_a_script_and_a_running_loop_are_recorded_and_settled(
    runtime: Runtime, project: Project, sandbox: Sandbox, mode: str, turns: int
):
    told = script(project, mode)
    assert told.returncode == 0, told.stderr
    assert "True" in told.stdout
    assert "False" not in told.stdout
    assert ended(runtime) == [("ad-hoc:outside", AD_HOC, "completed")]
    assert len(sandbox.journal.read_text().splitlines()) == turns
    assert_ledger_equals_journal(runtime, sandbox.journal)


def test_the_cells_of_a_notebook_are_one_run(runtime: Runtime, project: Project, sandbox: Sandbox):
    told = script(project, name="cells")
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == ["cell 8 failed", "said 9 True 4"]
    assert ended(runtime) == [("ad-hoc:cells", AD_HOC, "completed")]
    assert {entry["operation"] for entry in assert_ledger_equals_journal(runtime, sandbox.journal)} >= {
        "note", "note_async", "parts", "chat", "tool_selection",
    }  # fmt: skip


def test_a_script_that_fails_says_so_in_its_settlement(runtime: Runtime, project: Project):
    told = script(project, "script", "fail")
    assert "after the step" in told.stderr
    assert [row[2] for row in ended(runtime)] == ["failed"]


def test_its_report_says_that_nothing_was_quoted(runtime: Runtime):
    note.fn("The search index was rebuilt.")
    [run_id] = runtime.ad_hoc._open
    runtime.ad_hoc.settle()
    runtime.replica.sync()
    report = report_of(runtime, run_id)
    assert not report.quote.given
    assert report.money.spent_nano > 0
    for text in (render_markdown(report), render_html(report)):
        assert "nothing was quoted" in text or "Quote" in text
        assert "p95" not in text
    assert runtime.ledger.history("ad-hoc:" + report.run.automation, "fast", stand_in=True) == []


def test_the_next_step_after_a_settlement_opens_a_run_of_its_own(runtime: Runtime):
    note.fn("One.")
    runtime.ad_hoc.settle()
    note.fn("Two.")
    runtime.ad_hoc.settle()
    assert [row[2] for row in ended(runtime)] == ["completed", "completed"]


def test_a_full_hold_is_no_reason_for_the_economic_route(runtime: Runtime):
    note.fn("One.")
    note.fn("Two.")
    from pricing.db import schema

    with runtime.ledger.store.read() as connection:
        routes = [row.route for row in connection.execute(schema.turns.select())]
    assert len(routes) == 2
    assert not any("hold is spent" in route for route in routes)


def limited(project: Project, **limits: str) -> None:
    path = project.root / "farebox.toml"
    tables = "".join(f'{name} = "{limit}"\n' for name, limit in limits.items())
    path.write_text(path.read_text() + f"\n[adhoc]\n{tables}")


@pytest.mark.parametrize("window", ["per_run", "per_day"])
def test_a_limit_stops_before_anything_is_sent(project: Project, sandbox: Sandbox, window: str):
    limited(project, **{window: "0.000001 USD"})
    with project.runtime_here() as runtime:
        with pytest.raises(OverBudget, match="ad-hoc per day" if window == "per_day" else "this run"):
            note.fn("One.")
        assert not sandbox.journal.read_bytes()
        runtime.ad_hoc.settle()
        assert ended(runtime)[0][0].startswith("ad-hoc:")


def test_the_limit_of_a_day_is_shared_by_all_ad_hoc_runs(project: Project):
    with project.runtime_here() as runtime:
        note.fn("One.")
        runtime.ad_hoc.settle()
        note.fn("Two.")
        runtime.ad_hoc.settle()
        [day] = [state for state in runtime.ledger.budgets() if state.scope == "tag"]
        spent = sum(runtime.ledger.spent(run_id) for run_id in _run_ids(runtime))
    assert (day.key, day.window, day.held) == ("ad-hoc", "day", 0)
    assert day.spent == spent > 0


def _run_ids(runtime: Runtime) -> list[str]:
    from pricing.db import schema

    with runtime.ledger.store.read() as connection:
        return [row.run_id for row in connection.execute(schema.runs.select())]


def test_of_two_processes_that_open_the_same_run_the_second_joins(project: Project):
    """A plain flow whose steps run on Dask: no process is the flow's own."""
    run_id = str(uuid.uuid4())
    first, second = project.runtime(), project.runtime()
    try:
        for runtime in (first, second):
            here = StepContext(RunContext(run_id, execution=None), Step("note"))
            runtime.ad_hoc.join(here)
            assert (here.run.run_id, here.run.execution) == (run_id, 1)
        assert first.ledger.has_hold(run_id)
        first.ad_hoc.settle()
        assert second.ledger.has_hold(run_id), "the other process may still have steps under way"
    finally:
        first.close()
        second.close()


@plain_flow
def existing(texts: list[str]) -> list[str]:
    first = note(texts[0])
    return [first, *note.map(texts[1:]).result()]


def test_a_plain_flow_is_one_run_of_its_own_name(
    runtime: Runtime, sandbox: Sandbox, prefect: None, monkeypatch: pytest.MonkeyPatch
):
    assert len(existing(["One.", "Two.", "Three."])) == 3
    assert ended(runtime) == [("ad-hoc:existing", AD_HOC, "completed")]
    assert_ledger_equals_journal(runtime, sandbox.journal)
    assert not runtime.ad_hoc._open


def test_a_plain_flow_that_fails_settles_its_run_as_failed(runtime: Runtime, prefect: None):
    @plain_flow
    def breaks() -> None:
        note("One.")
        raise LookupError("later")

    with pytest.raises(LookupError):
        breaks()
    assert ended(runtime) == [("ad-hoc:breaks", AD_HOC, "failed")]


def test_an_automation_in_a_plain_flow_keeps_its_own_run(runtime: Runtime, prefect: None):
    @automation(price="1 credit", plan=plan(note, input_tokens=30, output_tokens=40))
    def priced(text: str) -> str:
        return note(text)

    @plain_flow
    def half_moved(text: str) -> list[str]:
        return [note(text), priced(text)]

    assert len(half_moved("One.")) == 2
    methods = {row[0]: row[1] for row in ended(runtime)}
    assert set(methods) == {"ad-hoc:half-moved", "priced"}
    assert methods["priced"] != AD_HOC
    assert Path(runtime.home).exists()
