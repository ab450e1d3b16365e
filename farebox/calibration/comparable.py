"""The parts of an answer that can be compared: choices, whole numbers, dates, booleans. Two good texts can differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

_CLOSED_TYPES = frozenset({"boolean", "integer", "null"})
_DEEPEST = 8
_CLOSED_FORMATS = frozenset({"date", "time", "date-time", "uuid"})


class Comparable:
    """The comparable part of answers of one type.

    Args:
        returns: the type that a step returns.
    """

    def __init__(self, returns: Any) -> None:
        self._type: TypeAdapter[Any] = TypeAdapter(returns)
        self._schema = self._type.json_schema(mode="serialization")

    @property
    def any(self) -> bool:
        """Whether answers have such a part."""
        return self._has(self._schema)

    def part(self, answer: Any) -> Any:
        """The comparable part of an answer as JSON; ``None`` if it has none, or no longer fits the type."""
        try:
            self._type.validate_python(answer)
        except ValidationError:
            return None
        return self._part(answer, self._schema)

    def _part(self, value: Any, schema: Mapping[str, Any]) -> Any:
        schema = self._resolved(schema)
        if self._closed(schema):
            return value
        if not isinstance(value, dict):
            return None
        parts = {name: self._part(value.get(name), inner) for name, inner in schema.get("properties", {}).items()}
        return {name: part for name, part in parts.items() if part is not None} or None

    def _has(self, schema: Mapping[str, Any]) -> bool:
        schema = self._resolved(schema)
        return self._closed(schema) or any(map(self._has, schema.get("properties", {}).values()))

    def _closed(self, schema: Mapping[str, Any], depth: int = 0) -> bool:
        schema = self._resolved(schema)
        if depth > _DEEPEST:  # a type may hold itself
            return False
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return all(self._closed(option, depth + 1) for option in options)
        if schema.get("type") == "array":
            return "items" in schema and self._closed(schema["items"], depth + 1)
        closed = schema.get("type") in _CLOSED_TYPES or schema.get("format") in _CLOSED_FORMATS
        return closed or "enum" in schema or "const" in schema

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
        return self._schema["$defs"][name] if name else schema
