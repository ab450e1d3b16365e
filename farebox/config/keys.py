"""What a key is to us: the place it was found at, which may be told, and a way to get it, which may not."""

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
"""What fits in a header: printable ASCII without spaces."""


@dataclass(frozen=True, slots=True)
class Key:
    """Where the key of a target is.

    Args:
        place: for people, such as ``environment variable GROQ_API_KEY``; never the key.
        load: gets it; may take a while and raise ``ConfigError`` where ``late``.
        late: it is with somebody else (Prefect, AWS), and asked for with the first request only.
    """

    place: str
    load: Callable[[], Credential] = field(repr=False)
    late: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no key; ``tried`` tells every place that was looked at."""

    tried: tuple[str, ...]


def from_variable(name: str) -> Key | None:
    """The key in an environment variable; ``None`` where it is not set, or empty."""
    found = os.environ.get(name, "").strip()
    if not found:
        return None
    place = f"environment variable {name}"
    credential = Credential(key=usable(found, place))
    return Key(place, lambda: credential)


def from_file(path: Path, named_by: str) -> Key:
    """The key in a file, as Docker and Kubernetes mount secrets: nothing but the key and perhaps a line's end.

    Raises:
        ConfigError: it cannot be read, or there is no key in it.
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
    """The key, if it can be sent.

    Raises:
        ConfigError: it is empty, or has characters that no header takes. It is not repeated.
    """
    if not _USABLE.fullmatch(key):
        fault = "holds no key" if not key else "holds something else than a key (spaces, line breaks or odd characters)"
        raise ConfigError(f"The {place} {fault}.", next_step="Put the key there, alone and on one line.")
    return key
