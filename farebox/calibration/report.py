"""The result of a calibration, as sentences and figures for product owners."""

from __future__ import annotations

from collections.abc import Iterator

from farebox.calibration.lockfile import LockedCandidate, LockedRoute
from pricing import format_money

VERDICTS = {
    "best": "the best",
    "enough": "good enough",
    "worse": "worse by more than the margin",
    "costlier": "more expensive than the best",
    "slower": "too slow",
    "not_tested": "more expensive than one that is good enough",
    "insufficient_cases": "too few cases to tell",
    "open": "not decided",
}
COLUMNS = ("route", "score", "against the best", "a case", "p95", "cases", "")
FIGURES = frozenset({"a case", "p95", "cases"})


def sentence(key: str, lock: LockedRoute) -> str:
    """The locked route and its saving."""
    name, cost, best = " → ".join(lock.route), lock.chosen.cost, lock.reference.cost
    if lock.route == (lock.best,):
        more = needed_cases(lock)
        why = f"; about {more} cases are needed to decide" if more else ""
        text = f"{key} stays on {name}: no cheaper route is known to lose less than {lock.margin:g}{why}."
    else:
        saved = f"{1 - cost / best:.0%} less" if best else "no less"
        text = (
            f"{key} is locked on {name}: {format_money(cost)} a case, {saved} than {lock.best}, "
            f"and with {lock.confidence:.0%} confidence it loses less than {lock.margin:g} of the score."
        )
    return text + (" It is based on sandbox answers: it does not apply to real targets." if lock.sandbox else "")


def kept(key: str, there: LockedRoute, found: LockedRoute) -> str:
    """A sentence that the present lock stays, because the new result has less evidence."""
    more, less, then = f"{there.n} cases", f"{found.n}", "on more"
    if found.sandbox and not there.sandbox:
        more, less, then = "answers of models", "the sandbox's", "with a key"
    return (
        f"{key} stays locked on {' → '.join(there.route)}: that lock is based on {more} and is still valid. This "
        f"calibration is based on {less}, and would lock {' → '.join(found.route)}: calibrate {then}, or use --replace."
    )


def cut_short(lock: LockedRoute) -> str:
    """A sentence that the budget ran out before all was decided."""
    return (
        f"The budget was spent after {lock.n} cases, before all was decided: calibrate again with more, and it goes on "
        "from there."
    )


def needed_cases(lock: LockedRoute) -> int:
    """How many cases the first undecided candidate needs; 0 if more cases do not help."""
    return min((one.needed for one in lock.candidates if one.needed > lock.n), default=0)


def rows(lock: LockedRoute) -> Iterator[tuple[str, ...]]:
    """The candidates, in the order of ``COLUMNS``."""
    return (row(lock, one) for one in lock.candidates)


def row(lock: LockedRoute, one: LockedCandidate) -> tuple[str, ...]:
    """One candidate, the locked one with a star."""
    name = " → ".join(one.route) + (" *" if one.route == lock.route else "")
    against = "" if one.verdict == "best" else _range(one)
    score = f"{one.score:.2f} ({one.score_low:.2f} to {one.score_high:.2f})"
    cost = format_money(one.cost)
    return (name, score, against, cost, f"{one.p95_seconds:.2f} s", str(one.n), VERDICTS[one.verdict])


def _range(one: LockedCandidate) -> str:
    return f"{one.difference:+.2f} ({one.difference_low:+.2f} to {one.difference_high:+.2f})"
