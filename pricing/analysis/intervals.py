"""Confidence intervals of shares."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, fsum, lgamma, log, log1p, sqrt

_Z95 = 1.959964
_TAIL = 0.025


def wilson(within: int, runs: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share (Wilson, *JASA* 22, 1927): ``within`` of ``runs``; 0 to 1 without runs.

    Example:
        >>> low, high = wilson(95, 100)
        >>> round(low, 3), round(high, 3)
        (0.888, 0.978)
    """
    if runs == 0:
        return 0.0, 1.0
    share, z2 = within / runs, _Z95**2
    middle = (share + z2 / (2 * runs)) / (1 + z2 / runs)
    half = _Z95 / (1 + z2 / runs) * sqrt(share * (1 - share) / runs + z2 / (4 * runs**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def clopper_pearson(within: int, runs: int) -> tuple[float, float]:
    """The exact interval that holds a share with at least 95 % confidence (*Biometrika* 26, 1934); for few runs.

    >>> [round(end, 3) for end in clopper_pearson(9, 10)]
    [0.555, 0.997]
    """
    low = 0.0 if within == 0 else _where(lambda share: 1 - _at_most(within - 1, runs, share) >= _TAIL)
    high = 1.0 if within == runs else _where(lambda share: _at_most(within, runs, share) <= _TAIL)
    return low, high


def _where(reached: Callable[[float], bool]) -> float:
    """The smallest share at which that holds; it does from there on."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _at_most(most: int, runs: int, share: float) -> float:
    """The probability of at most so many of ``runs``."""
    if not 0 < share < 1:
        return float(share == 0 or most >= runs)
    base = lgamma(runs + 1)
    return fsum(
        exp(base - lgamma(n + 1) - lgamma(runs - n + 1) + n * log(share) + (runs - n) * log1p(-share))
        for n in range(most + 1)
    )
