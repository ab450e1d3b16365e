"""JSON schemas in the dialect that providers can hold a model to."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from tasks.providers.json_fields import dump, items, obj, objects, text
from tasks.providers.messages import JSONObject, ModelRequest, Schema, Tool

_DROPPED: Final = frozenset({"default", "title", "examples", "discriminator", "$schema", "$id", "$comment"})
_FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
"""The formats of text that every provider knows."""
_UNSUPPORTED: Final = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
)
"""Constraints that not every provider enforces, and some reject: they are described to the model, and the answer is
validated.
"""
ANSWER_TOOL: Final = "structured_answer"
"""The name of the tool that takes an answer; calls of it are read as the answer's text."""
SchemaForm: TypeAlias = Literal["none", "native", "tool", "prompt"]
_NAMED: Final = frozenset({"properties", "$defs", "definitions"})
_VALUES: Final = frozenset({"enum", "const", "required"})
_TYPED: Final = ("type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const")


def strict_schema(definition: JSONObject) -> JSONObject:
    """A JSON schema, as pydantic makes them, in the strict dialect of OpenAI, Anthropic and Bedrock.

    Every property is required and nothing else allowed; ``$defs`` stay; defaults go; constraints become part of the
    description; a ``$ref`` with neighbours, which the dialect does not know, is written out.

    Example:
        >>> strict = strict_schema({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}})
        >>> strict["properties"]["n"], strict["required"]
        ({'type': 'integer', 'description': '(minimum: 1)'}, ['n'])
    """
    return _strict_object(_written_out(definition, definition), definition, frozenset())


def can_be_strict(definition: JSONObject, *, recursion: bool = True) -> bool:
    """Whether the strict dialect can say the same: no object with free keys, no value of any type.

    ``recursion`` tells whether the provider takes a schema that refers to itself; Anthropic's compiler does not.
    """
    return all(_closed(node) for node in _nodes(definition)) and (recursion or not _recursive(definition))


def schema_instruction(schema: Schema) -> str:
    """The instruction for a model that cannot be held to a schema by its provider."""
    return f"Answer with one JSON object and nothing else. It follows this JSON schema:\n{dump(schema.definition)}"


def answer_tool(schema: Schema) -> Tool:
    """The tool that a model has to call with its answer, where its provider takes no schema for answers."""
    return Tool(ANSWER_TOOL, f"Give the final answer ({schema.name}).", schema.definition)


def schema_form(request: ModelRequest, *, native: bool, tool: bool) -> SchemaForm:
    """How a model is held to the schema of a request: the first form that it takes and was not seen to refuse.

    Args:
        request: with the features that the model refuses.
        native: whether it takes this schema for answers.
        tool: whether it can be made to call a tool.
    """
    if request.schema is None:
        return "none"
    if native and "json_schema" not in request.without:
        return "native"
    return "tool" if tool and "forced_tool" not in request.without else "prompt"


def _strict(value: Any, root: JSONObject, opened: frozenset[str] = frozenset()) -> Any:
    """``opened`` holds the references that are being written out: one that comes back inside itself stays one."""
    if isinstance(value, list):
        return [_strict(item, root, opened) for item in value]
    if not isinstance(value, dict):
        return value
    reference = text(value.get("$ref"))
    if reference in opened:
        return {"$ref": reference}
    return _strict_object(_written_out(value, root), root, opened | {reference} if reference else opened)


def _strict_object(node: JSONObject, root: JSONObject, opened: frozenset[str]) -> JSONObject:
    result: JSONObject = {}
    constraints = {key: value for key, value in node.items() if _is_unsupported(key, value)}
    for key, value in node.items():
        if key in _NAMED:
            result[key] = {name: _strict(child, root, opened) for name, child in obj(value).items()}
        elif key in _VALUES:
            result[key] = value
        elif key not in _DROPPED and key not in constraints:
            result["anyOf" if key == "oneOf" else key] = _strict(value, root, opened)
    if constraints:
        said = ", ".join(f"{key}: {dump(value)}" for key, value in constraints.items())
        result["description"] = f"{text(node.get('description'))} ({said})".strip()
    if node.get("type") == "object":
        result["properties"] = result.get("properties", {})
        result["required"] = list(result["properties"])
        result["additionalProperties"] = False
    return result


def _is_unsupported(key: str, value: object) -> bool:
    return key in _UNSUPPORTED or (key == "format" and value not in _FORMATS)


def _written_out(node: JSONObject, root: JSONObject) -> JSONObject:
    """The node with a lone ``allOf``, or a ``$ref`` that has neighbours, replaced by what it stands for."""
    parts = objects(node.get("allOf"))
    if len(parts) == 1:
        node = {**parts[0], **{key: value for key, value in node.items() if key != "allOf"}}
    if "$ref" in node and len(node) > 1:
        node = {**_resolved(text(node["$ref"]), root), **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def _resolved(reference: str, root: JSONObject) -> JSONObject:
    node: object = root
    for part in filter(None, reference.removeprefix("#").split("/")):
        node = obj(node).get(part.replace("~1", "/").replace("~0", "~"))
    return {key: value for key, value in obj(node).items() if key != "$defs"}


def _closed(node: JSONObject) -> bool:
    if node.get("type") == "object":
        return not node.get("additionalProperties") and "properties" in node
    return any(key in node for key in _TYPED) and "prefixItems" not in node


def _nodes(schema: JSONObject) -> list[JSONObject]:
    """The schema and all schemas inside it."""
    inner = [*obj(schema.get("properties")).values(), *obj(schema.get("$defs")).values()]
    inner += [child for key in ("anyOf", "oneOf", "allOf") for child in items(schema.get(key))]
    if schema.get("type") == "array":
        inner.append(schema.get("items", {}))
    return [schema, *(node for child in objects(inner) for node in _nodes(child))]


def _recursive(definition: JSONObject) -> bool:
    """Whether a definition refers to itself, directly or not."""
    reached = {
        f"#/$defs/{name}": {text(node.get("$ref")) for node in _nodes(obj(child))}
        for name, child in obj(definition.get("$defs")).items()
    }
    for _ in reached:  # a path through n definitions has at most n steps
        reached = {name: found.union(*(reached.get(ref, set()) for ref in found)) for name, found in reached.items()}
    return any(name in found for name, found in reached.items())
