"""The documents of a folder: text for people first, code only where there is nothing else.

Hidden files, caches and dependencies are left out, symbolic links are not followed (so nothing outside the folder is
read, and nothing twice), and files that look like keys are never read, since what is read here goes to a model.
"""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from flows.sources.documents import Document
from flows.sources.file_kinds import HTML, KEY_HEAD, LEFT_OUT, kind_of
from flows.sources.files import HEAD_BYTES, MAX_BYTES, read_at_most
from flows.sources.markup import plain_text
from flows.sources.media import pdf_words
from flows.sources.text import clean_line, clean_text, counted, decode

MAX_FILES = 20_000
"""Files looked at in one folder; those nearest its top come first."""

MAX_OTHER_BYTES = 256_000
"""The largest file of an unknown type that is still read as text, in bytes."""

_HEADING = re.compile(r"^(?:#{1,6} +([^\n]+)|([^\n]*[^\W_][^\n]{0,200})\n[=\-~*^\"]{3,} *$)", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FolderContents:
    """The documents read from a folder, how many files were left unread for the limit, and notes for a person."""

    documents: tuple[Document, ...]
    unread: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    name: str  # below the folder, with forward slashes
    size: int
    changed: int | None  # seconds since 1970

    @property
    def rank(self) -> tuple[bool, int, str]:
        """The folder's README first, then the newest, then by name."""
        is_readme = "/" not in self.name and self.name.lower().partition(".")[0] == "readme"
        return (not is_readme, -(self.changed if self.changed is not None else -(2**62)), self.name)


@dataclass(slots=True)
class _Found:
    prose: list[_File] = field(default_factory=list)
    other: list[_File] = field(default_factory=list)
    code: list[_File] = field(default_factory=list)
    large: int = 0
    binary: int = 0
    secret: int = 0
    links: int = 0
    closed: int = 0
    seen: int = 0

    def notes(self) -> tuple[str, ...]:
        notes = (
            (self.binary, f"Skipped {counted(self.binary, 'binary file')}."),
            (self.large, f"Skipped {counted(self.large, 'file')} larger than {MAX_BYTES // 1_000_000} MB."),
            (self.secret, f"Left out {counted(self.secret, 'file')} that may hold keys or passwords."),
            (self.links, f"Did not follow {counted(self.links, 'symbolic link')}."),
            (self.closed, f"Could not open {counted(self.closed, 'file or folder', 'files or folders')}."),
            (self.seen >= MAX_FILES, f"Looked at the first {MAX_FILES:,} files only."),
        )
        return tuple(note for number, note in notes if number)


def read_folder(
    root: str, *, limit: int, listed: Mapping[str, int | None] | None = None, code: bool = False
) -> FolderContents:
    """The best ``limit`` documents of a folder: its README, then the newest.

    Args:
        root: the folder's real path.
        limit: how many documents to return at most.
        listed: where given, only these files count (names below ``root`` with forward slashes). Each has the time of
            its last change in seconds since 1970, ``None`` where that is unknown, -1 to take it from the file system.
        code: read programs, settings and data instead of text for people.

    Raises:
        OSError: ``root`` itself cannot be listed.
    """
    found = _walk(root, listed)
    documents: list[Document] = []
    unread = 0
    for group in (found.code,) if code else (found.prose, found.other):
        for file in sorted(group, key=lambda file: file.rank):
            if len(documents) == limit:
                unread += 1
            elif (document := _read(file, found)) is not None:
                documents.append(document)
    return FolderContents(tuple(documents), unread, found.notes())


def titled(name: str, text: str) -> str:
    """A document's title: the first heading near the top of a text for people, else the file's name."""
    match = _HEADING.search(_FRONT_MATTER.sub("", text[:2_000])) if kind_of(name) == "prose" else None
    heading = clean_line(match[1] or match[2]).rstrip("# ") if match else ""
    return heading or clean_line(PurePosixPath(name).name)


def readable(data: bytes, name: str, *, whole: bool) -> str | None:
    """The text of a file's bytes (of HTML its words), ``None`` where it is binary."""
    text = decode(data, whole=whole)
    if text is None:
        return None
    return clean_text(plain_text(text) if PurePosixPath(name.lower()).suffix in HTML else text)


def moment(seconds: int | None) -> datetime | None:
    """Seconds since 1970 as a time in UTC; ``None`` where there is none or it is beyond the calendar."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _read(file: _File, found: _Found) -> Document | None:
    try:
        if kind_of(file.name) == "pdf":
            text = pdf_words(file.path)
        else:
            data = read_at_most(file.path, HEAD_BYTES, follow=False)
            text = readable(data, file.name, whole=len(data) < HEAD_BYTES)
    except OSError:
        found.closed += 1
        return None
    if text is None:
        found.binary += 1
        return None
    if text.startswith(KEY_HEAD):
        found.secret += 1
        return None
    if not text:
        return None
    return Document(titled(file.name, text), text, clean_line(file.name), moment(file.changed), "document")


def _walk(root: str, listed: Mapping[str, int | None] | None) -> _Found:
    """Every file worth a look, nearest to the top first."""
    found = _Found()
    folders = None if listed is None else _parents(listed)
    waiting = deque([""])
    while waiting and found.seen < MAX_FILES:
        below = waiting.popleft()
        try:
            with os.scandir(Path(root, below)) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            if not below:
                raise
            found.closed += 1
            continue
        for entry in ordered:
            name = f"{below}/{entry.name}" if below else entry.name
            if entry.name.startswith(".") or (
                listed is not None and name not in listed and name not in (folders or ())
            ):
                continue
            _sort_in(entry, name, found, waiting, listed)
    return found


def _parents(names: Mapping[str, int | None]) -> frozenset[str]:
    return frozenset(str(parent) for name in names for parent in PurePosixPath(name).parents)


def _sort_in(
    entry: os.DirEntry[str], name: str, found: _Found, waiting: deque[str], listed: Mapping[str, int | None] | None
) -> None:
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        found.closed += 1
        return
    if stat.S_ISLNK(facts.st_mode):
        found.links += 1
    elif stat.S_ISDIR(facts.st_mode):
        if entry.name not in LEFT_OUT:
            waiting.append(name)
    elif stat.S_ISREG(facts.st_mode) and found.seen < MAX_FILES:
        found.seen += 1
        known = -1 if listed is None else listed.get(name)
        changed = int(facts.st_mtime) if known == -1 else known
        _group(_File(entry.path, name, facts.st_size, changed), found)


def _group(file: _File, found: _Found) -> None:
    kind = kind_of(file.name)
    if kind == "secret":
        found.secret += 1
    elif kind == "binary":
        found.binary += 1
    elif file.size > MAX_BYTES:
        found.large += 1
    elif kind in {"prose", "pdf"}:
        found.prose.append(file)
    elif kind == "code":
        found.code.append(file)
    elif file.size <= MAX_OTHER_BYTES:
        found.other.append(file)
