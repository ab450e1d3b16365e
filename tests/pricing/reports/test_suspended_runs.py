"""A run that is suspended is called so in lists, in reports and in counts, until it goes on or ends."""

from collections.abc import Callable

import pytest

from pricing.replica.replica import Replica
from pricing.reports import RunFilter, RunSelection, overview, page_of, render_markdown, run_page, run_report, runs
from tests.support.report_books import CENT, SECOND, Books


def suspend(books: Books, run_id: str) -> None:
    books.ledger.suspend(run_id, books.ledger.execution(run_id), books.clock + 3600 * SECOND)


def outcomes(replica: Replica) -> dict[str, int]:
    whole = overview(replica, RunSelection()).real
    assert whole is not None
    return {one.outcome: one.runs for one in whole.outcomes}


def go_on(books: Books) -> None:
    assert books.ledger.start("waits").resumed


def end(books: Books) -> None:
    books.ledger.settle("waits", "cancelled", "it was set to CANCELLED while it was suspended")


@pytest.mark.parametrize(("then", "after"), [(go_on, "running"), (end, "cancelled")])
def test_it_is_suspended_until_it_goes_on_or_ends(
    light_books: Books, light_replica: Replica, then: Callable[[Books], None], after: str
):
    light_books.answered(light_books.run("runs-on"), "t1", CENT)
    light_books.answered(light_books.run("waits"), "t2", 2 * CENT)
    light_replica.sync()
    assert outcomes(light_replica) == {"running": 2}
    suspend(light_books, "waits")
    assert outcomes(light_replica) == {"running": 1, "suspended": 1}, "without a sync: nothing of it is copied"
    assert {one.run_id: one.outcome for one in runs(light_replica)} == {"runs-on": "running", "waits": "suspended"}
    assert run_report(light_replica, "waits").run.outcome == "suspended"
    assert run_report(light_replica, "runs-on").run.outcome == "running"
    assert render_markdown(run_report(light_replica, "waits")).startswith(
        "# digest: suspended, $0.02\n\nIt cost $0.02 so far"
    )
    assert page_of(run_report(light_replica, "waits")).title == "digest is suspended"
    then(light_books)
    light_replica.sync()
    assert run_report(light_replica, "waits").run.outcome == after
    assert sum(outcomes(light_replica).values()) == 2
    assert outcomes(light_replica).get("suspended") is None


def test_a_list_is_filtered_by_it(light_books: Books, light_replica: Replica):
    for name in ("one", "two", "three"):
        light_books.answered(light_books.run(name), f"{name}-t", CENT)
    suspend(light_books, "two")
    light_replica.sync()

    def listed(outcome: str) -> list[str]:
        return [one.run_id for one in run_page(light_replica, RunFilter(outcome=outcome)).runs]

    assert (listed("suspended"), sorted(listed("running"))) == (["two"], ["one", "three"])


def test_a_run_that_was_lost_and_goes_on_is_suspended_and_has_not_ended(light_books: Books, light_replica: Replica):
    light_books.answered(light_books.run("again"), "t1", CENT)
    light_books.ledger.settle("again", "failed", "an error")
    run = light_books.ledger.run("again")
    assert run is not None
    light_books.ledger.admit(run, ())
    light_books.answered(run, "t2", CENT)
    suspend(light_books, "again")
    light_replica.sync()
    report, [line] = run_report(light_replica, "again"), runs(light_replica)
    assert (report.run.outcome, report.run.ended_at, report.run.reason, report.timing) == (
        "suspended",
        None,
        None,
        None,
    )
    assert (line.outcome, line.ended_at, line.duration_us) == ("suspended", None, None)
    assert outcomes(light_replica) == {"suspended": 1}
    assert report.money.spent_nano == line.spent_nano == 2 * CENT
