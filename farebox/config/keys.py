"""Keys: the place where a key was found, which may be shown, and a function that loads it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pricing import ConfigError
from tasks.routing import Credential

_LONGEST = 16_384
_USABLE = re.compile(r"[!-~]+")
"""A valid header value: printable ASCII without spaces."""


@dataclass(frozen=True, slots=True)
class Key:
    """The place of a target's key.

    Args:
        place: for people, such as ``environment variable GROQ_API_KEY``; never the key.
        load: returns the key; may take a while and raise ``ConfigError`` if ``late``.
        late: the key is in another service (Prefect, AWS) and is loaded with the first request only.
    """

    place: str
    load: Callable[[], Credential] = field(repr=False)
    late: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no key; ``tried`` lists every place that was searched."""

    tried: tuple[str, ...]


def from_variable(name: str) -> Key | None:
    """The key in an environment variable; ``None`` if it is not set or empty."""
    found = os.environ.get(name, "").strip()
    if not found:
        return None
    place = f"environment variable {name}"
    credential = Credential(key=usable(found, place))
    return Key(place, lambda: credential)


def from_file(path: Path, named_by: str) -> Key:
    """The key in a file, as Docker and Kubernetes mount secrets: only the key and an optional line end.

    Raises:
        ConfigError: it cannot be read, or contains no key.
    """
    place = f"file {path} (named by {named_by})"
    try:
        with path.open("rb") as file:
            found = file.read(_LONGEST + 1)
    except OSError as error:
        raise ConfigError(
            f"The key {place} cannot be read ({error.strerror}).",
            next_step=f"Put the key there and make it readable, or unset {named_by}.",
        ) from None
    text = found.decode("ascii", errors="replace").strip() if len(found) <= _LONGEST else ""
    credential = Credential(key=usable(text, place))
    return Key(place, lambda: credential)


def usable(key: str, place: str) -> str:
    """The key, validated for use in a header.

    Raises:
        ConfigError: it is empty, or has characters that are not valid in a header. The message does not contain it.
    """
    if not _USABLE.fullmatch(key):
        fault = "holds no key" if not key else "has spaces, line breaks or other characters that no key has"
        raise ConfigError(f"The {place} {fault}.", next_step="Put the key there, alone and on one line.")
    return key
