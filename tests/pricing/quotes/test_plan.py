import json
import pickle
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.errors import PlanError
from pricing.quotes.plan import INPUT_HEADROOM, Plan, PlanStep, ResolvedPlan, ResolvedStep
from pricing.tokens.estimate import estimate_tokens

counts = st.integers(0, 10**6)


def pages(source, limit=10):
    return min(len(source), limit)


def test_calls_get_exactly_the_parameters_they_name():
    plan = Plan((PlanStep("summarize", pages, 1200, 180), PlanStep("report", 1, 4000, 600)))
    parameters = {"source": ["a", "b", "c"], "limit": 2, "quality": "fast"}
    assert plan.resolve(parameters).steps == (
        ResolvedStep("summarize", 2, 1200, 180, max_calls=2, max_input_tokens=1200 * INPUT_HEADROOM),
        ResolvedStep("report", 1, 4000, 600, max_calls=1, max_input_tokens=4000 * INPUT_HEADROOM),
    )


def test_a_parameter_left_to_its_default_may_be_absent():
    assert PlanStep("summarize", pages, 1, 1).resolve({"source": "abc"}).calls == 3


@pytest.mark.parametrize(
    "function",
    [
        lambda *, source: len(source),
        lambda source, **_: len(source),
        lambda *_, source: len(source),
        partial(pages, limit=5),
    ],
    ids=["keyword", "any", "star", "partial"],
)
def test_functions_of_every_shape(function):
    assert PlanStep("summarize", function, 1, 1).resolve({"source": "abc", "quality": "fast"}).calls == 3


def test_a_name_that_the_automation_lacks_is_told_with_those_it_has():
    plan = Plan((PlanStep("summarize", lambda folder: 1, 1200, 180),))
    with pytest.raises(PlanError, match=r"'folder'.*not a parameter.*source, quality") as caught:
        plan.check(["source", "quality"])
    with pytest.raises(PlanError):
        plan.resolve({"source": 1, "quality": "fast"})
    assert caught.value.fields == {"operation": "summarize", "parameter": "folder"}
    assert pickle.loads(pickle.dumps(caught.value)).fields == caught.value.fields  # noqa: S301


def test_a_plan_that_fits_passes_its_check():
    Plan((PlanStep("summarize", pages, 1200, 180, max_calls=lambda limit: limit),)).check(["source", "limit"])


def test_a_parameter_by_position_only_cannot_be_named():
    with pytest.raises(PlanError, match="by position only"):
        PlanStep("summarize", lambda source, /: 1, 1, 1).resolve({"source": 1})


@pytest.mark.parametrize("wrong", [-1, 1.5, True, None, "3"])
def test_calls_that_are_no_count_are_refused_without_showing_content(wrong):
    with pytest.raises(PlanError, match="calls"):
        PlanStep("summarize", lambda: wrong, 1, 1).resolve({})
    if wrong is not None:
        with pytest.raises(PlanError, match="input_tokens"):
            PlanStep("summarize", 1, wrong, 1)
    secret = PlanStep("summarize", lambda source: source, 1, 1)
    with pytest.raises(PlanError) as caught:
        secret.resolve({"source": "jane@example.org"})
    assert "jane" not in str(caught.value)


def test_limits():
    step = PlanStep("chat", 3, 1000, 200, max_calls=8, max_input_tokens=6000).resolve({})
    assert (step.max_calls, step.max_input_tokens) == (8, 6000)
    assert PlanStep("chat", 3, 1000, 200, max_calls=lambda: 1).resolve({}).max_calls == 3
    with pytest.raises(PlanError, match="allows only 500"):
        PlanStep("chat", 3, 1000, 200, max_input_tokens=500)


@pytest.mark.parametrize("given", ["a note", lambda source: source[0], lambda source: len(source) + 3])
def test_input_may_be_a_text_that_is_counted_or_come_of_the_parameters(given):
    step = PlanStep("summarize", pages, given, 180)
    resolved = step.resolve(
        {"source": ["a note"]}, lambda operation, text, media: {("summarize", "a note"): 4}[operation, text]
    )
    assert (resolved.input_tokens, resolved.max_input_tokens) == (4, 4 * INPUT_HEADROOM)
    assert step.resolve({"source": ["a note"]}).input_tokens in {4, estimate_tokens("a note")}
    assert step.declared_input() == (estimate_tokens("a note") if given == "a note" else None)
    assert Plan((step,)).drivers() == {"source", "limit"}


def test_input_beyond_the_limit_raises_the_limit_and_what_is_neither_is_refused_without_showing_it():
    step = PlanStep("summarize", 1, lambda source: source, 180, max_input_tokens=50)
    assert step.resolve({"source": 80}).max_input_tokens == 80
    with pytest.raises(PlanError, match="input_tokens, not list") as caught:
        step.resolve({"source": ["jane@example.org"]})
    assert "a text to count" in caught.value.next_step
    with pytest.raises(PlanError, match="'folder'"):
        Plan((PlanStep("summarize", 1, lambda folder: folder, 180),)).check(["source"])
    with pytest.raises(PlanError, match="allows only 5"):
        PlanStep("summarize", 1, "a note of more than five tokens, surely", 180, max_input_tokens=5)


steps = st.builds(PlanStep, st.sampled_from(["plan", "chat"]), counts, counts, counts, max_calls=st.none() | counts)
plans = st.lists(steps, max_size=4).map(lambda some: Plan(tuple(some)))


@given(plans, plans)
def test_plans_add_up(a, b):
    assert (a + b).resolve({}).steps == a.resolve({}).steps + b.resolve({}).steps
    assert (a + b).resolve({}).max_calls == a.resolve({}).max_calls + b.resolve({}).max_calls
    assert a + Plan() == a == Plan() + a


@given(plans)
def test_a_resolved_plan_survives_json(plan):
    resolved = plan.resolve({})
    assert ResolvedPlan.from_json(json.loads(json.dumps(resolved.to_json()))) == resolved
