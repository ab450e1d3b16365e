"""What is locked on which evidence."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.calibration.decision import PILOT, AcceptanceCriteria, CalibrationDecision, CaseOutcome, cascade, chosen


def outcomes(scores: list[float], cost: int = 100, seconds: float = 1.0) -> dict[str, CaseOutcome]:
    return {str(n): CaseOutcome(score, cost, seconds) for n, score in enumerate(scores)}


TENTH = AcceptanceCriteria(0.1)
Seen = dict[str, CaseOutcome]


def decide(
    best: Seen, candidates: dict[str, Seen], terms: AcceptanceCriteria = TENTH, cases: int = 400
) -> tuple[dict[str, str], str]:
    seen = {"best": best, **candidates}
    decision = CalibrationDecision("best", [(name,) for name in candidates], terms, cases)
    decision.look(seen)
    standings = decision.standings(seen)
    return {one.name: one.verdict for one in standings}, chosen(standings).name


GOOD = outcomes([1.0] * 300, cost=1000)


def test_a_failed_step_does_not_end_the_search():
    """Price order is not quality order: the cheapest is enough, the one between it and the best is not."""
    verdicts, choice = decide(GOOD, {"cheap": outcomes([1.0] * 300, 100), "middle": outcomes([0.0] * 300, 500)})
    assert verdicts == {"best": "best", "cheap": "enough", "middle": "worse"}
    assert choice == "cheap"


def test_one_that_is_as_good_on_the_mean_alone_stays_open():
    verdicts, choice = decide(GOOD, {"cheap": outcomes([1.0] * 30, 100)})
    assert verdicts["cheap"] == "open"
    assert choice == "best"


def test_nothing_is_decided_before_the_pilot_is_over():
    assert decide(GOOD, {"cheap": outcomes([0.0] * (PILOT - 1), 100)})[0]["cheap"] == "open"


def test_what_costs_more_than_the_best_is_not_a_saving():
    assert decide(GOOD, {"chatty": outcomes([1.0] * 300, 1200)})[0]["chatty"] == "costlier"


def test_once_one_is_enough_the_dearer_are_spared():
    verdicts, _ = decide(GOOD, {"cheap": outcomes([1.0] * 300, 100), "middle": outcomes([1.0] * 30, 500)})
    assert verdicts["middle"] == "not_tested"


def test_one_that_is_slower_than_the_floor_and_the_best_is_not_locked():
    slow = {"cheap": outcomes([1.0] * 300, 100, seconds=9.0)}
    assert decide(GOOD, slow, AcceptanceCriteria(0.1, most_seconds=2.0))[0]["cheap"] == "slower"
    assert decide(GOOD, slow, AcceptanceCriteria(0.1))[0]["cheap"] == "enough"


def test_what_the_cases_left_cannot_decide_is_not_asked_further():
    few = {"cheap": outcomes([1.0] * 25, 100)}
    assert decide(GOOD, few, AcceptanceCriteria(0.03), cases=60)[0]["cheap"] == "insufficient_cases"
    assert decide(GOOD, few, AcceptanceCriteria(0.03), cases=400)[0]["cheap"] == "open"


def test_candidates_share_the_error():
    one, many = (
        CalibrationDecision("b", [("a",)], AcceptanceCriteria(), 9),
        CalibrationDecision("b", [(c,) for c in "acdef"], AcceptanceCriteria(), 9),
    )
    assert many.alpha() == pytest.approx(one.alpha() / 5)
    assert many.alpha(found=4) == pytest.approx(one.alpha())


def test_a_cascade_pays_for_both_where_it_escalates():
    cheap = {"a": CaseOutcome(1.0, 10, 0.5, verified=True), "b": CaseOutcome(0.0, 10, 0.5, verified=False)}
    best = {"a": CaseOutcome(1.0, 100, 2.0), "b": CaseOutcome(1.0, 100, 2.0), "c": CaseOutcome(1.0, 100, 2.0)}
    joined = cascade(cheap, best)
    assert joined == {"a": cheap["a"], "b": CaseOutcome(1.0, 110, 2.5)}
    assert cascade(best, cheap) == {}


def test_a_cascade_is_locked_where_its_cheap_half_alone_is_not():
    right = [n % 4 != 0 for n in range(300)]
    cheap = {str(n): CaseOutcome(float(ok), 100, 1.0, verified=ok) for n, ok in enumerate(right)}
    decision = CalibrationDecision("best", [("cheap",), ("cheap", "best")], AcceptanceCriteria(0.05), 300)
    decision.look({"best": GOOD, "cheap": cheap})
    standings = decision.standings({"best": GOOD, "cheap": cheap})
    assert {one.name: one.verdict for one in standings}["cheap"] == "worse"
    assert chosen(standings).route == ("cheap", "best")
    assert chosen(standings).cost_nano == 350


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.floats(0.03, 0.2))
def test_a_decision_never_changes(seed, lost):
    rng = random.Random(seed)
    decision = CalibrationDecision("best", [("a",), ("b",)], AcceptanceCriteria(0.1), 400)
    seen: dict[str, Seen] = {"best": {}, "a": {}, "b": {}}
    before: dict[str, str] = {}
    for done in range(0, 200, 20):
        for case in map(str, range(done, done + 20)):
            seen["best"][case] = CaseOutcome(1.0, 1000, 1.0)
            seen["a"][case] = CaseOutcome(float(rng.random() > lost), 100, 1.0)
            seen["b"][case] = CaseOutcome(float(rng.random() > 0.1), 200, 1.0)
        decision.look(seen)
        now = {one.name: str(one.verdict) for one in decision.standings(seen) if one.verdict != "open"}
        assert before.items() <= now.items()
        before = now
