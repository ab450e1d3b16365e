"""LLM steps: routing, fallback, providers, and the turns that use them."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from tasks.agent import MOST_CALLS, Agent
    from tasks.ask import Ask
    from tasks.context import (
        Step,
        StepContext,
        around,
        completed_at_end,
        current_run,
        current_step,
        inside,
        no_run,
        use_run,
    )
    from tasks.event_loop import LoopThread
    from tasks.exception_texts import EXCEPTION_FINDER, masked_exceptions, masked_state
    from tasks.generators import iterate_within, iterate_within_async
    from tasks.guest_turns import GuestRequest, GuestTurns, ProviderStates
    from tasks.llm_step import adopt_signature, fingerprint, llm_task, step_of
    from tasks.prompts import Prompt, Prompts
    from tasks.run_allowance import Allowance
    from tasks.run_context import ANONYMOUS, Pin, RunContext, RunOwner
    from tasks.spend import Spend, ToolCost, tool_cost
    from tasks.structured_output import answer_type
    from tasks.suspended_tasks import end_suspended_tasks
    from tasks.tool_calls import INTERRUPTIONS, Interruption, ToolRules
    from tasks.tool_sources import SourceTool, ToolError, ToolSource

__all__ = [
    "ANONYMOUS",
    "EXCEPTION_FINDER",
    "INTERRUPTIONS",
    "MOST_CALLS",
    "Agent",
    "Allowance",
    "Ask",
    "GuestRequest",
    "GuestTurns",
    "Interruption",
    "LoopThread",
    "Pin",
    "Prompt",
    "Prompts",
    "ProviderStates",
    "RunContext",
    "RunOwner",
    "SourceTool",
    "Spend",
    "Step",
    "StepContext",
    "ToolCost",
    "ToolError",
    "ToolRules",
    "ToolSource",
    "adopt_signature",
    "answer_type",
    "around",
    "completed_at_end",
    "current_run",
    "current_step",
    "end_suspended_tasks",
    "fingerprint",
    "inside",
    "iterate_within",
    "iterate_within_async",
    "llm_task",
    "masked_exceptions",
    "masked_state",
    "no_run",
    "step_of",
    "tool_cost",
    "use_run",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "MOST_CALLS": "tasks.agent",
            "Agent": "tasks.agent",
            "Allowance": "tasks.run_allowance",
            "Ask": "tasks.ask",
            "ANONYMOUS": "tasks.run_context",
            "EXCEPTION_FINDER": "tasks.exception_texts",
            "GuestRequest": "tasks.guest_turns",
            "GuestTurns": "tasks.guest_turns",
            "INTERRUPTIONS": "tasks.tool_calls",
            "Interruption": "tasks.tool_calls",
            "LoopThread": "tasks.event_loop",
            "Pin": "tasks.run_context",
            "Prompt": "tasks.prompts",
            "Prompts": "tasks.prompts",
            "ProviderStates": "tasks.guest_turns",
            "RunContext": "tasks.run_context",
            "RunOwner": "tasks.run_context",
            "SourceTool": "tasks.tool_sources",
            "Spend": "tasks.spend",
            "Step": "tasks.context",
            "StepContext": "tasks.context",
            "ToolCost": "tasks.spend",
            "ToolError": "tasks.tool_sources",
            "ToolRules": "tasks.tool_calls",
            "ToolSource": "tasks.tool_sources",
            "adopt_signature": "tasks.llm_step",
            "answer_type": "tasks.structured_output",
            "around": "tasks.context",
            "completed_at_end": "tasks.context",
            "current_run": "tasks.context",
            "current_step": "tasks.context",
            "fingerprint": "tasks.llm_step",
            "inside": "tasks.context",
            "iterate_within": "tasks.generators",
            "iterate_within_async": "tasks.generators",
            "no_run": "tasks.context",
            "end_suspended_tasks": "tasks.suspended_tasks",
            "llm_task": "tasks.llm_step",
            "masked_exceptions": "tasks.exception_texts",
            "masked_state": "tasks.exception_texts",
            "step_of": "tasks.llm_step",
            "tool_cost": "tasks.spend",
            "use_run": "tasks.context",
        },
    )
