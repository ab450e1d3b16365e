"""The text of PDFs, for guards: read before a document leaves, and only believed where nothing of it stays unread."""

from __future__ import annotations

import asyncio
import io
import logging
import unicodedata
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from pricing import DocumentPart
from pricing.tokens import MediaSize
from tasks.providers.messages import ModelRequest, media_of

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

MOST_PAGES: Final = 100
"""Pages of one document that are read; a longer one counts as unreadable."""
SECONDS: Final = 20.0
"""How long the documents of one request may take to read."""
_DESCRIBED: Final = ("/Title", "/Author", "/Subject", "/Keywords")
_READABLE_NOTES: Final = frozenset({"/Link", "/Widget", "/Text", "/FreeText", "/Highlight", "/Underline", "/Popup"})
"""Annotations of which all that is shown is in their texts."""
_DEEPEST_FORM: Final = 5

logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)  # it quotes what it cannot read


class Unreadable(Exception):
    """A document has content that is not text, or cannot be read at all."""


async def document_texts(request: ModelRequest) -> tuple[str, ...] | None:
    """The text of every document in a request; ``None`` where one of them cannot be read in full.

    A document behind a URL, an encrypted or damaged one, a page without text, pictures, attachments and fonts that do
    not say which letters they show are not readable.
    """
    parts = [part for one in request.messages for part in media_of(one.parts) if isinstance(part, DocumentPart)]
    if any(part.url for part in parts):
        return None
    try:
        reading = asyncio.to_thread(lambda: [_kept_text(part) for part in parts])
        return tuple(await asyncio.wait_for(reading, SECONDS))
    except (Unreadable, TimeoutError):
        return None


async def measure_documents(request: ModelRequest) -> None:
    """Count the pages of a request's documents on a thread, so that the loop finds them counted."""
    parts = [part for one in request.messages for part in media_of(one.parts) if isinstance(part, DocumentPart)]
    if parts:
        await asyncio.to_thread(lambda: [MediaSize.of(part) for part in parts])


_TEXTS: OrderedDict[str, str | None] = OrderedDict()
"""By digest the texts of the last documents, ``None`` of one that cannot be read: an agent sends one in every turn."""
_TEXTS_LOCK: Final = Lock()
_MOST_TEXTS: Final = 64


def _kept_text(part: DocumentPart) -> str:
    digest = part.digest
    with _TEXTS_LOCK:
        known, text = digest in _TEXTS, _TEXTS.get(digest)
    if not known:
        try:
            text = pdf_text(part.data)
        except Unreadable:
            text = None
        with _TEXTS_LOCK:
            _TEXTS[digest] = text
            while len(_TEXTS) > _MOST_TEXTS:
                _TEXTS.popitem(last=False)
    if text is None:
        raise Unreadable
    return text


def pdf_text(data: bytes) -> str:
    """All text of a PDF: of its pages, form fields, notes and description.

    Raises:
        Unreadable: some of it is not text.
    """
    from pypdf import PdfReader

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted or len(reader.pages) > MOST_PAGES or reader.attachments:
            raise Unreadable
        described: Mapping[str, Any] = reader.metadata or {}
        texts = [str(described[key]) for key in _DESCRIBED if key in described]
        for page in reader.pages:
            texts += _texts_of(page)
        return unicodedata.normalize("NFKC", "\n".join([*texts, *_fields(reader)]))  # ligatures are letters
    except Unreadable:
        raise
    except Exception as error:  # whatever it is, guards have not seen all of the document
        raise Unreadable from error


def _texts_of(page: PageObject) -> Iterator[str]:
    """The text of a page and of the notes on it."""
    if len(page.images) or not all(map(_says_letters, _fonts(page.get("/Resources"), _DEEPEST_FORM))):
        raise Unreadable
    text = page.extract_text()
    if not text.strip() or "\ufffd" in text:
        raise Unreadable
    yield text
    for note in page.get("/Annots") or ():
        of_note = note.get_object()
        if of_note.get("/Subtype") not in _READABLE_NOTES:
            raise Unreadable
        yield from (str(of_note[key]) for key in ("/Contents", "/T", "/V") if key in of_note)
        action = of_note.get("/A")
        if action is not None and "/URI" in action.get_object():
            yield str(action.get_object()["/URI"])


def _fields(reader: PdfReader) -> Iterator[str]:
    for name, field in (reader.get_fields() or {}).items():
        yield f"{name}: {field.value or ''}"


def _fonts(resources: Any, deep: int) -> Iterator[Any]:
    """Fonts of resources and of the forms in them."""
    if resources is None:
        return
    if not deep:
        raise Unreadable
    of = resources.get_object()
    if "/Font" in of:
        yield from (font.get_object() for font in of["/Font"].get_object().values())
    if "/XObject" in of:
        for form in of["/XObject"].get_object().values():
            yield from _fonts(form.get_object().get("/Resources"), deep - 1)


def _says_letters(font: Any) -> bool:
    """Whether a font tells which letters its codes stand for; what is read with others is noise."""
    return "/ToUnicode" in font or font.get("/Subtype") not in {"/Type0", "/Type3"}
