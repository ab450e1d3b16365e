"""What prompt caching and stored answers took off: by hand, apart from what was spent, and only shown where it was."""

import re

import orjson

from pricing.replica.replica import Replica
from pricing.reports import overview, render_markdown, render_terminal, run_report
from pricing.reports.run.data import Savings
from pricing.usage import Usage
from tests.support.report_books import CENT, Books
from tests.support.report_pages import plain_run, saving_run, shown


def test_a_run_tells_what_each_operation_saved(books: Books, replica: Replica):
    saving_run(books)
    replica.sync()
    report = run_report(replica, "last")
    assert report.saved == Savings(caching_nano=8 * CENT, stand_in_nano=0, stored_nano=3 * CENT, stored_turns=1)
    assert report.money.spent_nano == 6 * CENT
    assert {one.operation: one.saved for one in report.operations} == {
        "summarize": Savings(8 * CENT, 0, 0, 0),
        "chat": Savings(0, 0, 3 * CENT, 1),
    }
    assert [attempt.saved_nano for turn in report.turns for attempt in turn.attempts] == [0, -CENT, 9 * CENT]
    values = orjson.loads(orjson.dumps(report.to_json()))
    assert values["saved"] == {
        "caching_nano": 8 * CENT, "stand_in_nano": 0, "stored_nano": 3 * CENT, "stored_turns": 1,
    }  # fmt: skip


def test_a_stored_turn_is_an_answered_turn_without_attempts(light_books: Books, light_replica: Replica):
    saving_run(light_books)
    light_replica.sync()
    report = run_report(light_replica, "last")
    [chat] = [one for one in report.operations if one.operation == "chat"]
    assert (chat.turns, chat.answered, chat.failed, chat.blocked, chat.open, chat.attempts) == (2, 2, 0, 0, 0, 1)
    assert report.fallbacks == ()
    section = overview(light_replica).real
    assert section is not None
    assert (section.turns, section.attempts) == (4, 3)
    assert (section.fallbacks.turns, section.fallbacks.fell_back) == (3, 0)  # of those that asked a model
    assert section.blocks == ()
    assert "stored" in shown(render_terminal(report))


def test_an_overview_tells_them_by_operation_and_the_sandbox_apart(books: Books, replica: Replica):
    saving_run(books)
    saving_run(books, "saving-again")
    saving_run(books, "pretended", stand_in=True)
    replica.sync()
    seen = overview(replica)
    assert seen.real is not None
    assert seen.sandbox is not None
    assert seen.real.saved == Savings(16 * CENT, 0, 6 * CENT, 2)
    assert [(one.operation, one.saved) for one in seen.real.savings] == [
        ("summarize", Savings(16 * CENT, 0, 0, 0)),
        ("chat", Savings(0, 0, 6 * CENT, 2)),
    ]
    assert seen.sandbox.saved == Savings(8 * CENT, 8 * CENT, 3 * CENT, 1)
    assert seen.real.spent_nano == 12 * CENT
    assert seen.to_json()["real"]["savings"][1]["saved"]["stored_turns"] == 2


def test_what_a_stand_in_saved_within_a_real_run_is_told(light_books: Books, light_replica: Replica):
    run = light_books.run("mixed")
    for number, stand_in in enumerate((False, True)):
        intent = light_books.intent(run, f"t{number}", stand_in=stand_in)
        light_books.end(intent, CENT, saved_nano=(number + 1) * CENT)
        light_books.turn(run, f"t{number}", 1)
    light_books.ledger.settle("mixed", "completed")
    light_replica.sync()
    assert run_report(light_replica, "last").saved == Savings(3 * CENT, 2 * CENT, 0, 0)
    section = overview(light_replica).real
    assert section is not None
    assert section.saved == Savings(3 * CENT, 2 * CENT, 0, 0)


def test_people_read_it_where_there_is_any(light_books: Books, light_replica: Replica):
    saving_run(light_books)
    light_replica.sync()
    sentence = "$0.08 by prompt caching, $0.03 by 1 stored answer"
    report = run_report(light_replica, "last")
    for width in (80, 120):
        text = shown(render_terminal(report), width)
        assert f"Saved   {sentence}" in text
        assert re.search(r"^chat +– +\$0\.03 +1", text, re.MULTILINE)
        assert sentence in shown(render_terminal(overview(light_replica)), width)
    markdown = render_markdown(report)
    assert f"| Saved | {sentence} |" in markdown
    assert "| chat | $0 | $0.03 | 1 |" in markdown
    assert "| summarize | $0.08 | $0 | 0 |" in markdown


def test_nothing_is_said_of_savings_where_there_are_none(light_books: Books, light_replica: Replica):
    plain_run(light_books)
    light_replica.sync()
    report = run_report(light_replica, "last")
    assert not report.saved.any
    texts = (
        shown(render_terminal(report)),
        render_markdown(report),
        shown(render_terminal(overview(light_replica))),
    )
    for text in texts:
        assert "Saved" not in text
        assert "caching" not in text


def test_a_cache_that_was_written_and_never_read_is_a_loss_and_says_so(light_books: Books, light_replica: Replica):
    run = light_books.run("written")
    light_books.end(light_books.intent(run, "t"), 2 * CENT, usage=Usage(2000, 100, 0, 1800), saved_nano=-CENT)
    light_books.turn(run, "t", 1)
    light_books.ledger.settle("written", "completed")
    light_replica.sync()
    report = run_report(light_replica, "last")
    assert report.saved.caching_nano == -CENT
    assert "-$0.01 by prompt caching (caches were written and hardly read)" in shown(render_terminal(report))
