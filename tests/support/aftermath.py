"""What the books say of runs whose processes may have been killed, once their leases are over."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from farebox.runtime import Runtime
from pricing.db import schema
from tasks.sandbox import read_journal
from tests.support.books import (
    assert_ledger_adds_up,
    assert_ledger_equals_journal,
    assert_replica_equals_ledger,
    copied_facts,
    rows,
)


@dataclass(frozen=True)
class Aftermath:
    """What the books hold once every lease is over; they agree, or examining them failed."""

    runs: int
    lost_runs: int
    attempts: int
    lost_attempts: int
    served: int
    billed_and_lost: int
    rows: int
    taken_over: int


def examine(runtime: Runtime, journal: Path) -> Aftermath:
    """Compare ledger, billing journal and replica; the replica also with one that is rebuilt.

    Raises:
        AssertionError: an attempt is missing, priced wrong or charged twice; something is still held; or the replica
            is not the ledger's copy.
    """
    runtime.ledger.reap()
    attempts = assert_ledger_equals_journal(runtime, journal)
    assert_ledger_adds_up(runtime)
    runtime.replica.sync()
    assert_replica_equals_ledger(runtime)
    copied = copied_facts(runtime.replica)
    runtime.replica.rebuild()
    assert copied_facts(runtime.replica) == copied
    lost = [attempt for attempt in attempts if attempt["outcome"] == "lost"]
    assert {attempt["priced"] for attempt in lost} <= {"worst_case"}
    settlements = rows(runtime.ledger, schema.settlements)
    outcomes = Counter(row["outcome"] for row in settlements)
    return Aftermath(
        runs=outcomes.total(),
        lost_runs=outcomes["lost"],
        attempts=len(attempts),
        lost_attempts=len(lost),
        served=len(read_journal(journal)),
        billed_and_lost=sum(bool(attempt["entry"] and attempt["entry"].billed) for attempt in lost),
        rows=sum(map(len, copied.values())),
        taken_over=sum("started again" in (row["reason"] or "") for row in settlements),
    )
