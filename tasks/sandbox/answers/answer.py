"""What the sandbox answers: honest small-scale work on the text it is given, the same every time.

Summaries are sentences taken from the text, structures are filled with what the text holds, tools are called by the
words they share with the request. Plain answers begin with ``[sandbox]``; a structure has no place for a label, the
reply's headers carry it.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from tasks.providers.messages import JSONObject
from tasks.sandbox.answers.digest import TextDigest
from tasks.sandbox.answers.filler import Effort, Filler
from tasks.sandbox.answers.judgement import judgement
from tasks.sandbox.answers.language import cut
from tasks.sandbox.answers.material import Material, gather
from tasks.sandbox.answers.schema import Unfillable, schema_in
from tasks.sandbox.answers.toolbox import next_call
from tasks.sandbox.protocol import BadRequest, SandboxAnswer, SandboxRequest
from tasks.sandbox.tokens import count_tokens, first_tokens

LABEL: Final = "[sandbox] "
_EFFORTS: Final = (Effort(), Effort(2, 3, 160), Effort(1, 2, 90), Effort(1, 1, 48))
"""Tried in this order until an answer fits the limit on its tokens."""
_LONGEST_ECHO: Final = 160


def answer_question(question: SandboxRequest, seed: str) -> SandboxAnswer:
    """The answer to a question; ``seed`` determines the id of a tool call.

    Raises:
        BadRequest: the answer must follow a schema that nothing can follow.
    """
    material = gather(question.messages)
    call = next_call(question, material, seed) if question.tools else None
    if call is not None:
        tokens = count_tokens(call.name) + count_tokens(call.arguments)
        if question.max_tokens is None or tokens <= question.max_tokens:
            return SandboxAnswer("", tokens, calls=(call,), stop="tool_calls")
        return _limited(call.arguments, question.max_tokens)
    text = ""
    for effort in _EFFORTS:
        text = _compose(question, material, effort)
        if question.max_tokens is None or count_tokens(text) <= question.max_tokens:
            break
    return _limited(text, question.max_tokens)


def _compose(question: SandboxRequest, material: Material, effort: Effort) -> str:
    definition = question.schema.definition if question.schema else schema_in(question.instructions)
    if definition is not None:
        return orjson.dumps(_structure(definition, material, effort)).decode()
    if question.json_object:
        digest = TextDigest(material.whole, material.orders)
        summary = digest.summary(effort.sentences, effort.characters)
        return orjson.dumps({"sandbox": True, "summary": summary}).decode()
    if material.results:
        return LABEL + TextDigest("\n\n".join(material.results), material.said).summary(
            effort.sentences, effort.characters
        )
    digest = TextDigest(material.text, material.orders)
    if not material.orders and len(digest.statements()) <= 1:
        return f"{LABEL}No model is behind this answer. What was asked: {cut(material.text.strip(), _LONGEST_ECHO)}"
    return LABEL + digest.summary(effort.sentences, effort.characters)


def _structure(definition: JSONObject, material: Material, effort: Effort) -> Any:
    if (judged := judgement(definition, material.said)) is not None:
        return judged
    text, facts = (material.text, "\n\n".join(material.results)) if material.orders else (material.whole, "")
    try:
        return Filler(definition, text, facts=facts, focus=material.orders, effort=effort).fill()
    except Unfillable as error:
        raise BadRequest(f"Invalid schema: {error}.", param="response_format") from error


def _limited(text: str, limit: int | None) -> SandboxAnswer:
    tokens = max(1, count_tokens(text))
    if limit is None or tokens <= limit:
        return SandboxAnswer(text, tokens)
    return SandboxAnswer(first_tokens(text, limit), limit, stop="length")
