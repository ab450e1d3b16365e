"""One calibration: rounds of cases until every candidate is decided, then the lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from math import inf, isfinite
from statistics import fmean

from farebox.calibration.bench import Bench, Chosen
from farebox.calibration.decision import (
    AcceptanceCriteria,
    CalibrationDecision,
    CandidateResult,
    CaseOutcome,
    Outcomes,
    chosen,
    next_size,
)
from farebox.calibration.lockfile import LockedCandidate, LockedRoute
from farebox.calibration.report import cut_short
from farebox.calibration.subject import mean_tokens
from farebox.calibration.verify import put_lock
from farebox.runtime import Runtime, get_runtime
from pricing import FareboxError, OverBudget, from_us
from pricing.ledger import FRESH_DAYS, CaseScore
from tasks.routing import model_of

Asked = Sequence[tuple[int, str]]
"""Numbers of cases, each with the name of a target."""
Ask = Callable[[Asked], bool]
"""Runs one round; returns false once the money is spent."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of a lock, as it is written to the lock file.

    Args:
        models: ``provider model`` of each target.
        source: where the cases or outcomes are from.
        scorer: what scored the answers.
        rates: the rate card that priced them.
        sandbox: whether the sandbox answered.
        prompts: versions of the prompts that were used, by name.
        verifier: what detects wrong answers.
        tokens: per case, by target.
        covers: other operations that turns were attributed to.
        since: the time of the oldest evidence.
    """

    models: Mapping[str, str]
    source: str
    scorer: str
    rates: str
    sandbox: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    verifier: str = ""
    tokens: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    covers: tuple[str, ...] = ()
    since: date | None = None


def calibrate(bench: Bench, terms: AcceptanceCriteria, ask: Ask, source: str) -> LockedRoute:
    """Run rounds until every candidate is decided or the money is spent; returns the lock."""
    decision = decide(bench, terms, ask, lambda: outcomes_of(bench.known()))
    known = bench.known()
    outcomes = outcomes_of(known)
    return lock_of(decision.standings(outcomes), outcomes, terms, _evidence(bench, known, source))


def decide(
    bench: Bench, terms: AcceptanceCriteria, ask: Ask, outcomes: Callable[[], Mapping[str, Outcomes]]
) -> CalibrationDecision:
    """Run round after round as long as any candidate is open; ``outcomes`` returns those known so far."""
    decision = CalibrationDecision(bench.best, bench.candidates(), terms, len(bench.cases))
    done, going = 0, True
    while going and decision.open and done < len(bench.cases):
        upto = min(len(bench.cases), done + next_size(done))
        going = ask([(number, target) for number in range(done, upto) for target in decision.asked])
        done = upto
        decision.look(outcomes(), last=going and done >= len(bench.cases))
    return decision


def outcomes_of(known: Mapping[str, Mapping[str, CaseScore]]) -> dict[str, dict[str, CaseOutcome]]:
    """The outcomes in the form that decisions take."""
    return {
        target: {
            case: CaseOutcome(one.score, one.cost_nano, one.seconds, one.verified)
            for case, one in tried.items()
            if one.score is not None
        }
        for target, tried in known.items()
    }


def _evidence(bench: Bench, known: Mapping[str, Mapping[str, CaseScore]], source: str) -> Evidence:
    scored = {name: [one for one in tried.values() if one.score is not None] for name, tried in known.items()}
    used = [one for tried in scored.values() for one in tried]
    return Evidence(
        models={name: model_of(target) for name, target in bench.targets.items()},
        source=source,
        scorer=bench.scorer.name,
        rates=bench.runtime.rates.version,
        sandbox=any(target.stand_in for target in bench.targets.values()),
        prompts={bench.prompt.name: bench.prompt.version},
        verifier=bench.subject.verifier,
        tokens={name: mean_tokens(tried) for name, tried in scored.items()},
        covers=tuple(sorted({operation for one in used for operation in one.operations})),
        since=min((from_us(one.asked_at).date() for one in used), default=None),
    )


def lock_of(
    standings: Sequence[CandidateResult],
    outcomes: Mapping[str, Outcomes],
    terms: AcceptanceCriteria,
    evidence: Evidence,
) -> LockedRoute:
    """The lock that the evidence supports."""
    choice, today = chosen(standings), datetime.now(UTC).date()
    first = [one.verified is False for one in outcomes.get(choice.route[0], {}).values()]
    return LockedRoute(
        route=choice.route,
        models=tuple(evidence.models[name] for name in choice.route),
        best=standings[0].route[0],
        sandbox=evidence.sandbox,
        margin=terms.margin,
        confidence=terms.confidence,
        scorer=evidence.scorer,
        cases=evidence.source,
        n=standings[0].n,
        rates=evidence.rates,
        date=today,
        expires=(evidence.since or today) + timedelta(days=FRESH_DAYS),
        prompts=dict(evidence.prompts),
        verifier=evidence.verifier,
        covers=evidence.covers,
        escalated=fmean(first) if len(choice.route) > 1 and first else 0.0,
        candidates=tuple(_candidate(one, evidence.tokens) for one in standings),
    )


def _candidate(one: CandidateResult, tokens: Mapping[str, Mapping[str, float]]) -> LockedCandidate:
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
        needed=int(one.needed) if one.verdict in {"insufficient_cases", "open"} and isfinite(one.needed) else 0,
    )


@lru_cache(maxsize=2)
def bench_of(runtime: Runtime, what: Chosen) -> Bench:
    """The bench, built once per process."""
    return Bench.of(runtime, what)


def try_case(number: int, target: str, what: Chosen) -> CaseScore:
    """Try one case on one target, in the step that is running; stored results are used."""
    return bench_of(get_runtime(), what).ask(number, target)


def may_go_on(ended: Sequence[object]) -> bool:
    """Whether the money is enough for another round; any other failure is raised."""
    failed = [one for one in ended if isinstance(one, BaseException)]
    if other := [one for one in failed if not isinstance(one, OverBudget)]:
        raise other[0]
    return not failed


def terms_of(bench: Bench, margin: float, confidence: float) -> AcceptanceCriteria:
    """The requirements of a calibration, with the latency limit of its step."""
    latency = bench.subject.step.latency
    return AcceptanceCriteria(margin, confidence, inf if latency is None else latency)


def calibrate_operation(what: Chosen, margin: float, confidence: float, ask: Ask, *, replace: bool = False) -> str:
    """Calibrate, write the lock to the project, and return its sentence and whether the money ran out first.

    Raises:
        FareboxError: no answer could be compared.
    """
    bench, rounds = bench_of(get_runtime(), what), list[bool]()

    def ask_on(asked: Asked) -> bool:
        rounds.append(ask(asked))
        return rounds[-1]

    lock = calibrate(bench, terms_of(bench, margin, confidence), ask_on, what.cases)
    spent = not all(rounds)
    if not lock.n:
        raise (OverBudget if spent else FareboxError)(
            f"{'The money ran out' if spent else 'The calibration ended'} before {lock.best} had answered a case; "
            "nothing was locked.",
            next_step="Give it a larger budget." if spent else "See `farebox report` for what went wrong.",
        )
    text = put_lock(bench.runtime, bench.subject.key, lock, replace=replace)
    return f"{text} {cut_short(lock)}" if spent and any(one.verdict == "open" for one in lock.candidates) else text
