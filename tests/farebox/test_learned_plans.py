"""Automations without a plan: quoted at a first guess, then from what their runs cost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox import Budget, ask, automation, learn, llm_task, plan
from farebox.cli.display import basis
from farebox.testing import TestProject
from pricing import MoneyError, OverBudget, PlanError
from pricing.quotes import FirstGuess, learned_quote
from pricing.rates import RateCard
from tests.support.runs import riding

CARD = RateCard.load()


@llm_task(operation="say", max_turns=20, max_tokens=100)
def say(text: str) -> str:
    return ask(prompt="{{ text }}", text=text)


def flow_with(**more: Any) -> Any:
    @automation(price="1 credit", plan=learn("0.05 USD", most="0.20 USD"), name="unplanned", **more)
    def unplanned() -> None: ...

    return unplanned


def test_a_run_is_held_at_the_guess_and_a_few_later_at_what_runs_cost(farebox_project: TestProject):
    flow, quotes = flow_with(), []
    for turns in (1, 2, 1, 3, 2, 1, 2, 3):
        with riding(farebox_project.runtime, flow, {}) as ride:
            for _ in range(turns):
                say.fn("Say something about importers.")
        quotes.append(ride.run)
    first, last = quotes[0], quotes[-1]
    assert (first.point_nano, first.p50_nano, first.p95_nano) == (50_000_000,) * 3
    assert (first.held_nano, first.ceiling_nano, first.history) == (62_500_000, 200_000_000, 0)
    costs = [run.spent_nano for run in farebox_project.runs()]
    assert last.history == 7
    assert last.ceiling_nano == 200_000_000
    assert max(costs) <= last.p95_nano < 10 * max(costs) < first.p95_nano
    assert min(costs) <= last.p50_nano <= max(costs)
    assert all(run.stand_in for run in quotes), "what the sandbox answered is no history of real runs"
    assert json.loads(last.plan) == []


def test_a_budget_below_the_guess_refuses_the_run_and_the_ceiling_stops_it(farebox_project: TestProject):
    with pytest.raises(OverBudget), riding(farebox_project.runtime, flow_with(budget=Budget(per_run="0.01 USD")), {}):
        raise AssertionError("it was admitted")
    from farebox import spend

    with riding(farebox_project.runtime, flow_with(), {}):
        spend("0.19 USD", operation="search").settle()
        with pytest.raises(OverBudget):
            spend("0.02 USD", operation="search")


@pytest.mark.parametrize("wrong", [("0 USD", None), ("1 USD", "0.50 USD")])
def test_guesses_that_are_none(wrong: tuple[str, str | None]):
    with pytest.raises(PlanError):
        learn(wrong[0], most=wrong[1])


def test_it_stands_alone():
    with pytest.raises(MoneyError):
        learn("much")
    for left, right in ((learn("1 USD"), plan(say, input_tokens=1, output_tokens=1)), (learn("1 USD"), learn("1 USD"))):
        with pytest.raises(PlanError, match="cannot be combined with another"):
            left + right
        with pytest.raises(PlanError, match="cannot be combined with another"):
            right + left


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**12), st.just(0)), max_size=20), st.integers(1, 10**10)
)
def test_quotes_are_ordered_whatever_runs_cost(past: list[tuple[int, int, int]], guess: int):
    quote = learned_quote(FirstGuess(guess, 10 * guess), CARD, past)
    assert 0 <= quote.p50 <= quote.p95 <= quote.ceiling == 10 * guess
    assert 0 <= quote.point <= quote.ceiling


def test_a_quote_says_what_it_rests_on():
    first, later = (basis(learned_quote(FirstGuess(1_000, 9_000), CARD, past)) for past in ([], [(7, 500, 0)] * 2))
    assert first.startswith("a first estimate; no history yet; rates: ")
    assert later.startswith("what 2 past runs cost; rates: ")
