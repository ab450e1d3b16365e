"""Where OpenAI's APIs say that what is cached ends: breakpoints on parts of content, from the 5.6 models on.

Without ``prompt_cache_options`` of mode ``explicit`` there is one more, at the end of the newest message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from tasks.providers.messages import JSONObject
from tasks.sandbox.cache import rules_of
from tasks.sandbox.protocol import BadRequest, Lifetime, PromptSegment, Provider

_BREAKPOINT: Final = "prompt_cache_breakpoint"
_OPTIONS: Final = "prompt_cache_options"
_LIFETIME: Final[Lifetime] = "30m"
_MOST: Final = 4


def marked_segments(
    provider: Provider, model: str, body: JSONObject, messages: Sequence[tuple[Any, str]]
) -> list[PromptSegment]:
    """The messages' segments, marked where what is cached ends.

    Args:
        provider: whose model it is.
        model: the model asked for.
        body: of the request.
        messages: the content of each, and what is counted beside it.

    Raises:
        BadRequest: the model takes no breakpoints, or not so many.
    """
    segments = [segment for content, more in messages for segment in _segments(content, more)]
    marks = sum(segment.cache is not None for segment in segments)
    if not rules_of(provider, model).marks:
        for name, sent in ((_OPTIONS, _OPTIONS in body), (_BREAKPOINT, marks > 0)):
            if sent:
                raise BadRequest(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
        return segments
    options = body.get(_OPTIONS, {})
    mode = options.get("mode", "implicit") if isinstance(options, dict) else None
    if mode not in {"implicit", "explicit"}:
        raise BadRequest(f"Invalid value: {mode!r}.", param=f"{_OPTIONS}.mode", code="invalid_value")
    if marks > _MOST:
        raise BadRequest(f"At most {_MOST} cache breakpoints may be provided. Found {marks}.", param=_BREAKPOINT)
    if mode == "implicit" and segments:
        segments[-1] = replace(segments[-1], cache=_LIFETIME)
    return segments


def _segments(content: Any, more: str) -> Iterator[PromptSegment]:
    if isinstance(content, list):
        for block in content:
            if isinstance(block, dict):
                text = block.get("text")
                yield PromptSegment(text if isinstance(text, str) else "", _LIFETIME if _BREAKPOINT in block else None)
    elif isinstance(content, str):
        yield PromptSegment(content)
    if more:
        yield PromptSegment(more)
