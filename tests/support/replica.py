"""What several tests of the replica share."""

from pricing.db.database import Store
from pricing.ledger.facts import Turn
from pricing.ledger.ledger import Ledger


def a_turn(number: int) -> Turn:
    return Turn(f"t{number}", "r", "op", "p.j2", "v", "[]", "answered", None, "light", 1, False, number, 5)


def add(store: Store, first: int, count: int) -> None:
    ledger = Ledger(store)
    for future in [ledger.record_turn(a_turn(n)) for n in range(first, first + count)]:
        future.result()
