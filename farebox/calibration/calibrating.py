"""One calibration: rounds of cases where the decision is open, until it is decided; then the lock.

Who answers the cases is handed in: a run's mapped steps, or nobody where the outcomes are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path
from statistics import fmean
from threading import BoundedSemaphore

from farebox.calibration.cases import Case, read_cases
from farebox.calibration.deciding import Decision, Outcome, Outcomes, Standing, Terms, chosen
from farebox.calibration.lockfile import LockedCandidate, LockedRoute
from farebox.calibration.results import Results, Tried
from farebox.calibration.rounds import next_size
from farebox.calibration.scoring import Scorer, scorer_of
from farebox.calibration.subjects import Subject, find_subject, key_of, mean_tokens, try_once
from farebox.runtime import Runtime
from pricing.errors import UsageError
from tasks.prompts import Prompt
from tasks.route_locks import model_of
from tasks.targets import Target

FRESH_DAYS = 90
"""How long evidence counts."""
AT_ONCE = 16
"""Cases asked at once by a process: no more of them are lost with it."""
Asked = Sequence[tuple[int, str]]
"""Numbers of cases, each with the name of a target."""
Ask = Callable[[Asked], bool]
"""Asks; whether more may be asked: not once the money is spent."""


@dataclass
class Bench:
    """What a calibration needs in each process that takes part in it."""

    runtime: Runtime
    subject: Subject
    cases: Sequence[Case]
    scorer: str
    prompt: Prompt
    targets: Mapping[str, Target]
    best: str
    results: Results
    _score: Scorer | None = field(default=None, repr=False)
    _room: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(AT_ONCE), repr=False)

    @classmethod
    def of(cls, runtime: Runtime, operation: str, cases: Sequence[Case], scorer: str) -> Bench:
        """The bench of an operation.

        Raises:
            UsageError: there is no such operation, or nothing to choose between.
            SourceError: a case does not fit the operation.
        """
        subject = find_subject(operation)
        for case in cases:
            subject.arguments(case)
        targets = {target.name: target for target in runtime.router.targets}
        best = runtime.router.route("premium", "best")[0].target.name
        if len(targets) == 1:
            raise UsageError(
                f"There is only {best}: nothing is cheaper.", next_step="Declare more [[targets]] in farebox.toml."
            )
        results = Results(runtime.home / "calibration" / f"{subject.automation}.{subject.operation}.jsonl")
        named = scorer or _usual_scorer(subject, cases)
        bench = cls(runtime, subject, cases, named, subject.prompt(cases[0]), targets, best, results)
        bench._score = scorer_of(runtime, named, subject.automation, subject.operation)
        return bench

    def candidates(self) -> list[tuple[str, ...]]:
        """Every other target, and each as the first of a cascade where a schema tells a wrong answer."""
        others = [name for name in self.targets if name != self.best]
        cascades = [(name, self.best) for name in others] if self.subject.verified else []
        return [*((name,) for name in others), *cascades]

    def key(self, case: Case, target: str) -> str:
        """Of a result."""
        return key_of(case, self.scorer, self.prompt, self.targets[target])

    def known(self) -> dict[str, dict[str, Tried]]:
        """What was found so far, by target and case."""
        found = self.results.read()
        return {
            target: {case.id: one for case in self.cases if (one := found.get(self.key(case, target)))}
            for target in self.targets
        }

    def left(self) -> int:
        """How many answers are not known, at most."""
        return sum(len(self.cases) - sum(t.closed for t in tried.values()) for tried in self.known().values())

    def ask(self, number: int, target: str) -> Tried:
        """Ask one target about one case, once and never again."""
        case = self.cases[number]
        claimed = Tried(key=self.key(case, target), case=case.id, target=target)
        with self._room:
            return self._ask(case, target, claimed)

    def _ask(self, case: Case, target: str, claimed: Tried) -> Tried:
        if (known := self.results.claim(claimed)) is not None:
            return known
        if self._score is None:
            raise RuntimeError("a bench is made by Bench.of")
        try:
            figures = try_once(self.runtime, self.subject, case, self.targets[target], self._score)
        except Exception:
            self.results.note(claimed)  # nothing was paid: no money for it, or no scorer
            raise
        tried = claimed.model_copy(update=figures)
        self.results.note(tried)
        return tried


def open_bench(runtime: Runtime, operation: str, cases: str, scorer: str, most: int) -> Bench:
    """The bench of a cases file: of its first ``most`` cases, or all where that is 0."""
    read = read_cases(Path(cases))
    return Bench.of(runtime, operation, read[:most] if most else read, scorer)


def _usual_scorer(subject: Subject, cases: Sequence[Case]) -> str:
    if all(case.expected is not None for case in cases):
        return "exact"
    if subject.verified:
        return "schema"
    raise UsageError(
        "Not every case says what is expected.",
        next_step="Add `expected` to each, or score with --scorer judge or a function of yours.",
    )


def calibrate(bench: Bench, terms: Terms, ask: Ask, source: str) -> LockedRoute:
    """Ask until it is decided, or nothing more may be asked; what is to be locked."""
    decision = Decision(bench.best, bench.candidates(), terms, len(bench.cases))
    done, going = 0, True
    while going and decision.open and done < len(bench.cases):
        upto = min(len(bench.cases), done + next_size(done))
        going = ask([(number, target) for number in range(done, upto) for target in decision.asked])
        done = upto
        decision.look(outcomes_of(bench.known()))
    known = bench.known()
    standings = decision.standings(outcomes_of(known))
    tokens = {target: mean_tokens({case: one for case, one in t.items() if one.outcome}) for target, t in known.items()}
    return lock_of(
        standings,
        outcomes_of(known),
        terms,
        targets=bench.targets,
        source=source,
        scorer=bench.scorer,
        rates=bench.runtime.rates.version,
        prompts={bench.prompt.name: bench.prompt.version},
        tokens=tokens,
        sandbox=any(target.stand_in for target in bench.targets.values()),
    )


def outcomes_of(known: Mapping[str, Mapping[str, Tried]]) -> dict[str, dict[str, Outcome]]:
    """As decisions take them."""
    return {
        target: {case: outcome for case, one in tried.items() if (outcome := one.outcome)}
        for target, tried in known.items()
    }


def lock_of(
    standings: Sequence[Standing],
    outcomes: Mapping[str, Outcomes],
    terms: Terms,
    *,
    targets: Mapping[str, Target],
    source: str,
    scorer: str,
    rates: str,
    prompts: Mapping[str, str],
    tokens: Mapping[str, Mapping[str, float]],
    sandbox: bool,
) -> LockedRoute:
    """The lock that the evidence supports."""
    choice, today = chosen(standings), datetime.now(UTC).date()
    first = [one.verified is False for one in outcomes.get(choice.route[0], {}).values()]
    return LockedRoute(
        route=choice.route,
        models=tuple(model_of(targets[name]) for name in choice.route),
        best=standings[0].route[0],
        sandbox=sandbox,
        margin=terms.margin,
        confidence=terms.confidence,
        scorer=scorer,
        cases=source,
        n=standings[0].n,
        rates=rates,
        date=today,
        expires=today + timedelta(days=FRESH_DAYS),
        prompts=dict(prompts),
        escalated=fmean(first) if len(choice.route) > 1 and first else 0.0,
        candidates=tuple(_candidate(one, tokens) for one in standings),
    )


def _candidate(one: Standing, tokens: Mapping[str, Mapping[str, float]]) -> LockedCandidate:
    return LockedCandidate(
        route=one.route,
        verdict=one.verdict,
        n=one.n,
        score=one.score,
        score_low=one.score_low,
        score_high=one.score_high,
        difference=one.difference,
        difference_low=one.difference_low,
        difference_high=one.difference_high,
        cost=one.cost_nano,
        p50_seconds=one.p50,
        p95_seconds=one.p95,
        tokens=dict(tokens.get(one.route[0], {})) if len(one.route) == 1 else {},
        needed=int(one.needed) if one.verdict in {"beyond", "open"} and isfinite(one.needed) else 0,
    )
