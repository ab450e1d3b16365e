"""A quote is for the whole path: what guards ask of models is part of its plan."""

from farebox.runs.planning import with_guard_calls
from guardrails.guards.judge import JudgeGuard
from guardrails.guards.topic_scope import ScopeGuard
from guardrails.pipeline import Guarded, Pipeline
from pricing.quotes.plan import Plan, PlanStep
from tasks.context import Step

PLAN = Plan((PlanStep("summarize", 20, 900, 90), PlanStep("compose", 1, 1200, 160))).resolve({})
STEPS = {"summarize": Step("summarize", max_tokens=400), "compose": Step("compose", max_tokens=500)}


async def never(*_: object) -> None:
    raise AssertionError("a quote asks nobody")


def judge(**options: object) -> Guarded:
    return Guarded(JudgeGuard(never, {"grounded": "States nothing that is not given."}, **options), "shadow")  # type: ignore[arg-type]


def test_without_such_guards_the_plan_is_as_it_was():
    assert with_guard_calls(Pipeline([]), "digest", PLAN, STEPS) == (PLAN, STEPS)


def test_a_judge_of_every_answer_is_called_for_each_and_may_be_for_its_repair():
    plan, steps = with_guard_calls(Pipeline([judge(every=True)]), "digest", PLAN, STEPS)
    judging = plan.steps[-1]
    assert (judging.operation, judging.calls, judging.max_calls) == ("judge", 21, 42)
    assert 400 < judging.input_tokens < judging.max_input_tokens
    assert steps["judge"].tier == "light"


def test_of_a_share_as_many_calls_are_expected_and_all_are_possible():
    plan, _ = with_guard_calls(Pipeline([judge(share=0.1)]), "digest", PLAN, STEPS)
    judging = plan.steps[-1]
    every = with_guard_calls(Pipeline([judge(every=True)]), "digest", PLAN, STEPS)[0].steps[-1]
    assert (judging.calls, judging.max_calls) == (3, 42)
    expected = judging.calls * judging.input_tokens / (every.calls * every.input_tokens)
    assert 0.095 < expected < 0.105


def test_guards_that_do_not_ask_add_nothing_and_a_step_may_bring_its_own():
    quiet = Guarded(ScopeGuard(never, inside=("summarize this",)), "enforce")  # type: ignore[arg-type]
    assert with_guard_calls(Pipeline([quiet]), "digest", PLAN, STEPS)[0] == PLAN
    own = STEPS | {"compose": Step("compose", max_tokens=500, guards=(judge(every=True),))}
    assert with_guard_calls(Pipeline([quiet]), "digest", PLAN, own)[0].steps[-1].calls == 1


def test_an_automation_that_plans_a_judge_itself_knows_better():
    steps = STEPS | {"judge": Step("judge")}
    assert with_guard_calls(Pipeline([judge(every=True)]), "digest", PLAN, steps)[0] == PLAN
