"""What faults cost: ``python -m benchmarks.faults``.

Over real HTTP, against the sandbox as a process of its own: thirty turns among each fault, with how many requests still
reached what is broken, and the ledger held to the billing journal. Then what a turn costs while its primary is in
quarantine, against a project that has the fallback alone, by turns. Last, random schedules of faults in virtual time,
by the rules of tests/faults: a thousand, or as many as ``--schedules`` asks for (ten thousand take some three minutes).
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, cast

from benchmarks import harness
from farebox.runtime import Runtime
from pricing.db import schema
from tasks.sandbox import Sandbox
from tests.faults.conftest import FAULTS, KEY, NO_SERVER, Place, broken_target, target
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.turns import admitted, ask, unanswered

TURNS = 30
PAIRED = 400
SCHEDULES = 1_000
WORKERS = 2


def milliseconds(runtime: Runtime) -> list[float]:
    """Of each turn that is in the ledger."""
    return [turn["duration_us"] / 1000 for turn in rows(runtime.ledger, schema.turns)]


def among(place: Place, name: str, targets: Sequence[str], rules: Sequence[dict[str, Any]], healthy: str) -> list[str]:
    """A row of the table: thirty turns, four at once, while a part fails."""
    place.sandbox.journal.write_bytes(b"")
    place.folder = Path(tempfile.mkdtemp(dir=place.folder.parent))
    place.inject(*rules)
    with place.runtime(targets) as runtime:
        with admitted(runtime) as run:
            outcomes = ask(runtime, run, TURNS, at_once=4)
        attempts = assert_ledger_equals_journal(runtime, place.sandbox.journal)
        assert_ledger_adds_up(runtime)
        broken = sum(attempt["target"] != healthy for attempt in attempts)
        took = milliseconds(runtime)
    answered = TURNS - len(unanswered(outcomes))
    return [name, f"{answered}/{TURNS}", str(broken), f"{median(took):.1f}", f"{max(took):.0f}", "equal"]


def situations() -> list[tuple[str, list[str], list[dict[str, Any]]]]:
    """The failing part, the targets, and the sandbox's settings; ``healthy`` always answers."""
    healthy = target("healthy", "groq")
    found: list[tuple[str, list[str], list[dict[str, Any]]]] = []
    for fault in (*FAULTS, *NO_SERVER):
        rules = [FAULTS[fault] | {"target": "primary"}] if fault in FAULTS else []
        found.append((fault, [broken_target("primary", "bedrock", fault), healthy], rules))
    regions = [target(name, "bedrock", region=name) for name in ("us-east-1", "us-west-2", "eu-west-1")]
    found.append(("whole provider, 3 regions", [*regions, healthy], [{"kind": "529", "provider": "bedrock"}]))
    region = [target(name, "bedrock", tier=tier) for name, tier in (("a", "light"), ("b", "premium"), ("c", "legacy"))]
    down = [{"kind": "503", "target": name} for name in "abc"]
    found.append(("one region, 3 targets", [*region, healthy], down))
    for first, second in (("brown-out", "refused"), ("rate limited", "cut"), ("unavailable", "unresolvable")):
        rules = [FAULTS[f] | {"target": name} for name, f in (("p", first), ("q", second)) if f in FAULTS]
        targets = [broken_target("p", "bedrock", first), broken_target("q", "anthropic", second), healthy]
        found.append((f"{first} and {second}", targets, rules))
    return found


def paired(place: Place) -> list[list[str]]:
    """Turns with the primary in quarantine, alternating with turns of a project that has only the fallback."""
    place.folder = Path(tempfile.mkdtemp(dir=place.folder.parent))
    place.inject({"kind": "503", "target": "primary"})
    with place.runtime([target("primary", "bedrock"), target("healthy", "groq")]) as broken, admitted(broken) as run:
        place.folder = Path(tempfile.mkdtemp(dir=place.folder.parent))
        alone = place.project([target("healthy", "groq")]).runtime()
        try:
            with admitted(alone) as other:
                for _ in range(20):  # connections, statements, statistics
                    ask(broken, run, 1), ask(alone, other, 1)
                one, two = [], []
                for _ in range(PAIRED):
                    one.append(harness.milliseconds(lambda: ask(broken, run, 1)))
                    two.append(harness.milliseconds(lambda: ask(alone, other, 1)))
        finally:
            alone.close()
    found = [["primary in quarantine", harness.spread(one)], ["fallback alone", harness.spread(two)]]
    return [*found, ["difference of the medians", f"{median(one) - median(two):+.2f}"]]


def play(first: int, count: int) -> int:
    """Random schedules, each with a seed of its own; how many turns they had."""
    from tests.support.schedules import assert_sound
    from tests.support.virtual_time import OTHER, SERVICE, staged

    asked = 0
    with staged(Path(tempfile.mkdtemp(prefix="farebox-bench-"))) as stage:
        for seed in range(first, first + count):
            lot = random.Random(seed)
            kinds = SERVICE + OTHER
            script = {
                name: [(lot.choice(kinds), lot.choice((0.0, 3.0, 30.0, 4000.0))) for _ in range(lot.randint(1, 6))]
                for name in "abcde"
            }
            turns = [(lot.choice((0.0, 1.0, 700.0, 5000.0)), lot.randint(1, 4)) for _ in range(lot.randint(1, 4))]
            deadline, most, retries = lot.choice((0.05, 3.0, 30.0, 120.0)), lot.randint(1, 8), lot.randint(0, 3)
            played = stage.play(script, turns, deadline=deadline, max_attempts=most, retries=retries)
            assert_sound(played, sum(together for _, together in turns), deadline, most)
            asked += len(played.turns)
    return asked


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("--schedules", type=int, default=SCHEDULES)
    count = parser.parse_args().schedules
    harness.quiet_environment()
    os.environ[KEY] = "benchmark"
    with ExitStack() as stack:
        folder = stack.enter_context(harness.workplace())
        served = stack.enter_context(harness.sandbox(folder))
        sandbox = SimpleNamespace(url=served.url, journal=folder / "journal.jsonl")
        place = Place(folder / "first", cast("Sandbox", sandbox))
        found = [among(place, name, targets, rules, "healthy") for name, targets, rules in situations()]
        heads = ("", "answered", "requests to what is broken", "median turn ms", "slowest ms", "ledger and journal")
        harness.table(f"faults: {TURNS} turns, four at once, read timeout 400 ms", heads, found)
        harness.table(f"faults: {PAIRED} turns of each, ms", ("", "p50 [quartiles]"), paired(place))
    started = time.perf_counter()
    share = max(1, count // WORKERS)
    with ProcessPoolExecutor(WORKERS) as pool:
        turns = sum(pool.map(play, [share * number for number in range(WORKERS)], [share] * WORKERS))
    took = f"{time.perf_counter() - started:.0f} s"
    schedules = [[f"{share * WORKERS:,}", f"{turns:,}", "0", "0", "0", took]]
    heads = ("schedules", "turns", "endless", "past deadline or budget", "not recorded", "took")
    harness.table("faults: random schedules in virtual time", heads, schedules)


if __name__ == "__main__":
    main()
