"""What an automation reads: documents, and the collection they came in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

DocumentKind: TypeAlias = Literal["commit", "document", "entry"]


@dataclass(frozen=True, slots=True)
class Document:
    """One thing to read.

    Attributes:
        title: one printable line.
        text: at most :data:`flows.sources.text.MAX_CHARACTERS` characters; never empty.
        origin: where it came from, to show: a commit's short id, a path inside the folder, an entry's address.
        when: when it was committed, changed or published (UTC), if that is known.
        kind: ``commit`` (one, or a day of them), ``document`` (a file) or ``entry`` (of a feed).
    """

    title: str
    text: str
    origin: str
    when: datetime | None
    kind: DocumentKind


@dataclass(frozen=True, slots=True)
class Collection:
    """What a source gave: its documents in reading order, and in ``notes`` what a person should know about them."""

    documents: tuple[Document, ...]
    notes: tuple[str, ...]
    origin: str
