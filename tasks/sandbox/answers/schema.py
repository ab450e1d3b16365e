"""Reading JSON schemas: references, combinations and types, down to one plain schema to fill."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from tasks.providers.messages import JSONObject

_HOPS: Final = 32


class Unfillable(Exception):
    """No value can be made for a schema: it admits none, or it refers to what is not there."""


def resolve(schema: Any, root: JSONObject) -> JSONObject:
    """``schema`` with its reference followed and its ``allOf`` merged in; what it says itself comes on top.

    Raises:
        Unfillable: a reference leads nowhere or in a circle, or the schema is ``false``.
    """
    for _ in range(_HOPS):
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            raise Unfillable("a schema that admits nothing")
        if "$ref" in schema:
            own = {key: value for key, value in schema.items() if key != "$ref"}
            schema = merge(follow(schema["$ref"], root), own)
        elif "allOf" in schema:
            merged: JSONObject = {}
            for part in schema["allOf"]:
                merged = merge(merged, resolve(part, root))
            schema = merge(merged, {key: value for key, value in schema.items() if key != "allOf"})
        else:
            return _heeded(schema)
    raise Unfillable("references in a circle")


def _heeded(schema: JSONObject) -> JSONObject:
    """``schema`` with the constraints that its description tells, like ``maxLength: 80``, in force.

    Strict dialects know few keywords, so clients put the others where the model reads them.
    """
    description = schema.get("description")
    if not isinstance(description, str) or ": " not in description:
        return schema
    heeded = dict(schema)
    for found in _BOUNDS.finditer(description):
        try:
            value, end = _DECODER.raw_decode(description, found.end())
        except ValueError:
            continue
        if _KEYWORDS[found[1]](value):
            heeded.setdefault(found[1], value)
            heeded["description"] = heeded["description"].replace(description[found.start() : end], "")
    return heeded


def schema_in(text: str) -> JSONObject | None:
    """The JSON schema that instructions spell out after those words, if they do."""
    announced = text.lower().find("json schema")
    start = text.find("{", announced) if announced >= 0 else -1
    if start < 0:
        return None
    try:
        value, _ = _DECODER.raw_decode(text, start)
        check_schema(value)
    except (ValueError, Unfillable):
        return None
    return value if isinstance(value, dict) and value else None


def follow(reference: Any, root: JSONObject) -> JSONObject:
    """The part of ``root`` that a local reference like ``#/$defs/Item`` names.

    Raises:
        Unfillable: there is no such part.
    """
    found: Any = root
    for step in str(reference).lstrip("#").split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            raise Unfillable(f"reference {reference} leads nowhere")
    if not isinstance(found, dict) or not str(reference).startswith("#"):
        raise Unfillable(f"reference {reference} leads nowhere")
    return found


def merge(base: JSONObject, top: JSONObject) -> JSONObject:
    """Both schemas at once: properties and requirements of both, otherwise what ``top`` says."""
    merged = {**base, **top}
    if "properties" in base and "properties" in top:
        merged["properties"] = {**base["properties"], **top["properties"]}
    if "required" in base and "required" in top:
        merged["required"] = list(dict.fromkeys([*base["required"], *top["required"]]))
    for key, pick in (("minimum", max), ("minLength", max), ("minItems", max), ("maximum", min), ("maxLength", min)):
        if key in base and key in top:
            merged[key] = pick(base[key], top[key])
    return merged


def branches(schema: JSONObject) -> list[JSONObject]:
    """The alternatives of ``anyOf``, ``oneOf`` or a list of types, each with what all of them share.

    One alternative, the schema itself, where it gives no choice.
    """
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            shared = {name: value for name, value in schema.items() if name not in {key, "discriminator", "default"}}
            return [merge(shared, branch) for branch in schema[key] if isinstance(branch, dict)]
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return [{**schema, "type": kind} for kind in kinds]
    return [schema]


def simplest(schema: Any, root: JSONObject) -> JSONObject:
    """``schema`` resolved, and unpacked where it offers a single alternative."""
    plain = resolve(schema, root)
    while len(options := branches(plain)) == 1 and options[0] is not plain:
        plain = resolve(options[0], root)
    return plain


def kind_of(schema: JSONObject) -> str:
    """The JSON type that a schema without alternatives asks for, guessed from its keywords where it names none."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    for keys, guess in (
        (("properties", "required", "additionalProperties"), "object"),
        (("items", "prefixItems", "minItems", "maxItems"), "array"),
        (("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"),
    ):
        if any(key in schema for key in keys):
            return guess
    return "string"


def words_of(schema: JSONObject) -> Iterator[str]:
    """All texts of a schema: titles, descriptions, names of properties, given values."""
    for key in ("title", "description", "const"):
        if isinstance(schema.get(key), str):
            yield schema[key]
    for value in schema.get("enum") or ():
        if isinstance(value, str):
            yield value
    for name, inner in (schema.get("properties") or {}).items():
        yield name
        if isinstance(inner, dict):
            yield from words_of(inner)


def check_schema(schema: Any) -> None:
    """Nothing, if every keyword used here holds what it must hold, at every depth.

    Raises:
        Unfillable: one does not; the message names it.
    """
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise Unfillable(f"a schema must be an object, not {type(schema).__name__}")
    for key, holds in _KEYWORDS.items():
        if key in schema and not holds(schema[key]):
            raise Unfillable(f"'{key}' does not hold what it must")
    for key in ("properties", "$defs", "definitions"):
        for inner in schema.get(key, {}).values():
            check_schema(inner)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for inner in schema.get(key, ()):
            check_schema(inner)
    for key in ("items", "additionalProperties"):
        check_schema(schema.get(key, True))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_some_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


_KEYWORDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("properties", "$defs", "definitions"), lambda value: isinstance(value, dict)),
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "enum"), _is_some_list),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "prefixItems": lambda value: isinstance(value, list),
    "pattern": lambda value: isinstance(value, str),
    "uniqueItems": _is_flag,
    "required": _is_names,
    "type": lambda value: isinstance(value, str) or (_is_names(value) and bool(value)),
}
_DECODER: Final = json.JSONDecoder()
_BOUNDS: Final = re.compile(
    r"\b(minimum|maximum|exclusiveMinimum|exclusiveMaximum|multipleOf|minLength|maxLength|pattern|minItems|maxItems|"
    r"uniqueItems): "
)
