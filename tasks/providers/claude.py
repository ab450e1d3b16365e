"""What Claude's own API and Bedrock's Converse share: stop reasons, disjoint counts, models without schemas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pricing import NOT_A_COUNT, Usage
from tasks.providers.messages import JSONObject, ModelRequest, StopReason
from tasks.providers.schemas import ANSWER_TOOL, SchemaForm

NO_SCHEMAS: Final = re.compile(r"claude-(?:2|3|v2|instant)|claude-(?:sonnet|opus)-4-(?:0|2025)")
"""Models older than structured outputs; they are asked instead."""
STOPS: Final[Mapping[str, StopReason]] = {
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "refusal",
}


def tool_choice(request: ModelRequest, form: SchemaForm) -> JSONObject | None:
    """``tool_choice`` in Anthropic's form, which Bedrock passes on to Claude; None for ``auto``, the default."""
    asked = request.options
    one = asked.parallel_tool_calls is False and "parallel_tool_calls" not in request.without
    if form == "tool":
        choice: JSONObject = {"type": "any"} if request.tools else {"type": "tool", "name": ANSWER_TOOL}
    elif asked.tool_choice in {"auto", "none"}:
        choice = {"type": asked.tool_choice}
    else:
        named = {"type": "tool", "name": asked.tool_choice}
        choice = {"type": "any"} if asked.tool_choice == "required" else named
    if one and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return None if choice == {"type": "auto"} or not (request.tools or form == "tool") else choice


def all_written(total: int | None, minutes: int | None, hour: int | None) -> int | None:
    """What was written to caches of both lifetimes: the total, or its parts where they are all that is said or come to
    more; ``NOT_A_COUNT`` if any of the three is.
    """
    if NOT_A_COUNT in {total, minutes, hour}:
        return NOT_A_COUNT
    if total is None and minutes is None and hour is None:
        return None
    return max(total or 0, (minutes or 0) + (hour or 0))


def from_parts(
    *,
    fresh: int | None,
    read: int | None,
    written: int | None,
    written_1h: int | None,
    output: int | None,
    reasoning: int | None = None,
) -> Usage:
    """Usage from disjoint counts of input; ``written`` holds both lifetimes, ``written_1h`` the longer one of them.

    A part that is ``NOT_A_COUNT`` makes the input one too.
    """
    if NOT_A_COUNT in {fresh, read, written, written_1h}:
        return Usage(NOT_A_COUNT, output, read, written, written_1h, reasoning)
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=None if written is None else max(0, written - (written_1h or 0)),
        cache_write_1h_tokens=written_1h if written is None or written_1h is None else min(written, written_1h),
        reasoning_tokens=reasoning,
    )
