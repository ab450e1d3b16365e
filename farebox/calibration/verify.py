"""Checks whether a lock is still valid, and writes a lock unless it would replace one with more evidence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

from farebox.calibration.lockfile import LOCK_FILE, LockedCandidate, LockedRoute, read_lock_file, write_lock
from farebox.calibration.report import kept, sentence
from farebox.calibration.subject import find_subject
from farebox.config.guard_settings import JUDGE
from farebox.runtime import Runtime
from pricing import Nano, PromptError, UnknownPrice, Usage, UsageError, to_us
from pricing.analysis import wilson
from pricing.db import acquire_file_lock
from pricing.ledger import passed_since
from pricing.rates import STANDARD
from pricing.reports import percent
from tasks.routing import RouteLock

_ENOUGH = 20
"""Judged answers since the lock that are needed to detect drift."""


def stale(runtime: Runtime, key: str, lock: LockedRoute, today: date) -> Iterator[str]:
    """The reasons why a lock is stale, a short phrase each; empty if it is valid."""
    try:
        subject = find_subject(key)
    except UsageError:
        yield "the operation no longer exists"
    else:
        if subject.verifier != lock.verifier:
            yield "what verifies its answers has changed"
    obeyed = RouteLock(key, lock.route, lock.models, lock.sandbox)
    if why := obeyed.unfit(runtime.router.targets):
        yield why
    for name, version in lock.prompts.items():
        try:
            changed = runtime.engine.prompt_version(name) != version
        except PromptError:
            yield f"its prompt {name} is gone"
        else:
            if changed:
                yield f"its prompt {name} has changed"
    if lock.expires < today:
        yield f"its evidence is too old: it expired on {lock.expires}"
    yield from _flipped(runtime, lock)
    yield from _drifted(runtime, key, lock)


def _flipped(runtime: Runtime, lock: LockedRoute) -> Iterator[str]:
    """Whether another route is cheaper at today's rates; each cost changes like the price of its tokens."""
    now = {one.route: cost for one in lock.candidates if (cost := _cost_now(runtime, lock, one)) is not None}
    mine = now.get(lock.route)
    if mine is None:
        return
    for one in lock.candidates:
        cost = now.get(one.route)
        fit = one.verdict in {"best", "enough", "not_tested"}
        if cost is not None and fit and cost < mine and one.cost >= lock.chosen.cost:
            yield f"rates have moved: {' → '.join(one.route)} is cheaper now"
            return


def _cost_now(runtime: Runtime, lock: LockedRoute, one: LockedCandidate) -> Nano | None:
    """The cost at today's rates; for a cascade, that of its first target and, as often as before, of the second."""
    moved = [_moved(runtime, lock, name) for name in one.route]
    if None in moved:
        return None
    (first, now), *then = (cost for cost in moved if cost is not None)
    return round(now + sum((one.cost - first) * later / cost for cost, later in then if cost))


def _moved(runtime: Runtime, lock: LockedRoute, name: str) -> tuple[Nano, float] | None:
    """The measured cost of a case at one target, and its cost at today's rates."""
    single = next((single for single in lock.candidates if single.route == (name,)), None)
    target = next((target for target in runtime.router.targets if target.name == name), None)
    if single is None or target is None or not single.tokens:
        return None
    usage = Usage(round(1000 * single.tokens["input"]), round(1000 * single.tokens["output"]))
    then = datetime(lock.date.year, lock.date.month, lock.date.day, 23, 59, tzinfo=UTC)
    try:
        asked = target.service_tier or STANDARD
        was, price = (runtime.rates.price(target.model, target.provider, usage, at, asked) for at in (then, None))
    except UnknownPrice:
        return None
    return single.cost, single.cost * price / was if was else single.cost


def _drifted(runtime: Runtime, key: str, lock: LockedRoute) -> Iterator[str]:
    """Whether the judge passes fewer live answers than the measured score, for locks that it scored."""
    if lock.scorer != "judge":
        return
    passed, total = _judged(runtime, key, lock)
    if total < _ENOUGH:
        return
    _, high = wilson(passed, total)
    if high < lock.chosen.score_low - lock.margin:
        yield (
            f"live quality has drifted: the judge passes {percent(passed / total)} of {total} answers, "
            f"not {percent(lock.chosen.score)}"
        )


def _judged(runtime: Runtime, key: str, lock: LockedRoute) -> tuple[int, int]:
    """Of the answers sampled since the lock: how many passed, and how many there are."""
    automation, _, operation = key.partition("/")
    since = to_us(datetime(lock.date.year, lock.date.month, lock.date.day, tzinfo=UTC))
    return passed_since(runtime.ledger.store, automation, operation, JUDGE, since)


def put_lock(runtime: Runtime, key: str, lock: LockedRoute, *, replace: bool) -> str:
    """Write a lock and return its sentence, unless the present lock has more evidence and is still valid.

    Args:
        runtime: the project's.
        key: the step, as ``automation/operation``.
        lock: the result of a calibration.
        replace: replace the present lock in any case.

    Raises:
        ConfigError: the present lock file cannot be read.
    """
    path, today = runtime.root / LOCK_FILE, datetime.now(UTC).date()
    runtime.home.mkdir(parents=True, exist_ok=True)
    with acquire_file_lock(runtime.home / f"{LOCK_FILE}.lock"):
        there = None if replace else read_lock_file(path).get(key)
        if there is not None and there.weight > lock.weight and not any(stale(runtime, key, there, today)):
            return kept(key, there, lock)
        write_lock(path, key, lock)
    return sentence(key, lock)
