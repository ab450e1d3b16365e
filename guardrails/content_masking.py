"""Texts of a turn as they may be kept where content is captured: personal data and keys masked, whatever else was on.

A prompt comes in as it was sent, an answer as the guards passed it: what the guard of personal data took out of them
stays a token. Anything personal that is still there (the guard was off, or in shadow, or a model made it up) is masked
here, and so are keys, in both directions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from guardrails.base import GuardDecision, GuardInput
from guardrails.guards.secrets import MASK, find_labelled_secrets
from guardrails.pii.guard import merged
from guardrails.pii.patterns import Entity
from guardrails.pii.values import KnownValues
from guardrails.pii.vault import Vault
from pricing import TextPart, leaves, with_leaves

_SECRET = "secret"  # noqa: S105 - the kind of a find
_AROUND, _LONGEST_MARK, _MOST_MARKS, _LONGEST_TEXT = 80, 200, 5, 600
"""Characters shown on both sides of a find, and of it; finds shown of one decision; characters of a whole text."""


class Finder(Protocol):
    """Finds personal data: the guard ``pii`` as it is declared."""

    def entities(self, text: str, known: KnownValues, label: str = "") -> list[Entity]:
        """Where it is, in order and apart from each other; ``label`` is the key that the text stands under."""


class Scrubber:
    """Masks the texts of one turn.

    Args:
        finder: finds personal data in them.
        known: the personal values that are known.
        vault: the vault whose tokens the texts contain already, if any; the same values get the same tokens.
    """

    def __init__(self, finder: Finder, known: Sequence[tuple[str, str]], vault: Vault | None) -> None:
        self._finder = finder
        self._known = KnownValues(known)
        self._vault = vault or Vault(())

    def scrub(self, text: str, label: str = "") -> str:
        """The text as it may be kept."""
        return _rendered(text, self._replaced(text, label), 0, len(text))

    def scrub_part(self, part: TextPart) -> str:
        """A text as it may be kept, also what it holds in a spelling of its own."""
        return self.scrub(with_leaves(part, iter(self._scrubbed(part))).text) if part.pieces else self.scrub(part.text)

    def scrub_value(self, value: Any) -> Any:
        """A value as it may be kept: its strings and numbers, keys included, each under its key."""
        return with_leaves(value, iter(self._scrubbed(value)))

    def _scrubbed(self, value: Any) -> list[str]:
        return [self.scrub(leaf.text, leaf.label) for leaf in leaves(value)]

    def scrub_json(self, value: Any) -> Any:
        """A JSON value as it may be kept by itself, its tokens without what tells two requests apart.

        A number that reads as personal data becomes a text. Of an object the keys are scrubbed too.
        """
        texts = [self._vault.bare(text) for text in self._scrubbed(value)]
        return with_leaves(value, iter(texts))

    def marks(self, decision: GuardDecision, exchange: GuardInput) -> tuple[str, ...]:
        """What a decision was about: pieces of the texts it was made on, the place itself between ⟦ and ⟧.

        Of an answer that was judged as a whole, how it begins; it may have been repaired since.
        """
        if not decision.spans and exchange.direction == "output":
            text = self.scrub(exchange.as_text) if not exchange.sources else self._scrubbed_text(exchange)
            return (excerpt(text),)
        replaced = {
            part: self._replaced(exchange.texts[part], exchange.label(part))
            for part in {span.part for span in decision.spans}
        }
        pieces = []
        for span in decision.spans[:_MOST_MARKS]:
            text, found = exchange.texts[span.part], replaced[span.part]
            start, end = span.start, min(span.end, span.start + _LONGEST_MARK)
            before = _rendered(text, found, max(0, start - _AROUND), start)
            after = _rendered(text, found, span.end, span.end + _AROUND)
            cut = "…" if end < span.end else ""
            pieces.append(f"{before}⟦{_rendered(text, found, start, end)}{cut}⟧{after}")
        return tuple(pieces)

    def _scrubbed_text(self, exchange: GuardInput) -> str:
        texts = tuple(self.scrub(text, exchange.label(part)) for part, text in enumerate(exchange.texts))
        return exchange.with_texts(texts).as_text

    def _replaced(self, text: str, label: str = "") -> list[tuple[int, int, str]]:
        """What stands in place of what, in order: start, end, and the token."""
        tokens = [match.span() for match in self._vault.own_tokens(text)]
        keys = [Entity(finding.start, finding.end, _SECRET) for finding in find_labelled_secrets(text, label)]
        personal = [entity for entity in self._finder.entities(text, self._known, label) if not _meets(entity, tokens)]
        return [(found.start, found.end, self._token(text, found)) for found in merged([*keys, *personal])]

    def _token(self, text: str, found: Entity) -> str:
        return MASK if found.kind == _SECRET else self._vault.token(found.kind, text[found.start : found.end])


def _meets(entity: Entity, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether it overlaps one of the spans, which are in order and apart."""
    before = bisect_left(spans, entity.end, key=lambda span: span[0])
    return before > 0 and spans[before - 1][1] > entity.start


def _rendered(text: str, replaced: Sequence[tuple[int, int, str]], start: int, end: int) -> str:
    """A piece of the masked text, by its place in the text as it was; a token belongs to where it begins."""

    def pieces() -> Iterator[str]:
        done = start
        for first, last, token in replaced:
            if first >= end:
                break
            if last <= start:
                continue
            yield text[done:first] if first > done else ""
            yield token if first >= start else ""
            done = max(done, last)
        yield text[done:end] if done < end else ""

    return "".join(pieces())


def excerpt(text: str) -> str:
    """The beginning of a text that a reviewer is shown whole: at most 600 characters, ``…`` marks a cut.

    Example:
        >>> excerpt("short"), len(excerpt("long " * 200))
        ('short', 601)
    """
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
