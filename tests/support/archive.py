"""What several tests of the archive share."""

from pricing.ledger.budgets import BudgetRule
from pricing.money import USD
from tests.support.report_books import CENT, Books

RULES = (BudgetRule("org", "acme", "month", 100 * USD),)


OLD, KEPT = 5, 2


def a_run(books: Books, run_id: str) -> None:
    """Two turns, one of them after a fallback, and a guard that blocked and one that did not: 15 cents."""
    run = books.run(run_id, rules=RULES, org_id="acme")
    first = f"{run_id}-1"
    books.end(books.intent(run, first), 0, "server_error")
    books.end(books.intent(run, first, hop=1, ordinal=1, target="groq-oss", provider="groq"), 5 * CENT)
    books.turn(run, first, 2)
    books.answered(run, f"{run_id}-2", 10 * CENT, operation="plan", worst=20 * CENT)
    books.decided(run, "block", "scope", guard="scope", turn_id=first)
    books.decided(run, "allow", None)
    books.clock += 1_000_000
    books.ledger.settle(run.run_id, "completed")
