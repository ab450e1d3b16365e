"""Filling a JSON schema from a text: valid always, and as sensible as extraction allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from tasks.providers.messages import JSONObject
from tasks.sandbox.answers.choice import choose, holds, rank
from tasks.sandbox.answers.digest import TextDigest
from tasks.sandbox.answers.evidence import find_number, find_text, is_fact
from tasks.sandbox.answers.language import name_words, stem, stems
from tasks.sandbox.answers.prose import fit, write
from tasks.sandbox.answers.ranges import fit_number, unlike
from tasks.sandbox.answers.schema import Unfillable, branches, kind_of, resolve, simplest, words_of

_DEEPEST: Final = 12
_BRIEF_FROM: Final = 4
_COUNTS: Final = frozenset({"count", "total", "number"})
_STATEMENTS_TEXT: Final = """
    highlights points changes items bullets actions steps findings facts decisions risks reasons notes questions
    evidence sentences fixes features tasks todos
"""
_STATEMENTS: Final = frozenset(_STATEMENTS_TEXT.split())


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to write: sentences of a long field, entries of an open list, characters of a sentence."""

    sentences: int = 2
    items: int = 5
    characters: int = 240


class Filler:
    """Fills schemas from one text.

    Args:
        root: the schema that references are relative to.
        text: where facts and sentences come from, and what choices are made by.
        facts: more text, for facts alone.
        focus: what was asked, for ranking.
        effort: how much to write.
        sparse: leave out or set null what is optional and not in the text (for the arguments of tools).
    """

    def __init__(
        self,
        root: JSONObject,
        text: str,
        *,
        facts: str = "",
        focus: str = "",
        effort: Effort,
        sparse: bool = False,
    ) -> None:
        self._root = root
        self._effort = effort
        self._focus = focus
        self._sparse = sparse
        self._digest = TextDigest(text, focus)
        self._text = f"{text}\n\n{facts}" if facts else text
        self._used: list[str] = []

    def fill(self) -> Any:
        """A value for the root schema.

        Raises:
            Unfillable: the schema admits no value, or only endless ones.
        """
        return self._value("", self._root, 0)

    def _value(self, name: str, wire: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise Unfillable("a schema without end")
        schema = resolve(wire, self._root)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return choose(schema["enum"], str(schema.get("description", "")), self._digest)
        options = branches(schema)
        if len(options) > 1:
            return self._one_of(name, options, depth)
        if options[0] is not schema:
            return self._value(name, options[0], depth + 1)
        return self._plain(name, schema, depth)

    def _plain(self, name: str, schema: JSONObject, depth: int) -> Any:
        match kind_of(schema):
            case "object":
                value: Any = self._object(schema, depth)
            case "array":
                value = self._array(name, schema, depth)
            case "integer" | "number" as kind:
                value = fit_number(self._number(name), schema, whole=kind == "integer")
            case "boolean":
                value = holds(name, self._digest)
            case "null":
                value = None
            case _:
                effort = self._effort
                lengths = {"sentences": effort.sentences, "characters": effort.characters}
                value = write(name, schema, self._digest, self._text, **lengths, used=self._used)
        return value

    def _one_of(self, name: str, options: list[JSONObject], depth: int) -> Any:
        """The alternative that meets the text most and can be filled; null only for facts that are not there."""
        resolved = [resolve(option, self._root) for option in options]
        nullable = any(option.get("type") == "null" for option in resolved)
        solid = [option for option in resolved if option.get("type") != "null"]
        if nullable and (
            depth > _BRIEF_FROM or not solid or (self._optional(solid[0]) and not self._is_in_text(name, solid[0]))
        ):
            return None
        solid.sort(key=lambda option: -len(self._digest.words & set(stems(" ".join(words_of(option))))))
        for option in solid:
            try:
                return self._value(name, option, depth + 1)
            except Unfillable:
                continue
        if nullable:
            return None
        raise Unfillable("no alternative can be filled")

    def _optional(self, schema: JSONObject) -> bool:
        return self._sparse or kind_of(schema) in {"integer", "number", "object", "string"}

    def _is_in_text(self, name: str, schema: JSONObject) -> bool:
        """Whether the text holds what a field asks for; prose can always be taken from it, unless sparse."""
        kind = kind_of(schema)
        if schema.get("enum"):
            return not self._sparse or any(set(stems(str(value))) & self._digest.words for value in schema["enum"])
        if kind in {"integer", "number"}:
            return find_number(name, self._text) is not None
        if kind == "string" and (self._sparse or is_fact(name, schema)):
            return find_text(name, schema, self._text) is not None
        if kind == "object":
            return bool({stem(word) for word in name_words(name)} & self._digest.words)
        return not self._sparse

    def _object(self, schema: JSONObject, depth: int) -> JSONObject:
        required = set(schema.get("required") or ())
        properties = schema.get("properties") or {}
        value: JSONObject = {}
        for name, wire in properties.items():
            if name in required:
                value[name] = self._value(name, wire, depth + 1)
            elif depth <= _BRIEF_FROM and self._wanted(name, wire):
                try:
                    value[name] = self._value(name, wire, depth + 1)
                except Unfillable:
                    continue
        self._further(value, schema, depth)
        return value

    def _wanted(self, name: str, wire: Any) -> bool:
        try:
            return not self._sparse or self._is_in_text(name, resolve(wire, self._root))
        except Unfillable:
            return False

    def _further(self, value: JSONObject, schema: JSONObject, depth: int) -> None:
        """Properties beyond the declared ones: those required, and as many as an open mapping needs."""
        extra = schema.get("additionalProperties", True)
        least = schema.get("minProperties", 0)
        if isinstance(extra, dict) and not schema.get("properties") and depth <= _BRIEF_FROM:
            least = max(least, min(2, schema.get("maxProperties", 2)))
        missing = [name for name in schema.get("required") or () if name not in value]
        names = [*missing, *self._digest.phrases(self._effort.items), *(f"key_{n}" for n in range(1, least + 1))]
        if isinstance(keys := schema.get("propertyNames"), dict):
            names = [*missing, *dict.fromkeys(str(self._value(name, keys, depth + 1)) for name in names)]
        for name in names:
            if name not in value and (name in missing or len(value) < least):
                if extra is False:
                    raise Unfillable("more properties are required than admitted")
                value[name] = self._value(name, extra, depth + 1)

    def _array(self, name: str, schema: JSONObject, depth: int) -> list[Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        if most is not None and most < least:
            raise Unfillable("a list without a length")
        prefix = schema.get("prefixItems") or []
        values = [self._value(name, item, depth + 1) for item in prefix[: len(prefix) if most is None else most]]
        item = schema.get("items", True)
        if item is False or (prefix and "items" not in schema and len(values) >= least):
            return values
        open_end = max(least, 0 if depth > _BRIEF_FROM else self._effort.items)
        count = open_end if most is None else min(open_end, most)
        try:
            plain = simplest(item, self._root)
            values += self._items(name, plain, count - len(values), max(0, least - len(values)), depth)
        except Unfillable:
            if least > len(values):
                raise
        return self._different(values, item, least) if schema.get("uniqueItems") else values

    def _items(self, name: str, item: JSONObject, count: int, least: int, depth: int) -> list[Any]:
        """Up to ``count`` entries and at least ``least``: as many as the text has matter for."""
        if item.get("enum"):
            ranked = rank(item["enum"], str(item.get("description", "")), self._digest)
            mentioned = [value for value in ranked if set(stems(str(value))) & self._digest.words]
            wanted = min(count, max(least, len(mentioned), 1))
            return (ranked * (wanted // len(ranked) + 1))[:wanted]
        kind = kind_of(item) if len(branches(item)) == 1 and "const" not in item else ""
        if kind == "string" and "format" not in item and "pattern" not in item:
            listed = self._digest.items() if set(name_words(name)) & _STATEMENTS else []
            found = (listed or self._strings(name, count))[:count]
            texts = found + [f"{found[0] if found else 'entry'} {n}" for n in range(2, 2 + least - len(found))]
            return [fit(text, item.get("minLength", 0), item.get("maxLength")) for text in texts]
        if kind == "object":
            sources = (self._digest.items() or self._digest.statements())[:count]
            sources += [self._text] * (least - len(sources))
            return [self._part(source, item, depth) for source in sources]
        return [self._value(name, item, depth + 1) for _ in range(max(least, min(count, 1)))]

    def _strings(self, name: str, count: int) -> list[str]:
        if set(name_words(name)) & _STATEMENTS:
            return [fit(text, 0, self._effort.characters) for text in self._digest.best(count)]
        return self._digest.phrases(count)

    def _part(self, source: str, item: JSONObject, depth: int) -> Any:
        """An entry filled from its own part of the text."""
        part = Filler(self._root, source, focus=self._focus, effort=self._effort, sparse=self._sparse)
        return part._value("", item, depth + 1)

    def _different(self, values: list[Any], item: Any, least: int) -> list[Any]:
        """The entries without repetitions, with others in their place where too few are left."""
        kept: list[Any] = []
        for value in values:
            if all(orjson.dumps(value) != orjson.dumps(other) for other in kept):
                kept.append(value)
        schema = simplest(item, self._root) if len(kept) < least else {}
        while len(kept) < least:
            kind = kind_of(schema)
            if kind in {"integer", "number"}:
                kept.append(unlike(kept, schema, whole=kind == "integer"))
            elif kind == "boolean" and len(kept) == 1:
                kept.append(not kept[0])
            elif kind == "string" and "enum" not in schema:
                kept.append(_unlike_text(kept, schema))
            else:
                raise Unfillable("not enough different entries")
        return kept

    def _number(self, name: str) -> float | None:
        found = find_number(name, self._text)
        if found is None and set(name_words(name)) & _COUNTS:
            return float(len(self._digest.items()) or len(self._digest.statements()))
        return found


def _unlike_text(values: list[Any], schema: JSONObject) -> str:
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    for number in range(2, len(values) + 12):
        tail = str(number)
        text = fit(str(values[0]), max(0, low - len(tail)), None if high is None else max(0, high - len(tail))) + tail
        if text not in values and (high is None or len(text) <= high):
            return text
    raise Unfillable("not enough different strings")
