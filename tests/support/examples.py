"""How many examples a property is tried with."""

import os

LONG = bool(os.environ.get("LONG_TESTS"))
"""More examples of every property, and other ones in every run."""


def examples(usual: int) -> int:
    """``usual`` every day, fifty times as many with ``LONG_TESTS=1``."""
    return usual * 50 if LONG else usual
