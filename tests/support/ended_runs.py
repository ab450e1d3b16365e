"""What several tests of the ended runs share."""

from pricing.ledger.facts import Run
from pricing.money import USD


def _run(run_id: str) -> Run:
    return Run(run_id, "digest", "fast", "[]", "{}", "v", "prior", 0, USD, USD, USD, USD, USD, True, 1)
