"""A page that Postgres writes and commits with one statement: one round trip, and all of it or nothing.

It counts on what is nearly always so, such as that a hold covers an attempt. Where that is not so it writes nothing,
and the page is written in a transaction that looks at each entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

MARK_PREFIX = "writer:"
"""Of the keys of marks."""


@dataclass(frozen=True, slots=True)
class PageStatement:
    """A page as one statement, which gives a row if it wrote all of it, and none if it wrote nothing.

    Args:
        text: in it, the row of ``meta`` whose key is ``key`` changes from ``before`` to ``after``, or it fails.
        values: its other parameters.
        results: of each entry, from the row; from ``None`` where there is none any more.
        reread: reads such a row, where that of the statement was lost.
    """

    text: str
    values: Mapping[str, Any]
    results: Callable[[Sequence[Any] | None], list[Any]]
    reread: Callable[[Connection], Sequence[Any] | None]


@dataclass(frozen=True, slots=True)
class PageMark:
    """By which a page is known to be committed whose reply was lost: a row of ``meta``, and its values."""

    key: str
    before: str
    after: str
