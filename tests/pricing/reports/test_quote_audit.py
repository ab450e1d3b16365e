from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.analysis.intervals import wilson
from pricing.errors import UsageError
from pricing.replica.replica import Replica
from pricing.reports import quote_audit
from pricing.reports.quote_audit import quote_audits
from pricing.reports.quoted_path import quoted_paths
from tests.pricing.reports.conftest import eventful
from tests.support.report_books import CENT, SECOND, Books
from tests.support.report_pages import saving_run


def settled(books: Books, number: int, cents: int, outcome="completed", **changed: Any) -> None:
    """A run quoted at a p50 of 12 and a p95 of 20 cents; 20 to hold."""
    run = books.run(f"run-{number}", held=20 * CENT, **changed)
    if cents:
        books.answered(run, f"t{number}", cents * CENT, worst=20 * CENT)
    books.clock += SECOND
    books.ledger.settle(run.run_id, outcome)


def test_wilson_as_published():
    """81 of 263 in Newcombe, *Statistics in Medicine* 17 (1998), table I."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@given(runs=st.integers(0, 5000), share=st.floats(0, 1))
def test_wilson_holds_the_share_it_is_of(runs, share):
    within = round(runs * share)
    low, high = wilson(within, runs)
    assert 0 <= low <= (within / runs if runs else 0.5) + 1e-12
    assert (within / runs if runs else 0.5) - 1e-12 <= high <= 1


def test_coverage_counts_runs_that_a_budget_stopped_as_not_within(light_books: Books, light_replica: Replica):
    for number, (cents, outcome) in enumerate(
        [
            (10, "completed"),
            (15, "completed"),
            (20, "completed"),
            (18, "over_budget"),
            (9, "failed"),
            (0, "over_budget"),
        ]
    ):
        settled(light_books, number, cents, outcome)
    [audit] = quote_audits(light_replica, "digest")
    assert (audit.p95.runs, audit.p95.within, audit.p50.within) == (4, 3, 1)
    assert audit.over_holding == pytest.approx(80 / 63)
    assert audit.drift is None
    assert audit.warnings == ()


def test_qualities_and_the_sandbox_are_apart(light_books: Books, light_replica: Replica):
    settled(light_books, 0, 5)
    settled(light_books, 1, 5, quality="best")
    settled(light_books, 2, 5, stand_in=True)
    found = [(audit.quality, audit.stand_in, audit.p95.runs) for audit in quote_audits(light_replica)]
    assert found == [("best", False, 1), ("fast", False, 1), ("fast", True, 1)]


def test_drift_is_told(light_books: Books, light_replica: Replica):
    for number in range(200):
        settled(light_books, number, 8 if number < 100 else 20)
    for number in range(200, 215):
        settled(light_books, number, 19, "over_budget")
    [audit] = quote_audits(light_replica)
    assert audit.drift == pytest.approx(20 / 8)
    assert any("costs have moved" in warning for warning in audit.warnings)
    assert any("too often" in warning for warning in audit.warnings)


def test_an_unknown_automation_is_told(light_books: Books, light_replica: Replica):
    settled(light_books, 0, 5)
    with pytest.raises(UsageError):
        quote_audits(light_replica, "digst")


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "cheap"])
def test_what_storage_spared_does_not_make_quotes_too_high(
    light_books: Books, light_replica: Replica, monkeypatch: pytest.MonkeyPatch, stored
):
    """Of 200 runs the last 100 cost nothing: they were answered from storage, or there was nothing to do."""
    monkeypatch.setattr(quote_audit, "ENOUGH", 200)
    for number in range(200):
        cents = 25 if number % 20 == 0 else 19  # one in twenty is above the p95 of 20
        run = light_books.run(f"run-{number}", held=20 * CENT)
        if number < 100:
            light_books.answered(run, f"t{number}", min(cents, 20) * CENT, worst=20 * CENT)
        elif stored:
            light_books.turn(run, f"t{number}", 0, "stored", target="haiku", saved_nano=cents * CENT)
        light_books.clock += SECOND
        light_books.ledger.settle(run.run_id, "completed")
    [audit] = quote_audits(light_replica)
    assert audit.p95.within == 200
    assert audit.whole.within == (195 if stored else 200)
    assert audit.drift == pytest.approx(1 if stored else 0)
    assert any("too high" in warning for warning in audit.warnings) is not stored
    assert any("costs have moved" in warning for warning in audit.warnings) is not stored


def test_a_path_is_what_turns_went_through(light_books: Books, light_replica: Replica):
    assert quoted_paths(light_replica, "digest", stand_in=False) == []
    eventful(light_books)
    saving_run(light_books)
    saving_run(light_books, "of-the-sandbox", stand_in=True)
    light_replica.sync()
    [path] = quoted_paths(light_replica, "digest", stand_in=False)
    assert (path.quality, path.runs, path.turns, path.asked, path.attempts) == ("fast", 2, 8, 6, 9)
    assert (path.fell_back, path.repaired, path.stored) == (1, 1, 1)
    assert path.shares["fell_back"] == path.shares["repaired"] == pytest.approx(1 / 6)
    assert path.shares["stored"] == pytest.approx(1 / 8)
    assert path.to_json()["shares"]["cache_read"] == path.cache_read_tokens / path.input_tokens > 0
    assert str(path).startswith("of 8 turns in 2 runs, 12 % were answered from storage")
