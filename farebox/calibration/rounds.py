"""How many cases are asked at once: few while little is known, more the longer it takes."""

from __future__ import annotations

FIRST = 20
_GROWTH = 0.25


def next_size(done: int) -> int:
    """Cases of the next round, after so many."""
    return max(FIRST, int(done * _GROWTH))
