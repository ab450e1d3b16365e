"""What routing one turn costs: ``python -m benchmarks.routing_overhead``.

Over the project's own five targets, all with evidence. ``as before`` is a route that was asked for since evidence last
changed, as nearly every turn's is; ``anew`` prices, judges and orders all targets; ``scored`` adds the complexity of a
1 KB prompt, for steps that let it decide.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks import harness
from farebox.config.settings import load_settings
from farebox.runtime import Runtime
from pricing.ledger.target_stats import TargetStats
from tasks.providers.messages import Message, ModelRequest
from tasks.routing.complexity import score
from tasks.routing.router import Router, Size

TURNS = 2_000
BATCHES = 30


def microseconds(work: Callable[[], object]) -> list[float]:
    """Of one call each, by batches."""
    samples = []
    for _ in range(BATCHES):
        started = time.perf_counter()
        for _ in range(TURNS // BATCHES):
            work()
        samples.append((time.perf_counter() - started) * 1e6 / (TURNS // BATCHES))
    return samples


def main() -> None:
    harness.quiet_environment()
    with harness.workplace() as folder:
        runtime = Runtime(load_settings(harness.ROOT).model_copy(update={"home": folder}), folder)
        targets = runtime.router.targets
        evidence = {target.name: TargetStats(120.0, 0.98, 0.6, 1.4, 0.01) for target in targets}
        same = Router(targets, runtime.rates, lambda: evidence)
        changing = Router(targets, runtime.rates, lambda: dict(evidence))
        request = ModelRequest([Message.of("user", f"Summarize this.\n{harness.DOCUMENT}")], 400)
        size = Size(900, 90)

        def scored() -> object:
            complexity = score(request)
            return same.route(complexity.tier(0.5), size=size, why=complexity.explain(0.5))

        kinds: dict[str, Callable[[], object]] = {
            "as before": lambda: same.route("light", size=size),
            "anew": lambda: changing.route("light", size=size),
            "scored": scored,
        }
        for work in kinds.values():
            work()
        samples = {name: microseconds(work) for name, work in kinds.items()}
        runtime.close()
    rows = [(name, harness.spread(taken, 1), f"{harness.p95(taken):.1f}") for name, taken in samples.items()]
    title = f"routing_overhead: {len(targets)} targets, {TURNS} turns of each, µs"
    harness.table(title, ("", "p50 [quartiles]", "p95"), rows)


if __name__ == "__main__":
    main()
