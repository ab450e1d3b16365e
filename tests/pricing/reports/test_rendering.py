"""What people see: it fits, it says what matters, and no text in it can do harm."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from pricing.replica.replica import Replica
from pricing.reports import overview, render_markdown, render_terminal, run_report, runs
from pricing.reports.format import clean, duration, percent
from tests.pricing.reports.conftest import eventful
from tests.support.report_books import CENT, Books
from tests.support.report_pages import plain_run, shown

SANDBOX = "answers by the sandbox, not by a model: prices are what the named models would have cost"
HOSTILE = "\x1b[31m\x9b2J[red]x[/red] | `code` <img src=x> [a](http://b)\n# head\u202e\u2028{{ 7*7 }}"


def test_an_eventful_run_is_told_in_full(light_books: Books, light_replica: Replica):
    eventful(light_books)
    light_replica.sync()
    report = run_report(light_replica, "last")
    text = shown(render_terminal(report))
    for part in (
        "digest",
        "It cost $0.15, 150 % of its estimate and within the quote. Its quality was not lowered.",
        "$1.00 held, $0.15 spent, $0.85 released",
        "summarize: haiku 503 server_error → retry 1 timeout → groq-oss ok",
        "1 attempt may have been billed without reporting usage: counted at the worst case, $0.05 in all.",
    ):
        assert part in text
    assert SANDBOX not in text
    markdown = render_markdown(report)
    assert "| Money | $1.00 held, $0.15 spent, $0.85 released |" in markdown
    assert "| summarize | 3 | 2 | 0 | 1 | 4 | 2,000 | 800 | 400 | $0.10 | 67 % |" in markdown
    assert "Sandbox" not in markdown


def test_a_plain_run_has_no_stories(light_books: Books, light_replica: Replica):
    plain_run(light_books)
    light_replica.sync()
    report = run_report(light_replica, "last")
    for text in (shown(render_terminal(report)), render_markdown(report)):
        for absent in ("more than one attempt", "Guards", "Adjustments", "billed without reporting", "sandbox"):
            assert absent not in text


@pytest.mark.parametrize("width", [80, 120])
def test_everything_fits_and_no_figure_is_cut(light_books: Books, light_replica: Replica, width: int):
    eventful(light_books)
    long = plain_run(
        light_books, "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0000", automation="an_automation_with_quite_a_long_name"
    )
    run = light_books.run("long-models")
    light_books.answered(
        run,
        "t",
        123_456_789,
        operation="a_long_operation_name",
        target="bedrock-eu-west-1-premium",
        model="eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    )
    light_replica.sync()
    wide = overview(light_replica)
    reports = [run_report(light_replica, one) for one in ("aaaa-eventful", long.run_id, "long-models")]
    everything = [render_terminal(wide), render_terminal(runs(light_replica)), *map(render_terminal, reports)]
    for rendered in everything:
        text = shown(rendered, width)
        assert max(cell_len(line) for line in text.splitlines()) <= width
        assert "…" not in re.sub("^…", "", text, flags=re.MULTILINE)  # an id that is shown by its end
    assert "$0.1235" in shown(everything[-1], width)


def test_the_sandbox_is_named_wherever_it_answered(light_books: Books, light_replica: Replica):
    plain_run(light_books, "real-run")
    plain_run(light_books, "pretended", stand_in=True)
    light_replica.sync()
    report = run_report(light_replica, "pretended")
    listed = shown(render_terminal(runs(light_replica)))
    for text in (
        shown(render_terminal(report)),
        render_markdown(report),
        shown(render_terminal(overview(light_replica))),
        listed,
    ):
        assert SANDBOX in text
    real, sandbox = listed.split("Runs of the sandbox")
    assert "real-run" in real
    assert "pretended" not in real
    assert "pretended" in sandbox


def test_a_stand_in_target_within_a_real_run_is_marked(light_books: Books, light_replica: Replica):
    run = light_books.run("mixed-run")
    light_books.answered(run, "t1", 2 * CENT)
    light_books.answered(run, "t2", 3 * CENT, target="local", stand_in=True)
    light_books.ledger.settle("mixed-run", "completed")
    light_replica.sync()
    report = run_report(light_replica, "last")
    assert report.money.stand_in_nano == 3 * CENT
    for text in (shown(render_terminal(report)), render_markdown(report)):
        assert f"$0.03 of the cost: {SANDBOX}" in text
        assert "local (sandbox)" in text
        assert "haiku (sandbox)" not in text
    assert f"$0.03 of it: {SANDBOX}" in shown(render_terminal(overview(light_replica)))


def test_ids_are_shown_until_no_two_look_alike(light_books: Books, light_replica: Replica):
    begun = "01a21533-b4c6-7f1e-8d2a"  # as Prefect's do within one millisecond
    for end in ("aa0012345678", "bb0012345678", "cc9900000001"):
        plain_run(light_books, f"{begun}-{end}", automation="a-name-that-takes-more-room-than-there-is")
    light_replica.sync()
    listed = runs(light_replica)
    for lines, ids in (
        (listed, ["…c9900000001", "…b0012345678", "…a0012345678"]),
        (listed[:2], ["…00000001", "…12345678"]),
    ):
        told = shown(render_terminal(lines), 80)
        assert re.findall("^…[0-9a-f]+(?= )", told, re.MULTILINE) == ids
        assert [run_report(light_replica, one).run.run_id for one in ids[:1]] == [listed[0].run_id]
    plain_run(light_books, "short-run")
    light_replica.sync()
    assert "\nshort-run " in shown(render_terminal(runs(light_replica)))


def test_hostile_texts_reach_neither_terminal_nor_page(light_books: Books, light_replica: Replica):
    books = light_books
    run = books.run("hostile" + HOSTILE, automation=HOSTILE, quality=HOSTILE, rate_version=HOSTILE)
    first = books.intent(run, "t", operation=HOSTILE, target=HOSTILE, model=HOSTILE, reason=HOSTILE)
    books.end(first, CENT, HOSTILE, priced="worst_case")
    books.end(books.intent(run, "t", operation=HOSTILE, ordinal=1, reason="repair: " + HOSTILE), CENT)
    books.turn(run, "t", 2, "failed", operation=HOSTILE, reason=HOSTILE)
    books.decided(run, HOSTILE, HOSTILE, guard=HOSTILE, mode=HOSTILE)
    late = books.intent(run, "u", operation=HOSTILE)
    books.ledger.settle(run.run_id, "failed", HOSTILE)
    books.end(late, 0, HOSTILE)
    light_replica.sync()
    report = run_report(light_replica, "last")
    for one in (report, runs(light_replica), overview(light_replica)):
        text = shown(render_terminal(one), 400)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", text)
        assert "[red]x[/red]" in text
    markdown = render_markdown(report)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", markdown)
    unescaped = re.sub(r"\\.", "", markdown)
    assert "<img" not in markdown
    assert "](" not in unescaped
    assert "`" not in unescaped
    assert "49" not in re.findall(r"head[^|\n]*", markdown)[0]
    assert not re.search(r"^ ?# head", markdown, re.MULTILINE)
    columns = [line.count("|") for line in unescaped.splitlines() if line.startswith("|")]
    assert set(columns) == {3, 12, 10, 9, 13, 6, 5}


def test_without_runs_the_next_step_is_told(light_replica: Replica):
    for report in (runs(light_replica), overview(light_replica)):
        text = shown(render_terminal(report))
        assert "No runs yet." in text
        assert "farebox demo" in text


def test_long_runs_are_cut_in_the_terminal_and_in_the_file_which_say_so(light_books: Books, light_replica: Replica):
    run = light_books.run("long-run")
    for number in range(105):
        light_books.turn(run, f"t{number}", 0, "blocked", reason="scope")
    light_replica.sync()
    report = run_report(light_replica, "last")
    assert "… and 85 turns more" in shown(render_terminal(report))
    assert "5 turns more" in render_markdown(report)


def test_markup_of_the_terminal_colours_nothing_of_ours_away(light_books: Books, light_replica: Replica):
    """Styles are ours alone: with colours on, the only escapes are those that rich writes for them."""
    plain_run(light_books, automation="[bold red]x[/]")
    light_replica.sync()
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="standard")
    console.print(render_terminal(run_report(light_replica, "last")))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold red]x[/]" in text
    assert set(re.findall(r"\x1b(.)", text)) == {"["}


@pytest.mark.parametrize(
    "microseconds, text",
    [
        (0, "<1 ms"),
        (999, "<1 ms"),
        (340_000, "340 ms"),
        (999_999, "999 ms"),
        (1_200_000, "1.2 s"),
        (59_999_999, "59.9 s"),
        (125_000_000, "2 min 5 s"),
        (3_600_000_000, "1 h"),
        (11_400_000_000, "3 h 10 min"),
        (187_200_000_000, "2 d 4 h"),
        (None, "–"),
    ],
)
def test_durations(microseconds: int | None, text: str):
    assert duration(microseconds) == text


@pytest.mark.parametrize(
    "share, text",
    [
        (0.0, "0 %"),
        (0.0001, "<0.1 %"),
        (0.067, "6.7 %"),
        (0.62, "62 %"),
        (12.5, "1,250 %"),
        (-3.0, "-300 %"),
        (None, "–"),
    ],
)
def test_shares(share: float | None, text: str):
    assert percent(share) == text


def test_texts_are_made_harmless():
    assert clean("a\nb\tc\x1b[0m\x07\u202eé→") == "a b c\ufffd[0m\ufffd\ufffdé→"
