"""What of a request the guards look at, and how what they took out of it comes back into the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from guardrails.vault import Vault
from tasks.structured import bare_json
from tasks.targets import Target
from tasks.wire import ModelRequest, ToolCall


def texts_of(request: ModelRequest) -> tuple[str, ...]:
    """Every text of a request that may hold content: system, messages, and each text in the calls of tools."""
    texts = [request.system]
    for message in request.messages:
        texts.append(message.text)
        for call in message.tool_calls:
            _mapped(_parsed(call.arguments), lambda text: texts.append(text) or text)  # type: ignore[func-returns-value]
    return tuple(texts)


def with_texts(request: ModelRequest, texts: tuple[str, ...]) -> ModelRequest:
    """The request with other texts, in the order of :func:`texts_of`."""
    given = iter(texts)
    system = next(given)
    messages = [
        replace(message, text=next(given), tool_calls=tuple(_call(call, given) for call in message.tool_calls))
        for message in request.messages
    ]
    return replace(request, system=system, messages=messages)


def restored_json(vault: Vault, text: str) -> str:
    """JSON with the values back in every string of it; what is no JSON stays as it is, and fails where it is read."""
    value = _parsed(bare_json(text))
    return text if isinstance(value, _Unparsed) else json.dumps(vault.restore_json(value), ensure_ascii=False)


def is_external(target: Target) -> bool:
    """Whether what is sent there leaves the own network. A stand-in counts as what it stands in for."""
    return target.stand_in or _is_outside(target.base_url)


@lru_cache(maxsize=256)
def _is_outside(base_url: str) -> bool:
    host = urlsplit(base_url).hostname
    if host is None:
        return True
    try:
        return not ip_address(host).is_private
    except ValueError:
        return not (host == "localhost" or host.endswith((".localhost", ".local", ".internal")) or "." not in host)


class _Unparsed(str):
    """Text that should be JSON and is not."""

    __slots__ = ()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _Unparsed(text)


def _call(call: ToolCall, given: Iterator[str]) -> ToolCall:
    value = _parsed(call.arguments)
    if isinstance(value, _Unparsed):
        return replace(call, arguments=next(given))
    return replace(call, arguments=json.dumps(_mapped(value, lambda _: next(given)), ensure_ascii=False))


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with each of its strings changed; keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mapped(inner, change) for inner in value]
    return value
