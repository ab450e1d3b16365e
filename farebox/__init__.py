"""Farebox: AI automations as Prefect flows that know their price before they run.

The names below are all that a flow needs. They are loaded when first asked for: the command line answers without
Prefect where it can.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING


def _check_hidden() -> None:
    """Say so where a folder of the user's has the name of one of our packages and is found first."""
    place = Path(__file__).resolve().parent.parent
    for name in ("pricing", "guardrails", "tasks"):
        spec = find_spec(name)
        found = Path(spec.origin).resolve() if spec is not None and spec.origin else place / name
        if spec is not None and spec.origin and not found.is_relative_to(place):
            folder = found.parent if found.name == "__init__.py" else found
            message = f"{folder} hides {place / name}, a part of Farebox. Rename it."
            if Path(sys.argv[0]).name == "farebox":
                sys.exit(f"error: {message}")
            raise ImportError(message)


_check_hidden()

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from farebox.automations import Agent, Conversation, ask, automation, spend, tool
    from farebox.declaration import Budget, plan
    from farebox.price_review import ReviewQuery, reviewed, reviewed_version
    from farebox.runtime import get_runtime
    from pricing import FareboxError
    from tasks import current_run, llm_task, use_run
    from tasks.routing import Quality

__all__ = [
    "Agent",
    "Budget",
    "Conversation",
    "FareboxError",
    "Quality",
    "ReviewQuery",
    "ask",
    "automation",
    "current_run",
    "get_runtime",
    "llm_task",
    "plan",
    "reviewed",
    "reviewed_version",
    "spend",
    "tool",
    "use_run",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Agent": "farebox.automations",
            "Budget": "farebox.declaration",
            "Conversation": "farebox.automations",
            "FareboxError": "pricing",
            "Quality": "tasks.routing",
            "ReviewQuery": "farebox.price_review",
            "ask": "farebox.automations",
            "automation": "farebox.automations",
            "current_run": "tasks",
            "get_runtime": "farebox.runtime",
            "llm_task": "tasks",
            "plan": "farebox.declaration",
            "reviewed": "farebox.price_review",
            "reviewed_version": "farebox.price_review",
            "spend": "farebox.automations",
            "tool": "farebox.automations",
            "use_run": "tasks",
        },
    )
