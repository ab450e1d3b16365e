"""What a run under way has left."""

from types import SimpleNamespace
from typing import Any

import pytest

from farebox import Budget, Remaining, ask, automation, llm_task, plan, remaining, spend
from farebox.testing import TestProject
from pricing import NoRun, OverBudget, format_money
from tests.support.runs import riding


@llm_task(operation="say", max_turns=20, max_tokens=100)
def say(text: str) -> str:
    return ask(prompt="{{ text }} {{ left }}", text=text, left=remaining())


def flow_with(budget: Budget) -> Any:
    @automation(price="1 credit", budget=budget, plan=plan(say, input_tokens=20, output_tokens=20), name="left")
    def left() -> None: ...

    return left


def test_money_goes_down_by_what_is_spent_and_says_what_still_fits(farebox_project: TestProject):
    farebox_project.answers.add("One.", "Two.")
    with riding(farebox_project.runtime, flow_with(Budget(per_run="0.04 USD")), {}):
        first = remaining()
        assert (first.money_nano, first.spent_nano, first.turns, first.seconds) == (40_000_000, 0, None, None)
        assert say.fn("?") == "One."
        second = remaining()
        [turn] = farebox_project.turns()
        assert second.money_nano == 40_000_000 - turn.cost_nano
        assert second.spent_nano == turn.cost_nano
        assert second.turns == second.money_nano // turn.cost_nano
        with spend("0.03 USD", operation="search"):
            assert (remaining().money_nano, remaining().spent_nano) == (10_000_000 - turn.cost_nano, turn.cost_nano)
        assert remaining().spent_nano == 30_000_000 + turn.cost_nano
        with pytest.raises(OverBudget):
            spend("0.01 USD", operation="search")
        left = remaining().money_nano
        assert left is not None
        with spend(f"{left / 10**9:.9f} USD", operation="search"):
            assert remaining().money_nano == 0
    assert farebox_project.answers.asked[0].text.endswith("Left in this run: $0.04.")


def test_the_tightest_budget_counts_and_that_of_an_operation_in_its_step(farebox_project: TestProject):
    both = flow_with(Budget(per_run="0.05 USD", per_day="0.02 USD"))
    with riding(farebox_project.runtime, both, {}):
        assert remaining().money_nano == 20_000_000
    with riding(farebox_project.runtime, flow_with(Budget()), {}) as ride:
        assert remaining().money_nano == ride.run.ceiling_nano, "the ceiling of the quote is a budget, too"
    assert str(Remaining(None, 0, None, None)) == "Nothing limits this run."
    assert (
        str(Remaining(2_000_000, 0, 1, 59.6))
        == f"Left in this run: {format_money(2_000_000)}, about 1 turn, 60 seconds."
    )


def test_a_step_outside_an_automation_has_the_limits_of_ad_hoc_runs(farebox_project: TestProject):
    farebox_project.answers.add("One.")
    say.fn("?")
    assert farebox_project.answers.asked[0].text.endswith("Left in this run: $1.00.")


def test_time_is_that_of_the_flow(farebox_project: TestProject, monkeypatch: pytest.MonkeyPatch):
    import prefect.context
    from prefect.types._datetime import now

    begun = SimpleNamespace(flow=SimpleNamespace(timeout_seconds=3_600), start_time=now("UTC"))
    with riding(farebox_project.runtime, flow_with(Budget(per_run="0.05 USD")), {}):
        monkeypatch.setattr(prefect.context, "FlowRunContext", SimpleNamespace(get=lambda: begun))
        seconds = remaining().seconds
        assert seconds is not None
        assert 0 < seconds <= 3_600
        begun.flow.timeout_seconds = None
        assert remaining().seconds is None


def test_outside_an_automation_it_is_that_of_the_ad_hoc_run(farebox_project: TestProject):
    farebox_project.answers.add("One.")
    say.fn("?")
    [turn] = farebox_project.turns()
    assert remaining().money_nano == 1_000_000_000 - turn.cost_nano
    assert remaining().turns == (1_000_000_000 - turn.cost_nano) // turn.cost_nano
    assert {run.run_id for run in farebox_project.runs()} == {turn.run_id}, "no other run was opened"


def test_after_its_end_a_run_has_nothing(farebox_project: TestProject):
    with riding(farebox_project.runtime, flow_with(Budget()), {}) as ride:
        ride.finish(None)
        with pytest.raises(NoRun, match="holds nothing any more"):
            remaining()
