"""Thoughts that are tied to the exact text before them: what was changed in between is found here, not by a 400.

Some models sign their thoughts together with the system's text, the tools and all messages before them. Where a guard
masks more in a later turn of a tool conversation, or a tool list changes, such thoughts are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from pricing import ProviderStatePart, identity
from tasks.providers.json_fields import dump
from tasks.providers.messages import Message, ModelReply, ModelRequest
from tasks.providers.reasoning_fields import rules_for
from tasks.routing.target import Target


def bound(reply: ModelReply, request: ModelRequest) -> ModelReply:
    """The reply, its reasoning state marked with what it was made for."""
    if not any(isinstance(part, ProviderStatePart) for part in reply.parts):
        return reply
    prefix = prefix_of(request)
    parts = [replace(part, prefix=prefix) if isinstance(part, ProviderStatePart) else part for part in reply.parts]
    return replace(reply, parts=tuple(parts))


def prefix_of(request: ModelRequest) -> str:
    """What the thoughts of its reply are tied to."""
    return _digest(request, request.messages)


def with_valid_state(request: ModelRequest, target: Target) -> ModelRequest:
    """The request without state that a target would refuse: from the first that was made for other text, all of it."""
    if not rules_for(target).bound or not any(map(_has_state, request.messages)):
        return request
    messages, valid = [], True
    for place, message in enumerate(request.messages):
        if _has_state(message):
            prefix = _digest(request, request.messages[:place])
            valid = valid and all(p.prefix == prefix for p in message.parts if isinstance(p, ProviderStatePart))
        messages.append(message if valid else _stateless(message))
    return request if valid else replace(request, messages=messages)


def _has_state(message: Message) -> bool:
    return any(isinstance(part, ProviderStatePart) for part in message.parts)


def _stateless(message: Message) -> Message:
    return replace(message, parts=tuple(part for part in message.parts if not isinstance(part, ProviderStatePart)))


def _digest(request: ModelRequest, messages: Sequence[Message]) -> str:
    said = [
        [message.role, *(identity(part) for part in message.parts if not isinstance(part, ProviderStatePart))]
        for message in messages
    ]
    tools = [[tool.name, tool.description, tool.parameters] for tool in request.tools]
    return hashlib.sha256(dump([request.system.text, tools, said]).encode()).hexdigest()
