"""The inputs of a calibration: cases, targets and a scorer, the same in every process that takes part."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import BoundedSemaphore
from typing import NamedTuple

from farebox.calibration.cases import CalibrationCase, distinct, read_cases
from farebox.calibration.scorers import Scorer, scorer_of
from farebox.calibration.subject import Subject, find_subject, try_once
from farebox.runtime import Runtime
from pricing import UsageError
from pricing.ledger import CaseScore, Results, paid_for
from tasks import Pin, Prompt, current_step
from tasks.routing import Target, model_of

AT_ONCE = 16
"""Cases that a process tries at once: the most that are lost if it dies."""
_LOOK_SECONDS = 0.1
"""Seconds between two checks whether another calibration has stored the score of a case that it is trying."""


class Chosen(NamedTuple):
    """The operation to calibrate and the cases to use: see the flow's parameters."""

    operation: str
    cases: str
    scorer: str = ""
    most: int = 0
    best: str = ""


@dataclass
class Bench:
    """The inputs of a calibration; ``best`` names the target that all others are compared with."""

    runtime: Runtime
    subject: Subject
    cases: Sequence[CalibrationCase]
    scorer: Scorer
    prompt: Prompt
    targets: Mapping[str, Target]
    best: str
    results: Results
    _slots: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(AT_ONCE), repr=False)

    @classmethod
    def of(cls, runtime: Runtime, what: Chosen) -> Bench:
        """The bench of an operation, with the first cases of a file or all of them.

        Raises:
            UsageError: there is no such operation, scorer or target, or nothing to choose between.
            SourceError: the cases cannot be read, or one does not fit the operation.
        """
        subject, (cases, _) = find_subject(what.operation), distinct(read_cases(Path(what.cases)))
        cases = cases[: what.most] if what.most else cases
        for case in cases:
            subject.arguments(case)
        targets = {target.name: target for target in runtime.router.targets}
        first = find_target(targets, what.best) if what.best else runtime.router.primary("premium").name
        if len(targets) == 1:
            raise UsageError(
                f"There is only {first}: nothing is cheaper.", next_step="Declare more [[targets]] in farebox.toml."
            )
        named = what.scorer or _usual_scorer(subject, cases)
        scoring = scorer_of(runtime, named, subject.automation, subject.operation)
        results = Results(runtime.ledger.store, subject.key)
        return cls(runtime, subject, cases, scoring, subject.prompt(cases[0]), targets, first, results)

    def candidates(self) -> list[tuple[str, ...]]:
        """Every other target, and each as the first target of a cascade if a verifier detects wrong answers."""
        others = [name for name in self.targets if name != self.best]
        cascades = [(name, self.best) for name in others] if self.subject.verified else []
        return [*((name,) for name in others), *cascades]

    def key(self, case: CalibrationCase, target: str) -> str:
        """The key of a result: the case, the target and the scorer."""
        digest = case.digest(f"{self.scorer.version} {self.subject.verifier}")
        return f"{digest}:{self.prompt.name}@{self.prompt.version}:{target} {model_of(self.targets[target])}"

    def known(self) -> dict[str, dict[str, CaseScore]]:
        """The results so far, by target and case."""
        found = self.results.read()
        return {
            target: {case.id: one for case in self.cases if (one := found.get(self.key(case, target)))}
            for target in self.targets
        }

    def ask(self, number: int, target: str) -> CaseScore:
        """Try one case on one target, at most once ever, in the step that is running."""
        case = self.cases[number]
        claimed = CaseScore(key=self.key(case, target), run_id=current_step().run_id)
        with self._slots:
            return self._known(claimed) or self._ask(case, target, claimed)

    def _known(self, claimed: CaseScore) -> CaseScore | None:
        """The stored result of a case; waits for a process that is trying it right now."""
        step = self.subject.step
        until = time.monotonic() + self.runtime.engine.deadline_seconds(step.service_tier) * step.max_turns
        while (known := self.results.claim(claimed)) is not None:
            lost = known.run_id == claimed.run_id or not self.results.under_way(known)
            if lost or time.monotonic() >= until:
                return known
            time.sleep(_LOOK_SECONDS)
        return None

    def _ask(self, case: CalibrationCase, target: str, claimed: CaseScore) -> CaseScore:
        pin, turn_ids = Pin(self.subject.operation, target), list[str]()
        try:
            tried = try_once(self.runtime, self.subject, case, pin, self.scorer, turn_ids)
        except Exception:
            self._put_down(claimed, paid_for(self.runtime.ledger.store, turn_ids, pin.operation))
            raise
        return self._put_down(claimed, tried)

    def _put_down(self, claimed: CaseScore, tried: CaseScore) -> CaseScore:
        """Free a case that cost nothing and gave no result, so that it can be tried again."""
        ended = replace(tried, key=claimed.key, run_id=claimed.run_id, ended=True)
        if ended.score is None and not ended.cost_nano:
            self.results.give_back(ended)
        else:
            self.results.note(ended)
        return ended


def find_target(targets: Mapping[str, Target], name: str) -> str:
    """The name of the target to compare with, from its name or its model's id.

    Raises:
        UsageError: there is no such target.
    """
    found = [one for one, target in targets.items() if name in {one, target.model}]
    if not found:
        raise UsageError(
            f"{name[:60]!r} is not among the targets.", next_step=f"The best is one of: {', '.join(targets)}."
        )
    return found[0]


def _usual_scorer(subject: Subject, cases: Sequence[CalibrationCase]) -> str:
    if all(case.expected is not None for case in cases):
        return "exact"
    if subject.verified:
        return "schema"
    raise UsageError(
        "Some cases have no expected answer.",
        next_step="Add `expected` to each, or score with --scorer judge or a function of yours.",
    )
