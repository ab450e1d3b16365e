"""A calibration on outcomes that are known: a table with case, model, score, cost and latency. Nobody is asked."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from farebox.calibration.calibrating import lock_of
from farebox.calibration.deciding import Decision, Outcome, Terms
from farebox.calibration.lockfile import LOCK_FILE, LockedRoute, write_lock
from farebox.calibration.subjects import find_subject
from farebox.calibration.telling import sentence
from farebox.runtime import Runtime
from pricing.errors import SourceError
from pricing.money import USD

_NEXT = "It needs the columns case, model, score (0 to 1), cost (USD) and latency (seconds), none of them empty."

_COLUMNS = """
"case"::VARCHAR, model::VARCHAR, score::DOUBLE, cost::DECIMAL(18, 9), latency::DOUBLE
"""


def read_outcomes(path: Path) -> dict[str, dict[str, Outcome]]:
    """Outcomes by model and case.

    Raises:
        SourceError: the file cannot be read, lacks a column, or has a value that is none.
    """
    import duckdb

    try:
        with duckdb.connect() as connection:
            read = connection.read_parquet if path.suffix == ".parquet" else connection.read_csv
            rows = read(str(path)).project(_COLUMNS).fetchall()
    except duckdb.Error:
        raise SourceError(f"{path} cannot be read as outcomes.", next_step=_NEXT) from None
    found: dict[str, dict[str, Outcome]] = {}
    for number, (case, model, score, cost, latency) in enumerate(rows, 1):
        if None in {case, model, score, cost, latency} or not 0 <= score <= 1 or cost < 0 or latency < 0:
            raise SourceError(f"{path} has a value that is none in its outcome {number}.", next_step=_NEXT)
        outcomes = found.setdefault(model, {})
        if case in outcomes:
            raise SourceError(f"{path} has case {case[:40]!r} of {model[:60]} twice.", next_step="Keep one of them.")
        outcomes[case] = Outcome(score, int(cost * USD), latency)
    if len(found) <= 1:
        raise SourceError(f"{path} has fewer than two models.", next_step="Give outcomes of those to choose between.")
    return found


def decide(outcomes: dict[str, dict[str, Outcome]], terms: Terms) -> Decision:
    """The decision, against the model with the highest mean score."""
    best = max(sorted(outcomes), key=lambda name: fmean(one.score for one in outcomes[name].values()))
    decision = Decision(best, [(name,) for name in sorted(outcomes) if name != best], terms, len(outcomes[best]))
    decision.look(outcomes)
    return decision


def replay(runtime: Runtime, operation: str, path: Path, margin: float, confidence: float) -> tuple[str, LockedRoute]:
    """What the outcomes support: told, and locked where every model is one of the project's targets.

    A model is named as its target is, or by its id.
    """
    subject = find_subject(operation)
    targets = {name: target for target in runtime.targets for name in (target.model, target.name)}
    read = read_outcomes(path)
    strangers = sorted(read.keys() - targets.keys())
    terms = Terms(margin, confidence)
    if strangers:
        raise SourceError(
            f"{strangers[0][:60]} is no target of this project.",
            next_step=f"Name models as farebox.toml does: {', '.join(target.name for target in runtime.targets)}.",
        )
    outcomes = {targets[name].name: found for name, found in read.items()}
    decision = decide(outcomes, terms)
    named = {target.name: target for target in runtime.targets if target.name in outcomes}
    lock = lock_of(
        decision.standings(outcomes),
        outcomes,
        terms,
        targets=named,
        source=path.name,
        scorer="outcomes",
        rates=runtime.rates.version,
        prompts={},
        tokens={},
        sandbox=False,
    )
    write_lock(runtime.root / LOCK_FILE, subject.key, lock)
    return sentence(subject.key, lock), lock
