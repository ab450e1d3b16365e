"""What the report of a run with a due time says first: when it was due, when done, and what asking later saved."""

import pytest

from pricing.replica.replica import Replica
from pricing.reports import RunReport, run_report
from pricing.reports.run.markdown import render_markdown
from pricing.reports.run.page import run_page
from pricing.reports.run.terminal import run_in_terminal
from pricing.reports.sentences import due_sentence
from tests.support.report_books import CENT, NOON, SECOND, Books
from tests.support.report_pages import plain_run, shown

HOUR = 3_600 * SECOND


def report_of(replica: Replica, run_id: str) -> RunReport:
    replica.sync()
    return run_report(replica, run_id)


def later_run(books: Books, *, due_in: int, took: int, saved: int) -> None:
    """Two turns of three cents each, the first of which a cheaper service tier answered."""
    run = books.run("later-run", due_at=NOON + due_in)
    books.end(books.intent(run, "t1"), 3 * CENT, service_tier_saved_nano=saved)
    books.turn(run, "t1", 1)
    books.answered(run, "t2", 3 * CENT)
    books.clock += took
    books.ledger.settle("later-run", "completed")


@pytest.mark.parametrize(
    ("due_in", "took", "saved", "told"),
    [
        (6 * HOUR, HOUR, 3 * CENT, "5 h before. Asking later saved $0.03: $0.06 in place of $0.09."),
        (HOUR, HOUR, 0, "done 2026-09-21 15:13 UTC, in time. Asking later saved nothing."),
        (HOUR, HOUR + 20 * 60 * SECOND, 3 * CENT, "20 min late. Asking later saved $0.03: $0.06 in place of $0.09."),
        (6 * HOUR, HOUR, -CENT, "Asking later saved nothing."),  # the priority tier, which costs more
    ],
)
def test_every_output_says_it_at_the_top(books: Books, replica: Replica, due_in: int, took: int, saved: int, told: str):
    later_run(books, due_in=due_in, took=took, saved=saved)
    report = report_of(replica, "later-run")
    sentence = due_sentence(report)
    assert sentence is not None
    assert sentence.startswith("Due 2026-09-2")
    assert sentence.endswith(told)
    assert sentence in run_page(report).lead
    top = " ".join(" ".join(shown(run_in_terminal(report), 200).splitlines()[:6]).split())
    assert sentence in top
    assert sentence.replace("$", "") in render_markdown(report).replace("\\", "").replace("$", "")
    assert report.to_json()["due"]["saved_nano"] == saved


def test_a_run_that_is_under_way_says_when_it_is_due(books: Books, replica: Replica):
    books.run("open-run", due_at=NOON + HOUR)
    assert due_sentence(report_of(replica, "open-run")) == "Due 2026-09-21 15:13 UTC."


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        ({"a": ["ok"], "b": ["ok"]}, "2 turns answered by batches, which took 400 ms."),
        ({"a": ["timeout", "ok"], "b": ["ok"]}, "2 turns answered by batches, which took 400 ms."),
        (
            {"a": ["ok"], "b": ["timeout", "live"]},
            "1 turn answered by batches, which took 400 ms; 1 turn was asked live.",
        ),
        (
            {"a": ["timeout"] * 2 + ["live"], "b": ["timeout", "live"], "c": ["timeout", "cancelled", "live"]},
            "No turn was answered by a batch: 4 lines expired, 1 line was cancelled. 3 turns were asked live.",
        ),
        (
            {"a": ["cancelled"], "b": ["cancelled"]},
            "No turn was answered by a batch: 2 lines were cancelled.",
        ),
        (
            {"a": ["server_error", "live"]},
            "No turn was answered by a batch: 1 line failed. 1 turn was asked live.",
        ),
        ({"a": ["live"]}, ""),
    ],
)
def test_it_says_what_became_of_the_lines_of_batches(
    light_books: Books, light_replica: Replica, turns: dict[str, list[str]], told: str
):
    run = light_books.run("batched-run", due_at=NOON + 6 * HOUR)
    for turn, ends in turns.items():
        for ordinal, end in enumerate(ends):
            tier = None if end == "live" else "batch"
            intent = light_books.intent(run, turn, ordinal=ordinal, service_tier_asked=tier)
            outcome = "ok" if end == "live" else end
            status = 200 if outcome == "ok" else None
            light_books.end(intent, CENT if outcome == "ok" else 0, outcome, service_tier=tier, status=status)
        light_books.turn(run, turn, len(ends))
    report = report_of(light_replica, "batched-run")
    assert due_sentence(report) == f"Due 2026-09-21 20:13 UTC.{' ' if told else ''}{told}"
    stories = {line.story for line in report.fallbacks}
    if turns.get("b") == ["timeout", "live"]:
        assert "summarize: haiku at batch expired → haiku at standard ok" in stories


def test_a_run_that_did_not_complete_is_not_done(light_books: Books, light_replica: Replica):
    light_books.run("failed-run", due_at=NOON + HOUR)
    light_books.ledger.settle("failed-run", "failed", "ValueError")
    assert "ended 2026-09-21" in str(due_sentence(report_of(light_replica, "failed-run")))


def test_a_run_without_a_due_time_says_nothing_of_it(books: Books, replica: Replica):
    plain_run(books)
    report = report_of(replica, "plain-run")
    assert report.due is None
    assert due_sentence(report) is None
    assert "Due" not in render_markdown(report)
