"""Detects a user's folder that hides one of our packages. It imports none of them: that could load the user's."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("pricing", "guardrails", "tasks")


def check_hidden() -> None:
    """Fail if a user's folder has the name of one of our packages and is found first.

    Raises:
        ImportError: there is such a folder; on the command line the process ends with the same message instead.
    """
    place = Path(__file__).resolve().parent.parent
    for name in _PACKAGES:
        spec = find_spec(name)
        found = Path(spec.origin).resolve() if spec is not None and spec.origin else place / name
        if spec is not None and spec.origin and not found.is_relative_to(place):
            folder = found.parent if found.name == "__init__.py" else found
            message = f"{folder} hides {place / name}, a part of Farebox. Rename it."
            if Path(sys.argv[0]).name == "farebox":
                sys.exit(f"error: {message}")
            raise ImportError(message)
