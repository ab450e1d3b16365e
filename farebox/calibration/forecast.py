"""The expected calls of a calibration, from which it is quoted.

The calibration's own code is run with every unknown answer assumed to be as good as the best's. This gives the number
of cases until nothing is left to decide. Candidates that lose some cases take more, bad candidates fewer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from farebox.calibration.bench import Bench, Chosen
from farebox.calibration.decision import AcceptanceCriteria, CaseOutcome
from farebox.calibration.run import Asked, bench_of, decide, outcomes_of, terms_of
from farebox.calibration.scorers import SCORE
from farebox.calibration.subject import used
from farebox.config.guard_settings import JUDGE
from farebox.declaration import DeclaredPlan
from farebox.runtime import get_runtime
from pricing import Usage
from pricing.ledger import CaseScore
from pricing.quotes import Plan, PlanStep
from pricing.tokens import count_tokens
from tasks import Prompt
from tasks.providers import media_of
from tasks.routing import TYPICAL

_READ = 30
"""Cases whose prompts are counted."""
_FRAMING = 30
"""Tokens that a chat format adds to a prompt."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Expected and largest number of answers, by target, with the tokens of each; the same for the judge."""

    answers: Mapping[str, int]
    most: int
    usage: Usage
    judged: Usage | None = None

    @property
    def expected(self) -> int:
        """Expected answers of all targets together."""
        return sum(self.answers.values())


def forecast(bench: Bench, terms: AcceptanceCriteria) -> Forecast:
    """The forecast for a calibration with these inputs."""
    known = bench.known()
    usage = _usage(bench, known)
    return Forecast(
        answers=_rehearsed(bench, terms, known, usage),
        most=sum(len(bench.cases) - len(tried) for tried in known.values()),
        usage=usage,
        judged=_judged(bench, usage) if bench.scorer.name == JUDGE else None,
    )


def forecast_of(run: Mapping[str, Any]) -> Forecast:
    """The same forecast from the parameters of ``flows.calibrate``."""
    bench = bench_of(get_runtime(), Chosen(*(run[name] for name in Chosen._fields)))
    return forecast(bench, terms_of(bench, run["margin"], run["confidence"]))


def answers_by_target(**run: Any) -> Mapping[str, int]:
    """For the plan: how many turns begin at each target."""
    return forecast_of(run).answers


def answers(**run: Any) -> int:
    """For the plan: the expected number of answers."""
    return forecast_of(run).expected


def most_answers(**run: Any) -> int:
    """For the plan: the largest number of answers that are not stored yet."""
    return forecast_of(run).most


def tokens_read(**run: Any) -> int:
    """For the plan: input tokens of each answer."""
    return forecast_of(run).usage.input_tokens or 0


def tokens_written(**run: Any) -> int:
    """For the plan: output tokens of each answer."""
    return forecast_of(run).usage.output_tokens or 0


def judgements(**run: Any) -> int:
    """For the plan: the expected number of answers that the judge scores."""
    forecast = forecast_of(run)
    return forecast.expected if forecast.judged else 0


def most_judgements(**run: Any) -> int:
    """For the plan: the largest number of answers that the judge scores."""
    forecast = forecast_of(run)
    return forecast.most if forecast.judged else 0


def judge_reads(**run: Any) -> int:
    """For the plan: input tokens of each judgement."""
    judged = forecast_of(run).judged
    return (judged and judged.input_tokens) or 0


def judge_writes(**run: Any) -> int:
    """For the plan: output tokens of each judgement."""
    judged = forecast_of(run).judged
    return (judged and judged.output_tokens) or 0


JUDGING = DeclaredPlan(
    Plan((PlanStep(SCORE.operation, judgements, judge_reads, judge_writes, most_judgements),)),
    {SCORE.operation: SCORE},
)
"""For the plan: the judge's turns, if the judge scores."""


def _rehearsed(
    bench: Bench, terms: AcceptanceCriteria, known: Mapping[str, Mapping[str, CaseScore]], usage: Usage
) -> dict[str, int]:
    outcomes, verified = outcomes_of(known), True if bench.subject.verifier else None
    price, asked = bench.runtime.router.price, Counter[str]()
    cost = {name: price(target, usage, target.service_tier) for name, target in bench.targets.items()}

    def suppose(wanted: Asked) -> bool:
        for number, target in wanted:
            case = bench.cases[number].id
            if case not in known[target]:
                asked[target] += 1
                seen = next((found[case].score for found in outcomes.values() if case in found), 1.0)
                outcomes[target][case] = CaseOutcome(seen, cost[target], 0.0, verified)
        return True

    decide(bench, terms, suppose, lambda: outcomes)
    return dict(asked)


def _usage(bench: Bench, known: Mapping[str, Mapping[str, CaseScore]]) -> Usage:
    """Tokens of an answer: the mean of known answers, or else from its prompts and the plan of its automation.

    A step of several turns is assumed to need all of them until some answers are known.
    """
    took = [one for tried in known.values() for one in used(tried.values())]
    if took:
        return Usage(*(ceil(sum(column) / len(took)) for column in zip(*took, strict=True)))
    apart = max(1, len(bench.cases) // _READ)
    read = [_read(bench.subject.prompt(case)) for case in bench.cases[::apart]]
    turns, planned = bench.subject.step.max_turns, bench.subject.planned
    written = planned.declared_output() if planned else None
    return Usage(turns * ceil(sum(read) / len(read)), turns * (written or TYPICAL.output_tokens))


def _read(prompt: Prompt) -> int:
    return count_tokens(
        f"{prompt.system.text}\n{prompt.user_text}", framing=_FRAMING, media=media_of(prompt.user)
    ).expected()


def _judged(bench: Bench, usage: Usage) -> Usage:
    """Tokens that the judge reads and writes for one answer."""
    judge = bench.runtime.guards.judge(bench.subject.automation, bench.subject.operation)
    asks = None if judge is None else judge.asks()
    if asks is None:
        return Usage(0, 0)
    return Usage(asks.input_tokens + min(usage.output_tokens or 0, asks.reads), asks.output_tokens)
