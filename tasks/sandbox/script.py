"""What a test says that models answer: a value for each request, in the sandbox's place and in the dialect's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from tasks.sandbox.answers.schema import schema_in
from tasks.sandbox.faults import Fault
from tasks.sandbox.protocol import GeneratedCall, SandboxAnswer, SandboxRequest
from tasks.sandbox.tokens import count_tokens


@dataclass(frozen=True, slots=True)
class ScriptedValue:
    """A text, or a JSON value for an answer that has a schema."""

    value: Any


@dataclass(frozen=True, slots=True)
class ScriptedCalls:
    """Calls of tools: names and arguments."""

    calls: tuple[tuple[str, dict[str, Any]], ...]


class Script(Protocol):
    """Says what a request to a target gets; ``None`` leaves it to the sandbox."""

    def __call__(self, target: str, asked: SandboxRequest, /) -> ScriptedValue | ScriptedCalls | Fault | None:
        """Called once for every request that the dialect can read, in the order they come."""


def scripted_answer(scripted: ScriptedValue | ScriptedCalls, question: SandboxRequest) -> SandboxAnswer:
    """The answer that a scripted value makes to a question."""
    if isinstance(scripted, ScriptedCalls):
        calls = tuple(
            GeneratedCall(f"call_{place}", name, orjson.dumps(arguments).decode())
            for place, (name, arguments) in enumerate(scripted.calls)
        )
        tokens = sum(count_tokens(call.name) + count_tokens(call.arguments) for call in calls)
        return SandboxAnswer("", max(1, tokens), calls=calls, stop="tool_calls")
    text = _text(scripted.value, question)
    return SandboxAnswer(text, max(1, count_tokens(text)))


def _text(value: Any, question: SandboxRequest) -> str:
    definition = question.schema.definition if question.schema else schema_in(question.instructions)
    if definition is None and isinstance(value, str):
        return value
    if definition is not None and _wraps(definition) and not (isinstance(value, dict) and value.keys() == {"value"}):
        value = {"value": value}
    return orjson.dumps(value).decode()


def _wraps(definition: dict[str, Any]) -> bool:
    """Whether it is of an answer that travels as ``{"value": …}``, since providers take only objects."""
    return list(definition.get("properties", ())) == ["value"]
