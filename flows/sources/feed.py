"""RSS 2.0 (and 0.9x), RSS 1.0 and Atom, from bytes that nobody vouches for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit, urlunsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from flows.sources.documents import Document
from flows.sources.markup import MAX_MARKUP, break_at, plain_text
from flows.sources.text import clean_line, clean_text
from pricing import SourceError

SUFFIXES = frozenset({".xml", ".rss", ".atom", ".rdf"})

_START = re.compile(rb"^(?:\xef\xbb\xbf)?\s*<(?:\?xml|rss|feed|rdf:RDF)[\s>-]", re.IGNORECASE)
_WIDE_START = (b"\xff\xfe<\x00", b"\xfe\xff\x00<")
_CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
_ELEMENT_BYTES, _ATTRIBUTE_BYTES, _MOST_PARSED = 100, 330, 40_000_000
"""What a tag and an attribute take once they are parsed, and all of a feed may (measured with CPython 3.11)."""
_DUBLIN_DATE = "{http://purl.org/dc/elements/1.1/}date"
_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed's newest entries, and how many older or empty ones were left out."""

    entries: tuple[Document, ...]
    older: int
    empty: int


def looks_like_feed(head: bytes) -> bool:
    """Whether bytes begin as XML does."""
    return _START.match(head[:512]) is not None or head.startswith(_WIDE_START)


def parse_feed(data: bytes, *, name: str, limit: int) -> Feed:
    """The newest ``limit`` entries of a feed, newest first; entries without a date come last, in the feed's order.

    Args:
        data: the feed's bytes.
        name: what to call the feed in errors; it is printed.
        limit: how many entries to return at most.

    Raises:
        SourceError: ``data`` is not XML, defines entities, is XML of another kind, or holds no entries.
    """
    root = _parse(data, name)
    found = [(entry, _when(entry)) for entry in _entries(root, name)]
    found.sort(key=lambda pair: pair[1] or datetime.min.replace(tzinfo=UTC), reverse=True)
    documents: list[Document] = []
    empty = read = 0
    for element, when in found:
        if len(documents) == limit:
            break
        read += 1
        document = _document(element, when, name)
        if document is None:
            empty += 1
        else:
            documents.append(document)
    if not documents:
        raise SourceError(
            f"The feed {name} holds no entries.",
            next_step="Check the address, or try again when something was published.",
        )
    return Feed(tuple(documents), older=len(found) - read, empty=empty)


def _parse(data: bytes, name: str) -> Element:
    if data.count(b"<") * _ELEMENT_BYTES + data.count(b"=") * _ATTRIBUTE_BYTES > _MOST_PARSED:
        raise SourceError(
            f"{name} has too many elements or attributes to be a feed; it was not read.",
            next_step="Give a feed of fewer entries.",
        )
    try:
        root: Element = fromstring(data)
    except DefusedXmlException:
        raise SourceError(
            f"{name} defines XML entities, which can be used to exhaust memory or to read files; it was not read.",
            next_step="Use a feed without a DOCTYPE that defines entities.",
        ) from None
    except ParseError as error:
        raise _not_a_feed(name, data, f"line {error.position[0]:,}") from None
    except (ValueError, LookupError, RecursionError):  # an encoding the parser does not know, or none at all
        raise _not_a_feed(name, data, "its encoding") from None
    return root


def _not_a_feed(name: str, data: bytes, where: str) -> SourceError:
    head = data[:2048].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return SourceError(
            f"{name} is a web page, not a feed.",
            next_step="Give the address of its RSS or Atom feed, often /feed or /rss.xml.",
        )
    return SourceError(
        f"{name} is not well-formed XML ({where}).",
        next_step="Give an RSS or Atom feed, or a folder of text or Markdown files.",
    )


def _entries(root: Element, name: str) -> list[Element]:
    space, kind = _split(root.tag)
    if kind == "feed":
        return root.findall(f"{space}entry")
    if kind == "RDF":
        return [child for child in root if _split(child.tag)[1] == "item"]
    if kind == "rss":
        return [item for channel in root.findall(f"{space}channel") for item in channel.findall(f"{space}item")]
    raise SourceError(
        f"{name} is XML, but no feed: its root is <{clean_line(kind, 40)}>.",
        next_step="Give an RSS or Atom feed, or a folder of text or Markdown files.",
    )


def _split(tag: str) -> tuple[str, str]:
    """A tag's namespace (in braces, or empty) and its local name."""
    space, brace, local = tag.rpartition("}")
    return space + brace, local


def _document(entry: Element, when: datetime | None, name: str) -> Document | None:
    space = _split(entry.tag)[0]
    text = _first(
        _plain(entry.find(tag)) for tag in (_CONTENT, f"{space}content", f"{space}description", f"{space}summary")
    )
    title = clean_line(_plain(entry.find(f"{space}title")))
    if not title and not text:
        return None
    return Document(
        title=title or clean_line(text, 80),
        text=text or title,
        origin=_link(entry, space) or name,
        when=when,
        kind="entry",
    )


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")


def _plain(element: Element | None) -> str:
    """An element's words: RSS writes HTML, Atom says whether it is text, HTML or XHTML."""
    if element is None:
        return ""
    if element.get("type") == "xhtml" or len(element):
        return clean_text(_joined(element))
    text = (element.text or "")[:MAX_MARKUP]
    is_plain = element.get("type") in {"text", "text/plain"}
    return clean_text(text if is_plain else plain_text(text))


def _joined(element: Element) -> str:
    """The text below an element without scripts and styles, blocks on lines of their own; depth does not matter."""
    parts: list[str] = []
    size = 0
    waiting: list[Element | str] = [element]
    while waiting and size < MAX_MARKUP:
        node = waiting.pop()
        if isinstance(node, str):
            parts.append(node)
            size += len(node)
            continue
        local = _split(node.tag)[1].lower()
        if local in {"script", "style"}:
            continue
        below: list[Element | str] = [break_at(local), node.text or ""]
        for child in node:
            below += [child, child.tail or ""]
        waiting.extend(reversed(below))
    return "\n".join(" ".join(line.split()) for line in "".join(parts).split("\n"))


def _link(entry: Element, space: str) -> str:
    """The entry's own address, without a user's name and password, if it is a web address."""
    links = entry.findall(f"{space}link")
    best = next((link for link in links if link.get("rel", "alternate") == "alternate"), links[0] if links else None)
    address = "" if best is None else (best.get("href") or best.text or "")
    return public_address(address or entry.get(_ABOUT, ""))


def public_address(address: str, *, query: bool = True) -> str:
    """A web address fit to show: no credentials and, unless ``query``, no parameters; ``""`` if it is not one."""
    try:
        parts = urlsplit(address.strip())
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            return ""
        host = parts.netloc.rpartition("@")[2]
        shown = urlunsplit((parts.scheme, host, parts.path, parts.query if query else "", ""))
    except ValueError:
        return ""
    return clean_line(shown)


def _when(entry: Element) -> datetime | None:
    space = _split(entry.tag)[0]
    names = [
        f"{space}pubDate",
        _DUBLIN_DATE,
        f"{space}published",
        f"{space}updated",
        f"{space}issued",
        f"{space}modified",
    ]
    texts = (element.text or "" for name in names if (element := entry.find(name)) is not None)
    return next((when for when in map(_date, texts) if when is not None), None)


def _date(text: str) -> datetime | None:
    """A date of RFC 3339 or RFC 822 in UTC; one without a zone is taken as UTC."""
    text = text.strip()[:64]
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            when = read(text)
            return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
        except (ValueError, OverflowError, TypeError, IndexError):  # the two parsers fail in all these ways
            continue
    return None
