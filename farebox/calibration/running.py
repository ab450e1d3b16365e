"""Calibration inside a run: the same bench in each process, rounds of mapped steps, the lock at the end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import inf

from farebox.calibration.bench import Bench, Chosen
from farebox.calibration.calibrating import Ask, Asked, calibrate
from farebox.calibration.deciding import Terms
from farebox.calibration.locking import put_lock
from farebox.calibration.telling import cut_short
from farebox.runtime import Runtime, get_runtime
from pricing import FareboxError, OverBudget
from pricing.ledger import CaseScore


@lru_cache(maxsize=2)
def bench_of(runtime: Runtime, what: Chosen) -> Bench:
    """The bench, made once per process."""
    return Bench.of(runtime, what)


def try_case(number: int, target: str, what: Chosen) -> CaseScore:
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


def calibrate_operation(what: Chosen, margin: float, confidence: float, ask: Ask, *, replace: bool = False) -> str:
    """Calibrate, write the lock into the project, and say what is locked and whether the money ran out before.

    Raises:
        FareboxError: nothing was answered that could be compared.
    """
    bench, rounds = bench_of(get_runtime(), what), list[bool]()

    def ask_on(asked: Asked) -> bool:
        rounds.append(ask(asked))
        return rounds[-1]

    lock = calibrate(bench, terms_of(bench, margin, confidence), ask_on, what.cases)
    spent = not all(rounds)
    if not lock.n:
        raise (OverBudget if spent else FareboxError)(
            f"{'The money ran out' if spent else 'The calibration ended'} before {lock.best} had answered a case: "
            "nothing is locked.",
            next_step="Give it a larger budget." if spent else "See `farebox report` for what went wrong.",
        )
    told = put_lock(bench.runtime, bench.subject.key, lock, replace=replace)
    return f"{told} {cut_short(lock)}" if spent and any(one.verdict == "open" for one in lock.candidates) else told
