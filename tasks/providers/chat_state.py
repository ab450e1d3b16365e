"""Reasoning state in OpenAI's Chat Completions: fields of servers' own beside the text and beside each tool call.

DeepSeek refuses a tool turn without its ``reasoning_content``, Gemini's OpenAI-compatible endpoint one without the
thought signatures of its calls, and what OpenRouter passes on belongs to the model behind it.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from tasks.providers.base import Draft
from tasks.providers.json_fields import items, obj, objects, text
from tasks.providers.messages import JSONObject
from tasks.routing.target import Target

_TEXTS: Final = ("reasoning_content", "reasoning")
_LISTS: Final = ("reasoning_details",)
_UNSIGNED: Final = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""What Gemini takes in place of the signature of a call that it did not make."""
_MESSAGE: Final = "message"
_CALLS: Final = "tool_calls"


def note(draft: Draft, delta: JSONObject) -> None:
    """Store the reasoning of a message, or of a piece of one."""
    found = [name for name in _TEXTS if isinstance(delta.get(name), str)]
    found += [name for name in _LISTS if isinstance(delta.get(name), list)]
    if not found:
        return
    held = _held(draft)[_MESSAGE]
    for name in found:
        if name in _TEXTS:
            held[name] = text(held.get(name)) + draft.keep(text(delta[name]))
        else:
            held[name] = [*items(held.get(name)), *items(delta[name])]
            draft.keep(str(delta[name]))


def note_call(draft: Draft, place: int, call: JSONObject) -> None:
    """Store the thought signature of a tool call."""
    if extra := obj(call.get("extra_content")):
        draft.keep(str(extra))
        _held(draft)[_CALLS][str(place)] = extra


def without_state(target: Target, message: JSONObject, *, thinks: bool) -> JSONObject:
    """An assistant's message with tool calls of another model, in a form for servers that insist on state."""
    calls = objects(message.get("tool_calls"))
    if not calls:
        return message
    if target.provider == "deepseek" and thinks and "reasoning_content" not in message:
        return {**message, "reasoning_content": ""}
    if _is_googles(target) and not any("extra_content" in call for call in calls):
        return {**message, "tool_calls": [{**calls[0], "extra_content": _UNSIGNED}, *calls[1:]]}
    return message


def returned(state: JSONObject, message: JSONObject) -> JSONObject:
    """An assistant's message with its reasoning state, as the server sent it."""
    calls = [
        {**call, "extra_content": extra} if (extra := obj(state.get(_CALLS)).get(str(place))) else call
        for place, call in enumerate(objects(message.get("tool_calls")))
    ]
    return {**obj(state.get(_MESSAGE)), **message, **({"tool_calls": calls} if calls else {})}


def _is_googles(target: Target) -> bool:
    """Whether an ``openai_compatible`` target is Gemini's endpoint."""
    host = urlsplit(target.base_url).hostname or ""
    return host.endswith(".googleapis.com") and "gemini-" in target.model


def _held(draft: Draft) -> JSONObject:
    held = draft.open_states.get(_MESSAGE)
    if held is None:
        held = draft.open_states[_MESSAGE] = draft.state({_MESSAGE: {}, _CALLS: {}}, first=True)
    return held
