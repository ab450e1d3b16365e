import math
import random
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.errors import UnknownPrice
from pricing.plans import Plan, PlanStep
from pricing.quotes import OperationTargets, Quote, make_quote, quote_scores, reprice, score_of
from pricing.rates import OwnRate, RateCard
from pricing.scores import CONFORMAL_FROM, WINDOW, quote_multiplier
from pricing.student_t import t_cdf, t_quantile
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


def test_the_first_conformal_quote_is_the_order_statistic():
    scores = [float(i) for i in range(1, CONFORMAL_FROM + 1)]
    random.Random(1).shuffle(scores)
    assert quote_scores(scores) == math.ceil(0.95 * (CONFORMAL_FROM + 1))
    assert quote_scores(scores, 0.5) == math.ceil(0.5 * (CONFORMAL_FROM + 1))


def test_only_recent_runs_count():
    rng = random.Random(2)
    recent = [rng.lognormvariate(0, 0.5) for _ in range(2 * WINDOW)]
    assert quote_scores([1000.0] * 200 + recent) == quote_scores([0.001] * 50 + recent)


def test_a_streak_of_misses_raises_the_level():
    rng = random.Random(3)
    calm = [rng.uniform(0.5, 1.5) for _ in range(WINDOW)]
    jumped = [*calm, *(rng.uniform(0.9, 2.7) for _ in range(15))]
    window = sorted(jumped[-WINDOW:])
    assert quote_scores(jumped) > window[math.ceil(0.95 * (WINDOW + 1)) - 1]


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
    assert quote_scores([score * factor for score in scores], level) == factor * quote_scores(scores, level)


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


def test_an_unknown_fallback_refuses_the_run():
    targets = TARGETS | {"report": OperationTargets(HAIKU, (HAIKU, ("openai_compatible", "mine")), max_output=100)}
    with pytest.raises(UnknownPrice):
        make_quote(PLAN, targets, CARD)


def test_runs_that_cost_less_than_planned_are_quoted_less():
    quote = make_quote(PLAN, TARGETS, CARD, [0.4, 0.5, 0.45] * 30, since=NOW, at=NOW)
    assert quote.p50 <= quote.p95 == math.ceil(Fraction(0.5) * quote.point) < quote.point
    assert (quote.n, quote.since, quote.method) == (90, NOW, "conformal")
    assert make_quote(PLAN, TARGETS, CARD, [0.4] * 58).method == "student_t"


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
    quote = make_quote(Plan(tuple(steps)).resolve({}), TARGETS, CARD, scores, at=NOW)
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
    assert quote_multiplier(costly) == quote_scores(costly)
    assert quote_multiplier([0.0] * 20 + costly) == quote_scores(costly, (0.95 - 20 / 101) / (1 - 20 / 101))
    assert quote_multiplier([0.0] * 80 + costly[:10], 0.5) == 0
    assert 0 < quote_multiplier([0.0]) < quote_multiplier([])  # one free run does not make the next one free
    with pytest.raises(ValueError, match="scores are positive"):
        quote_multiplier([0.0, -1.0])


def test_the_p95_does_not_count_on_storage_and_the_p50_does():
    quote = make_quote(PLAN, TARGETS, CARD, [1.0] * 80, paid=[0.0] * 60 + [1.0] * 20, at=NOW)
    assert (quote.p50, quote.p95) == (0, quote.point)
