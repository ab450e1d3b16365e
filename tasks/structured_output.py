"""Structured answers: from a Python type to a JSON schema, and from a model's text back to the type."""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pricing import PlanError
from tasks.answer_json import json_of
from tasks.providers.messages import Schema

if TYPE_CHECKING:  # takes longer to load than this package
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

_MOST_FAULTS = 8


class AnswerType(Generic[T]):
    """The type of an answer: ``str`` for plain text, anything else by its JSON schema. Providers take only objects as
    schemas, so other types are wrapped as ``{"value": …}``.

    Providers take only objects as schemas, so other types travel as ``{"value": …}``.
    """

    def __init__(self, returns: type[T]) -> None:
        self.is_text = returns is str
        self.schema: Schema | None = None
        if not self.is_text:
            self._read_type(returns)

    def _read_type(self, returns: type[T]) -> None:
        from pydantic import PydanticUserError, TypeAdapter
        from pydantic.errors import PydanticInvalidForJsonSchema

        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(returns)
            schema = self._adapter.json_schema()
        except (PydanticInvalidForJsonSchema, PydanticUserError, NameError) as error:
            raise PlanError(
                f"An answer cannot be of the type {_name(returns)}: {str(error).splitlines()[0].rstrip('.')}.",
                next_step="Ask for a model, a dataclass, a TypedDict, a collection or a plain value.",
            ) from None
        self._wrapped = schema.get("type") != "object"
        if self._wrapped:
            definitions = schema.pop("$defs", None)
            schema = {"type": "object", "properties": {"value": schema}, "required": ["value"]}
            if definitions:
                schema["$defs"] = definitions
            # Read as JSON like every other answer: in Python's mode a strict model takes no date from a text.
            self._adapter = TypeAdapter(_wrapping(returns))
        self.schema = Schema(_name(returns), schema)

    def parse(self, text: str) -> T:
        """The answer as its type; what models write around JSON is passed over (see ``json_of``).

        Raises:
            InvalidAnswer: it is not that.
        """
        if self.is_text:
            return cast("T", text)
        from pydantic import ValidationError

        raw = json_of(text)
        try:
            found = self._adapter.validate_json(raw)
            return cast("T", found.value if self._wrapped else found)
        except ValidationError as error:
            raise InvalidAnswer(error) from None


def _wrapping(returns: Any) -> Any:
    """The model that wraps a type as ``{"value": …}``."""
    from pydantic import create_model

    return create_model("Wrapped", value=(returns, ...))


def _name(returns: Any) -> str:
    """The schema name that providers receive: the class name, or ``answer``."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", getattr(returns, "__name__", "answer"))[:60]


class InvalidAnswer(Exception):
    """An answer that does not follow its schema. ``faults`` name places and rules, never values."""

    def __init__(self, error: ValidationError) -> None:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        self.faults = [
            f"{'.'.join(str(part) for part in fault['loc']) or 'the answer'}: {fault['type'].replace('_', ' ')}"
            for fault in found[:_MOST_FAULTS]
        ]
        super().__init__("; ".join(self.faults))


class _JsonAnswer(AnswerType[str]):
    """The JSON text of an answer that follows a schema."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(str)
        from pydantic import TypeAdapter

        self.is_text, self.schema = False, schema
        of_any: Any = dict[str, Any] if schema.definition.get("type") == "object" else Any
        self._any: TypeAdapter[Any] = TypeAdapter(of_any)

    def parse(self, text: str) -> str:
        from pydantic import ValidationError

        found = json_of(text)
        try:
            self._any.validate_json(found)
        except ValidationError as error:
            raise InvalidAnswer(error) from None
        return found


def json_answer(schema: Schema) -> AnswerType[str]:
    """The answer type of a schema whose answer stays JSON text, for a caller that validates it."""
    return _JsonAnswer(schema)


def answer_type(returns: type[T]) -> AnswerType[T]:
    """The answer type for a Python type, built once per type."""
    return cast("AnswerType[T]", _made(cast("Hashable", returns)))


@lru_cache(maxsize=256)
def _made(returns: Hashable) -> AnswerType[Any]:
    return AnswerType(cast("type[Any]", returns))
