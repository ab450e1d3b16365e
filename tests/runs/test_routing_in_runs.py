"""Routing where it acts: at the gate, inside runs, on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from farebox import Quality, ask, automation, llm_task, plan
from farebox.automations import automation_of
from farebox.runs.admission import admit, price_run
from farebox.runs.explanation import explain
from farebox.runs.planning import planned_routes
from farebox.runtime import Runtime
from flows.daily_digest import daily_digest
from pricing.db import schema
from pricing.errors import OverBudget, PlanError, UsageError
from pricing.money import Nano, dollars
from pricing.tokens.estimate import count_tokens
from tasks.context import Step
from tasks.routing.router import TYPICAL, Size
from tasks.sandbox import Sandbox
from tests.runs.conftest import Inject
from tests.support.books import assert_ledger_adds_up, rows
from tests.support.command import farebox
from tests.support.project import REPOSITORY, TARGETS, Project, make_project
from tests.support.runs import digest_run, riding

DEMANDING = "Compare the vendors, weigh the trade-offs, analyse the risks, justify your choice, and say why."


@llm_task(operation="think", tier="auto", max_tokens=60, threshold=0.5)
def think(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(think, calls=10, input_tokens=60, output_tokens=40))
def thinking(quality: Quality = "fast") -> str:
    return ""


@automation(price="1 credit", plan=plan(think, input_tokens=lambda text: text, output_tokens=40))
def reading(text: str) -> str:
    return ""


@pytest.fixture
def parameters(project: Project) -> dict[str, object]:
    return {"source": str(project.documents), "limit": 2, "quality": "fast"}


def limited(
    root: Path, sandbox: Sandbox, limit: Nano, automation: str = "daily-digest", window: str = "month"
) -> Project:
    budget = f'[[budgets]]\nscope = "automation"\nkey = "{automation}"\nwindow = "{window}"\n'
    return make_project(root, sandbox.url, documents=2, more=f'{budget}limit = "{dollars(limit):f} USD"\n')


def usual_and_economic(project: Project, parameters: dict[str, object]) -> tuple[Nano, Nano]:
    """What a run holds on either route."""
    with project.runtime_here() as runtime:
        spec = automation_of(daily_digest)
        return price_run(runtime, spec, parameters).hold, price_run(runtime, spec, parameters, "asked for").hold


def routes_of(runtime: Runtime, run_id: str) -> dict[str, list[dict[str, Any]]]:
    run = runtime.ledger.run(run_id)
    assert run is not None
    found: dict[str, list[dict[str, Any]]] = json.loads(run.routes)
    return found


# The gate ------------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_quoted_again_on_the_economic_route(
    project: Project, sandbox: Sandbox, parameters: dict[str, object]
):
    usual, economic = usual_and_economic(project, parameters)
    assert economic < usual / 3
    with limited(project.root, sandbox, usual - 1).runtime_here() as runtime:
        ride = admit(runtime, automation_of(daily_digest), "tight", parameters)
        routes = routes_of(runtime, "tight")
        assert {route[0]["target"] for route in routes.values()} == {"gpt-oss"}
        why = routes["summarize"][0]["economic"]
        assert why.startswith("the usual route needs $")
        assert "of budget 'daily-digest per month'" in why
        assert why in routes["summarize"][0]["reason"]
        assert ride.run.held_nano == economic
        ride.finish(None)
        [settled] = rows(runtime.ledger, schema.settlements)
        assert (settled["outcome"], settled["held_nano"]) == ("completed", economic)
        assert_ledger_adds_up(runtime)


def test_a_run_on_the_economic_route_takes_it(project: Project, sandbox: Sandbox, parameters: dict[str, object]):
    usual, _ = usual_and_economic(project, parameters)
    with limited(project.root, sandbox, usual - 1).runtime_here() as runtime:
        digest_run(runtime, str(project.documents), 2)
        attempts = rows(runtime.ledger, schema.attempts)
        assert {attempt["target"] for attempt in attempts} == {"gpt-oss"}
        assert all(attempt["reason"].startswith("economic: ") for attempt in attempts)
        assert_ledger_adds_up(runtime)


def test_what_does_not_fit_there_either_is_refused_once(
    project: Project, sandbox: Sandbox, parameters: dict[str, object]
):
    _, economic = usual_and_economic(project, parameters)
    with limited(project.root, sandbox, economic - 1).runtime_here() as runtime:
        with pytest.raises(OverBudget, match="was not started: even the cheapest models exceed the budget") as refused:
            admit(runtime, automation_of(daily_digest), "refused", parameters)
        assert refused.value.fields["asked_nano"] == economic
        assert refused.value.fields["short_nano"] == 1
        assert [row["outcome"] for row in rows(runtime.ledger, schema.settlements)] == ["over_budget"]
        assert rows(runtime.ledger, schema.holds) == []


def test_from_its_soft_threshold_on_a_budget_makes_runs_economic(
    project: Project, sandbox: Sandbox, parameters: dict[str, object]
):
    usual, _ = usual_and_economic(project, parameters)
    limit = 20 * usual
    with limited(project.root, sandbox, limit).runtime_here() as runtime:

        def routes_when_spent(percent: int) -> dict[str, list[dict[str, Any]]]:
            with runtime.ledger.store.write() as connection:
                spent = limit * percent // 100
                connection.execute(
                    sa.update(schema.budgets).where(schema.budgets.c.span == "month").values(spent_nano=spent)
                )
            admit(runtime, automation_of(daily_digest), f"at {percent}", parameters).finish(None)
            return routes_of(runtime, f"at {percent}")

        admit(runtime, automation_of(daily_digest), "first", parameters).finish(None)
        assert "economic" not in routes_when_spent(79)["summarize"][0]
        routes = routes_when_spent(80)
        assert {route[0]["target"] for route in routes.values()} == {"gpt-oss"}
        assert routes["compose"][0]["economic"] == "budget 'daily-digest per month' is 80% spent"


def test_near_the_end_of_its_hold_a_run_steps_down(project: Project):
    with project.runtime_here() as runtime, riding(runtime, thinking, {}) as ride:
        think.fn("The disk was full.")
        with runtime.ledger.store.write() as connection:
            used = int(ride.run.held_nano * 0.9)
            connection.execute(sa.update(schema.holds).values(used_nano=used))
        think.fn("The disk was full again.")
        think.fn("And again.")
        targets = [row["target"] for row in rows(runtime.ledger, schema.attempts)]
        assert targets[0] == targets[1] == "haiku"  # what is spent is known once an attempt of this process has ended
        assert targets[2] == "gpt-oss"
        assert "of the run's hold is spent" in rows(runtime.ledger, schema.attempts)[2]["reason"]


# Complexity ----------------------------------------------------------------------------------------------------------


def test_complexity_decides_the_tier_and_is_recorded(project: Project):
    with project.runtime_here() as runtime:
        with riding(runtime, thinking, {}):
            think.fn("The disk was full.")
            think.fn(DEMANDING)
        simple, demanding = rows(runtime.ledger, schema.turns)
        assert (simple["target"], demanding["target"]) == ("haiku", "sonnet")
        assert simple["complexity"] < 0.5 <= demanding["complexity"]
        for turn, sign in ((simple, "<"), (demanding, "≥")):
            told = json.loads(turn["route"])[0]["reason"]
            assert f"complexity {turn['complexity']:.2f} {sign} 0.50" in told
        assert "words that ask for reasoning: 6" in json.loads(demanding["route"])[0]["reason"]
        assert rows(runtime.ledger, schema.attempts)[1]["tier"] == "premium"


def test_best_needs_no_score(project: Project):
    with project.runtime_here() as runtime:
        with riding(runtime, thinking, {"quality": "best"}):
            think.fn("The disk was full.")
        [turn] = rows(runtime.ledger, schema.turns)
        assert (turn["target"], turn["complexity"]) == ("sonnet", None)


def test_an_auto_step_is_quoted_at_the_mix_of_late(project: Project):
    with project.runtime_here() as runtime:
        spec = automation_of(thinking)
        before = price_run(runtime, spec, {})
        with riding(runtime, thinking, {}):
            for number in range(20):
                think.fn(DEMANDING if number % 4 == 0 else "The disk was full.")
        after = price_run(runtime, spec, {})
        marks = {c.target.name: c.percent for c in after.routes["think"] if c.percent is not None}
        assert marks == {"haiku": 75, "sonnet": 25}
        light, premium = (runtime.router.standings("light", size=Size(60, 40))[n].cost for n in (0, 1))
        assert before.quote.point == 10 * light
        assert after.quote.point == pytest.approx(10 * (0.75 * light + 0.25 * premium), abs=1)
        assert after.quote.ceiling == before.quote.ceiling
        # The past run's point is taken at today's mix too: its score does not change because the quote got better.
        assert after.quote.n == 1
        dearest = price_run(runtime, spec, {"quality": "best"})
        assert dearest.quote.point == 10 * premium


def test_a_text_in_a_plan_is_counted_as_bills_have_taught(project: Project):
    text = DEMANDING * 20
    with project.runtime_here() as runtime:
        with riding(runtime, thinking, {}):
            for number in range(3):
                think.fn(f"The disk was full for {number} hours.")
        light = runtime.router.targets[0]
    with project.runtime_here() as runtime:
        factor = runtime.token_factors.fresh().of(light.model, "think", stand_in=True)
        [step] = price_run(runtime, automation_of(reading), {"text": text}).plan.steps
        assert (light.name, factor.calls) == ("haiku", 3)
        assert step.input_tokens == count_tokens(text).expected(factor) != count_tokens(text).estimate
        [told] = explain(runtime, automation_of(reading), quality="fast").operations
        assert told.size == Size(TYPICAL.input_tokens, 40)


def test_thresholds_and_latencies_that_make_no_sense():
    for wrong in ({"threshold": 1.5}, {"threshold": -0.1}, {"latency": 0}):
        with pytest.raises(PlanError):
            Step("think", **wrong)


# Evidence ------------------------------------------------------------------------------------------------------------


def test_a_primary_that_failed_of_late_gives_way_in_the_next_process(project: Project, inject: Inject):
    with project.runtime_here() as runtime:
        inject({"kind": "invalid_json", "target": "haiku"})
        for _ in range(2):
            digest_run(runtime, str(project.documents), 3)
        for _ in range(3):
            with riding(runtime, thinking, {}):
                for _ in range(10):
                    think.fn(DEMANDING)
    with project.runtime_here() as runtime:
        runtime.observations.fresh()
        seen = runtime.observations()
        spec = automation_of(daily_digest)
        resolved = spec.plan.plan.resolve({"source": str(project.documents), "limit": 2})
        routes = planned_routes(runtime, spec.name, resolved, spec.plan.steps, quality="fast")
        assert seen["haiku"].success < 0.9 < seen["sonnet"].success
        assert routes["summarize"][0].target.name == "sonnet"
        assert "before haiku: " in routes["summarize"][0].reason


# The command line ----------------------------------------------------------------------------------------------------


def test_explain_tells_chain_costs_and_floors(project: Project):
    with project.runtime_here() as runtime:
        told = explain(runtime, automation_of(daily_digest), quality="fast").to_json()
    assert [one["operation"] for one in told["operations"]] == ["summarize", "classify", "compose"]
    summarize, _, compose = told["operations"]
    assert [one["target"] for one in summarize["chain"]] == ["haiku", "sonnet", "haiku-3-5", "gpt-oss", "gpt-mini"]
    assert summarize["floors"] == {"seconds": 2.0, "success": 0.9}
    assert compose["chain"][0]["target"] == "sonnet"
    assert all(0 < one["cost_nano"] < one["worst_nano"] for one in summarize["chain"])
    assert summarize["cheapest"] == "gpt-oss"
    with project.runtime_here() as runtime, pytest.raises(UsageError, match="has no operation"):
        explain(runtime, automation_of(daily_digest), quality="fast", operation="nothing")


def test_explain_scores_a_prompt(project: Project):
    with project.runtime_here() as runtime:
        spec = automation_of(thinking)
        [simple] = explain(runtime, spec, quality="fast", prompt="Hello.").operations
        [demanding] = explain(runtime, spec, quality="fast", prompt=DEMANDING).operations
    assert (simple.chain[0].target, demanding.chain[0].target) == ("haiku", "sonnet")
    assert demanding.complexity is not None
    assert demanding.complexity.score >= 0.5 == demanding.threshold
    assert (simple.raised, simple.raised_percent) == ("sonnet", 0)


def test_the_command(project: Project):
    (project.root / "flows").symlink_to(REPOSITORY / "flows")
    said = farebox(project.root, "routes", "explain", "daily-digest")
    assert said.code == 0, said.all
    for words in (
        "summarize",
        "primary, light",
        "cross-provider, light",
        "$0.00",
        "not seen yet",
        "on the economic route",
    ):
        assert words in said.out
    (project.root / "prompt.txt").write_text(DEMANDING)
    said = farebox(project.root, "routes", "explain", "compose", "--prompt", "prompt.txt", "--json")
    assert said.code == 0, said.all
    [only] = json.loads(said.out)
    assert [one["operation"] for one in only["operations"]] == ["compose"]
    assert only["operations"][0]["complexity"]["score"] >= 0.5
    for wrong in (["nowhere"], ["compose", "--prompt", "no-such-file"]):
        said = farebox(project.root, "routes", "explain", *wrong)
        assert said.code == 2
        assert said.err.startswith("error: ")
        assert "Traceback" not in said.all


def test_one_failure_domain_is_told_of(tmp_path: Path, sandbox: Sandbox):
    one = "[[targets]]" + TARGETS.split("[[targets]]")[1]
    with make_project(tmp_path / "one", sandbox.url, targets=one).runtime_here() as runtime:
        warning, _ = explain(runtime, automation_of(daily_digest), quality="fast").warnings
        assert "one failure domain (bedrock/us-east-1)" in warning
