"""What tools of a server of the Model Context Protocol give back, as values and parts that guards can look at."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Final

from pricing import LONGEST_RESULT, DocumentPart, ImagePart, TextPart, json_text

_LONGEST_READ: Final = 2 * LONGEST_RESULT
"""Characters of a result that are looked at; a model is given half as many."""


def value_of(content: Sequence[Any], structured: Any) -> Any:
    """A result: the data that the server gives beside its texts where it gives any, else its texts as one; with images
    and PDFs, parts. What a model cannot be given is named in a text in its place.
    """
    blocks = [_part(block) for block in content]
    media = [block for block in blocks if not isinstance(block, str)]
    text = "\n".join(block for block in blocks if isinstance(block, str))
    if structured is not None:
        written = json_text(structured)
        if not media:
            return structured if len(written) <= _LONGEST_READ else written[:_LONGEST_READ]
        text = written
    if not media:
        return text[:_LONGEST_READ]
    return (*([TextPart(text[:_LONGEST_READ])] if text else ()), *media)


def _part(block: Any) -> str | ImagePart | DocumentPart:
    match block.type:
        case "text":
            return str(block.text)
        case "image":
            return _media(block.mime_type, block.data)
        case "resource":
            held = block.resource
            blob = getattr(held, "blob", None)
            return str(held.text) if blob is None else _media(held.mime_type or "", blob)
        case "resource_link":
            return f"[a resource that was not read: {block.uri}]"
        case "audio":
            return "[audio, left out: models are not given any]"
        case _:
            return "[something of an unknown type, left out]"


def _media(media_type: str, data: str) -> str | ImagePart | DocumentPart:
    """An image or a PDF from its Base64; a text about it where it is none."""
    kind = DocumentPart if media_type in DocumentPart.types else ImagePart
    try:
        return kind(media_type, b64decode(data, validate=True))
    except (ValueError, binascii.Error):
        return f"[{media_type[:60]!a}, left out: it is no image or PDF that models are given]"
