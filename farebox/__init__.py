"""Farebox: AI automations as Prefect flows that know their price before they run.

The names below are all that a flow needs. They are loaded when first asked for: the command line answers without
Prefect where it can.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.automations import automation
    from farebox.declaring import Budget, plan
    from farebox.front import Agent, ask
    from pricing import FareboxError
    from tasks import llm_task
    from tasks.routing import Quality

__all__ = ["Agent", "Budget", "FareboxError", "Quality", "ask", "automation", "llm_task", "plan"]

_ROOMS = {
    "Agent": "farebox.front",
    "Budget": "farebox.declaring",
    "FareboxError": "pricing.errors",
    "Quality": "tasks.routing.router",
    "ask": "farebox.front",
    "automation": "farebox.automations",
    "llm_task": "farebox.front",
    "plan": "farebox.declaring",
}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module 'farebox' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)
