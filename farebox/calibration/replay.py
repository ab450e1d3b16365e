"""A calibration on known outcomes: a table with case, model, score, cost and latency. No model is called."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from farebox.calibration.decision import AcceptanceCriteria, CalibrationDecision, CaseOutcome
from farebox.calibration.lockfile import LockedRoute
from farebox.calibration.report import sentence
from farebox.calibration.run import Evidence, lock_of
from farebox.calibration.subject import Subject, find_subject
from farebox.calibration.verify import put_lock
from farebox.runtime import Runtime
from pricing import USD, PromptError, SourceError, UsageError
from pricing.ledger import last_prompt
from tasks.routing import model_of

_NEXT = "It needs the columns case, model, score (0 to 1), cost (USD) and latency (seconds), none of them empty."

_COLUMNS = """
"case"::VARCHAR, model::VARCHAR, score::DOUBLE, cost::DECIMAL(18, 9), latency::DOUBLE
"""


def read_outcomes(path: Path) -> dict[str, dict[str, CaseOutcome]]:
    """Outcomes by model and case.

    Raises:
        SourceError: the file cannot be read, lacks a column, or has an invalid value.
    """
    import duckdb

    try:
        with duckdb.connect() as connection:
            read = connection.read_parquet if path.suffix == ".parquet" else connection.read_csv
            rows = read(str(path)).project(_COLUMNS).fetchall()
    except duckdb.Error:
        raise SourceError(f"{path} cannot be read as outcomes.", next_step=_NEXT) from None
    found: dict[str, dict[str, CaseOutcome]] = {}
    for number, (case, model, score, cost, latency) in enumerate(rows, 1):
        if None in {case, model, score, cost, latency} or not 0 <= score <= 1 or cost < 0 or latency < 0:
            raise SourceError(f"{path} has an invalid value in its outcome {number}.", next_step=_NEXT)
        outcomes = found.setdefault(model, {})
        if case in outcomes:
            raise SourceError(f"{path} has case {case[:40]!r} of {model[:60]} twice.", next_step="Keep one of them.")
        outcomes[case] = CaseOutcome(score, int(cost * USD), latency)
    if len(found) <= 1:
        raise SourceError(f"{path} has fewer than two models.", next_step="Give outcomes of those to choose between.")
    return found


def decide(outcomes: dict[str, dict[str, CaseOutcome]], terms: AcceptanceCriteria, best: str) -> CalibrationDecision:
    """The decision, with ``best`` as the reference."""
    decision = CalibrationDecision(
        best, [(name,) for name in sorted(outcomes) if name != best], terms, len(outcomes[best]), once=True
    )
    decision.look(outcomes, last=True)
    return decision


def highest_mean(outcomes: dict[str, dict[str, CaseOutcome]]) -> str:
    """The model with the highest mean score. Among models of equal quality this is the luckiest one, so the others look
    worse than they are, and a good enough one may stay unlocked.
    """
    return max(sorted(outcomes), key=lambda name: fmean(one.score for one in outcomes[name].values()))


def prompt_of_late(runtime: Runtime, subject: Subject) -> dict[str, str]:
    """The prompt that the step used last, in its present version; ``None`` if it never ran or the prompt is gone."""
    name = last_prompt(runtime.ledger.store, subject.automation, subject.operation)
    try:
        return {name: runtime.engine.prompt_version(name)} if name else {}
    except PromptError:
        return {}


def replay(
    runtime: Runtime, operation: str, path: Path, terms: AcceptanceCriteria, best: str = "", *, replace: bool = False
) -> tuple[str, LockedRoute]:
    """What the outcomes support: reported, and locked if every model is one of the project's targets.

    A model is identified by its target's name or by its id. The best is the one that is named, else the project's own
    if it is among them, else the one with the highest mean.

    Raises:
        UsageError: there is no such operation, or no outcomes of the best.
        SourceError: the outcomes cannot be read.
    """
    subject = find_subject(operation)
    targets = {name: target for target in runtime.targets for name in (target.model, target.name)}
    outcomes = {(targets[name].name if name in targets else name): one for name, one in read_outcomes(path).items()}
    known = {name: model_of(targets[name]) for name in outcomes if name in targets}
    wanted = targets[best].name if best in targets else best
    if wanted and wanted not in outcomes:
        raise UsageError(f"{path} has no outcomes of {best[:60]!r}.", next_step=f"It has: {', '.join(outcomes)}.")
    declared = runtime.router.primary("premium").name
    first = wanted or (declared if declared in outcomes else highest_mean(outcomes))
    decision = decide(outcomes, terms, first)
    models = {name: name for name in outcomes} | known
    evidence = Evidence(
        models=models,
        source=path.name,
        scorer="outcomes",
        rates=runtime.rates.version,
        prompts=prompt_of_late(runtime, subject),
        verifier=subject.verifier,
    )
    lock = lock_of(decision.standings(outcomes), outcomes, terms, evidence)
    unknown = sorted(outcomes.keys() - known.keys())
    if unknown:
        message = f"{sentence(subject.key, lock)} Nothing was written: {unknown[0][:60]} is not a target here."
    else:
        message = put_lock(runtime, subject.key, lock, replace=replace)
    if first not in {wanted, declared}:
        message += f" {first} was used as the best because its mean is the highest, which favours it: set --best."
    return message, lock
