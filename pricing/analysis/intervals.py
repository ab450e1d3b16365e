"""Confidence intervals of shares."""

from __future__ import annotations

from math import sqrt

_Z95 = 1.959964


def wilson(within: int, runs: int) -> tuple[float, float]:
    """The interval that holds a share with 95 % confidence (Wilson, *JASA* 22, 1927); all of 0…1 without runs."""
    if runs == 0:
        return 0.0, 1.0
    share, z2 = within / runs, _Z95**2
    middle = (share + z2 / (2 * runs)) / (1 + z2 / runs)
    half = _Z95 / (1 + z2 / runs) * sqrt(share * (1 - share) / runs + z2 / (4 * runs**2))
    return max(0.0, middle - half), min(1.0, middle + half)
