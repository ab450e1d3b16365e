"""Quantiles of Student's t, in plain Python: one number per quote is no reason to depend on scipy.

The distribution function is the regularised incomplete beta function, by its continued fraction (Lentz's method, as in
DLMF 8.17.22); the quantile inverts it by bisection and Newton steps. Tests hold it to published tables.
"""

from __future__ import annotations

from math import exp, isfinite, lgamma, log, log1p, pi, sqrt
from statistics import NormalDist

_HALF = 0.5
_TINY = 1e-300
_PRECISION = 1e-15
_STEPS = 500


def t_cdf(x: float, freedom: float) -> float:
    """Probability that a t-distributed value with ``freedom`` degrees of freedom is at most ``x``."""
    tail = 0.5 * _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + x * x))
    return 1 - tail if x > 0 else tail


def t_quantile(level: float, freedom: float) -> float:
    """The value that is not exceeded with probability ``level``; good to about 1e-10.

    Raises:
        ValueError: a level outside (0, 1), or degrees of freedom that are not positive.
    """
    if not 0 < level < 1 or not (freedom > 0 and isfinite(freedom)):
        raise ValueError(f"no t quantile for level {level} with {freedom} degrees of freedom")
    if level == _HALF:
        return 0.0
    if level < _HALF:
        return -t_quantile(1 - level, freedom)
    low, high = 0.0, max(1.0, NormalDist().inv_cdf(level))
    while t_cdf(high, freedom) < level:
        low, high = high, high * 2
    x = (low + high) / 2
    for _ in range(200):
        error = t_cdf(x, freedom) - level
        if error > 0:
            high = x
        else:
            low = x
        step = x - error / _density(x, freedom)
        following = step if low < step < high else (low + high) / 2
        if abs(following - x) <= 1e-12 * max(1.0, x):
            return following
        x = following
    return x


def _density(x: float, freedom: float) -> float:
    scale = exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2)) / sqrt(freedom * pi)
    return scale * exp(-(freedom + 1) / 2 * log1p(x * x / freedom))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    numerator, denominator = 1.0, 1 / _off_zero(1 - (a + b) * x / (a + 1))
    result = denominator
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            denominator = 1 / _off_zero(1 + term * denominator)
            numerator = _off_zero(1 + term / numerator)
            result *= denominator * numerator
        if abs(denominator * numerator - 1) < _PRECISION:
            break
    return result


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
