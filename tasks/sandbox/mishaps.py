"""What a fault does to an answer that was generated."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tasks.sandbox.faults import FaultKind
from tasks.sandbox.question import Answer, Question
from tasks.sandbox.tokens import count_tokens, first_tokens
from tasks.wire import StopReason

REFUSAL: Final = "I'm sorry, but I can't help with that."


def alter(answer: Answer, kind: FaultKind | None, question: Question) -> Answer:
    """The answer as the fault leaves it; faults of transport leave it alone."""
    if kind == "refusal":
        return _text(REFUSAL, "refusal")
    if kind == "empty":
        return Answer("", 1)
    if kind == "truncate":
        whole = answer.text or "".join(call.arguments for call in answer.calls)
        return _text(first_tokens(whole, max(1, answer.tokens // 2)), "length")
    if kind == "invalid_json" and answer.calls:
        calls = [replace(call, arguments=_broken(call.arguments)) for call in answer.calls]
        return replace(answer, calls=calls, stop="malformed")
    if kind == "invalid_json":
        return _text(_broken(answer.text if question.schema else '{"answer":'), "end")
    return answer


def _broken(text: str) -> str:
    return text.rstrip("}") + ',"'


def _text(text: str, stop: StopReason) -> Answer:
    return Answer(text, max(1, count_tokens(text)), stop=stop)
