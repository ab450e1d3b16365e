"""Farebox: AI automations as Prefect flows that know their price before they run.

The names below are all that a flow needs. Each one is loaded on first use, so that the command line answers without
Prefect where it can, and so that pytest can load the plugin in unrelated projects.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.automations import Agent, Conversation, ask, automation, spend, tool
    from farebox.declaration import Budget, learn, plan
    from farebox.integrations.mcp import mcp
    from farebox.price_review import ReviewQuery, reviewed, reviewed_version
    from farebox.run_limits import Remaining, remaining
    from farebox.runs.due_times import Due
    from farebox.runtime import get_runtime
    from pricing import DocumentPart as Document
    from pricing import FareboxError
    from pricing import ImagePart as Image
    from tasks import current_run, llm_task, use_run
    from tasks.routing import Quality

__all__ = [
    "Agent",
    "Budget",
    "Conversation",
    "Document",
    "Due",
    "FareboxError",
    "Image",
    "Quality",
    "Remaining",
    "ReviewQuery",
    "ask",
    "automation",
    "current_run",
    "get_runtime",
    "learn",
    "llm_task",
    "mcp",
    "plan",
    "remaining",
    "reviewed",
    "reviewed_version",
    "spend",
    "tool",
    "use_run",
]

if not TYPE_CHECKING:
    _PLACES = {
        "Agent": "farebox.automations",
        "Budget": "farebox.declaration",
        "Conversation": "farebox.automations",
        "Document": "pricing:DocumentPart",
        "Due": "farebox.runs.due_times",
        "FareboxError": "pricing",
        "Image": "pricing:ImagePart",
        "Quality": "tasks.routing",
        "Remaining": "farebox.run_limits",
        "ReviewQuery": "farebox.price_review",
        "ask": "farebox.automations",
        "automation": "farebox.automations",
        "current_run": "tasks",
        "get_runtime": "farebox.runtime",
        "learn": "farebox.declaration",
        "llm_task": "tasks",
        "mcp": "farebox.integrations.mcp",
        "plan": "farebox.declaration",
        "remaining": "farebox.run_limits",
        "reviewed": "farebox.price_review",
        "reviewed_version": "farebox.price_review",
        "spend": "farebox.automations",
        "tool": "farebox.automations",
        "use_run": "tasks",
    }

    def __getattr__(name: str) -> object:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from farebox.hidden_packages import check_hidden

        check_hidden()
        from pricing.lazy_exports import lazy_exports

        return lazy_exports(__name__, _PLACES)(name)
