"""Rules that an answer keeps to, declared as data: what it may not say, what it must say, which data may surface."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from guardrails.base import Direction, GuardInput, Reason, Span, Verdict, allow, block, retry
from guardrails.pii.vault import Vault
from guardrails.text_matching import Phrases, bounded, readings, visible
from pricing import leaves

_LONGEST_RULE = 150
_MOST_TRIES = 20_000
"""Openings of JSON that are tried in one text."""
_COST_OF_DEPTH = 1_000
"""Tries that one of a text nested too deep counts as: it takes as long."""
_OPENING, _NESTED = re.compile(r"[{\[]"), re.compile(r"[{\[\s,]+")
_DECODER = json.JSONDecoder()


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
        on_break: ``retry`` asks the model once to fix it, ``block`` withholds the answer; leaks always block.

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
    needed: Phrases = field(init=False, repr=False)
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
        object.__setattr__(self, "needed", Phrases(self.required.items()))
        object.__setattr__(self, "planted", Phrases([("canary", text) for text in self.canaries], anywhere=True))

    def check(self, exchange: GuardInput) -> Verdict:
        """Block with ``leak``; retry or block with ``policy``; else allow."""
        leaks = tuple(self._leaks(exchange))
        if leaks:
            kinds = ", ".join(sorted({span.kind for span in leaks}))[:_LONGEST_RULE]
            return block(Reason.LEAK, spans=leaks, kinds=kinds, count=len(leaks))
        spans = tuple(self._broken(exchange.texts))
        said = " ".join(leaf.text for leaf in leaves(exchange.values[0]))
        there = self.needed.names_in(said) if self.required else set()
        missing = [name for name in self.required if name not in there]
        if not spans and not missing:
            return allow()
        rule = ", ".join(dict.fromkeys([*(span.kind for span in spans), *missing]))[:_LONGEST_RULE]
        answer = retry if self.on_break == "retry" else block
        return answer(Reason.POLICY, spans=spans, rule=rule)

    def _broken(self, texts: tuple[str, ...]) -> Iterator[Span]:
        for part, text in enumerate(texts):
            yield from (Span(part, start, end, name) for start, end, name in self.phrases.find(text))
            yield from self._ruled_out(part, text) if self.rules else ()

    def _ruled_out(self, part: int, text: str) -> Iterator[Span]:
        """What patterns find in a text as it reads, or in what its escapes stand for."""
        found: dict[Span, None] = {}
        for reading, at in readings(text):
            shown, places = visible(reading)
            for name, pattern in self.rules.items():
                for match in pattern.finditer(shown):
                    if match.end() > match.start():
                        start, end = places[match.start()], places[match.end() - 1] + 1
                        found[Span(part, at[start], at[end], name)] = None
        yield from found

    def _leaks(self, exchange: GuardInput) -> Iterator[Span]:
        """Canaries wherever they are; fields and records in values, and in JSON that stands in a text."""
        for part, text in enumerate(exchange.texts):
            yield from (Span(part, start, end, kind) for start, end, kind in self.planted.find(text))
        if not (self.fields or self.records):
            return
        part = 0
        for value in exchange.values:
            read = json_values(value) if isinstance(value, str) else [value]
            named = [pair for inner in read for pair in _named(inner)]
            kinds = {kind for name, inner in named if (kind := self._foreign(name, inner, exchange.vault))}
            length = len(exchange.texts[part]) if part < len(exchange.texts) else 0
            yield from (Span(part, 0, length, kind) for kind in sorted(kinds))
            part += len(leaves(value))

    def _foreign(self, name: str, value: Any, vault: Vault | None) -> str:
        """Names and values are compared as the caller will get them: with what was masked put back."""
        if vault is not None:
            name, value = vault.restore(name), vault.restore_json(value)
        if self.fields and name not in self.fields:
            return "field"
        known = self.records.get(name)
        if known is None:
            return ""
        return "" if all(scalar in known for scalar in _scalars(value)) else "record"


def json_values(text: str) -> list[Any]:
    """The JSON objects and lists in a text: all of it, or wherever they stand in it, in a fence or in prose.

    Raises:
        ValueError: the text has too many openings to try them all.
    """
    found: list[Any] = []
    at, tries = 0, 0
    while opening := _OPENING.search(text, at):
        tries += 1
        if tries > _MOST_TRIES:
            raise ValueError(f"more than {_MOST_TRIES:,} openings of JSON")
        try:
            value, at = _DECODER.raw_decode(text, opening.start())
            found.append(value)
        except ValueError:
            at = opening.end()
        except RecursionError:  # nested deeper than parsers of the answer accept
            tries += _COST_OF_DEPTH
            at = _NESTED.match(text, opening.start()).end()  # type: ignore[union-attr]
    return found


def _named(value: Any) -> Iterator[tuple[str, Any]]:
    """Every field of a JSON value, at any depth."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Mapping):
            yield from ((str(name), inner) for name, inner in found.items())
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _scalars(value: Any) -> Iterator[str]:
    """What a field holds, of lists each of their elements; objects have fields of their own."""
    if isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif not isinstance(value, Mapping):
        yield str(value)
