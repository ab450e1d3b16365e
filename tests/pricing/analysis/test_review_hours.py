"""Price reviews at rates with hours: each attempt at the rate of its own time of day."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing.analysis.price_review import Rates, Review, review
from pricing.clock import from_us, to_us
from pricing.db.database import Store
from pricing.money import USD
from pricing.rates import Hours, OwnRate, RateCard
from pricing.replica.replica import Replica
from pricing.reports.price_review import review_markdown
from pricing.usage import Usage
from tests.support.examples import examples
from tests.support.report_books import CENT, Books

MODEL = ("deepseek", "deepseek-chat")
OFF_PEAK = Hours(("22:00-06:00", "sun 00:00-24:00"), "Europe/Madrid")
USED = Usage(1_000_000, 0)
MONDAY = datetime(2026, 11, 30, tzinfo=UTC)  # 22:00 in Madrid is 21:00 in UTC


def card(*, off_peak: int | None = 1, usual: int = 4) -> RateCard:
    rates = [OwnRate(*MODEL, Decimal(usual), Decimal(usual))]
    if off_peak is not None:
        rates.append(OwnRate(*MODEL, Decimal(off_peak), Decimal(off_peak), hours=OFF_PEAK))
    return RateCard.load(rates)


def reviewed(tmp_path: Path, moments: list[datetime], after: Rates) -> Review:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    try:
        books = Books(store)
        books.clock = to_us(MONDAY)
        run = books.run("run", held=100 * USD)
        for number, moment in enumerate(moments):
            provider, model = MODEL
            began = to_us(moment)
            intent = books.intent(run, f"t{number}", worst=CENT, provider=provider, model=model, started_at=began)
            books.end(intent, CENT, usage=USED)
        books.ledger.settle("run", "completed")
        replica = Replica(tmp_path / "replica.duckdb", store)
        replica.sync()
        usual = Rates(card(off_peak=None), MONDAY)
        return review(replica, usual, after, period=(MONDAY, MONDAY + timedelta(days=7)))
    finally:
        store.close()


def test_an_attempt_is_repriced_at_its_own_time_of_day(tmp_path: Path):
    moments = [MONDAY + timedelta(hours=hours) for hours in (12, 22, 20.9, 6 * 24 + 12)]  # day, night, evening, Sunday
    found = reviewed(tmp_path, moments, Rates(card(), MONDAY))
    [line] = found.lines
    assert line.before_nano == 4 * 4 * USD
    assert line.after_nano == (4 + 1 + 4 + 1) * USD
    told = "digest fast: starting runs in the cheapest hours would have saved about $6.00 in this period"
    assert found.hours == (told,)
    assert told in review_markdown(found, "today's rates").replace("\\", "")


def test_daily_runs_would_save_what_the_look_ahead_says(tmp_path: Path):
    """As in tests/runs/test_hours_in_quotes.py: Sundays are cheap all day."""
    found = reviewed(tmp_path, [MONDAY + timedelta(days=day, hours=12) for day in range(7)], Rates(card(), MONDAY))
    assert found.hours == (
        "digest fast: starting runs in the cheapest hours would have saved about $18.00 in this period",
    )


def test_without_hours_or_without_a_saving_nothing_is_said(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    at_night = [MONDAY + timedelta(hours=22)]
    assert reviewed(tmp_path / "a", at_night, Rates(card(off_peak=None), MONDAY)).hours == ()
    assert reviewed(tmp_path / "b", at_night, Rates(card(), MONDAY)).hours == ()


def test_hours_of_a_later_rate_card_hold_from_its_date(tmp_path: Path):
    later = OwnRate(*MODEL, Decimal(2), Decimal(2), hours=OFF_PEAK, valid_from=date(2027, 1, 1))
    known = RateCard.load([OwnRate(*MODEL, Decimal(4), Decimal(4)), later])
    moments = [MONDAY + timedelta(hours=12), MONDAY + timedelta(hours=22)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    costs = [
        reviewed(tmp_path / name, moments, Rates(known, at)).lines[0].after_nano
        for name, at in (("a", MONDAY), ("b", datetime(2027, 1, 1, tzinfo=UTC)))
    ]
    assert costs == [8 * USD, 6 * USD]


@settings(max_examples=examples(3), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minutes=st.lists(st.integers(0, 7 * 24 * 60 - 1), min_size=1, max_size=6))
def test_the_replay_is_what_the_card_says_at_each_moment(tmp_path_factory: pytest.TempPathFactory, minutes: list[int]):
    moments = [MONDAY + timedelta(minutes=minute) for minute in minutes]
    rates = card()
    found = reviewed(tmp_path_factory.mktemp("review"), moments, Rates(rates, MONDAY))
    provider, model = MODEL
    assert found.lines[0].after_nano == sum(
        rates.price(model, provider, USED, from_us(to_us(moment))) for moment in moments
    )
