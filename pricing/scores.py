"""From the scores of past runs to the multiplier of a quote. A score is a run's cost over its own point.

Two stages, chosen because they held their nominal level in simulation where others did not (benchmarks/quote_coverage):

- Under ``CONFORMAL_FROM`` runs: the predictive Student-t of the log score under a weak normal-inverse-gamma prior
  (Gelman et al., *Bayesian Data Analysis*, 3.3). With no runs at all it is the prior alone.
- From there on: the order statistic of conformal prediction over the last ``WINDOW`` runs, at a level that adapts
  online as runs miss or are covered (Gibbs & Candès, *Adaptive Conformal Inference Under Distribution Shift*, 2021),
  so that a drift is followed instead of averaged away.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from math import ceil, exp, isfinite, log, sqrt
from typing import Literal

from pricing.student_t import t_quantile

CONFORMAL_FROM = 59
"""Runs from which on the order statistic for p95 has room above it."""
WINDOW = 300
"""The most recent runs that an order statistic is taken of."""
REPLAYED = 300
"""Recent runs replayed to adapt the level: three times the 1/γ runs after which an adaptation has faded."""
GAMMA = 0.01
"""How far one miss moves the level."""

_PRIOR_RUNS = 1.0
_PRIOR_FREEDOM = 4.0
_PRIOR_SIGMA = 0.6
_HALF = 0.5
_TAIL_EXPONENT = log(0.07) / log(0.1)
"""Takes the nominal tail of 5 % to the 3.5 % at which the Student-t stage was measured to cover 95 %."""


def scoring_method(runs: int) -> Literal["prior", "student_t", "conformal"]:
    """What a quote rests on, with so many runs behind it."""
    if runs == 0:
        return "prior"
    return "student_t" if runs < CONFORMAL_FROM else "conformal"


def quote_scores(scores: Sequence[float], level: float = 0.95) -> float:
    """The multiplier on a quote's point that the next run stays under with probability ``level``.

    Args:
        scores: of past runs, oldest first; any number, also none.
        level: between 0 and 1.

    Raises:
        ValueError: a level outside (0, 1), or a score that is not a positive finite number.
    """
    if not 0 < level < 1:
        raise ValueError(f"a level is between 0 and 1, not {level}")
    if any(not (score > 0 and isfinite(score)) for score in scores):
        raise ValueError("scores are positive finite numbers: cost over point")
    if len(scores) < CONFORMAL_FROM:
        return _student_t(scores, level)
    return _adaptive_conformal(scores, level)


def quote_multiplier(scores: Sequence[float], level: float = 0.95) -> float:
    """Likewise, of scores that may be 0: of runs that cost nothing.

    Such runs are a share of their own, which no distribution of costs has. The others are asked for the level that is
    left: where a fifth of the runs cost nothing, the p95 of all is the p93.75 of those that cost something. The share
    is taken of one run more, so that the first free run is not half of all.

    Raises:
        ValueError: a level outside (0, 1), or a score that is negative or no finite number.
    """
    paid = [score for score in scores if score]
    if len(paid) == len(scores):
        return quote_scores(scores, level)
    recent = scores[-WINDOW:]
    free = recent.count(0) / (len(recent) + 1)
    return 0.0 if level <= free else quote_scores(paid, (level - free) / (1 - free))


def _student_t(scores: Sequence[float], level: float) -> float:
    logs = [log(score) for score in scores]
    n = len(logs)
    mean = sum(logs) / n if n else 0.0
    runs, freedom = _PRIOR_RUNS + n, _PRIOR_FREEDOM + n
    squares = sum((x - mean) ** 2 for x in logs) + _PRIOR_RUNS * n / runs * mean**2
    variance = (_PRIOR_FREEDOM * _PRIOR_SIGMA**2 + squares) / freedom
    spread = sqrt(variance * (1 + 1 / runs))
    return exp(n * mean / runs + t_quantile(_widened(level), freedom) * spread)


def _widened(level: float) -> float:
    """The level to compute at for a nominal one: 0.965 for 0.95, itself up to one half.

    Scores are more skewed than the log-normal that the Student-t assumes, which only the upper tail feels; the tail
    probability is shrunk by a power law that leaves 0.5 as it is.
    """
    return level if level <= _HALF else 1 - _HALF * ((1 - level) / _HALF) ** _TAIL_EXPONENT


def _adaptive_conformal(scores: Sequence[float], level: float) -> float:
    """Replay the recent runs: each is quoted from those before it, then moves the level by how it came out."""
    start = max(CONFORMAL_FROM, len(scores) - REPLAYED)
    oldest = max(0, start - WINDOW)
    window = sorted(scores[oldest:start])
    adapted = level
    for now in range(start, len(scores)):
        missed = scores[now] > _order_statistic(window, adapted)
        adapted += GAMMA * (level if missed else level - 1)
        if now - oldest >= WINDOW:
            del window[bisect_left(window, scores[oldest])]
            oldest += 1
        insort(window, scores[now])
    return _order_statistic(window, adapted)


def _order_statistic(ascending: Sequence[float], level: float) -> float:
    n = len(ascending)
    rank = ceil(level * (n + 1))
    return ascending[min(max(rank, 1), n) - 1]
