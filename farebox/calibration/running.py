"""Calibration inside a run: the same bench in each process, rounds of mapped steps, the lock at the end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import inf
from typing import NamedTuple

from farebox.calibration.calibrating import Ask, Bench, calibrate, open_bench
from farebox.calibration.deciding import Terms
from farebox.calibration.lockfile import LOCK_FILE, write_lock
from farebox.calibration.results import Tried
from farebox.calibration.telling import sentence
from farebox.runtime import Runtime, get_runtime
from pricing.errors import OverBudget


class Chosen(NamedTuple):
    """What is calibrated on what: see the flow's parameters."""

    operation: str
    cases: str
    scorer: str
    most: int


@lru_cache(maxsize=2)
def _bench(runtime: Runtime, what: Chosen) -> Bench:
    return open_bench(runtime, what.operation, what.cases, what.scorer, what.most)


def left_to_ask(operation: str, cases: str, scorer: str, most: int) -> int:
    """Answers that a calibration takes at most, what was paid before not counted."""
    return max(1, _bench(get_runtime(), Chosen(operation, cases, scorer, most)).left())


def try_case(number: int, target: str, what: Chosen) -> Tried:
    """One case asked of one target, in the step that is under way; what is known is not asked again."""
    return _bench(get_runtime(), what).ask(number, target)


def may_go_on(ended: Sequence[object]) -> bool:
    """Whether a round's results leave money for another; any other failure is raised."""
    failed = [one for one in ended if isinstance(one, BaseException)]
    if other := [one for one in failed if not isinstance(one, OverBudget)]:
        raise other[0]
    return not failed


def calibrate_operation(what: Chosen, margin: float, confidence: float, ask: Ask) -> str:
    """Calibrate, write the lock into the project, and say in a sentence what it is."""
    bench = _bench(get_runtime(), what)
    latency = bench.subject.latency
    terms = Terms(margin, confidence, inf if latency is None else latency)
    lock = calibrate(bench, terms, ask, what.cases)
    write_lock(bench.runtime.root / LOCK_FILE, bench.subject.key, lock)
    return sentence(bench.subject.key, lock)
