"""Which of our parameters a 400 is about: those that a request can do without."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tasks.providers.json_fields import obj, text
from tasks.providers.messages import JSONObject

_NAMES: Final[Mapping[str, str]] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "topP": "top_p",
    "reasoning_effort": "reasoning",
    "reasoning_format": "reasoning",
    "reasoning_config": "reasoning",
    "reasoningConfig": "reasoning",
    "reasoning": "reasoning",
    "Reasoning": "reasoning",
    "thinking": "reasoning",
    "thinking_config": "reasoning",
    "output_config.effort": "reasoning",
    "chat_template_kwargs": "reasoning",
    "tool_choice": "forced_tool",
}
"""Names on the wire, and what a request is called to be without them."""
_BEGINNING: Final = 300
"""Characters of a message: what names a parameter does it early, and what quotes the request does it late."""
_NAMED: Final = re.compile(
    r"(?<![\w.])(" + "|".join(re.escape(name) for name in sorted(_NAMES, key=len, reverse=True)) + r")(?![\w])"
)
_REFUSES: Final = re.compile(
    r"(?i)unsupported|not support|does ?n.t support|deprecated|not allowed|not permitted|unknown|unrecognized|"
    r"unexpected|extra inputs|may only be set|must be|cannot be|only the default|invalid|not available|no longer"
)
_OTHER_API: Final = re.compile(r"(?i)/v1/responses|only supported in (?:the )?responses")
_BAD_REQUEST: Final = frozenset({400, 422})


def refused_parameter(status: int, reply: JSONObject) -> str | None:
    """The parameter that a model refuses, by the name that ``ModelRequest.without`` has for it.

    ``chat`` stands for the API itself: the model is to be asked by ``/v1/responses``.

    Example:
        >>> told = "Unsupported value: 'temperature' does not support 0 with this model."
        >>> refused_parameter(400, {"error": {"message": told, "param": "temperature"}})
        'temperature'
    """
    if status not in _BAD_REQUEST:
        return None
    error = obj(reply.get("error")) or reply
    message = text(error.get("message"))[:_BEGINNING]
    if _OTHER_API.search(message):
        return "chat"
    if not _REFUSES.search(message):
        return None
    named = _NAMES.get(text(error.get("param")).partition("[")[0])
    if named is None and (found := _NAMED.search(message)) is not None:
        named = _NAMES[found[1]]
    return named
