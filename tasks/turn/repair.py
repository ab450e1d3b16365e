"""How a question is asked again whose answer cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

from guardrails import Fact, Reason
from pricing import record
from tasks.providers.failure_kinds import FailureKind
from tasks.providers.messages import Message, ModelReply, ModelRequest


@record(frozen=True, slots=True)
class Repair:
    """How to ask again after an unusable reply: with more tokens, or with the fault named."""

    why: str
    message: str | None = None

    @classmethod
    def for_stop(cls, kind: FailureKind) -> Self | None:
        """For a reply that stopped short: more tokens if it was cut, another try if it was empty or garbled."""
        if kind == "truncated":
            return cls("the answer was cut off")
        if kind == "invalid_output":
            return cls("the answer was empty or garbled", "Your answer was empty or malformed. Answer the question.")
        return None

    @classmethod
    def for_tool_call(cls, offered: Sequence[str]) -> Self:
        """For a call of a tool that was not offered, beside those that were."""
        message = f"You can only call {', '.join(offered)}." if offered else "You have no tools. Answer yourself."
        return cls("it called a tool that was not offered", message)

    @classmethod
    def for_schema(cls, faults: Sequence[str]) -> Self:
        """For an answer that does not follow its schema."""
        message = "Your answer does not follow its JSON schema: " + "; ".join(faults)
        return cls("the answer did not follow its schema", f"{message}. Answer again, with valid JSON only.")

    @classmethod
    def for_guard(cls, guard: str, reason: Reason, facts: Mapping[str, Fact]) -> Self:
        """For an answer that a guard sent back, which may tell why."""
        why = "; ".join([str(reason), *(f"{name}: {fact}" for name, fact in facts.items())])
        message = f"Your answer was not accepted ({why}). Answer again without that."
        return cls(f"guard {guard} asked for it", message)

    def apply(self, request: ModelRequest, reply: ModelReply) -> ModelRequest:
        """The request that asks again."""
        if self.message is None:
            return replace(request, max_tokens=request.max_tokens * 2, room_factor=request.room_factor * 2)
        said = [Message.of("assistant", reply.text)] if reply.text else []
        return replace(request, messages=[*request.messages, *said, Message.of("user", self.message)])
