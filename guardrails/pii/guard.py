"""Personal data out of texts, and back into the answers.

:func:`mask` finds e-mail addresses, phone numbers, cards, IBANs, US social security numbers, IP and MAC addresses,
URLs, passport and NHS numbers and puts tokens in their place; :meth:`Masked.restore` puts the values back into what a
model made of it. Names have no form: give what you know of a person as ``known_values``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from typing import Any, ClassVar, Literal

from guardrails.base import Direction, GuardInput, Reason, Span, Verdict, allow, redact
from guardrails.labels import beside, label_words
from guardrails.pii.names import FindNames, find_no_names, names_by_presidio
from guardrails.pii.national_ids import national_ids
from guardrails.pii.patterns import Entity, addresses, cards, emails, ibans, macs, urls
from guardrails.pii.phones import phones
from guardrails.pii.records import births, plates, postal_addresses
from guardrails.pii.text import PlainText
from guardrails.pii.values import Known, KnownValues, find_known, known_trees
from guardrails.pii.vault import KINDS, LITERAL, Vault, lookalikes
from guardrails.text_matching import unescaped

_ALL_KINDS = frozenset(KINDS)
_FINDERS = (emails, urls, ibans, cards, national_ids, addresses, macs, births, postal_addresses, plates, phones)
"""Of two finds of the same length the one whose finder comes first names the kind."""


@dataclass(frozen=True, slots=True)
class MaskedTexts:
    """Several texts masked with one vault: ``texts`` as they may go out, and per text what was found in it."""

    texts: tuple[str, ...]
    entities: tuple[tuple[Entity, ...], ...]
    vault: Vault = field(repr=False)

    def restore(self, answer: str) -> str:
        """``answer`` with the values in place of their tokens."""
        return self.vault.restore(answer)

    def restore_json(self, answer: Any) -> Any:
        """A JSON value with every string in it restored."""
        return self.vault.restore_json(answer)


@dataclass(frozen=True, slots=True)
class Masked:
    """One masked text: ``text`` as it may go out, ``entities`` with their places in the original."""

    text: str
    entities: tuple[Entity, ...]
    vault: Vault = field(repr=False)

    def restore(self, answer: str) -> str:
        """``answer`` with the values in place of their tokens."""
        return self.vault.restore(answer)

    def restore_json(self, answer: Any) -> Any:
        """A JSON value with every string in it restored."""
        return self.vault.restore_json(answer)


def mask(text: str) -> Masked:
    """``text`` with a token in place of every piece of personal data.

    Example:
        >>> masked = mask("Mail ada@acme.com.")
        >>> masked.restore(f"Sent: {masked.text}")
        'Sent: Mail ada@acme.com.'
    """
    masked = mask_all((text,))
    return Masked(masked.texts[0], masked.entities[0], masked.vault)


def mask_all(
    texts: Sequence[str],
    known_values: Known = (),
    *,
    leave: Iterable[str] = (),
    find_names: FindNames = find_no_names,
    labels: Sequence[str] = (),
) -> MaskedTexts:
    """Mask texts of one request with one vault: the same value has the same token in all of them.

    Args:
        texts: in any number.
        known_values: what is known of the persons concerned, as fields of a CRM (``{"name": "Ada Lovelace"}``, the key
            becomes the kind of the token) or plain values. They are found in any case and spacing.
        leave: kinds that stay as they are.
        find_names: finds names that were not declared.
        labels: per text the key that it stands under, "" without one; a word there is as good as one in the text.
    """
    trees = known_trees(known_values)
    vault = Vault(texts)
    kinds, left = _ALL_KINDS.union(*(tree.kinds for tree in trees)) if trees else _ALL_KINDS, frozenset(leave)
    masked: list[str] = []
    entities: list[tuple[Entity, ...]] = []
    seen: dict[tuple[str, str], list[Entity]] = {}  # records repeat their keys, and often their values
    for text, label in zip(texts, labels or repeat("", len(texts)), strict=True):
        found = seen.get((text, label))
        if found is None:
            known = find_known(trees, text)
            patterned = [entity for entity in find_labelled(text, label) if entity.kind not in left]
            found = merged([*known, *patterned, *find_names(text), *_literals(text, kinds)])
            seen[text, label] = found
        masked.append(_replaced(text, found, vault))
        entities.append(tuple(entity for entity in found if entity.kind != LITERAL))
    return MaskedTexts(tuple(masked), tuple(entities), vault)


def find_labelled(text: str, label: str) -> list[Entity]:
    """The personal data in a text that stands under a key: what either of them shows."""
    found = find(text)
    words = label_words(label) if label else ""
    if not words or not text.strip():
        return found
    entities = find(f"{words}: {text}")
    spans = beside(words, ((entity.start, entity.end) for entity in entities))
    kinds = [entity.kind for entity in entities if entity.end > len(words) + 2]
    return merged([*found, *(Entity(*span, kind) for span, kind in zip(spans, kinds, strict=True))])


def find(text: str) -> list[Entity]:
    """The personal data in ``text``: entities in the order of the text that do not overlap.

    Example:
        >>> [(one.kind, one.start, one.end) for one in find("Mail ada@acme.com or call +34 911 234 567.")]
        [('email', 5, 17), ('phone', 26, 41)]
    """
    return list(_found(text) if len(text) <= _LONGEST_KEPT else _look(text))


_LONGEST_KEPT = 8_000
"""Characters of a text whose finds are remembered: instructions and conversations come again with every turn."""


@lru_cache(maxsize=256)
def _found(text: str) -> tuple[Entity, ...]:
    return tuple(_look(text))


def _look(text: str) -> list[Entity]:
    if (meant := unescaped(text)) is not None:
        shown, stood = meant
        return [Entity(stood[entity.start], stood[entity.end], entity.kind) for entity in _in_reading(shown)]
    return _in_reading(text)


def _in_reading(text: str) -> list[Entity]:
    plain = PlainText(text)
    found = merged([entity for finder in _FINDERS for entity in finder(plain)])
    places = plain.places
    if places is None:
        return found
    return [Entity(places[entity.start], places[entity.end - 1] + 1, entity.kind) for entity in found]


def merged(found: Sequence[Entity]) -> list[Entity]:
    """Finds that overlap become one: it covers them all and is of the kind of the longest, of equals the first."""
    merged: list[Entity] = []
    longest = 0
    for entity in sorted(found, key=lambda entity: (entity.start, -entity.end)):
        length = entity.end - entity.start
        if not merged or entity.start >= merged[-1].end:
            merged.append(entity)
            longest = length
            continue
        last = merged[-1]
        merged[-1] = Entity(last.start, max(last.end, entity.end), entity.kind if length > longest else last.kind)
        longest = max(longest, length)
    return merged


def _literals(text: str, kinds: frozenset[str]) -> list[Entity]:
    return [Entity(start, end, LITERAL) for start, end in lookalikes(text, kinds)]


def _replaced(text: str, found: Iterable[Entity], vault: Vault) -> str:
    parts: list[str] = []
    done = 0
    for entity in found:
        parts += (text[done : entity.start], vault.token(entity.kind, text[entity.start : entity.end]))
        done = entity.end
    return "".join((*parts, text[done:]))


PatternKind = Literal[
    "address",
    "birthdate",
    "card",
    "email",
    "iban",
    "ip",
    "mac",
    "nationalid",
    "nhs",
    "passport",
    "phone",
    "plate",
    "ssn",
    "url",
]


@dataclass(frozen=True, slots=True)
class PIIGuard:
    """Masks personal data on its way to a model; the answer gets it back.

    Args:
        leave: kinds that may go out as they are.
        everywhere: mask prompts too that only targets in the own network are asked.
        names: which names are masked: those that are ``known``, or also those that ``presidio`` finds.
        model: the language model that Presidio finds them with: a spaCy package or folder.

    Raises:
        ValueError: Presidio or its model is not installed.
    """

    leave: tuple[PatternKind, ...] = ()
    everywhere: bool = False
    names: Literal["known", "presidio"] = "known"
    model: str = "en_core_web_sm"
    find_names: FindNames = field(default=find_no_names, init=False, repr=False, compare=False)

    name: ClassVar[str] = "pii"
    version: ClassVar[str] = "2"
    direction: ClassVar[Direction] = "input"
    rank: ClassVar[int] = 30

    def __post_init__(self) -> None:
        if self.names == "presidio":
            object.__setattr__(self, "find_names", names_by_presidio(self.model))

    def inspects(self, exchange: GuardInput) -> bool:
        """Whether it masks this prompt."""
        return exchange.external or self.everywhere

    def entities(self, text: str, known: KnownValues, label: str = "") -> list[Entity]:
        """The personal data in a text that is not to be left in it, in order and apart from each other."""
        patterned = (entity for entity in find_labelled(text, label) if entity.kind not in self.leave)
        return merged([*find_known([known], text), *patterned, *self.find_names(text)])

    def check(self, exchange: GuardInput) -> Verdict:
        """Redact with ``pii`` what is personal, else allow; one vault for all texts of the request."""
        if not self.inspects(exchange):
            return allow()
        masked = mask_all(
            exchange.texts, exchange.known, leave=self.leave, find_names=self.find_names, labels=exchange.labels
        )
        if masked.texts == exchange.texts:
            return allow()
        spans = tuple(
            Span(part, entity.start, entity.end, entity.kind)
            for part, entities in enumerate(masked.entities)
            for entity in entities
        )
        return redact(masked.texts, Reason.PII, spans, vault=masked.vault)
