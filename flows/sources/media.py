"""Folders of PDFs and images: which files a model can be shown, and the text of a PDF."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import Final

from farebox import Document, Image
from flows.sources.files import MAX_BYTES, read_at_most
from flows.sources.text import clean_text
from pricing import SourceError

SHOWN: Final = frozenset({".gif", ".jpeg", ".jpg", ".pdf", ".png", ".webp"})
"""Suffixes of files that are looked at."""
_MOST_PAGES: Final = 50


def media_files(folder: str, limit: int) -> list[str]:
    """The PDFs and images of a folder by name, at most ``limit``. Hidden files and links are left out.

    Raises:
        SourceError: the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            found = [
                entry.path
                for entry in entries
                if entry.is_file(follow_symlinks=False)
                and not entry.name.startswith(".")
                and Path(entry.name).suffix.lower() in SHOWN
            ]
    except OSError as error:
        raise SourceError(
            f"The folder {folder} cannot be listed: {error.strerror or type(error).__name__}.",
            next_step="Give the path of a folder with PDFs or images.",
        ) from None
    return sorted(found)[:limit]


def media_file(path: str) -> Image | Document:
    """A file as a part of a prompt.

    Raises:
        UsageError: its type is not one that models accept.
    """
    return Document.from_path(path) if Path(path).suffix.lower() == ".pdf" else Image.from_path(path)


def pdf_words(path: str) -> str | None:
    """The text of a PDF's first pages; ``None`` where it has none that can be read.

    Raises:
        OSError: the file cannot be read.
    """
    from pypdf import PdfReader

    data = read_at_most(path, MAX_BYTES, follow=False)
    logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)  # it quotes what it cannot read
    try:
        pages = PdfReader(io.BytesIO(data)).pages
        text = "\n\n".join(page.extract_text() for page in pages[:_MOST_PAGES])
    except Exception:  # noqa: BLE001  pypdf raises whatever a damaged file makes it raise; such a file has no text
        return None
    return clean_text(text) or None
