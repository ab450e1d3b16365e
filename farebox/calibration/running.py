"""Calibration inside a run: the same bench in each process, rounds of mapped steps, the lock at the end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import inf

from farebox.calibration.bench import Bench, Chosen
from farebox.calibration.calibrating import Ask, calibrate
from farebox.calibration.deciding import Terms
from farebox.calibration.lockfile import LOCK_FILE, write_lock
from farebox.calibration.results import Tried
from farebox.calibration.telling import sentence
from farebox.runtime import Runtime, get_runtime
from pricing.errors import OverBudget


@lru_cache(maxsize=2)
def bench_of(runtime: Runtime, what: Chosen) -> Bench:
    """The bench, made once per process."""
    return Bench.of(runtime, what)


def try_case(number: int, target: str, what: Chosen) -> Tried:
    """One case asked of one target, in the step that is under way; what is known is not asked again."""
    return bench_of(get_runtime(), what).ask(number, target)


def may_go_on(ended: Sequence[object]) -> bool:
    """Whether a round's results leave money for another; any other failure is raised."""
    failed = [one for one in ended if isinstance(one, BaseException)]
    if other := [one for one in failed if not isinstance(one, OverBudget)]:
        raise other[0]
    return not failed


def terms_of(bench: Bench, margin: float, confidence: float) -> Terms:
    """The terms of a calibration, with the floor of latency that its step has."""
    latency = bench.subject.step.latency
    return Terms(margin, confidence, inf if latency is None else latency)


def calibrate_operation(what: Chosen, margin: float, confidence: float, ask: Ask) -> str:
    """Calibrate, write the lock into the project, and say in a sentence what it is."""
    bench = bench_of(get_runtime(), what)
    lock = calibrate(bench, terms_of(bench, margin, confidence), ask, what.cases)
    write_lock(bench.runtime.root / LOCK_FILE, bench.subject.key, lock)
    return sentence(bench.subject.key, lock)
