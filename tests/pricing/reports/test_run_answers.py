"""What a run's report says first: its cost, one and the same in every view; its quality; who approved; where time went."""

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from pricing.db import schema
from pricing.ledger.budgets import BudgetRule
from pricing.money import format_money
from pricing.replica.replica import Replica
from pricing.replica.run_copy import RunCopy
from pricing.reports import (
    RunSelection,
    breakdown,
    overview,
    render_html,
    render_markdown,
    render_terminal,
    run_report,
    runs,
)
from pricing.reports.sentences import (
    approval_sentence,
    cost_sentence,
    markup_words,
    money_sentence,
    quality_sentence,
    took_words,
)
from pricing.usage import Usage
from tests.support.report_books import CENT, SECOND, Books
from tests.support.report_pages import shown


def running(books: Books) -> None:
    run = books.run("run-one")
    books.answered(run, "t1", 3 * CENT)
    books.intent(run, "t2")


def cancelled(books: Books) -> None:
    """While a request was under way, which counts at its worst case."""
    running(books)
    books.clock += SECOND
    books.ledger.settle("run-one", "cancelled", "interrupted")


def cancelled_and_answered_late(books: Books) -> None:
    run = books.run("run-one")
    books.answered(run, "t1", 3 * CENT)
    late = books.intent(run, "t2")
    books.ledger.settle("run-one", "cancelled", "interrupted")
    books.clock += SECOND
    books.end(late, 2 * CENT, usage=Usage(700, 80))


def cancelled_and_never_billed(books: Books) -> None:
    run = books.run("run-one")
    books.answered(run, "t1", 3 * CENT)
    late = books.intent(run, "t2")
    books.ledger.settle("run-one", "cancelled", "interrupted")
    books.end(late, 0, "connection")


def killed(books: Books) -> None:
    running(books)
    books.clock += 120 * SECOND
    assert books.ledger.reap() == 1


def killed_and_started_again(books: Books) -> None:
    killed(books)
    run = books.ledger.run("run-one")
    assert run is not None
    books.ledger.admit(run, ())
    books.answered(run, "t3", 4 * CENT)
    books.ledger.settle("run-one", "completed")


def suspended(books: Books) -> None:
    run = books.run("run-one")
    books.answered(run, "t1", 3 * CENT)
    books.ledger.suspend("run-one", books.ledger.execution("run-one"), books.clock + 3600 * SECOND)


STATES: dict[Callable[[Books], None], tuple[str, int]] = {
    running: ("running", 3 * CENT),
    cancelled: ("cancelled", 8 * CENT),
    cancelled_and_answered_late: ("cancelled", 5 * CENT),
    cancelled_and_never_billed: ("cancelled", 3 * CENT),
    killed: ("lost", 8 * CENT),
    killed_and_started_again: ("completed", 12 * CENT),
    suspended: ("suspended", 3 * CENT),
}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_run_has_one_cost_in_every_view(light_books: Books, light_replica: Replica, state: Callable[[Books], None]):
    state(light_books)
    light_replica.sync()
    outcome, cost = STATES[state]
    report, amount = run_report(light_replica, "run-one"), format_money(cost)
    copied = run_report(RunCopy(light_books.ledger.store, "run-one"), "run-one")
    assert copied == report
    assert report.run.outcome == outcome
    assert report.to_json()["money"]["spent_nano"] == light_books.ledger.spent("run-one") == cost
    [line] = runs(light_replica)
    assert (line.ended_at is None) == (outcome in {"running", "suspended"})
    assert (line.spent_nano, line.outcome) == (cost, outcome)
    whole = overview(light_replica, RunSelection()).real
    assert whole is not None
    assert whole.spent_nano == cost
    assert [one.cost_nano for one in breakdown(light_replica, ["automation"]).lines] == [cost]
    assert cost_sentence(report).startswith(f"It cost {amount}")
    for view in (shown(render_terminal(report)), render_markdown(report), text_of(render_html(report))):
        assert cost_sentence(report) in re.sub(r"\s+", " ", view)
    if report.settlements:
        assert f"{amount} spent" in money_sentence(report)


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_no_more_is_released_than_was_held(light_books: Books, light_replica: Replica, state: Callable[[Books], None]):
    state(light_books)
    light_replica.sync()
    for one in run_report(light_replica, "run-one").settlements:
        assert 0 <= one.released_nano <= one.held_nano
        assert one.held_nano == one.spent_nano + one.released_nano


def test_an_extended_hold_is_told(light_books: Books, light_replica: Replica):
    rule = BudgetRule("automation", "digest", "day", 1000 * CENT)
    run = light_books.run("run-one", held=4 * CENT, rules=(rule,))
    light_books.answered(run, "t1", 5 * CENT, worst=9 * CENT)
    light_books.ledger.settle("run-one", "completed")
    light_replica.sync()
    report = run_report(light_replica, "run-one")
    assert money_sentence(report) == "$0.09 held ($0.04 at first, extended by $0.05), $0.05 spent, $0.04 released"


def route(**first: Any) -> str:
    return json.dumps([{"target": "haiku", "reason": "primary, light"} | first])


def test_what_lowered_its_quality_is_said_first(light_books: Books, light_replica: Replica):
    why = "90% of budget 'digest per day' is spent"
    routes = json.dumps({"summarize": json.loads(route(economic=why))})
    run = light_books.run("run-one", routes=routes)
    for number in range(3):
        light_books.end(light_books.intent(run, f"t{number}"), CENT)
        light_books.turn(run, f"t{number}", 1, route=route(economic=why))
    first = light_books.intent(run, "f", target="sonnet", tier="premium")
    light_books.end(first, 0, "server_error")
    light_books.end(light_books.intent(run, "f", hop=1, ordinal=1, reason="server_error at sonnet"), CENT)
    light_books.turn(run, "f", 2)
    light_books.ledger.settle("run-one", "completed")
    light_replica.sync()
    report = run_report(light_replica, "run-one")
    assert [(one.kind, one.turns) for one in report.lowered] == [("economic route", 3), ("fallback", 1)]
    told = f"Its quality was lowered: economic route in 3 turns ({why}), and 1 more reason."
    assert quality_sentence(report) == told
    html = text_of(render_html(report))
    assert f"{cost_sentence(report)} {told}" in html
    assert "fallback in 1 turn (sonnet did not answer (server error), haiku did)" in html


def test_a_locked_route_is_named_and_a_fallback_upwards_lowers_nothing(light_books: Books, light_replica: Replica):
    run = light_books.run("run-one", routes="{}")
    light_books.end(light_books.intent(run, "t"), CENT)
    light_books.turn(run, "t", 1, route=route(reason="locked, light: 41 of 41 cases as good as sonnet's"))
    light_books.end(light_books.intent(run, "up"), 0, "server_error")
    light_books.end(light_books.intent(run, "up", hop=1, ordinal=1, target="sonnet", tier="premium"), CENT)
    light_books.turn(run, "up", 2, target="sonnet")
    light_books.turn(run, "kept", 0, "stored", route=route(economic="never asked"), saved_nano=CENT)
    light_books.ledger.settle("run-one", "completed")
    light_replica.sync()
    report = run_report(light_replica, "run-one")
    assert [(one.kind, one.why, one.turns) for one in report.lowered] == [
        ("locked route", "haiku, light: 41 of 41 cases as good as sonnet's", 1)
    ]


def test_a_run_as_planned_was_not_lowered_and_one_without_turns_is_not_judged(
    light_books: Books, light_replica: Replica
):
    light_books.answered(light_books.run("plain-run"), "t", CENT)
    light_books.run("empty-run")
    light_replica.sync()
    assert quality_sentence(run_report(light_replica, "plain-run")) == "Its quality was not lowered."
    assert quality_sentence(run_report(light_replica, "empty-run")) is None


@pytest.mark.parametrize(
    "choice, by, amount, told",
    [
        ("once", "ana", 10 * CENT, "ana approved it once: $0.30 to hold, beyond digest per day by $0.10 ("),
        ("cheaper", "ana", 0, "ana approved it with cheaper models: $0.30 to hold ("),
        ("raise", "ben", 50 * CENT, "ben raised digest per day by $0.50 for it ("),
        ("refuse", "ben", 5 * CENT, "ben refused it ("),
        ("timed_out", None, 5 * CENT, "Nobody decided about it in time ("),
    ],
)
def test_who_decided_is_said(
    light_books: Books, light_replica: Replica, choice: str, by: str | None, amount: int, told: str
):
    light_books.run("run-one")
    row = {
        "run_id": "run-one", "automation": "digest", "choice": choice, "decided_by": by, "hold_nano": 30 * CENT,
        "budgets": json.dumps({"automation:digest:day:2026-11-01": amount}), "asked_at": 1, "decided_at": 2,
    }  # fmt: skip
    with light_books.ledger.store.write() as connection:
        connection.execute(schema.approvals.insert(), row)
    light_replica.sync()
    report = run_report(light_replica, "run-one")
    [one] = report.approvals
    assert approval_sentence(one).startswith(told)
    assert run_report(RunCopy(light_books.ledger.store, "run-one"), "run-one").approvals == report.approvals
    for view in (shown(render_terminal(report)), render_markdown(report), text_of(render_html(report))):
        assert told[:24] in view


def test_time_is_told_apart_and_adds_up(light_books: Books, light_replica: Replica):
    """Two turns at once: 1 s and 3 s at providers, from the same moment; one waits 1 s more; guards take 0.5 s."""
    run, began = light_books.run("run-one"), light_books.clock
    for number, seconds in enumerate((1, 3)):
        light_books.end(light_books.intent(run, f"t{number}"), CENT, duration_us=seconds * SECOND)
    light_books.turn(run, "t0", 1, duration_us=2_500_000, started_at=began)
    light_books.turn(run, "t1", 1, duration_us=4_500_000, started_at=began)
    light_books.decided(run, "allow", None, turn_id="t1", latency_us=500_000)
    light_books.clock += 10 * SECOND
    light_books.ledger.settle("run-one", "completed")
    light_replica.sync()
    report = run_report(light_replica, "run-one")
    timing = report.timing
    assert timing is not None
    assert (timing.provider_us, timing.guards_us, timing.queue_us) == (3 * SECOND, 500_000, SECOND)
    assert timing.outside_us == 5_500_000
    assert took_words(timing) == "3.0 s at providers, 500 ms in guards, 1.0 s in the queue, 5.5 s outside of turns"
    assert [turn.waited_us for turn in report.turns] == [1_500_000, 1_000_000]


def test_a_markup_without_bounds_is_a_multiple():
    told = [markup_words(value) for value in (-0.5, 0.25, 9.99, 10.0, 835.47)]
    assert told == ["markup -50 %", "markup 25 %", "markup 999 %", "11 times the cost", "836 times the cost"]


def test_no_sentence_says_what_a_card_says(light_books: Books, light_replica: Replica):
    run = light_books.run("run-one", price_nano=50 * CENT, price_credits=5)
    light_books.answered(run, "t", 2 * CENT)
    light_books.ledger.settle("run-one", "completed")
    light_replica.sync()
    html = render_html(run_report(light_replica, "run-one"))
    lead, cards = html.split('<div class="lead">')[1].split("</div>", 1)
    for figure in re.findall(r"<b>([^<]+)</b>", cards.split("</dl>")[0]):
        assert figure not in text_of(lead)


def test_the_ledger_counts_corrections_on_both_databases(books: Books):
    cancelled_and_answered_late(books)
    assert books.ledger.spent("run-one") == 5 * CENT
    assert books.ledger.spent("nobody") == 0
