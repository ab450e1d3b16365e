"""Rules that an answer keeps to, declared as data: what it may not say, what it must say, which data may surface."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from guardrails.patterns import bounded
from guardrails.text_matching import Phrases, visible
from guardrails.verdicts import Direction, Exchange, Reason, Span, Verdict, allow, block, retry

_LONGEST_RULE = 150


@dataclass(frozen=True, slots=True)
class PolicyGuard:
    """Holds answers to rules.

    Args:
        forbidden: a name for each rule and its phrases, found as whole words, however they are
            written: case, spacing, look-alike letters, signs that nobody sees, letters apart from each other.
        patterns: a name for each rule and its regular expression; every repeat has to be bounded.
        required: a name for each rule and the text that an answer must contain, such as a disclaimer.
        fields: the only fields that a structured answer may have, at any depth.
        records: a field and the only values that it may have, such as the customer ids of this team.
        canaries: texts that were put where no answer may quote from; one of them is a leak, whatever else is said.
        on_break: ``retry`` asks the model once to mend it, ``block`` withholds the answer; leaks always block.

    Raises:
        ValueError: there is no rule, or a pattern is wrong or has a repeat without bound.
    """

    forbidden: dict[str, tuple[str, ...]] = field(default_factory=dict)
    patterns: dict[str, str] = field(default_factory=dict)
    required: dict[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    records: dict[str, tuple[str, ...]] = field(default_factory=dict)
    canaries: tuple[str, ...] = field(default=(), repr=False)
    on_break: Literal["retry", "block"] = "retry"
    rules: dict[str, re.Pattern[str]] = field(init=False, repr=False)
    phrases: Phrases = field(init=False, repr=False)
    planted: Phrases = field(init=False, repr=False)

    name: ClassVar[str] = "policy"
    version: ClassVar[str] = "2"
    direction: ClassVar[Direction] = "output"
    rank: ClassVar[int] = 25

    def __post_init__(self) -> None:
        declared = (self.forbidden, self.patterns, self.required, self.fields, self.records, self.canaries)
        if not any(declared):
            raise ValueError("it has no rule: give it forbidden, patterns, required, fields, records or canaries")
        forbidden = [(name, phrase) for name, phrases in self.forbidden.items() for phrase in phrases]
        object.__setattr__(self, "rules", {name: bounded(pattern) for name, pattern in self.patterns.items()})
        object.__setattr__(self, "phrases", Phrases(forbidden))
        object.__setattr__(self, "planted", Phrases([("canary", text) for text in self.canaries], anywhere=True))

    def check(self, exchange: Exchange) -> Verdict:
        """Block with ``leak``; retry or block with ``policy``; else allow."""
        leaks = tuple(self._leaks(exchange.texts))
        if leaks:
            kinds = ", ".join(sorted({span.kind for span in leaks}))[:_LONGEST_RULE]
            return block(Reason.LEAK, spans=leaks, kinds=kinds, count=len(leaks))
        spans = tuple(self._broken(exchange.texts))
        said = " ".join(exchange.texts[0].split()).casefold()
        missing = [name for name, text in self.required.items() if " ".join(text.split()).casefold() not in said]
        if not spans and not missing:
            return allow()
        rule = ", ".join(dict.fromkeys([*(span.kind for span in spans), *missing]))[:_LONGEST_RULE]
        answer = retry if self.on_break == "retry" else block
        return answer(Reason.POLICY, spans=spans, rule=rule)

    def _broken(self, texts: tuple[str, ...]) -> Iterator[Span]:
        for part, text in enumerate(texts):
            yield from (Span(part, start, end, name) for start, end, name in self.phrases.find(text))
            shown, places = visible(text) if self.rules else (text, [])
            for name, pattern in self.rules.items():
                for match in pattern.finditer(shown):
                    if match.end() > match.start():
                        yield Span(part, places[match.start()], places[match.end() - 1] + 1, name)

    def _leaks(self, texts: tuple[str, ...]) -> Iterator[Span]:
        """Canaries wherever they are; fields and records in what is JSON."""
        for part, text in enumerate(texts):
            yield from (Span(part, start, end, kind) for start, end, kind in self.planted.find(text))
            if self.fields or self.records:
                kinds = {kind for name, value in _named(_json(text)) if (kind := self._foreign(name, value))}
                yield from (Span(part, 0, len(text), kind) for kind in sorted(kinds))

    def _foreign(self, name: str, value: Any) -> str:
        if self.fields and name not in self.fields:
            return "field"
        known = self.records.get(name)
        return "record" if known is not None and not isinstance(value, dict | list) and str(value) not in known else ""


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # nested deeper than whoever parses the answer takes, too
        return None


def _named(value: Any) -> Iterator[tuple[str, Any]]:
    """Every field of a JSON value, at any depth."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield from found.items()
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
