"""Which of the offered tools to call next, if any, and with what."""

from __future__ import annotations

from typing import Final

import orjson

from tasks.providers.messages import Tool
from tasks.sandbox.answers.evidence import find_text, is_fact
from tasks.sandbox.answers.filler import Effort, Filler
from tasks.sandbox.answers.language import name_words, stem, stems
from tasks.sandbox.answers.material import Material
from tasks.sandbox.answers.schema import Unfillable, resolve
from tasks.sandbox.protocol import GeneratedCall, SandboxRequest

_NAME, _PARAMETER, _DESCRIPTION = 3, 2, 1
_ENOUGH: Final = 3
_LOOKUPS: Final = frozenset(
    {"check", "fetch", "find", "get", "list", "load", "look", "lookup", "query", "read", "search"}
)
_BRIEF: Final = Effort(sentences=2, items=3, characters=200)


def next_call(question: SandboxRequest, material: Material, seed: str) -> GeneratedCall | None:
    """The call the conversation wants next, or ``None`` when it is time to answer.

    Tools compete by the words that their names, parameters and descriptions share with the user's message (and their
    names with the instructions); those that only look something up go first. Each is called once in a conversation at
    most, so every loop ends; a choice the request forces ends with the tools.
    """
    if question.tool_choice == "none":
        return None
    called = {call.name for message in question.messages for call in message.tool_calls}
    unused = [tool for tool in question.tools if tool.name not in called]
    if question.tool_choice == "tool":
        unused = [tool for tool in unused if tool.name == question.forced_tool]
    text = "\n\n".join([material.said, *material.results])
    forced = question.tool_choice in {"any", "tool"}
    scores = {tool.name: _score(tool, question.instructions, material.said, text) for tool in unused}
    wanted = [tool for tool in unused if forced or scores[tool.name] >= _ENOUGH]
    for tool in sorted(wanted, key=lambda tool: (not _looks_up(tool) and not forced, -scores[tool.name])):
        try:
            filler = Filler(tool.parameters, text, focus=material.orders, effort=_BRIEF, sparse=True)
            arguments = orjson.dumps(filler.fill()).decode()
        except Unfillable:
            continue
        return GeneratedCall(f"call_{seed.removeprefix('req_')}", tool.name, arguments)
    return None


def _looks_up(tool: Tool) -> bool:
    return bool(_LOOKUPS.intersection(name_words(tool.name)[:1]))


def _score(tool: Tool, instructions: str, said: str, text: str) -> int:
    """How much a tool is wanted; zero for one that needs an unknown fact."""
    properties = tool.parameters.get("properties") or {}
    for name in tool.parameters.get("required") or ():
        if not _available(name, tool, text):
            return 0
    wanted = set(stems(said))
    seen: set[str] = set()
    score = len({stem(word) for word in name_words(tool.name)} & set(stems(instructions)))
    for words, weight in (
        (name_words(tool.name), _NAME),
        ([word for name in properties for word in name_words(name)], _PARAMETER),
        (stems(tool.description), _DESCRIPTION),
    ):
        for word in {stem(word) for word in words} - seen:
            seen.add(word)
            score += weight * (word in wanted)
    return score


def _available(name: str, tool: Tool, text: str) -> bool:
    try:
        schema = resolve((tool.parameters.get("properties") or {}).get(name, True), tool.parameters)
    except Unfillable:
        return False
    is_text = schema.get("type") == "string" and "enum" not in schema
    return not is_text or not is_fact(name, schema) or find_text(name, schema, text) is not None
