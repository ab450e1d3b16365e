"""How demanding a question is, by what can be seen of it before it is asked.

Six features of the request, each worth so many points; the score is their sum, at most 1. It is kept this small on
purpose: rules over prompts save about a seventh of the cost at no loss that was measured, and learned routers often do
no better than chance. A person can read why a turn was scored as it was.

What is asked for is read in the instructions alone: a document or a ticket that a prompt puts between tags is data, and
neither its numbered lists nor its words ask for anything.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from pricing import record
from pricing.tokens import estimate_tokens
from tasks.providers.lazy_pattern import LazyPattern
from tasks.providers.messages import ModelRequest
from tasks.routing.target import Tier

THRESHOLD = 0.5
"""From which score on a turn is premium, where a step says nothing else."""

_TAG = LazyPattern(r"<(?P<close>/?)(?P<name>[a-zA-Z][\w-]*)[^<>]*>")
_NUMBERED = LazyPattern(r"[ \t]*(?:step[ \t]+)?\d{1,2}[.):]\s")
_WORD = LazyPattern(r"[a-z]+(?:-[a-z]+)*")
_SEQUENCE = frozenset(["first", "second", "third", "then", "next", "afterwards", "finally", "lastly"])
_REASONING = frozenset(
    [
        "why",
        "prove",
        "derive",
        "justify",
        "compare",
        "contrast",
        "analyse",
        "analyze",
        "evaluate",
        "diagnose",
        "optimise",
        "optimize",
        "prioritise",
        "prioritize",
        "weigh",
        "tradeoff",
        "tradeoffs",
        "trade-off",
        "trade-offs",
        "strategy",
        "hypothesis",
        "hypotheses",
        "implications",
        "assumptions",
    ]
)
_PHRASES = (
    "step by step",
    "pros and cons",
    "root cause",
    "reason about",
    "reason through",
    "plan a",
    "plan how",
    "plan the",
)
_DEEPEST = 6


@record(frozen=True, slots=True)
class PromptFeatures:
    """What is counted: whole numbers, from 0.

    ``steps`` are numbered lines and words of sequence, ``markers`` different words that ask for reasoning (both in
    English), ``depth`` the levels of the answer's schema, ``history`` the messages of the conversation.
    """

    tokens: int = 0
    tools: int = 0
    steps: int = 0
    depth: int = 0
    markers: int = 0
    history: int = 0


class _Scale(NamedTuple):
    """The scale of a feature: no points up to ``free``, all ``points`` from ``full`` on, linear between."""

    reason: str
    free: int
    full: int
    points: float


_SCALES: Mapping[str, _Scale] = {
    "steps": _Scale("steps asked for: {}", 1, 6, 0.5),
    "markers": _Scale("words that ask for reasoning: {}", 0, 4, 0.5),
    "tools": _Scale("tools to choose from: {}", 1, 8, 0.4),
    "tokens": _Scale("tokens to read: {}", 1_000, 16_000, 0.3),
    "depth": _Scale("levels of the answer's schema: {}", 2, 6, 0.3),
    "history": _Scale("messages so far: {}", 2, 12, 0.2),
}


@record(frozen=True, slots=True)
class Complexity:
    """A score from 0 to 1 and what made it, the weightiest reason first. Reasons hold counts, never content."""

    score: float
    reasons: tuple[str, ...]

    def tier(self, threshold: float) -> Tier:
        """Light below the threshold, premium from it on."""
        return "premium" if self.score >= threshold else "light"

    def explain(self, threshold: float) -> str:
        """The score and its reasons in one line."""
        sign, why = ("≥" if self.score >= threshold else "<"), ", ".join(self.reasons) or "nothing demanding about it"
        return f"complexity {self.score:.2f} {sign} {threshold:.2f} ({why})"


def score(request: ModelRequest) -> Complexity:
    """The complexity of a request. About 0.1 ms for each KB of instructions, a quarter of that for data."""
    return rate(features_of(request))


def rate(features: PromptFeatures) -> Complexity:
    """The complexity of features; it never falls when one of them grows."""
    counted = {name: getattr(features, name) for name in _SCALES}
    points = {name: _points(counted[name], scale) for name, scale in _SCALES.items()}
    weightiest = sorted((name for name in points if points[name]), key=lambda name: -points[name])
    reasons = tuple(f"{_SCALES[name].reason.format(f'{counted[name]:,}')} (+{points[name]:.2f})" for name in weightiest)
    return Complexity(round(min(1.0, sum(points.values())), 4), reasons)


def features_of(request: ModelRequest) -> PromptFeatures:
    """The features of a request."""
    texts = [request.system.text, *(message.text for message in request.messages)]
    described = [f"{tool.name} {tool.description} {json.dumps(tool.parameters)}" for tool in request.tools]
    schema = request.schema.definition if request.schema else {}
    asked = "\n".join([request.system.text, *(message.text for message in request.messages if message.role == "user")])
    instructions = _outside_tags(asked).lower()
    words = Counter(_WORD.findall(instructions))
    return PromptFeatures(
        tokens=estimate_tokens("\n".join([*texts, *described, json.dumps(schema) if schema else ""])),
        tools=len(request.tools),
        steps=sum(words[word] for word in _SEQUENCE) + sum(map(bool, map(_NUMBERED.match, instructions.splitlines()))),
        depth=_depth(schema, schema.get("$defs", {}), {}),
        markers=len(_REASONING & words.keys()) + sum(phrase in instructions for phrase in _PHRASES),
        history=len(request.messages),
    )


def _points(count: int, scale: _Scale) -> float:
    return scale.points * min(1.0, max(0.0, (count - scale.free) / (scale.full - scale.free)))


def _outside_tags(text: str) -> str:
    """The text outside of tags; a tag that is never closed takes the rest."""
    kept, inside, since = [], "", 0
    for tag in _TAG.finditer(text):
        if not inside and not tag["close"]:
            kept.append(text[since : tag.start()])
            inside = tag["name"]
        elif tag["close"] and tag["name"] == inside:
            inside, since = "", tag.end()
    return "\n".join([*kept, "" if inside else text[since:]])


def _depth(schema: Any, definitions: Mapping[str, Any], known: dict[str, int]) -> int:
    """The nesting depth of objects and lists; a recursive schema counts as the deepest."""
    if not isinstance(schema, dict):
        return 0
    if isinstance(reference := schema.get("$ref"), str):
        name = reference.rpartition("/")[2]
        if name not in known:
            known[name] = _DEEPEST  # while it is looked into
            known[name] = _depth(definitions.get(name), definitions, known)
        return known[name]
    properties = schema.get("properties")
    inner = [*(properties.values() if isinstance(properties, dict) else ())]
    inner += [schema.get("items"), schema.get("additionalProperties")]
    either = [option for name in ("anyOf", "oneOf", "allOf") for option in schema.get(name) or ()]
    nested = int(schema.get("type") in {"object", "array"} or properties is not None)
    deepest = max((_depth(part, definitions, known) for part in inner), default=0)
    return max(nested + deepest, *(_depth(option, definitions, known) for option in either), 0)
