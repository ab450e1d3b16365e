"""LLM steps: routing, fallback, providers, and the turns that use them."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports
from tasks.llm_task import llm_task

if TYPE_CHECKING:
    from tasks.agent import Agent
    from tasks.ask import Ask
    from tasks.context import CURRENT_EXECUTION, CURRENT_RUN, Step, StepContext, around, current_step, inside
    from tasks.event_loop import LoopThread
    from tasks.exception_texts import EXCEPTION_FINDER, masked_exceptions, masked_state
    from tasks.llm_task import adopt_signature, fingerprint, step_of
    from tasks.personal_values import knowing
    from tasks.prompts import Prompt, Prompts
    from tasks.structured_output import answer_type

__all__ = [
    "CURRENT_EXECUTION",
    "CURRENT_RUN",
    "EXCEPTION_FINDER",
    "Agent",
    "Ask",
    "LoopThread",
    "Prompt",
    "Prompts",
    "Step",
    "StepContext",
    "adopt_signature",
    "answer_type",
    "around",
    "current_step",
    "fingerprint",
    "inside",
    "knowing",
    "llm_task",
    "masked_exceptions",
    "masked_state",
    "step_of",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Agent": "tasks.agent",
            "Ask": "tasks.ask",
            "CURRENT_EXECUTION": "tasks.context",
            "CURRENT_RUN": "tasks.context",
            "EXCEPTION_FINDER": "tasks.exception_texts",
            "LoopThread": "tasks.event_loop",
            "Prompt": "tasks.prompts",
            "Prompts": "tasks.prompts",
            "Step": "tasks.context",
            "StepContext": "tasks.context",
            "adopt_signature": "tasks.llm_task",
            "answer_type": "tasks.structured_output",
            "around": "tasks.context",
            "current_step": "tasks.context",
            "fingerprint": "tasks.llm_task",
            "inside": "tasks.context",
            "knowing": "tasks.personal_values",
            "masked_exceptions": "tasks.exception_texts",
            "masked_state": "tasks.exception_texts",
            "step_of": "tasks.llm_task",
        },
    )
