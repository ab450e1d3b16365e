"""What a fault does to an answer that was generated."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tasks.sandbox.faults import FaultKind
from tasks.sandbox.question import Answer, Question
from tasks.sandbox.tokens import count_tokens, first_tokens

REFUSAL: Final = "I'm sorry, but I can't help with that."


def alter(answer: Answer, kind: FaultKind | None, question: Question) -> Answer:
    """The answer as the fault leaves it; faults of transport leave it alone."""
    if kind == "refusal":
        return _text(REFUSAL, "refusal")
    if kind == "empty":
        return Answer("", 1)
    if kind == "truncate":
        half = first_tokens(answer.text or answer.calls[0].arguments, max(1, answer.tokens // 2))
        return _text(half, "length")
    if kind == "invalid_json":
        if answer.calls:
            calls = [replace(call, arguments=call.arguments.rstrip("}") + ',"') for call in answer.calls]
            return replace(answer, calls=calls, stop="malformed")
        return _text(answer.text.rstrip("}") + ',"' if question.schema else '{"answer": ', "end")
    return answer


def _text(text: str, stop: str) -> Answer:
    return Answer(
        text,
        max(1, count_tokens(text)),
        stop="refusal" if stop == "refusal" else "length" if stop == "length" else "end",
    )
