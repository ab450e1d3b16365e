"""Features that a model turned out to refuse: read from a 400, remembered, and left out from then on.

What models take changes faster than any list of it. A request that fails for one feature is sent once more without,
in the next form: a schema by the API, by a tool that has to be called, by the prompt. Only what does not change the
meaning of a request is left out: answers are validated anyway, and sampling is best effort.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from tasks.providers.json_fields import dump, items, obj, objects, text
from tasks.providers.lazy_pattern import LazyPattern

if TYPE_CHECKING:
    from tasks.providers.messages import JSONObject, ModelRequest, Schema
    from tasks.routing.target import Target

THIS_SCHEMA: Final = "this schema"
"""In a failure: not schemas as such, but the one of the request is refused."""
_LONGEST: Final = 400
"""Characters of a message that are read: what is refused stands at its beginning."""
_REFUSING: Final = LazyPattern(
    r"not (?:be )?(?:support|permit|allow|compatib|enabled|available|recogni)|n't support|unsupported|unknown|unrecogni"
    r"|unexpected|deprecated|unavailable|incompatible|too complex|too large|too many|invalid schema|may not|cannot"
    r"|only |budget -?\d+ is invalid",
    re.IGNORECASE,
)
_OTHER_API: Final = LazyPattern(r"/v1/responses|only supported in (?:the )?responses", re.IGNORECASE)
"""``chat`` stands for Chat Completions itself: the model is to be asked by the Responses API."""
_ITSELF: Final = LazyPattern(
    r"schema[^.]{0,80}(?:too complex|too many|too large)|grammar is too large|too many (?:optional|properties|states)"
    r"|invalid schema|circular|recursi",
    re.IGNORECASE,
)
_NAMES: Final[Mapping[str, LazyPattern]] = {
    feature: LazyPattern(rf"(?<![a-z])(?:{pattern})", re.IGNORECASE)
    for feature, pattern in {
        "json_schema": r"response_?formats?\b|json_?schema|output_?config(?!\.effort)|text_?format|structured.?outputs?"
        r"|response_?(?:json_?)?schema|response.?mime.?type|guided_json|grammar|schema",
        "json_object": r"response_?formats?\b|json_?object|response.?mime.?type",
        "forced_tool": r"tool_?choice|tool_?config|tool use|tools?\b|function call",
        "strict": r"strict",
        "temperature": r"temperature",
        "top_p": r"top_?p\b",
        "seed": r"(?:random_?)?seed",
        "parallel_tool_calls": r"parallel_?tool_?calls|disable_parallel_tool_use",
        "prompt_cache_key": r"prompt_?cache_?key",
        "prompt_cache_breakpoint": r"prompt_?cache_?(?:breakpoint|options)",
        "cache_control": r"cache_?(?:control|point)|prompt caching",
        "stream_options": r"stream_?options",
        "max_tokens": r"max_(?:completion_)?tokens",
        "reasoning": r"reasoning(?:_?(?:effort|format|config))?\b|output_?config\.effort|chat_template_kwargs"
        r"|thinking(?:_?(?:config|level|budget))?\b(?! mode does not support this tool_choice)",
    }.items()
}
_USES: Final[Mapping[str, Callable[[ModelRequest], bool]]] = {
    "json_schema": lambda request: request.schema is not None,
    "json_object": lambda request: request.schema is not None,
    "forced_tool": lambda request: request.schema is not None or request.options.derived,
    "strict": lambda request: request.schema is not None or any(tool.strict for tool in request.tools),
    "temperature": lambda request: request.temperature is not None,
    "top_p": lambda request: request.options.top_p is not None,
    "seed": lambda request: request.options.seed is not None,
    "parallel_tool_calls": lambda request: request.options.parallel_tool_calls is not None,
    "prompt_cache_key": lambda request: request.cache,
    "prompt_cache_breakpoint": lambda request: request.cache,
    "cache_control": lambda request: request.cache,
}
_EXTRA: Final = LazyPattern(r"_forbidden$|^unknown_|^unsupported_")


def refused_by(error: JSONObject, reply: JSONObject, message: str) -> tuple[str, ...]:
    """The features that an error may be about, the likeliest first; empty where it names none.

    ``chat`` stands for an API as a whole: the model is to be asked by ``/v1/responses``.

    Args:
        error: the provider's error object.
        reply: the whole reply, in which FastAPI's servers tell the place of what they refuse.
        message: the error's own message.
    """
    begin = message[:_LONGEST]
    if _OTHER_API.search(begin):
        return ("chat",)
    places = list(_places(error, reply))
    if not places and not _REFUSING.search(begin):
        return ()
    named = [name for name, pattern in _NAMES.items() if any(pattern.search(place) for place in places)]
    named += [name for name, pattern in _NAMES.items() if name not in named and pattern.search(begin)]
    if "json_schema" in named and _ITSELF.search(begin):
        named.insert(0, THIS_SCHEMA)
    return tuple(named)


def _places(error: JSONObject, reply: JSONObject) -> Iterator[str]:
    code = text(error.get("code")) or text(error.get("type"))
    if text(error.get("param")) and (_EXTRA.search(code) or _REFUSING.search(text(error.get("message"))[:_LONGEST])):
        yield text(error["param"])
    for detail in objects(reply.get("detail")):
        if _EXTRA.search(text(detail.get("type"))) or _REFUSING.search(text(detail.get("msg"))):
            yield ".".join(str(place) for place in items(detail.get("loc")))
    for detail in objects(error.get("details")):
        for violation in objects(detail.get("fieldViolations")):
            if _REFUSING.search(text(obj(violation).get("description"))):
                yield text(violation.get("description"))[:_LONGEST]


class RefusedFeatures:
    """The features that models were seen to refuse, by target address and model; kept for the life of the process."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str, str], frozenset[str]] = {}
        self._schemas: set[tuple[tuple[str, str, str], str, int]] = set()

    def of(self, target: Target, schema: Schema | None) -> frozenset[str]:
        """The features that a request to a target must omit."""
        if not self._models and not self._schemas:
            return _NONE
        model = _model(target)
        found = self._models.get(model, _NONE)
        if schema is not None and self._schemas and (model, *_identity(schema)) in self._schemas:
            return found | {"json_schema"}
        return found

    def learn(self, target: Target, request: ModelRequest, refused: tuple[str, ...]) -> str | None:
        """Store the first of these features that the request used and that was not known; returns it, or None."""
        known = self.of(target, request.schema)
        for feature in refused:
            used = _USES.get(feature)
            if feature == THIS_SCHEMA:
                if request.schema is not None and "json_schema" not in known:
                    self._schemas.add((_model(target), *_identity(request.schema)))
                    return "json_schema"
            elif feature not in known and (used is None or used(request)):
                self._models[_model(target)] = self._models.get(_model(target), _NONE) | {feature}
                return feature
        return None


_NONE: Final[frozenset[str]] = frozenset()


def _model(target: Target) -> tuple[str, str, str]:
    return target.provider, target.base_url, target.model


def _identity(schema: Schema) -> tuple[str, int]:
    return schema.name, hash(dump(schema.definition))
