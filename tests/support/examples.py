"""How many examples a property is tried with."""

import os

_LONG = bool(os.environ.get("LONG_TESTS"))


def examples(usual: int) -> int:
    """``usual`` every day, fifty times as many with ``LONG_TESTS=1``."""
    return usual * 50 if _LONG else usual
