"""What a calibration's quote is made of: turns spread over targets, tokens said by functions."""

from hypothesis import given
from hypothesis import strategies as st

from farebox.runs.planning import spread
from pricing.quotes.plan import Plan, PlanStep
from tasks.routing.router import Candidate, Router
from tests.support.routes import TARGETS

ROUTE = Router(TARGETS).route("premium")


@given(st.dictionaries(st.sampled_from([target.name for target in TARGETS]), st.integers(0, 5_000)))
def test_shares_are_of_a_hundred_and_as_the_turns_are(turns: dict[str, int]):
    shared: tuple[Candidate, ...] = spread(ROUTE, turns)
    assert [one.target for one in shared] == [one.target for one in ROUTE]
    percents = {one.target.name: one.percent for one in shared if one.percent is not None}
    total = sum(turns.values())
    if not total:
        assert shared == ROUTE
        return
    assert sum(percents.values()) == 100
    assert set(percents) == set(turns)
    assert all(abs(percents[name] - 100 * count / total) < 1 for name, count in turns.items())


def test_a_plan_may_say_by_functions_what_is_written_and_where_turns_begin():
    step = PlanStep("try", lambda n: 2 * n, 100, lambda n: 10 + n, begins=lambda n: {"haiku": n, "sonnet": n})
    plan = Plan((step, PlanStep("say", 1, 10, 10)))
    plan.check(["n"])
    [resolved, _] = plan.resolve({"n": 5}).steps
    assert (resolved.calls, resolved.output_tokens) == (10, 15)
    assert plan.begins({"n": 5}) == {"try": {"haiku": 5, "sonnet": 5}}
