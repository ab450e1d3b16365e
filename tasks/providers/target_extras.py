"""Requests with what their target adds: headers, fields of the body, and its server's certificates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.providers.json_fields import encode
from tasks.providers.messages import HttpRequest, JSONObject
from tasks.routing.target import Target


def request_to(target: Target, url: str, headers: Mapping[str, str], body: JSONObject) -> HttpRequest:
    """The complete request to a target."""
    return posted(target, url, headers, encode(merged(body, target.extra_body) if target.extra_body else body))


def posted(target: Target, url: str, headers: Mapping[str, str], body: bytes) -> HttpRequest:
    """The request to a target with a body that is written already, and perhaps signed; extra headers are unsigned."""
    whole = {**headers, **target.extra_headers} if target.extra_headers else headers
    return HttpRequest(url, whole, body, ca_file=target.ca_file)


def merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> JSONObject:
    """A body with further fields; objects are merged at every depth, and any other value is replaced.

    Example:
        >>> merged({"config": {"a": 1}}, {"config": {"b": 2}, "top": 3})
        {'config': {'a': 1, 'b': 2}, 'top': 3}
    """
    result = dict(body)
    for name, value in extra.items():
        held = result.get(name)
        result[name] = merged(held, value) if isinstance(held, dict) and isinstance(value, Mapping) else value
    return result
