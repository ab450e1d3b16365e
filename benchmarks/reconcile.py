"""How long a large bill takes, and whether planted differences are found: `python -m benchmarks.reconcile`.

A synthetic Cost and Usage Report of AWS with a million lines, and the ledger that it differs from by ten classes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from pricing.db import Store
from pricing.rates import OwnRate, RateCard
from pricing.reconciliation import reconcile
from pricing.replica import Replica
from tests.support.bills import PRICES, World, accounts_of

_CENT = 10_000_000


def rates_of(world: World) -> RateCard:
    """The prices that the bill was made with."""
    provider = "bedrock" if world.provider == "aws" else world.provider
    return RateCard.load(
        OwnRate(
            provider=provider,
            model=model,
            input_per_mtok=Decimal(PRICES["input"] * times) / 1000,
            output_per_mtok=Decimal(PRICES["output"] * times) / 1000,
            cache_read_per_mtok=Decimal(PRICES["cache_read"] * times) / 1000,
        )
        for model, _, times in world.models
    )


def main() -> int:
    """Print the figures; the number of classes whose sum is wrong by a cent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--provider", choices=("aws", "openai", "anthropic"), default="aws")
    options = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = World(options.provider)
        world.plant(discounts=options.provider == "aws")
        store = Store(f"sqlite:///{folder / 'ledger.db'}")
        world.write_ledger(store)
        replica = Replica(folder / "replica.duckdb", store)
        replica.sync()
        files = world.write_export(folder, parts=-(-options.lines // len(world.bill.nano)), places=12)
        size = sum(path.stat().st_size for path in files)
        began, spent = time.perf_counter(), time.process_time()
        found = reconcile(replica, rates_of(world), options.provider, files, accounts=accounts_of(world))
        seconds, cpu = time.perf_counter() - began, time.process_time() - spent
        store.close()
    print(
        f"{found.lines:,} lines ({size / 1e6:.0f} MB) in {seconds:.1f} s ({cpu:.1f} s of CPU); {len(found.differences)} groups"
    )
    print(f"{'class':18} {'planted':>14} {'found':>14}")
    for cause in dict.fromkeys([*world.bill.planted, *found.causes]):
        planted, nano = world.bill.planted.get(cause, 0), found.causes.get(cause, 0)
        wrong += abs(planted - nano) >= _CENT
        print(f"{cause:18} {planted / 1e9:14.4f} {nano / 1e9:14.4f}")
    print(f"{wrong} classes are wrong by a cent or more")
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
