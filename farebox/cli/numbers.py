"""Whole numbers on the command line: fractions are refused, not rounded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from cyclopts import Parameter, Token

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def _whole(kind: Any, tokens: Sequence[Token]) -> Any:
    """The number, or all of them where several are taken."""
    for token in tokens:
        if not _WHOLE.fullmatch(token.value):
            raise ValueError(f"{token.value[:40]!r} is not a whole number.")
    found = tuple(int(token.value) for token in tokens)
    return found if getattr(kind, "__origin__", kind) is tuple else found[0]


WHOLE = Parameter(converter=_whole)
"""In an ``Annotated[int, WHOLE, …]``."""
