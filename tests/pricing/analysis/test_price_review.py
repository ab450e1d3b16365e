"""Recorded usage at other rates: exactly what each attempt would have been billed."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing.analysis.price_review import Rates, Review, ReviewCandidate, review
from pricing.clock import from_us
from pricing.db.database import Store
from pricing.errors import UnknownPrice, UsageError
from pricing.ledger.facts import Intent
from pricing.money import USD
from pricing.rates.card import RateCard
from pricing.rates.own_rates import OwnRate
from pricing.replica.replica import Replica
from pricing.usage import Usage
from tests.support.examples import examples
from tests.support.report_books import CENT, NOON, Books

TODAY = from_us(NOON)
PERIOD = (from_us(NOON - 1), from_us(NOON + 10**12))
HAIKU = ("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0")
SONNET = ("anthropic", "claude-sonnet-4-5")
GROQ = ("groq", "openai/gpt-oss-120b")
MINI = ("openai", "gpt-4.1-mini")
CARD = RateCard.load()
MODELS = [HAIKU, SONNET, GROQ, MINI]


@pytest.fixture
def store(tmp_path: Path):
    opened = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


@pytest.fixture
def books(store: Store) -> Books:
    return Books(store)


@pytest.fixture
def replica(store: Store, tmp_path: Path) -> Replica:
    return Replica(tmp_path / "replica.duckdb", store)


def used(books: Books, number: int, what: Sequence[tuple[tuple[str, str], Usage]], **changed: Any) -> None:
    run = books.run(f"run-{number}", held=10 * USD, **changed)
    for index, ((provider, model), usage) in enumerate(what):
        intent: Intent = books.intent(run, f"t{number}-{index}", worst=CENT, provider=provider, model=model)
        books.end(intent, CARD.price(model, provider, usage, TODAY), usage=usage)
    books.ledger.settle(run.run_id, "completed")


def reviewed(replica: Replica, after: Rates, **more: Any) -> Review:
    replica.sync()
    return review(replica, Rates(CARD, TODAY), after, period=PERIOD, **more)


usages = st.builds(
    lambda read, write, hour, plain, out: Usage(read + write + hour + plain, out, read, write, hour),
    *(st.integers(0, 90_000) for _ in range(3)),
    st.integers(0, 300_000),
    st.integers(0, 20_000),
)


@settings(max_examples=examples(3), deadline=None, suppress_health_check=list(HealthCheck))
@given(what=st.lists(st.tuples(st.sampled_from(MODELS), usages), min_size=1, max_size=8), to=st.sampled_from(MODELS))
def test_the_replay_is_what_the_card_says_attempt_by_attempt(tmp_path_factory, what, to):
    folder = tmp_path_factory.mktemp("review")
    store = Store(f"sqlite:///{folder / 'ledger.db'}")
    used(Books(store), 0, what)
    moved = dict.fromkeys(MODELS, to)
    [line] = reviewed(Replica(folder / "replica.duckdb", store), Rates(CARD, TODAY, moved)).lines
    assert line.before_nano == line.billed_nano == sum(CARD.price(m, p, u, TODAY) for (p, m), u in what)
    assert line.after_nano == sum(CARD.price(to[1], to[0], u, TODAY) for _, u in what)
    store.close()


def test_margins_and_the_cheapest_target_that_restores_them(books: Books, replica: Replica):
    used(books, 0, [(HAIKU, Usage(1000, 1000))], price_nano=2 * CENT)
    dear = RateCard.load([OwnRate(*HAIKU, Decimal(10), Decimal(10))])
    targets = [
        ReviewCandidate(name, *model) for name, model in zip(("haiku", "sonnet", "groq", "mini"), MODELS, strict=True)
    ]
    found = reviewed(replica, Rates(dear, TODAY), targets=targets, target_margin=0.6)
    [line] = found.lines
    assert line.margin_before == pytest.approx(1 - 0.0066 / 0.02)
    assert line.margin_after == pytest.approx(0.0)
    assert line.below_target
    assert line.restored_by is not None
    assert (line.restored_by.target, line.restored_by.cost_nano) == (
        "groq",
        CARD.price(GROQ[1], GROQ[0], Usage(1000, 1000)),
    )
    assert "own." in found.version_after


def test_a_date_in_the_future_takes_the_rates_of_then(books: Books, replica: Replica):
    used(books, 0, [(SONNET, Usage(1000, 0))], price_nano=CENT)
    later = OwnRate(*SONNET, Decimal(6), Decimal(15), valid_from=date(2027, 1, 1))
    card = RateCard.load([OwnRate(*SONNET, Decimal(3), Decimal(15)), later])
    for at, cost in ((TODAY, 3_000_000), (datetime(2027, 1, 1, tzinfo=UTC), 6_000_000)):
        [line] = reviewed(replica, Rates(card, at)).lines
        assert line.after_nano == cost


def test_more_tokens_of_a_new_tokenizer_are_counted_and_may_pass_a_cliff(books: Books, replica: Replica):
    used(books, 0, [(SONNET, Usage(1000, 100)), (GROQ, Usage(1000, 100))])
    [line] = reviewed(replica, Rates(CARD, TODAY, {SONNET: HAIKU}, factor=1.3)).lines
    inflated = CARD.price(HAIKU[1], HAIKU[0], Usage(1300, 130), TODAY)
    assert line.after_nano == inflated + CARD.price(GROQ[1], GROQ[0], Usage(1000, 100), TODAY)


def test_what_was_priced_at_its_worst_case_stays(books: Books, replica: Replica):
    run = books.run("r", held=USD)
    books.end(books.intent(run, "t", provider=SONNET[0], model=SONNET[1]), 5 * CENT, "timeout", status=None)
    books.end(books.intent(run, "t", provider=SONNET[0], model=SONNET[1]), 0, "overloaded")
    [line] = reviewed(replica, Rates(CARD, TODAY, {SONNET: GROQ})).lines
    assert (line.attempts, line.before_nano, line.after_nano) == (1, 5 * CENT, 5 * CENT)


def test_runs_without_a_known_price_have_no_margin(books: Books, replica: Replica):
    used(books, 0, [(GROQ, Usage(10, 10))])
    [line] = reviewed(replica, Rates(CARD, TODAY)).lines
    assert (line.revenue_nano, line.margin_after, line.below_target) == (None, None, False)


def test_a_model_in_use_that_retires_is_told(books: Books, replica: Replica):
    used(books, 0, [(SONNET, Usage(10, 10))] * 2)
    targets = [
        ReviewCandidate("sonnet", *SONNET, retires=date(2026, 11, 30)),
        ReviewCandidate("mini", *MINI, date(2027, 1, 1)),
    ]
    [ending] = reviewed(replica, Rates(CARD, TODAY), targets=targets).retirements
    assert (ending.target, ending.attempts, ending.on) == ("sonnet", 2, date(2026, 11, 30))


def test_a_model_without_a_price_and_a_time_without_use_are_errors(books: Books, replica: Replica):
    with pytest.raises(UsageError, match="Nothing was used"):
        reviewed(replica, Rates(CARD, TODAY))
    used(books, 0, [(GROQ, Usage(10, 10))])
    with pytest.raises(UnknownPrice):
        reviewed(replica, Rates(CARD, TODAY, {GROQ: ("groq", "nobody-knows-this")}))


def test_rates_too_dear_for_64_bits_are_exact_too(books: Books, replica: Replica):
    used(books, 0, [(GROQ, Usage(900_000, 900_000))])
    dear = RateCard.load([OwnRate(*GROQ, Decimal(900_000), Decimal(900_000))])
    [line] = reviewed(replica, Rates(dear, TODAY)).lines
    assert line.after_nano == dear.price(GROQ[1], GROQ[0], Usage(900_000, 900_000))
