"""Prompt injection: texts that try to take over the model, by what they say and by how they are built.

A text is read as it looks (``guardrails.text_matching``), so that letters of other alphabets or between them hide
nothing, and scored by a linear model over the meanings of its words and signs of its structure, and where the extra
``embeddings`` is used, over what its sentences mean. From 0 on it is an attack. What a tool gave back, or another
process says of a tool, is data, and orders to a model in data are never meant well: there less is enough. A light
model may be asked besides. Measured in ``docs/guardrails.md``. What keeps a system safe is few permissions and
delimited data.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import ClassVar, Literal

from pydantic import BaseModel

from guardrails.base import Direction, GuardInput, Reason, Span, Verdict, allow, block
from guardrails.embeddings import require_embeddings
from guardrails.guards.injection_bound import bound
from guardrails.guards.injection_meaning import combined, judge_meaning
from guardrails.guards.injection_model import LEAST_SCORE, NOTHING, Judged, judge
from guardrails.guards.injection_readings import other_readings, tagged
from guardrails.guards.injection_signs import signs
from guardrails.guards.injection_tools import ToolOrder, tool_order
from guardrails.model_calls import ExpectedModelCalls, ModelCaller
from guardrails.text_matching import LOOKALIKES, foreign, visible

_MIXED = re.compile("[a-z][\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff][a-z]", re.IGNORECASE)
_OTHER_ALPHABET = re.compile("[\u0370-\u03ff\u0400-\u04ff]")
_OF_DATA, _LOWEST = 0.5, -2.5
"""How much less is enough in data; the least score of a text."""
_OF_TOOL_ORDER: Mapping[ToolOrder, float] = {ToolOrder.PLAIN: 1.0, ToolOrder.AIMED: 2.0}
"""How much less is enough in data that say to call a tool of the model, and at what or when."""
_JUST_BELOW = 1e-6
_DATA = frozenset({"tool_result", "document"})
_UNSURE = 1.5
"""How far below what is an attack a model is asked, with ``judge = "unsure"``."""
_GREY = 0.1
"""The share of prompts that is assumed to be unsure until runs have shown it."""
_INSTRUCTIONS, _YES_OR_NO, _READ, _READ_OF_ONE = 250, 10, 8_000, 4_000
"""Tokens of its template and schema, and of an answer to it; characters of texts, and of one, that it is shown."""
_LEAST_SHARE, _MOST_NAMED = 0.15, 3
"""Share of the score that a kind has to have to be named, and how many are."""
_KINDS_BY_FEATURE: Mapping[str, frozenset[str]] = {
    "orders to ignore instructions": frozenset({"drop", "prior"}),
    "asks for the instructions": frozenset({"reveal", "hidden", "=canary_game"}),
    "asks for a password": frozenset({"=password"}),
    "a role": frozenset({"act", "be", "=dialogue"}),
    "asks to drop all limits": frozenset({"limits", "refuse", "ill", "power", "follow", "must", "=no_limits"}),
    "new instructions": frozenset({"newtask", "instead", "end", "now", "=divider", "=urgent"}),
    "a fixed answer": frozenset({"say", "taunt", "=quoted_answer"}),
    "marks of a conversation": frozenset({"=chat_marks", "=role_line", "=role_mark"}),
    "orders to a model inside data": frozenset({"ai", "reads", "send", "data", "quiet", "=image_leak", "=hidden_text"}),
    "orders to call a tool": frozenset({"=tool_order"}),
    "hidden orders": frozenset({"=split", "=decode", "=encoded"}),
    "a pretext": frozenset({"trust", "hyp"}),
}
"""What the verdict says, and the features that say so, alone or as the first of a pair."""
_OTHERS = "orders to the model"


class Attempt(BaseModel):
    """What a model says of texts."""

    takes_over: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """A text that is judged: where it stands (None for what is said of a tool), and where it comes from."""

    place: int | None
    origin: str
    text: str = field(repr=False)
    of_tool: str = ""


@dataclass(frozen=True, slots=True)
class InjectionGuard:
    """Finds texts that try to take over the model, among all but the system's, which is our own.

    Args:
        ask: asks a model.
        embeddings: read meanings too, in the languages of ``guardrails.embeddings``; needs that extra.
        judge: whether a light model is asked about what the user said last and what tools gave back since:
            ``never``, where a text is ``unsure``, or for ``every`` prompt that is not blocked already.

    Raises:
        ValueError: the extra is missing.
    """

    ask: ModelCaller | None = field(default=None, repr=False)
    embeddings: bool = False
    judge: Literal["never", "unsure", "every"] = "never"

    name: ClassVar[str] = "injection"
    version: ClassVar[str] = "5"
    direction: ClassVar[Direction] = "input"
    rank: ClassVar[int] = 20

    def __post_init__(self) -> None:
        if self.embeddings:
            require_embeddings()
        if self.judge != "never" and self.ask is None:
            raise ValueError("it has nobody to ask")

    def asks(self) -> ExpectedModelCalls:
        """A question for each prompt, or for those that are unsure."""
        share = {"never": 0.0, "unsure": _GREY, "every": 1.0}[self.judge]
        return ExpectedModelCalls(share, _INSTRUCTIONS, _READ // 4, _YES_OR_NO)

    def check(self, exchange: GuardInput) -> Verdict | Awaitable[Verdict]:
        """Block with ``safety``, else allow."""
        if self.judge == "never" and not self.embeddings:
            return self.look(exchange)
        return self._look_and_ask(exchange)

    def look(self, exchange: GuardInput) -> Verdict:
        """What is to be said without asking a model."""
        spans: list[Span] = []
        tools: list[str] = []
        kinds: set[str] = set()
        for part in _parts(exchange):
            judged = self._judged(part, exchange)
            if judged.score < 0 or judged.end <= judged.start:
                continue
            named = _kinds(judged)
            kinds.update(named)
            if part.place is None:
                tools.append(part.of_tool)
            else:
                spans += (Span(part.place, judged.start, judged.end, kind) for kind in named)
        if not kinds:
            return allow()
        return _blocked(kinds, tools, spans)

    async def _look_and_ask(self, exchange: GuardInput) -> Verdict:
        verdict = await asyncio.to_thread(self.look, exchange) if self.embeddings else self.look(exchange)
        if verdict.action == "block" or self.judge == "never" or self.ask is None:
            return verdict
        texts = await asyncio.to_thread(self._asked_about, exchange)
        if not texts:
            return verdict
        attempt = await self.ask(exchange, "guard_injection.j2", {"texts": texts}, Attempt)
        if not attempt.value.takes_over:
            return allow(cost_nano=attempt.cost_nano)
        return replace(_blocked({"found by a model"}, [], []), cost_nano=attempt.cost_nano)

    def _asked_about(self, exchange: GuardInput) -> list[tuple[str, str]]:
        """Where each text comes from that a model is asked about, and the text."""
        left, found = _READ, []
        for part in _parts(exchange):
            new = part.place is None or part.place >= exchange.request
            if not (new and (self.judge == "every" or self._judged(part, exchange).score >= -_UNSURE)):
                continue
            text = part.text[: min(left, _READ_OF_ONE)]
            left -= len(text)
            if text:
                found.append((part.origin, text))
        return found

    def _judged(self, part: _Part, exchange: GuardInput) -> Judged:
        """What a text scores above what makes an attack of it where it stands."""
        in_data = part.origin in _DATA or part.place is None
        judged = self._scored(part.text, in_data=in_data, with_tools=bool(exchange.tools))
        if not in_data:
            return judged
        ordered = tool_order(part.text, [tool.name for tool in exchange.tools if tool.name != part.of_tool])
        if part.place is None:  # descriptions of tools name each other, with what they take
            ordered = min(ordered, ToolOrder.PLAIN)
        if ordered:
            score = max(judged.score, _LOWEST) + _OF_TOOL_ORDER[ordered]
            whole = judged if judged.end > judged.start else Judged(score, 0, len(part.text), {})
            judged = replace(whole, score=score, weights={**whole.weights, "=tool_order": _OF_TOOL_ORDER[ordered]})
        return replace(judged, score=judged.score + _OF_DATA)

    def _scored(self, text: str, *, in_data: bool, with_tools: bool) -> Judged:
        """What a text scores, wherever it stands. A score that cannot make an attack of it is asked for only where a
        model or meanings are asked as well.
        """
        short = len(text) <= _LONGEST_KEPT
        if self.embeddings:
            return (_meaning_remembered if short else _look_at_meaning)(text)
        least = LEAST_SCORE
        if self.judge == "never" and not (in_data and with_tools):
            least = -_JUST_BELOW - (_OF_DATA if in_data else 0.0)
        return (_remembered if short else _look)(text, least)


def _parts(exchange: GuardInput) -> Iterator[_Part]:
    """What is judged, in order: all texts but the system's, then what other processes say of their tools."""
    origins = exchange.origins or ("system",)
    for place, text in enumerate(exchange.texts):
        origin = origins[place] if place < len(origins) else "user"
        if origin != "system":
            yield _Part(place, origin, text)
    for tool in exchange.tools:
        if tool.description:
            yield _Part(None, "tool_description", tool.description, tool.name)


def _blocked(kinds: set[str], tools: Sequence[str], spans: Sequence[Span]) -> Verdict:
    where = f" in the description of the tool {', '.join(tools)}" if tools else ""
    named = f"prompt injection{where}: {', '.join(sorted(kinds))}"[:200]
    return block(Reason.SAFETY, spans=tuple(spans), kinds=named)


_LONGEST_KEPT = 8_000
"""Characters of a text whose score is remembered: a conversation comes again with every turn."""


def as_shown(text: str) -> tuple[str, Sequence[int]]:
    """A text as it reads, and where each of its characters stood."""
    shown, places = visible(text)
    if _OTHER_ALPHABET.search(foreign(shown)) and _MIXED.search(
        shown
    ):  # letters of two alphabets in one word are meant to look like one
        shown = shown.translate(LOOKALIKES)
    return shown, places


def _look(text: str, least: float = LEAST_SCORE) -> Judged:
    """What a text scores in the reading that scores most, if that may be more than ``least``.

    Places are those of the text.
    """
    shown, places = as_shown(text)
    most = bound(shown)
    built = list(signs(shown, shown.lower(), most.hinted))
    best = judge(shown, built) if most.may_count(built, least) else NOTHING
    for hidden, start, end in other_readings(shown, most.letters):
        best = _better(best, judge(hidden), start, end)
    best = _in_text(best, places)
    for hidden, start, end in tagged(text):
        best = _better(best, judge(hidden), start, end)
    return best


def _better(best: Judged, hidden: Judged, start: int, end: int) -> Judged:
    """What scores more: what was found so far, or an attack that is hidden between these places."""
    if hidden.score <= max(best.score, 0.0):
        return best
    return Judged(hidden.score, start, end, {**hidden.weights, "=encoded": hidden.score})


def _in_text(judged: Judged, places: Sequence[int]) -> Judged:
    """What was found in a text as it reads, with its places in the text."""
    if judged.end <= judged.start:
        return judged
    return replace(judged, start=places[judged.start], end=places[judged.end - 1] + 1)


def _look_at_meaning(text: str) -> Judged:
    """What a text scores by words and meaning together."""
    words = (_remembered if len(text) <= _LONGEST_KEPT else _look)(text, LEAST_SCORE)
    shown, places = as_shown(text)
    passage = judge_meaning(shown)
    if passage is None:
        return words
    score = combined(passage.score, words.score)
    if words.score >= 0:  # the attacks that words find are none the less so for what else the text means
        return replace(words, score=max(score, words.score))
    if words.end > words.start:
        return replace(words, score=score)
    return _in_text(Judged(score, passage.start, passage.end, {}), places)


_remembered = lru_cache(maxsize=256)(_look)
_meaning_remembered = lru_cache(maxsize=256)(_look_at_meaning)


def _kinds(judged: Judged) -> list[str]:
    """What makes up the score, the most first."""
    shares = {
        kind: math.fsum(weight for feature, weight in judged.weights.items() if weight > 0 and _first(feature) in named)
        for kind, named in _KINDS_BY_FEATURE.items()
    }
    least = _LEAST_SHARE * math.fsum(shares.values())
    kinds = sorted((kind for kind, share in shares.items() if share > least), key=lambda kind: -shares[kind])
    return kinds[:_MOST_NAMED] or [_OTHERS]


def _first(feature: str) -> str:
    return re.split("[>+]", feature.lstrip("^"))[0]
