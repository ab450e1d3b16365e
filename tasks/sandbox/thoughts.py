"""Thoughts of the sandbox: signed, so that a client that changes one, loses one or invents one is found out."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from tasks.sandbox.tokens import count_tokens

_SEAL: Final = b"farebox sandbox thought"


def thought(request_id: str) -> str:
    """What the sandbox says that it thought; different with every request."""
    return f"[sandbox] Nothing was thought about {request_id}: « no model is here »."


def signature(text: str) -> str:
    """The seal of a thought: base64, with characters that careless clients escape."""
    return base64.b64encode(hashlib.blake2b(text.encode(), key=_SEAL, digest_size=33).digest()).decode()


def sealed(request_id: str) -> str:
    """A thought that only the sandbox can read, with its seal."""
    text = thought(request_id)
    return f"{base64.b64encode(text.encode()).decode()}.{signature(text)}"


def is_genuine(text: object, seal: object) -> bool:
    """Whether a thought is one of the sandbox's, unchanged."""
    return isinstance(text, str) and seal == signature(text)


def is_sealed(value: object) -> bool:
    """Whether a thought that only the sandbox can read is one of its own, unchanged."""
    if not isinstance(value, str):
        return False
    hidden, _, seal = value.partition(".")
    try:
        return is_genuine(base64.b64decode(hidden, validate=True).decode(), seal)
    except ValueError:
        return False


def thought_tokens(request_id: str) -> int:
    """Tokens of a thought, which are output."""
    return count_tokens(thought(request_id))
