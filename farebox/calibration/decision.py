"""The decision of a calibration: the cheapest configuration that is not known to lose more than the margin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, log
from statistics import NormalDist, fmean
from typing import Literal, TypeAlias

from pricing import Nano
from pricing.analysis import (
    PairedTest,
    log_wealth,
    lower_bound,
    paired_cases_needed,
    paired_lower_bound,
    upper_bound,
    values_needed,
)

FIRST = 20
_GROWTH = 0.25


def next_size(done: int) -> int:
    """The number of cases after the next round."""
    return max(FIRST, int(done * _GROWTH))


CaseVerdict: TypeAlias = Literal[
    "best", "enough", "worse", "costlier", "slower", "not_tested", "insufficient_cases", "open"
]
"""``costlier``: it costs more than the best. ``slower``: it misses the operation's latency limit and is slower than the
best. ``not_tested``: a cheaper candidate was accepted, so testing stopped. ``insufficient_cases``: there are too few
cases to accept it, even if it lost none of the rest."""

PILOT = 20
"""Cases that every candidate answers before its cost and latency count."""
_LEAST, _MOST = -1.0, 1.0
_DIGITS = 6
_P95 = 0.95
_AT_THE_END = 0.5
"""The share of the allowed error for the exact test at the last case; the rest is for all earlier checks."""
_HOPE = 0.5
"""Standard errors by which a candidate may be projected to miss the final test and still be tried further."""


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """How one configuration answered one case. ``score`` is from 0 to 1; ``seconds`` is the time of the whole step.

    ``verified`` is the result of the step's verifier, ``None`` if it has no verifier.
    """

    score: float
    cost_nano: Nano
    seconds: float
    verified: bool | None = None


@dataclass(frozen=True, slots=True)
class AcceptanceCriteria:
    """The requirements for a candidate.

    Args:
        margin: the mean score it may lose against the best.
        confidence: the probability that no candidate which loses more is accepted.
        most_seconds: the largest p95 latency in seconds, if the best target meets it.
    """

    margin: float = 0.03
    confidence: float = 0.95
    most_seconds: float = inf

    @property
    def alpha(self) -> float:
        """The allowed error."""
        return 1 - self.confidence


Outcomes: TypeAlias = Mapping[str, CaseOutcome]
"""One configuration's outcomes by case."""


@dataclass(frozen=True, slots=True)
class CandidateResult:
    """The measured result of a configuration. ``difference`` and its bounds are against the best, on shared cases."""

    route: tuple[str, ...]
    verdict: CaseVerdict
    n: int
    score: float
    score_low: float
    score_high: float
    difference: float
    difference_low: float
    difference_high: float
    cost_nano: Nano
    p50: float
    p95: float
    needed: float = inf
    """Cases until it would be accepted, if results continue as measured."""

    @property
    def name(self) -> str:
        """The configuration's name for people."""
        return " → ".join(self.route)


def cascade(cheap: Outcomes, best: Outcomes) -> dict[str, CaseOutcome]:
    """The outcomes of a cascade, case by case: ask the cheap target, verify, and ask the best one if that fails.

    Both targets were tried on the same cases, so no further call is needed. An escalated turn asks the best target from
    scratch, and adds the cost and time of the first.
    """
    joined = {}
    for case in cheap.keys() & best.keys():
        first, last = cheap[case], best[case]
        if first.verified is None:
            continue
        joined[case] = (
            first
            if first.verified
            else CaseOutcome(last.score, first.cost_nano + last.cost_nano, first.seconds + last.seconds, last.verified)
        )
    return joined


class CalibrationDecision:
    """Decides between candidates as outcomes arrive. A verdict never changes once it is reached.

    A candidate is accepted by either of two tests, which share the allowed error: a sequential one, valid however often
    it is evaluated, and an exact one on wins and losses, at the last case. If all outcomes are known from the start
    (``once``), only the second is used, with the whole error. Scores between 0 and 1 have no wins and losses, so only
    the first is used for them.

    Args:
        best: the target that all others are compared with.
        candidates: other routes: single targets, and cascades that end at the best.
        terms: the requirements.
        cases: how many cases there are.
        once: whether all cases are evaluated together, once.
    """

    def __init__(
        self,
        best: str,
        candidates: Iterable[tuple[str, ...]],
        terms: AcceptanceCriteria,
        cases: int,
        *,
        once: bool = False,
    ) -> None:
        self.best = best
        self._at_the_end = 1.0 if once else _AT_THE_END
        self._cases = cases
        self.candidates = tuple(candidates)
        self._terms = terms
        self._verdicts: dict[tuple[str, ...], CaseVerdict] = {}
        self._cheapest = inf

    @property
    def open(self) -> tuple[tuple[str, ...], ...]:
        """Candidates without a verdict yet."""
        return tuple(route for route in self.candidates if route not in self._verdicts)

    @property
    def verdicts(self) -> Mapping[tuple[str, ...], CaseVerdict]:
        """Candidates with a verdict."""
        return self._verdicts

    @property
    def asked(self) -> list[str]:
        """Targets whose answers are still needed; includes the best target as long as any candidate is open."""
        return list(dict.fromkeys([self.best, *(route[0] for route in self.open)])) if self.open else []

    def alpha(self, *, found: int | None = None) -> float:
        """The error at which a candidate is tested: shared by all that were not accepted before it (Holm)."""
        enough = sum(v == "enough" for v in self._verdicts.values()) if found is None else found
        return self._terms.alpha / max(1, len(self.candidates) - enough)

    def look(self, outcomes: Mapping[str, Outcomes], *, last: bool = False) -> None:
        """Decide all candidates that the outcomes allow.

        Args:
            outcomes: those known so far.
            last: whether these are all cases: the final test is made then, and only then.
        """
        best = outcomes.get(self.best, {})
        paired = {route: Paired(self._of(route, outcomes), best) for route in self.open}
        eligible = {route: pair for route, pair in paired.items() if self._eligible(pair)}
        while found := next((r for r, p in eligible.items() if self._enough(p, last=last)), None):
            self._verdicts[found] = "enough"  # Holm: the others share the error that this frees
            self._cheapest = min(self._cheapest, eligible.pop(found).cost)
        for route in self.open:
            if verdict := self._dropped(paired[route]):
                self._verdicts[route] = verdict

    def _enough(self, pair: Paired, *, last: bool) -> bool:
        """Whether either test shows that it loses less than the margin."""
        share, margin = self._while_looking(pair), self._terms.margin
        if share > 0 and log_wealth(pair.differences, -margin, _LEAST) >= log(1 / (share * self.alpha())):
            return True
        return last and pair.decided and pair.test(margin).passes(self._at_the_end * self.alpha())

    def _while_looking(self, pair: Paired) -> float:
        """The share of the error for all checks before the last case."""
        return 1 - self._at_the_end if pair.decided else 1.0

    def standings(self, outcomes: Mapping[str, Outcomes]) -> list[CandidateResult]:
        """The best, then every candidate, cheapest first."""
        best = outcomes.get(self.best, {})
        first = self._standing((self.best,), "best", best, best)
        rest = [
            self._standing(route, self._verdicts.get(route, "open"), self._of(route, outcomes), best)
            for route in self.candidates
        ]
        return [first, *sorted(rest, key=lambda one: (one.cost_nano, one.route))]

    def _of(self, route: tuple[str, ...], outcomes: Mapping[str, Outcomes]) -> Outcomes:
        single = outcomes.get(route[0], {})
        return single if len(route) == 1 else cascade(single, outcomes.get(route[1], {}))

    def _eligible(self, pair: Paired) -> bool:
        return pair.n >= PILOT and pair.cost < pair.best_cost and not self._too_slow(pair)

    def _too_slow(self, pair: Paired) -> bool:
        if self._terms.most_seconds == inf:
            return False
        took = pair.seconds(_P95)
        return took > self._terms.most_seconds and took > pair.best_seconds(_P95)

    def _dropped(self, pair: Paired) -> CaseVerdict | None:
        if pair.n < PILOT:
            return None
        if log_wealth(pair.opposite, self._terms.margin, _LEAST) >= log(1 / self._terms.alpha):
            return "worse"
        if pair.cost >= pair.best_cost:
            return "costlier"
        if self._too_slow(pair):
            return "slower"
        if pair.cost >= self._cheapest:
            return "not_tested"
        return None if self._in_reach(pair) else "insufficient_cases"

    def _in_reach(self, pair: Paired) -> bool:
        """Whether it would be accepted if it lost none of the remaining cases and kept its rate of wins."""
        further = max(0, self._cases - pair.n) / pair.n
        hoped = {value: count * (1 + further) for value, count in pair.differences.items() if value > 0}
        ties = further * (pair.n - sum(count for value, count in pair.differences.items() if value > 0))
        seen = {value: float(count) for value, count in pair.differences.items() if value <= 0}
        seen[0.0] = seen.get(0.0, 0.0) + ties
        share, margin = self._while_looking(pair), self._terms.margin
        if share > 0 and log_wealth(hoped | seen, -margin, _LEAST) >= log(1 / (share * self.alpha())):
            return True
        if not pair.decided or pair.n >= self._cases:
            return False
        wins, losses = round(hoped.get(_MOST, 0.0)), pair.losses
        wanted = NormalDist().inv_cdf(1 - self._at_the_end * self.alpha()) - _HOPE
        return PairedTest(wins, losses, max(self._cases, wins + losses), margin).statistic >= wanted

    def _standing(self, route: tuple[str, ...], verdict: CaseVerdict, own: Outcomes, best: Outcomes) -> CandidateResult:
        pair, terms = Paired(own, best), self._terms
        scores = Counter(round(one.score, _DIGITS) for one in own.values())
        alpha = self.alpha() if verdict != "enough" else self._alpha_when_found(route)
        low, needed = self._bounds(pair, alpha)
        is_best = verdict == "best"
        return CandidateResult(
            route=route,
            verdict=verdict,
            n=pair.n,
            score=fmean(one.score for one in own.values()) if own else 0.0,
            score_low=lower_bound(scores, terms.alpha / 2, 0.0),
            score_high=upper_bound(scores, terms.alpha / 2, 1.0),
            difference=0.0 if is_best else pair.difference,
            difference_low=0.0 if is_best else low,
            difference_high=0.0 if is_best else upper_bound(pair.differences, terms.alpha, _MOST),
            cost_nano=round(pair.cost),
            p50=pair.seconds(0.5),
            p95=pair.seconds(_P95),
            needed=needed,
        )

    def _bounds(self, pair: Paired, alpha: float) -> tuple[float, float]:
        """The lower bound of the difference, and the number of cases at which it would exceed the margin."""
        margin = self._terms.margin
        if not pair.n:
            return _LEAST, inf
        low, needed, share = _LEAST, inf, self._while_looking(pair)
        if share > 0:
            low = lower_bound(pair.differences, share * alpha, _LEAST)
            needed = values_needed(pair.differences, -margin, _LEAST, share * alpha)
        if pair.decided and (pair.n >= self._cases or self._at_the_end == 1):
            end = self._at_the_end * alpha
            low = max(low, paired_lower_bound(pair.wins, pair.losses, pair.n, end))
            needed = min(needed, paired_cases_needed(pair.wins, pair.losses, pair.n, margin, end))
        return low, needed

    def _alpha_when_found(self, route: tuple[str, ...]) -> float:
        before = [one for one, verdict in self._verdicts.items() if verdict == "enough"]
        return self.alpha(found=before.index(route))


class Paired:
    """A candidate and the best on the cases that both answered."""

    def __init__(self, own: Outcomes, best: Outcomes) -> None:
        self._mine = [own[case] for case in own if case in best]
        self._theirs = [best[case] for case in own if case in best]
        self.n = len(self._mine)
        self.differences = Counter(
            round(mine.score - theirs.score, _DIGITS) for mine, theirs in zip(self._mine, self._theirs, strict=True)
        )

    @cached_property
    def decided(self) -> bool:
        """Whether every case is a win, a loss or a tie, and there is at least one."""
        return self.n > 0 and self.differences.keys() <= {_LEAST, 0.0, _MOST}

    @property
    def wins(self) -> int:
        """Cases that the candidate won, if every case is decided."""
        return self.differences[_MOST]

    @property
    def losses(self) -> int:
        """Cases that the candidate lost."""
        return self.differences[_LEAST]

    def test(self, margin: float) -> PairedTest:
        """The exact test at this number of cases."""
        return PairedTest(self.wins, self.losses, self.n, margin)

    @cached_property
    def difference(self) -> float:
        """The mean difference."""
        return sum(value * count for value, count in self.differences.items()) / self.n if self.n else 0.0

    @cached_property
    def cost(self) -> float:
        """The candidate's cost per case, in nano-dollars."""
        return fmean(one.cost_nano for one in self._mine) if self.n else 0.0

    @cached_property
    def best_cost(self) -> float:
        """The cost of the best on the same cases, in nano-dollars per case."""
        return fmean(one.cost_nano for one in self._theirs) if self.n else 0.0

    def seconds(self, level: float) -> float:
        """A quantile of the candidate's times, in seconds."""
        return _quantile([one.seconds for one in self._mine], level)

    def best_seconds(self, level: float) -> float:
        """The same quantile of the best's times, in seconds."""
        return _quantile([one.seconds for one in self._theirs], level)

    @property
    def opposite(self) -> dict[float, int]:
        """The same pair with candidate and best exchanged."""
        return {-value: count for value, count in self.differences.items()}


def chosen(standings: Sequence[CandidateResult]) -> CandidateResult:
    """The cheapest accepted candidate; the best if none is accepted."""
    enough = [one for one in standings if one.verdict == "enough"]
    return min(enough, key=lambda one: (one.cost_nano, one.route), default=standings[0])


def _quantile(values: Sequence[float], level: float) -> float:
    ascending = sorted(values)
    return ascending[min(len(ascending) - 1, int(level * len(ascending)))] if ascending else 0.0
