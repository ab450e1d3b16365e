"""The names a flow is written with, bound to this process's runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from farebox.runtime import get_runtime
from tasks import Ask, agent, llm_task
from tasks.routing import THRESHOLD, StepTier
from tasks.turn import Engine

__all__ = ["Agent", "ask", "llm_task"]


def _engine() -> Engine:
    return get_runtime().engine


ask = Ask(_engine)
"""One turn of the ``@llm_task`` that is under way: ``ask("summarize.j2", document=text, returns=Summary)``."""


class Agent(agent.Agent):
    """A model with tools, run inside an ``@llm_task``: see ``tasks.agent.Agent``."""

    def __init__(
        self,
        *,
        prompt: str,
        tools: Sequence[Callable[..., Any]],
        operation: str = "tool_selection",
        tier: StepTier = "light",
        max_turns: int = 6,
        max_tokens: int = 512,
        threshold: float = THRESHOLD,
        calls_per_reply: int = agent.MOST_CALLS,
        calls_per_step: int = agent.MOST_CALLS,
    ) -> None:
        super().__init__(
            _engine,
            prompt=prompt,
            tools=tools,
            operation=operation,
            tier=tier,
            max_turns=max_turns,
            max_tokens=max_tokens,
            threshold=threshold,
            calls_per_reply=calls_per_reply,
            calls_per_step=calls_per_step,
        )
