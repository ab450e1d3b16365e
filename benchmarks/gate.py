"""The gate with a long past: ``python -m benchmarks.gate``.

``farebox.runs.admission.admit`` (quote from history, hold on three budgets, written durably) of the daily digest's plan over the
default targets, in a ledger that has 100,000 past runs. ``repriced`` is an automation whose whole history was priced
at another rate card. The minimum is one durable transaction of one update on the same ledger.
"""

from __future__ import annotations

import argparse
import time
import uuid
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from benchmarks import harness, past
from farebox.config.settings import load_settings
from farebox.declaration import Budget, DeclaredPlan, Price
from farebox.runs.admission import Automation, admit, price_run
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.db.database import Store
from pricing.quotes.plan import Plan, PlanStep
from tasks.context import Step

RUNS = 100_000
SAMPLES = 60
WARM = 5
DIGEST = DeclaredPlan(
    Plan((PlanStep("summarize", 12, 900, 90), PlanStep("classify", 12, 250, 25), PlanStep("compose", 1, 1200, 160))),
    {
        "summarize": Step("summarize", "light", 400),
        "classify": Step("classify", "light", 100),
        "compose": Step("compose", "premium", 500),
    },
)


def declared(name: str) -> Automation:
    return Automation(name, Price.parse("3 credits"), Budget(per_day="9000 USD", per_month="90000 USD"), DIGEST)


def floor(store: Store) -> None:
    with store.write(durable=True) as connection:
        connection.execute(sa.update(schema.meta).where(schema.meta.c.key == "floor").values(value="0"))


def measure(runtime: Runtime) -> dict[str, list[float]]:
    """Milliseconds of each, by turns."""
    kinds = {"": declared(past.automation(0)), ", repriced": declared(past.automation(1))}
    samples: dict[str, list[float]] = {"floor": []}
    for _ in range(WARM + SAMPLES):
        samples["floor"].append(harness.milliseconds(partial(floor, runtime.ledger.store)))
        for kind, spec in kinds.items():
            quoted = harness.milliseconds(partial(price_run, runtime, spec, {}))
            started = time.perf_counter()
            admitted = admit(runtime, spec, str(uuid.uuid4()), {})
            gated = (time.perf_counter() - started) * 1000
            harness.expect(admitted.run.method == "conformal")
            admitted.finish(None)
            samples.setdefault(f"quote{kind}", []).append(quoted)
            samples.setdefault(f"gate{kind}", []).append(gated)
    return {name: taken[WARM:] for name, taken in samples.items()}


def open_runtime(folder: Path, ledger_url: str) -> Runtime:
    """A runtime with the default targets."""
    shipped = load_settings(harness.ROOT)
    return Runtime(shipped.model_copy(update={"home": folder, "ledger_url": ledger_url}), folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    harness.quiet_environment()
    rows, notes = [], []
    with ExitStack() as stack:
        for name, ledger_url in harness.ledgers(stack).items():
            runtime = open_runtime(stack.enter_context(harness.workplace()), ledger_url())
            stack.callback(runtime.close)
            written = past.fill(runtime.ledger.store, options.runs, runtime.rates.version)
            samples = measure(runtime)
            base = median(samples["floor"])
            for what, taken in samples.items():
                rows.append(
                    (
                        f"{name}: {what}",
                        harness.spread(taken),
                        f"{harness.p95(taken):.2f}",
                        f"{median(taken) / base:.1f}",
                    )
                )
            notes.append(f"{name}: {options.runs:,} past runs, {written:,} rows.")
    harness.table(f"gate: {SAMPLES} of each, ms", ("", "p50 [quartiles]", "p95", "÷ floor"), rows, notes)


if __name__ == "__main__":
    main()
