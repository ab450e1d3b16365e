"""Bounds on the mean of bounded values that hold however long one looks: for designs that stop when they know enough.

A gambler who may not borrow bets, value by value, that the mean is above some figure. If it is not, the fortune grows
beyond 1/α with a probability of at most α, *ever*: not at one planned sample size but at all of them (Ville, 1939). The
figures against which the fortune has not grown so far are the confidence set (Waudby-Smith and Ramdas, *JRSS B* 86,
2024). Nothing is assumed of the values but their range; in particular no bell curve, which rare losses do not follow.

The bets are a fixed mixture of fractions of the largest one allowed, so that the order of the values does not matter
and equal values are counted, not listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, exp, inf, log, log1p

FRACTIONS = (0.08, 0.13, 0.21, 0.34, 0.55, 0.9)
"""Of the largest bet. Small ones win where values vary much, large ones where they hardly do; in between, a tie of
two answers in ten cases and a margin of 0.03 is won by a fraction of 0.15."""
_PRECISION = 1e-4


def log_wealth(values: Mapping[float, float], figure: float, least: float) -> float:
    """The log of what the gambler has who bet that the mean is above ``figure``.

    Args:
        values: how often each value was seen; none is below ``least``.
        figure: above ``least``.
        least: the lowest value there can be.
    """
    scale = figure - least
    logs = [
        sum(count * log1p(fraction * (value - figure) / scale) for value, count in values.items())
        for fraction in FRACTIONS
    ]
    highest = max(logs)
    return highest + log(sum(exp(one - highest) for one in logs) / len(logs))


def lower_bound(values: Mapping[float, float], alpha: float, least: float) -> float:
    """The bound that the mean is above, at every time, with a probability of at least 1 - ``alpha``.

    Args:
        values: how often each value was seen.
        alpha: the probability that the bound is ever wrong.
        least: the lowest value there can be.

    Example:
        >>> round(lower_bound({0.0: 5, 1.0: 95}, alpha=0.05, least=0.0), 3)
        0.857
    """
    total = sum(values.values())
    if not total:
        return least
    low, high = least, sum(value * count for value, count in values.items()) / total
    while high - low > _PRECISION:
        middle = (low + high) / 2
        if log_wealth(values, middle, least) >= log(1 / alpha):
            low = middle
        else:
            high = middle
    return low


def upper_bound(values: Mapping[float, float], alpha: float, most: float) -> float:
    """The bound that the mean is below, likewise; ``most`` is the highest value there can be.

    Example:
        >>> round(upper_bound({0.0: 5, 1.0: 95}, alpha=0.05, most=1.0), 3)
        0.993
    """
    return -lower_bound({-value: count for value, count in values.items()}, alpha, -most)


def values_needed(values: Mapping[float, float], figure: float, least: float, alpha: float) -> float:
    """The number of values, in all, after which the mean is known to be above ``figure``, if further ones are
    distributed as those so far; infinite where their mean is not above it.

    Example:
        >>> values_needed({0.0: 5, 1.0: 95}, figure=0.8, least=0.0, alpha=0.05)
        59
    """
    total, scale = sum(values.values()), figure - least
    growth = max(
        sum(count * log1p(fraction * (value - figure) / scale) for value, count in values.items()) / total
        for fraction in FRACTIONS
    )
    return ceil(log(len(FRACTIONS) / alpha) / growth) if growth > 0 else inf
