"""What the sandbox bills for images and documents: it opens what was sent, in whatever dialect.

An image costs what the formula of its model says of the pixels in its header. A page costs its own text, counted as any
text, and its image at 150 dots per inch; models that see no pages on Bedrock are billed the text alone.
"""

from __future__ import annotations

import io
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from typing import Final

from pricing import DocumentPart, ImagePart
from pricing.tokens import MediaSize, PixelSize
from tasks.sandbox.protocol import Provider
from tasks.sandbox.tokens import count_tokens

_HELD_IN: Final = frozenset({"data", "bytes", "file_data", "image_url", "url"})
"""Keys under which dialects send bytes: in base64, or as a data URL."""
_A_PAGE: Final = (1_240, 1_754)
_GEMINI_PAGE: Final = {True: 258, False: 560}


def media_tokens(body: object, model: str, provider: Provider) -> int:
    """Input tokens of all images and documents in a request's body."""
    return sum(_tokens(part, model, provider) for part in _parts(body))


def _parts(body: object) -> Iterator[ImagePart | DocumentPart]:
    if isinstance(body, list):
        for inner in body:
            yield from _parts(inner)
    elif isinstance(body, dict):
        for key, inner in body.items():
            if key in _HELD_IN and isinstance(inner, str):
                yield from _opened(inner)
            else:
                yield from _parts(inner)


def _opened(text: str) -> Iterator[ImagePart | DocumentPart]:
    encoded = text.partition(";base64,")[2] if text.startswith("data:") else text
    try:
        data = b64decode(encoded, validate=True)
    except (NotBase64, ValueError):
        return
    for kind in (ImagePart, DocumentPart):
        if data.startswith(tuple(head for heads in kind.types.values() for head in heads)):
            yield kind.from_bytes(data)


def _tokens(part: ImagePart | DocumentPart, model: str, provider: Provider) -> int:
    if isinstance(part, ImagePart):
        return MediaSize.of(part).expected(model)
    texts = _pages(part.data)
    if provider == "gemini":
        return len(texts) * _GEMINI_PAGE[model.startswith(("gemini-1", "gemini-2"))]
    words = sum(map(count_tokens, texts))
    if provider == "bedrock":
        return words
    return words + len(texts) * MediaSize(PixelSize(*_A_PAGE)).expected(model)


def _pages(data: bytes) -> list[str]:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        return [page.extract_text() for page in PdfReader(io.BytesIO(data)).pages]
    except PyPdfError:
        return [""]
