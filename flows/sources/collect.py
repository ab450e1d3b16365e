"""From whatever a person names as a source to documents: one door for folders, repositories, files and feeds."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flows.sources.documents import Collection, Document
from flows.sources.feed import SUFFIXES, looks_like_feed, parse_feed, public_address
from flows.sources.file_kinds import HTML, PDF
from flows.sources.files import HEAD_BYTES, MAX_BYTES, NotRegular, read_at_most
from flows.sources.folder import FolderContents, moment, read_folder, readable, titled
from flows.sources.git import NoGit, Repository, history, listed_files, open_repository
from flows.sources.media import pdf_words
from flows.sources.text import MAX_CHARACTERS, clean_line, clean_text, counted, cut
from pricing import FareboxError, SourceError

_ADDRESS = re.compile(r"https?:/+(?=[^/])", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_ACCEPTED = "Name a folder, a git repository, a text file, or the file or address of an RSS or Atom feed."


@dataclass(frozen=True, slots=True)
class _Gathered:
    documents: Sequence[Document]
    notes: Sequence[str]


def collect(source: str | Path, *, limit: int = 12, fetch: Callable[[str], bytes] | None = None) -> Collection:
    """At most ``limit`` documents from a source, in an order that depends on nothing but the source.

    A web address is a feed. A folder in a git repository gives recent commits, then documents (about a third); any
    other folder its documents, README first, then the newest. A file is a feed or a single document.

    Args:
        source: path (``~`` is the home folder) or web address.
        limit: how many documents at most; at least 1.
        fetch: gets the bytes behind a web address; without it addresses are refused.

    Raises:
        SourceError: the source is missing, closed, too large, binary, empty or no feed; the message says which.
    """
    if limit < 1:
        raise SourceError("The number of items to collect must be at least 1.", next_step="Leave it out for 12.")
    named = str(source).strip()
    if not named:
        raise SourceError("The source is empty.", next_step=_ACCEPTED)
    if _ADDRESS.match(named):
        # A Path has folded the two slashes into one.
        address = _ADDRESS.sub(lambda match: match[0].rstrip("/").lower() + "//", named, count=1)
        origin = public_address(address, query=False) or "the address"
        return _finished(_from_address(address, origin, limit, fetch), origin)
    if _OTHER_SCHEME.match(named):
        raise SourceError("Only http and https addresses can be read.", next_step=_ACCEPTED)
    origin = clean_line(named)
    return _finished(_from_path(named, origin, limit), origin)


def count_documents(source: str | Path, limit: int = 12) -> int:
    """How many documents :func:`collect` would return.

    A web address is not fetched for it: there ``limit`` is returned, which the feed may stay below.

    Raises:
        SourceError: as :func:`collect`, but for what only fetching would show.
    """
    if _ADDRESS.match(str(source).strip()) and limit >= 1:
        return limit
    return len(collect(source, limit=limit).documents)


def _finished(gathered: _Gathered, origin: str) -> Collection:
    """Every document cleaned and cut, however it was come by."""
    documents: list[Document] = []
    long = 0
    for document in gathered.documents:
        title, text = clean_line(document.title), clean_text(document.text)
        long += len(text) > MAX_CHARACTERS
        documents.append(
            replace(document, title=title or "Untitled", text=cut(text) or title, origin=clean_line(document.origin))
        )
    notes = [clean_line(note, 400) for note in gathered.notes]
    if long:
        notes.append(f"Cut {counted(long, 'long text')} to {MAX_CHARACTERS:,} characters.")
    return Collection(tuple(documents), tuple(notes), origin)


def _from_address(address: str, origin: str, limit: int, fetch: Callable[[str], bytes] | None) -> _Gathered:
    if fetch is None:
        raise SourceError(
            f"{origin} is a web address, and nothing that could fetch it was given.",
            next_step="Save the feed to a file and name that.",
        )
    try:
        data = fetch(address)
    except FareboxError:
        raise
    except Exception as error:
        raise SourceError(
            f"{origin} could not be fetched ({type(error).__name__}).",
            next_step="Check the address and the network, or save the feed to a file and name that.",
        ) from error
    if len(data) > MAX_BYTES:
        raise _too_large(origin, len(data))
    return _from_feed(data, origin, limit)


def _from_feed(data: bytes, origin: str, limit: int) -> _Gathered:
    feed = parse_feed(data, name=origin, limit=limit)
    notes = []
    if feed.empty:
        notes.append(f"Skipped {counted(feed.empty, 'entry', 'entries')} without title and text.")
    if feed.older:
        notes.append(
            f"Cut to the newest {counted(len(feed.entries), 'entry', 'entries')} of {feed.older + len(feed.entries):,}."
        )
    return _Gathered(feed.entries, notes)


def _from_path(named: str, origin: str, limit: int) -> _Gathered:
    try:
        path, facts = _resolved(named, origin)
        if stat.S_ISDIR(facts.st_mode):
            return _from_folder(path, origin, limit)
        if not stat.S_ISREG(facts.st_mode):
            raise NotRegular
        return _from_file(path, facts, origin, limit)
    except FileNotFoundError:
        raise SourceError(f"There is no {origin}.", next_step=f"Check the spelling. {_ACCEPTED}") from None
    except PermissionError:
        raise SourceError(
            f"{origin} may not be read by this user.", next_step="Change its permissions, or name another source."
        ) from None
    except NotRegular:
        raise SourceError(f"{origin} is neither a file nor a folder.", next_step=_ACCEPTED) from None
    except OSError as error:
        reason = clean_line(error.strerror or type(error).__name__)
        raise SourceError(f"{origin} cannot be read ({reason}).", next_step=_ACCEPTED) from None


def _resolved(named: str, origin: str) -> tuple[str, os.stat_result]:
    """The real path and what is there."""
    try:
        path = os.path.realpath(Path(named).expanduser())
        return path, Path(path).stat()
    except (ValueError, RuntimeError):  # a NUL byte or half a character in the path; an unknown ~user
        raise SourceError(f"{origin} cannot be a path.", next_step=_ACCEPTED) from None


def _from_file(path: str, facts: os.stat_result, origin: str, limit: int) -> _Gathered:
    if facts.st_size > MAX_BYTES:
        raise _too_large(origin, facts.st_size)
    suffix = Path(path).suffix.lower()
    if suffix == PDF:
        return _Gathered([_pdf(path, facts, origin)], [])
    data = read_at_most(path, HEAD_BYTES)
    if suffix in SUFFIXES or (suffix not in HTML and looks_like_feed(data)):
        return _from_feed(read_at_most(path, MAX_BYTES), origin, limit)
    text = readable(data, path, whole=len(data) < HEAD_BYTES)
    if text is None:
        raise SourceError(f"{origin} is binary, not text.", next_step="Save it as text or Markdown and name that.")
    if not text:
        raise SourceError(f"{origin} is empty.", next_step=_ACCEPTED)
    name = Path(path).name
    return _Gathered([Document(titled(name, text), text, name, moment(int(facts.st_mtime)), "document")], [])


def _pdf(path: str, facts: os.stat_result, origin: str) -> Document:
    text = pdf_words(path)
    if text is None:
        raise SourceError(f"{origin} has no text that can be read.", next_step="Name a PDF with text, not a scan.")
    name = Path(path).name
    return Document(titled(name, text), text, name, moment(int(facts.st_mtime)), "document")


def _from_folder(path: str, origin: str, limit: int) -> _Gathered:
    """Commits first; documents get a third of the places, and all that the commits leave."""
    notes: list[str] = []
    repository, listed = None, None
    try:
        repository = open_repository(path)
        # A folder that git ignores as a whole lists nothing, and is still what was asked for.
        listed = listed_files(repository) or None
    except NoGit as reason:
        notes.append(f"{reason}: using its documents instead.")
    bare = repository is not None and repository.bare
    reading = FolderContents((), 0, ()) if bare else read_folder(path, limit=limit, listed=listed)
    places = limit - min(len(reading.documents), (limit + 1) // 3)
    commits = _commits(repository, places, notes) if repository else ()
    if not commits and not reading.documents and not bare:
        fallback = read_folder(path, limit=limit, listed=listed, code=True)
        if fallback.documents:
            reading = fallback
            notes.append("No text for people there: using its code and data files instead.")
    documents = reading.documents[: limit - len(commits)]
    if not commits and not documents:
        raise SourceError(
            " ".join([f"There is nothing to read in {origin}.", *reading.notes]),
            next_step="Put text or Markdown files there, or name another source.",
        )
    return _Gathered([*commits, *documents], [*notes, *_folder_notes(reading, len(documents))])


def _commits(repository: Repository, places: int, notes: list[str]) -> tuple[Document, ...]:
    try:
        recent = history(repository, items=places)
    except NoGit as reason:
        notes.append(f"{reason}: using its documents instead.")
        return ()
    notes.extend(recent.notes)
    if recent.older:
        notes.append(f"Cut to the newest {counted(recent.listed, 'commit')}.")
    return recent.documents


def _folder_notes(reading: FolderContents, kept: int) -> list[str]:
    unread = reading.unread + len(reading.documents) - kept
    cut_note = [f"Cut to {counted(kept, 'document')}: {counted(unread, 'more file')} not taken."] if unread else []
    return [*cut_note, *reading.notes]


def _too_large(origin: str, size: int) -> SourceError:
    return SourceError(
        f"{origin} has {size / 1_000_000:,.1f} MB; at most {MAX_BYTES / 1_000_000:,.0f} MB are read.",
        next_step="Name a smaller file, or split it.",
        size=size,
        limit=MAX_BYTES,
    )
