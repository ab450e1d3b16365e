from typing import Any

from pricing.replica.replica import Replica
from pricing.reports.targets import LAST, target_health
from tests.support.report_books import SECOND, Books


def attempt(books: Books, run: Any, outcome: str = "ok", *, took: int = 400_000, **changed: Any) -> None:
    books.clock += SECOND
    books.end(books.intent(run, "t", worst=0, **changed), 0, outcome, duration_us=took)


def test_the_last_attempts_of_each_target(books: Books, replica: Replica):
    run = books.run("r1")
    for _ in range(30):
        attempt(books, run, "timeout", took=9_000_000)  # too long ago to count
    for number in range(25):
        attempt(books, run, took=number * 1_000)
    attempt(books, run, "rate_limit", took=1)
    attempt(books, run, "cancelled", took=1)
    attempt(books, run, "server_error", target="other", model="m2")
    replica.sync()
    haiku, other = target_health(replica)

    assert (haiku.target, haiku.attempts, haiku.failed, haiku.last_outcome) == ("haiku", LAST, 1, "rate_limit")
    assert haiku.p50_us == 14_000  # of the last 20 answers, 5,000 to 24,000 µs
    assert (other.target, other.attempts, other.failed, other.p50_us) == ("other", 1, 1, None)
    assert other.last_at > haiku.last_at


def test_what_the_sandbox_answered_says_nothing_of_the_real_target(books: Books, replica: Replica):
    run = books.run("r1")
    attempt(books, run, stand_in=True, took=5)
    attempt(books, run, stand_in=False, took=7)
    attempt(books, run, stand_in=False, took=9, model="another")
    replica.sync()
    assert sorted((h.model, h.stand_in, h.p50_us) for h in target_health(replica)) == [
        ("another", False, 9),
        ("claude-haiku-4-5", False, 7),
        ("claude-haiku-4-5", True, 5),
    ]


def test_an_empty_replica_knows_no_target(replica: Replica):
    replica.sync()
    assert target_health(replica) == []
