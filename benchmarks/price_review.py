"""How long a review over a million attempts takes: ``python -m benchmarks.price_review``.

One review is two cards over every attempt, and every target tried for the automations that fall below their margin.
The minimum is summing what those attempts were billed.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median

from benchmarks import harness, past
from farebox.config.settings import load_settings
from pricing.analysis.price_review import Rates, Review, ReviewCandidate, review
from pricing.db.database import Store
from pricing.rates.card import RateCard
from pricing.rates.own_rates import OwnRate
from pricing.replica.replica import Replica

ATTEMPTS = 1_000_000
SAMPLES = 3
MOST_SECONDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, default=ATTEMPTS)
    options = parser.parse_args()
    harness.quiet_environment()
    card = RateCard.load()
    expensive = RateCard.load([OwnRate("bedrock", past._STEPS[0][-1][1], Decimal(2), Decimal(10))])
    targets = [ReviewCandidate(t.name, t.provider, t.model) for t in load_settings(harness.ROOT).targets]
    now = datetime.now(UTC) + timedelta(minutes=10)
    period = (now - timedelta(days=90), now)
    reviews, baselines = [], []
    with harness.workplace() as folder:
        store = Store(f"sqlite:///{folder / 'ledger.db'}")
        past.fill(store, -(-options.attempts // past.ATTEMPTS), card.version)
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE settlements SET charged_nano = 4000000")
        replica = Replica(folder / "replica.duckdb", store)
        replica.sync()

        def once() -> Review:
            return review(
                replica, Rates(card, now), Rates(expensive, now), period=period, targets=targets, stand_in=True
            )

        def baseline() -> None:
            with replica.read() as connection:
                connection.execute(
                    "SELECT automation, sum(cost_nano) FROM attempts JOIN runs USING (run_id) GROUP BY 1"
                )

        found = once()
        for _ in range(SAMPLES):
            baselines.append(harness.milliseconds(baseline) / 1000)
            reviews.append(harness.milliseconds(once) / 1000)
        store.close()
    attempts, below = sum(line.attempts for line in found.lines), sum(line.below_target for line in found.lines)
    harness.expect(attempts >= options.attempts and below)
    rows = [
        ("summing the bills", f"{attempts:,}", f"{median(baselines):.2f}", ""),
        ("review", f"{attempts:,}", f"{median(reviews):.2f}", f"{below} of {len(found.lines)} below target"),
    ]
    harness.table(f"price review, {SAMPLES} of each, {len(targets)} targets tried", ("", "attempts", "s", ""), rows)
    if median(reviews) > MOST_SECONDS:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
