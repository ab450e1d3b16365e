"""Whether a folder of the user's hides one of our packages. Imports nothing of them, which might be theirs."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("pricing", "guardrails", "tasks")


def check_hidden() -> None:
    """Say so where a folder of the user's has the name of one of our packages and is found first.

    Raises:
        ImportError: one has; under the command line the process ends instead, with the same message.
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
