import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.errors import UnknownPrice
from pricing.quotes.plan import Plan, PlanStep
from pricing.quotes.prediction import CONFORMAL_FROM, MEMORY, PastCost, quote_amount, quote_scores, t_cdf, t_quantile
from pricing.quotes.quote import OperationTargets, Quote, make_quote, reprice, score_of
from pricing.rates.card import RateCard
from pricing.rates.own_rates import OwnRate
from pricing.usage import Usage

CARD = RateCard.load()
NOW = datetime(2026, 11, 23, tzinfo=UTC)
GROQ = ("groq", "openai/gpt-oss-120b")
HAIKU = ("anthropic", "claude-haiku-4-5")
SONNET = ("anthropic", "claude-sonnet-4-5")

PLAN = Plan((PlanStep("summarize", 10, 1200, 180), PlanStep("report", 1, 4000, 600))).resolve({})
TARGETS = {
    "summarize": OperationTargets(GROQ, (GROQ, HAIKU), max_output=1024, max_attempts=2),
    "report": OperationTargets(HAIKU, (HAIKU, SONNET), max_output=2048, max_attempts=2),
}

scores_of_runs = st.lists(st.floats(0.01, 100), max_size=120)
long_histories = st.lists(st.floats(0.01, 100), min_size=CONFORMAL_FROM, max_size=450)


# Published tables of Student's t (NIST/SEMATECH e-Handbook 1.3.6.7.2), to more places
@pytest.mark.parametrize(
    ("level", "freedom", "value"),
    [
        (0.95, 1, 6.313751514675),
        (0.975, 1, 12.706204736175),
        (0.95, 4, 2.131846786327),
        (0.975, 4, 2.776445105198),
        (0.99, 10, 2.763769458113),
        (0.90, 20, 1.325340706985),
        (0.975, 30, 2.042272456301),
        (0.999, 60, 3.231709125),
        (0.95, 120, 1.657650899),
        (0.75, 2, 0.816496580928),
    ],
)
def test_t_quantiles_are_those_of_the_tables(level, freedom, value):
    assert t_quantile(level, freedom) == pytest.approx(value, abs=1e-6)
    assert t_quantile(1 - level, freedom) == pytest.approx(-value, abs=1e-6)


@given(st.floats(0.001, 0.999), st.integers(1, 400))
def test_the_t_quantile_inverts_the_distribution(level, freedom):
    assert t_cdf(t_quantile(level, freedom), freedom) == pytest.approx(level, abs=1e-9)


@pytest.mark.parametrize(("level", "freedom"), [(0, 5), (1, 5), (0.5, 0), (0.5, -1), (0.5, math.inf), (math.nan, 3)])
def test_no_quantile_where_there_is_none(level, freedom):
    with pytest.raises(ValueError, match="no t quantile"):
        t_quantile(level, freedom)


def test_without_history_the_prior_quotes():
    assert quote_scores([], 0.5) == 1.0
    # exp(0.6 · √2 · t(0.965; 4)): the design's constants, worked out by hand
    assert quote_scores([]) == pytest.approx(math.exp(0.6 * math.sqrt(2) * t_quantile(0.965, 4)), rel=1e-9)


def test_a_little_history_by_the_formula():
    logs = [math.log(score) for score in (0.8, 1.1, 2.0)]
    mean = sum(logs) / 3
    squares = sum((x - mean) ** 2 for x in logs)
    variance = (4 * 0.36 + squares + 3 / 4 * mean**2) / 7
    expected = math.exp(3 * mean / 4 + t_quantile(0.965, 7) * math.sqrt(variance * 5 / 4))
    assert quote_scores([0.8, 1.1, 2.0]) == pytest.approx(expected, rel=1e-9)


def of_one_size(scores: Sequence[float]) -> list[PastCost]:
    return [(1.0, score, 1) for score in scores]


def test_mature_quotes_are_near_the_order_statistic():
    rng = random.Random(1)
    scores = [rng.lognormvariate(0, 0.5) for _ in range(MEMORY)]
    assert quote_scores(scores) == pytest.approx(math.exp(1.645 * 0.5), rel=0.15)
    assert quote_scores(scores, 0.5) == pytest.approx(1.0, rel=0.15)


def test_only_recent_runs_count():
    rng = random.Random(2)
    recent = [rng.lognormvariate(0, 0.5) for _ in range(MEMORY)]
    assert quote_scores([1000.0] * 200 + recent) == quote_scores([0.001] * 50 + recent)


@pytest.mark.parametrize("spread", [0.2, 0.4, 0.6])
def test_quotes_follow_a_jump_within_fifty_runs(spread):
    """Costs rise 1.36 times: with a window alone 87 to 92 % of the next 50 runs are covered."""
    covered = []
    for seed in range(8):
        rng = random.Random(seed)
        scores = [rng.lognormvariate(0, spread) * (1.36 if run >= 150 else 1) for run in range(200)]
        covered += [scores[run] <= quote_scores(scores[:run]) for run in range(150, 200)]
    assert fmean(covered) >= 0.9


def test_the_level_never_reaches_the_maximum_of_the_window():
    rng = random.Random(4)
    scores = [rng.paretovariate(1.2) * (1 + run / 300) for run in range(400)]
    assert quote_scores(scores) < 0.5 * max(scores[-300:])


def runs_of_items(seed: int, runs: int, *, shared: float = 0.0) -> list[PastCost]:
    """Runs of 1 to 100 items; what one item costs scatters, ``shared`` is the spread that all items of a run share."""
    rng = random.Random(seed)
    past = []
    for _ in range(runs):
        items = round(math.exp(rng.uniform(0, math.log(100))))
        factor = rng.lognormvariate(0, shared) if shared else 1.0
        past.append((float(items), factor * sum(rng.lognormvariate(-0.32, 0.8) for _ in range(items)), items))
    return past


@pytest.mark.parametrize("shared", [0.0, 0.3])
def test_small_and_large_runs_are_both_covered(shared):
    """One pooled quantile covers 87 % of the smallest quarter and all of the largest."""
    asked = []
    for seed in range(2):
        runs = runs_of_items(seed, 300, shared=shared)
        asked += [(runs[n][0], runs[n][1] <= quote_amount(runs[:n], runs[n][0], runs[n][2])) for n in range(59, 300)]
    asked.sort()
    quarter = len(asked) // 4
    for first in range(0, 4 * quarter, quarter):
        assert 0.9 <= fmean(within for _, within in asked[first : first + quarter]) <= 0.99


def test_a_large_run_is_quoted_closer_to_its_estimate_than_a_small_one():
    runs = runs_of_items(5, 300)
    assert quote_amount(runs, 1.0, 1) > 1.5 * quote_amount(runs, 100.0, 100) / 100


def test_calls_are_the_size_where_all_points_are_alike():
    by_calls = [(10.0, cost / items * 10, items) for _, cost, items in runs_of_items(6, 300)]
    assert quote_amount(by_calls, 10.0, 1) > 1.5 * quote_amount(by_calls, 10.0, 100)


def test_runs_of_one_size_are_quoted_by_their_scores_alone():
    rng = random.Random(7)
    for runs in (0, 1, 20, 58, 59, 200):
        scores = [rng.lognormvariate(0, 0.5) for _ in range(runs)]
        past = [(7.0, 7.0 * score, 3) for score in scores]
        assert quote_amount(past, 7.0, 3) == pytest.approx(7 * quote_scores(scores))


@pytest.mark.parametrize("amount", [-1.0, math.inf, math.nan])
def test_an_amount_that_is_none_is_refused(amount):
    for past, point in (([(1.0, amount, 1)], 1.0), ([(amount, 1.0, 1)], 1.0), ([], amount)):
        with pytest.raises(ValueError, match="finite numbers"):
            quote_amount(past, point, 1)


@pytest.mark.parametrize("score", [0.0, -1.0, math.inf, math.nan])
def test_a_score_that_is_none_is_refused(score):
    with pytest.raises(ValueError, match="scores are positive"):
        quote_scores([1.0, score])


@pytest.mark.parametrize("level", [0, 1, -0.5, 95])
def test_a_level_is_a_probability(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        quote_scores([1.0], level)


@given(long_histories, st.sampled_from([0.25, 0.5, 2.0, 8.0]), st.sampled_from([0.5, 0.9, 0.95]))
@settings(max_examples=40, deadline=None)
def test_scaled_scores_scale_the_quote(scores, factor, level):
    scaled = quote_scores([score * factor for score in scores], level)
    assert scaled == pytest.approx(factor * quote_scores(scores, level), rel=1e-9)


@given(scores_of_runs)
@settings(max_examples=60, deadline=None)
def test_student_t_levels_are_in_order(scores):
    few = scores[: CONFORMAL_FROM - 1]
    quotes = [quote_scores(few, level) for level in (0.05, 0.3, 0.5, 0.500001, 0.8, 0.95, 0.99)]
    assert quotes == sorted(quotes)
    assert quotes[2] == pytest.approx(quotes[3], rel=1e-4)


@pytest.mark.parametrize(("from_run", "to_run", "automations"), [(0, CONFORMAL_FROM, 40), (CONFORMAL_FROM, 160, 14)])
def test_each_stage_covers_what_it_says(from_run, to_run, automations):
    """CV 0.67 as in benchmarks/quote_coverage; bounds are about three standard errors wide."""
    rng = random.Random(20261123)
    covered95, covered50, asked = 0, 0, 0
    for _ in range(automations):
        scores = [rng.lognormvariate(0.2, 0.6) for _ in range(to_run)]
        for run in range(from_run, to_run, 2):
            covered95 += scores[run] <= quote_scores(scores[:run])
            covered50 += scores[run] <= quote_scores(scores[:run], 0.5)
            asked += 1
    assert 0.93 <= covered95 / asked <= 0.98
    assert 0.44 <= covered50 / asked <= 0.56


def test_the_point_is_the_plan_at_the_primary_targets():
    quote = make_quote(PLAN, TARGETS, CARD, at=NOW)
    # 10 × (1,200 in at $0.15 + 180 out at $0.60) + (4,000 in at $1 + 600 out at $5), per million
    assert quote.point == 10 * (180_000 + 108_000) + 4_000_000 + 3_000_000
    assert quote.p50 == quote.point
    assert (quote.n, quote.since, quote.method) == (0, None, "prior")
    assert quote.rate_version == CARD.version


def test_the_ceiling_is_every_turn_at_full_length_at_the_dearest_target():
    haiku_turn = CARD.worst("claude-haiku-4-5", "anthropic", 4800, 1024, NOW)
    sonnet_turn = CARD.worst("claude-sonnet-4-5", "anthropic", 16_000, 2048, NOW)
    assert make_quote(PLAN, TARGETS, CARD, at=NOW).ceiling == 10 * 2 * haiku_turn + 2 * sonnet_turn


def test_a_window_bounds_the_input_but_never_below_the_plan():
    def ceiling(window: int) -> int:
        where = OperationTargets(GROQ, (GROQ,), max_output=10, max_input=window)
        return make_quote(Plan((PlanStep("chat", 1, 1000, 10),)).resolve({}), {"chat": where}, CARD, at=NOW).ceiling

    assert ceiling(100_000) == CARD.worst(GROQ[1], GROQ[0], 4000, 10, NOW)
    assert ceiling(3000) == CARD.worst(GROQ[1], GROQ[0], 3000, 10, NOW)
    assert ceiling(500) == CARD.worst(GROQ[1], GROQ[0], 1000, 10, NOW)


def past_of(scores: Sequence[float]) -> list[PastCost]:
    """Past runs of the plan above."""
    point = make_quote(PLAN, TARGETS, CARD, at=NOW).point
    return [(point, score * point, 11) for score in scores]


def test_an_unknown_fallback_refuses_the_run():
    targets = TARGETS | {"report": OperationTargets(HAIKU, (HAIKU, ("openai_compatible", "mine")), max_output=100)}
    with pytest.raises(UnknownPrice):
        make_quote(PLAN, targets, CARD)


def test_runs_that_cost_less_than_planned_are_quoted_less():
    quote = make_quote(PLAN, TARGETS, CARD, past_of([0.4, 0.5, 0.45] * 30), since=NOW, at=NOW)
    assert quote.p50 <= quote.p95 < quote.point
    assert quote.p95 == pytest.approx(0.5 * quote.point, rel=0.02)
    assert (quote.n, quote.since, quote.method) == (90, NOW, "conformal")
    assert make_quote(PLAN, TARGETS, CARD, past_of([0.4] * 58)).method == "student_t"


def test_a_plan_of_no_calls_and_a_free_model_cost_nothing():
    nothing = make_quote(Plan((PlanStep("report", 0, 10, 10),)).resolve({}), TARGETS, CARD)
    assert (nothing.point, nothing.p95, nothing.ceiling) == (0, 0, 0)
    free = RateCard.load([OwnRate("openai_compatible", "mine", Decimal(0), Decimal(0))])
    where = {"report": OperationTargets(("openai_compatible", "mine"), (), max_output=10)}
    assert make_quote(Plan((PlanStep("report", 3, 10, 10),)).resolve({}), where, free).ceiling == 0


plan_steps = st.builds(
    PlanStep,
    st.sampled_from(["summarize", "report"]),
    st.integers(0, 50),
    st.integers(0, 20_000),
    st.integers(0, 5_000),
    max_calls=st.none() | st.integers(0, 100),
)


@given(st.lists(plan_steps, max_size=3), scores_of_runs, st.integers(0, 200))
@settings(max_examples=80, deadline=None)
def test_quotes_are_in_order(steps, scores, buffer):
    quote = make_quote(Plan(tuple(steps)).resolve({}), TARGETS, CARD, past_of(scores), at=NOW)
    assert 0 <= quote.p50 <= quote.p95 <= quote.ceiling
    assert 0 <= quote.point <= quote.ceiling
    assert quote.p95 <= quote.hold(buffer) <= quote.ceiling


def test_the_hold_is_the_p95_and_the_buffer_up_to_the_ceiling():
    quote = Quote(80, 90, 101, 125, 3, NOW, "v", "student_t")
    assert (quote.hold(0), quote.hold(20), quote.hold(25)) == (101, 122, 125)
    with pytest.raises(ValueError, match="negative"):
        quote.hold(-1)


def test_scores_compare_a_run_to_its_own_point():
    assert score_of(150, 100) == 1.5
    assert score_of(0, 100) == 0
    assert score_of(100, 0) is None
    with pytest.raises(ValueError, match="negative"):
        score_of(-1, 100)


def test_history_is_repriced_at_another_card():
    tokens = [(GROQ, Usage(2000, 500)), (HAIKU, Usage(2000, 500)), (GROQ, Usage(2000, 500))]
    assert reprice(tokens, CARD, NOW) == 600_000 + 4_500_000 + 600_000
    half = RateCard.load([OwnRate(*GROQ, input_per_mtok=Decimal("0.075"), output_per_mtok=Decimal("0.30"))])
    assert reprice(tokens, half, NOW) == 300_000 + 4_500_000 + 300_000
    with pytest.raises(UnknownPrice):
        reprice([(GROQ, Usage())], CARD)


def test_runs_that_cost_nothing_are_a_share_of_their_own():
    costly = [1.0 + i / 100 for i in range(80)]
    paid = of_one_size(costly)
    share = 20 / 101
    assert quote_amount(of_one_size([0.0] * 20 + costly), 1.0, 1) == pytest.approx(
        quote_amount(paid, 1.0, 1, (0.95 - share) / (1 - share))
    )
    assert quote_amount(of_one_size([0.0] * 80 + costly[:10]), 1.0, 1, 0.5) == 0
    # One free run does not make the next one free.
    assert 0 < quote_amount(of_one_size([0.0]), 1.0, 1) < quote_amount([], 1.0, 1)


def test_the_p95_does_not_count_on_storage_and_the_p50_does():
    quote = make_quote(PLAN, TARGETS, CARD, past_of([1.0] * 80), paid=past_of([0.0] * 60 + [1.0] * 20), at=NOW)
    assert (quote.p50, quote.p95) == (0, quote.point)


@pytest.mark.parametrize(
    ("past", "point"),
    [
        ([(1e-300, 1e300, 1)] * 70, 1.0), ([(1e-300, 1e300, 1)] * 10, 1e300), ([(1e300, 1e-300, 5)] * 59, 1e-300),
        ([(1.7e308, 1.7e308, 1)] * 80, 1.7e308), ([(5e-324, 5e-324, 1)] * 20, 5e-324), ([(10**300, 10**299, 10**9)] * 61, 10**300),
        ([(1, 1, 0)] * 60, 1), ([(3, 2, 4)], 3),
    ],
)  # fmt: skip
def test_a_quote_is_a_finite_amount_whatever_the_unit(past, point):
    assert 0 <= quote_amount(past, point, 1) <= 1.8e308


def test_the_contract_is_offered_by_the_package():
    from pricing import quotes

    assert quotes.quote_amount is quote_amount
    assert "quote_amount" in quotes.__all__
