"""A target's recent past, from the ledger's attempts and turns; over SQLite and Postgres."""

import itertools
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from pricing.db.database import Store
from pricing.ledger.facts import Completion, Intent, Run, Turn, TurnOutcome
from pricing.ledger.ledger import Ledger
from pricing.ledger.target_stats import HALF_LIFE_US, WINDOW, complexities, observe
from pricing.quotes.history import OWN_KIND, History
from pricing.quotes.plan import Plan, PlanStep
from pricing.rates.card import RateCard
from pricing.usage import Usage

NOW = 1_790_000_000_000_000
CARD = RateCard.load()
HAIKU, SONNET = ("anthropic", "claude-haiku-4-5"), ("anthropic", "claude-sonnet-4-5")
Say = Callable[..., None]


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store, clock=lambda: NOW)


def a_run(ledger: Ledger, **values: Any) -> Run:
    usual: dict[str, Any] = {
        "run_id": uuid.uuid4().hex,
        "automation": "digest",
        "quality": "fast",
        "plan": "[]",
        "routes": "{}",
        "rate_version": CARD.version,
        "method": "prior",
        "history": 0,
        "point_nano": 10**9,
        "p50_nano": 10**9,
        "p95_nano": 10**9,
        "ceiling_nano": 10**12,
        "held_nano": 10**12,
        "stand_in": True,
        "started_at": NOW,
    }
    run = Run(**(usual | values))
    assert ledger.admit(run, []) == []
    return run


@pytest.fixture
def say(ledger: Ledger) -> Say:
    """Writes a turn of one or more attempts: each an outcome at a target."""
    run, ordinals = a_run(ledger), itertools.count()

    def say(
        *attempts: tuple[str, str],
        turn: TurnOutcome | None = "answered",
        cost: int = 1_000,
        seconds: float = 1.0,
        at: int = NOW,
        model: str = "m",
        stand_in: bool = False,
        operation: str = "summarize",
        complexity: float | None = None,
        of: Run | None = None,
    ) -> None:
        turn_id, whose = f"t{next(ordinals)}", of or run
        for number, (target, outcome) in enumerate(attempts):
            intent = Intent(
                attempt_id=uuid.uuid4().hex, turn_id=turn_id, run_id=whose.run_id, operation=operation, hop=0,
                ordinal=number, reason="primary", target=target, provider="groq", account="default", model=model,
                tier="light", stand_in=stand_in, worst_nano=cost, rate_version=CARD.version, started_at=at,
            )  # fmt: skip
            ledger.begin(intent).result()
            ledger.end(intent, Completion(outcome, Usage(1, 1), cost, "usage", round(seconds * 1e6))).result()
        if turn is not None:
            answered_by = attempts[-1][0] if turn == "answered" and attempts else None
            ledger.record_turn(
                Turn(
                    turn_id, whose.run_id, operation, "p", "v", "[]", turn, None, answered_by, len(attempts), False,
                    at, 1, complexity,
                )
            ).result()  # fmt: skip

    return say


def seen(ledger: Ledger, name: str = "a", **other: Any):
    asked: dict[str, Any] = {"provider": "groq", "model": "m", "stand_in": False, "now": NOW}
    return observe(ledger, name, **(asked | other))


def test_nothing_is_known_of_a_target_that_was_never_asked(ledger: Ledger, say: Say):
    say(("b", "ok"))
    assert seen(ledger) is None


def test_success_latency_and_waste(ledger: Ledger, say: Say):
    for number in range(9):
        say(("a", "ok"), seconds=1 + number / 10)
    say(("a", "overloaded"), ("b", "ok"), cost=3_000, seconds=50)
    found = seen(ledger)
    assert found is not None
    assert (found.n, found.success) == (10, pytest.approx(0.9))
    assert (found.p50, found.p95) == (1.4, 1.8)
    assert found.waste == pytest.approx(3_000 / 9_000)


def test_an_answer_that_was_sent_back_is_no_success(ledger: Ledger, say: Say):
    say(("a", "ok"), ("a", "ok"))  # the first did not follow its schema, the repair did
    say(("a", "ok"), ("b", "ok"))  # neither did, and another answered
    say(("a", "ok"), turn="failed")
    found = seen(ledger)
    assert found is not None
    assert (found.n, found.success) == (4, 0.25)


def test_a_turn_that_a_guard_or_a_budget_ended_or_that_goes_on_does_not_count_against_it(ledger: Ledger, say: Say):
    ends: list[TurnOutcome | None] = ["blocked", "stopped", None]
    for turn in ends:
        say(("a", "ok"), turn=turn)
    found = seen(ledger)
    assert found is not None
    assert (found.n, found.success) == (3, 1)


def test_what_tells_of_the_question_or_of_us_does_not_count(ledger: Ledger, say: Say):
    for outcome in ("cancelled", "refusal", "content_policy", "context_overflow", "invalid_request"):
        say(("a", outcome), turn="failed")
    assert seen(ledger) is None


def test_another_model_and_the_sandbox_do_not_count(ledger: Ledger, say: Say):
    say(("a", "ok"), model="older")
    say(("a", "ok"), stand_in=True)
    assert seen(ledger) is None
    assert seen(ledger, stand_in=True) is not None


def test_yesterday_counts_half_and_a_month_ago_nothing(ledger: Ledger, say: Say):
    say(("a", "timeout"), turn="failed", at=NOW - HALF_LIFE_US)
    say(("a", "ok"))
    say(("a", "ok"), at=NOW - 31 * HALF_LIFE_US)
    found = seen(ledger)
    assert found is not None
    assert (found.n, found.success) == (1.5, pytest.approx(2 / 3))


def test_only_the_newest_are_looked_at(ledger: Ledger, say: Say):
    for _ in range(5):
        say(("a", "timeout"), turn="failed")
    for _ in range(WINDOW):
        say(("a", "ok"))
    found = seen(ledger)
    assert found is not None
    assert (found.n, found.success) == (WINDOW, 1)


def test_complexities_of_one_operation_in_the_newest_runs(ledger: Ledger, say: Say):
    ours, other = a_run(ledger), a_run(ledger, automation="triage")
    for score in (0.2, 0.7):
        say(("a", "ok"), complexity=score, of=ours)
        say(("a", "ok"), complexity=score / 2, of=other)
    say(("a", "ok"), complexity=0.9, operation="plan", of=ours)
    say(("a", "ok"), of=ours)
    assert complexities(ledger, "digest", "summarize", stand_in=True) == []
    for run in (ours, other):
        ledger.settle(run.run_id, "completed")
    assert sorted(complexities(ledger, "digest", "summarize", stand_in=True)) == [0.2, 0.7]


def test_past_runs_are_scored_at_todays_mix(ledger: Ledger, say: Say):
    """A run of ten turns, all quoted as light, three of which were premium: at a mix of 30 % its score is 1."""
    plan = Plan((PlanStep("think", 10, 1000, 200),)).resolve({})
    light, premium = (CARD.price(model, provider, Usage(1000, 200)) for provider, model in (HAIKU, SONNET))
    routes = {
        "think": [
            {"target": "haiku", "provider": HAIKU[0], "model": HAIKU[1], "reason": "r", "percent": 100},
            {"target": "sonnet", "provider": SONNET[0], "model": SONNET[1], "reason": "r", "percent": 0},
        ]
    }
    run = a_run(ledger, plan=json.dumps(plan.to_json()), routes=json.dumps(routes), point_nano=10 * light)
    for cost in [light] * 7 + [premium] * 3:
        say(("a", "ok"), cost=cost, of=run)
    ledger.settle(run.run_id, "completed")
    history = History(ledger, CARD)
    for _ in range(2):  # the second time from what it keeps
        plain = history.costs("digest", "fast", stand_in=True)
        mixed = history.costs("digest", "fast", stand_in=True, mixes={"think": [70, 30]})
        [(point, paid, calls)] = plain.paid
        assert (point, calls) == (10 * light, 10)
        assert paid == pytest.approx(7 * light + 3 * premium)
        [(point, paid, _)] = mixed.paid
        assert paid == pytest.approx(point, rel=1e-6)


def test_a_refusal_that_is_not_final_leaves_no_trace(ledger: Ledger):
    from pricing.ledger.budgets import BudgetRule

    rule = BudgetRule("automation", "digest", "day", 100)
    usual = {"run_id": "r", "automation": "digest", "quality": "fast", "plan": "[]", "routes": "{}"}
    more = {"rate_version": "v", "method": "prior", "history": 0, "point_nano": 1, "p50_nano": 1, "p95_nano": 1}
    dear = Run(**(usual | more), ceiling_nano=500, held_nano=500, stand_in=True, started_at=NOW)  # type: ignore[arg-type]
    cheap = Run(**(usual | more), ceiling_nano=500, held_nano=60, stand_in=True, started_at=NOW)  # type: ignore[arg-type]
    assert len(ledger.admit(dear, [rule], final=False)) == 1
    assert ledger.run("r") is None
    assert ledger.admit(cheap, [rule]) == []
    admitted = ledger.run("r")
    assert admitted is not None
    assert admitted.held_nano == 60
    assert [state.held for state in ledger.budgets()] == [60]


def test_quotes_learn_from_runs_of_their_own_kind_once_there_are_enough(ledger: Ledger, say: Say):
    """Runs without a due time that cost as quoted, and runs with one that cost twice as much as quoted."""

    def end(cost: int, due_at: int | None) -> None:
        run = a_run(ledger, point_nano=100, due_at=due_at)
        say(("a", "ok"), cost=cost, of=run)
        ledger.settle(run.run_id, "completed")

    def costs(*, due: bool) -> list[float]:
        return [
            round(cost) for _, cost, _ in History(ledger, CARD).costs("digest", "fast", stand_in=True, due=due).paid
        ]

    for _ in range(OWN_KIND):
        end(100, None)
    for _ in range(OWN_KIND - 1):
        end(200, NOW)
    assert costs(due=False) == [100] * OWN_KIND
    assert costs(due=True) == [100] * OWN_KIND + [200] * (OWN_KIND - 1)
    end(200, NOW)
    assert costs(due=False) == [100] * OWN_KIND
    assert costs(due=True) == [200] * OWN_KIND
