"""Additions of a target to its requests: headers, and fields of the body."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pricing import ConfigError

_FROM_ENVIRONMENT: Final = "env:"
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE: Final = re.compile(r"[\t -~]{0,8192}")
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_SECRETIVE: Final = re.compile("key|secret|token|passw|credential|auth|cookie|signature", re.IGNORECASE)
_CREDENTIAL: Final = re.compile(r"\s*(?:bearer|basic|digest|apikey)\s+\S", re.IGNORECASE)
_SECRETIVE_FIELD: Final = re.compile("key|secret|passw|credential|authorization", re.IGNORECASE)
_OURS: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"}
)
_FIELDS: Final = frozenset({"model", "messages", "contents", "input", "stream", "system", "tools"})


def checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers that a target declares, validated.

    Raises:
        ValueError: one has no valid name or value, is set by Farebox itself, or would store a secret in plain text.
    """
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:40]!r} is not the name of a header")
        if name.lower() in _OURS:
            raise ValueError(f"the header {name} is set for every request; leave it out")
        variable = value.removeprefix(_FROM_ENVIRONMENT)
        if value.startswith(_FROM_ENVIRONMENT):
            if not _VARIABLE.fullmatch(variable):
                raise ValueError(f"the header {name} takes env: and the name of an environment variable")
        elif _SECRETIVE.search(name) or _CREDENTIAL.match(value):
            raise ValueError(f'the header {name} would store a key in plain text; write {name} = "env:VARIABLE"')
        elif not _VALUE.fullmatch(value):
            raise ValueError(f"the value of the header {name} is not printable ASCII on one line")
    return headers


def checked_body(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body fields that a target declares, validated.

    Raises:
        ValueError: a field is set by Farebox itself; or, at any depth, a name implies that its value is a secret in
            plain text, or a text has the form of a credential.
    """
    for name in body:
        if name in _FIELDS:
            raise ValueError(f"the field {name} is set by each request; leave it out of extra_body")
    for name, value in _texts(body):
        secretive = _SECRETIVE_FIELD.search(name) is not None and not name.endswith("cache_key")
        if secretive or _CREDENTIAL.match(value):
            raise ValueError(f"the field {name[:80]} would store a key; send it as a header with env:VARIABLE")
    return body


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Each text or number in a value, with the names of its enclosing fields."""
    if isinstance(value, Mapping):
        for inner_name, inner in value.items():
            yield from _texts(inner, f"{name}.{inner_name}" if name else str(inner_name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, name)
    elif value is not None and not isinstance(value, bool):
        yield name, str(value)


def resolved_headers(headers: Mapping[str, str], target: str) -> dict[str, str]:
    """The headers, with values from the environment filled in.

    Raises:
        ConfigError: a variable is not set, or its value is not valid in a header.
    """
    found = {}
    for name, value in headers.items():
        if value.startswith(_FROM_ENVIRONMENT):
            variable = value.removeprefix(_FROM_ENVIRONMENT)
            value = os.environ.get(variable, "").strip()  # noqa: PLW2901
            if not value or not _VALUE.fullmatch(value):
                why = "holds no printable ASCII on one line" if value else "is not set"
                raise ConfigError(
                    f"The target {target!r} takes its header {name} from {variable}, which {why}.",
                    next_step=f"Set {variable}, or take {name} out of extra_headers.",
                    target=target,
                )
        found[name] = value
    return found
