"""Results of MCP tools as values and parts that guards can inspect."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Final

from pricing import LONGEST_RESULT, DocumentPart, ImagePart, TextPart, json_text

_LONGEST_READ: Final = 2 * LONGEST_RESULT
"""The number of characters of a result that are inspected; a model receives half as many."""


def value_of(content: Sequence[Any], structured: Any) -> Any:
    """A result: the server's structured data if there is any, else its texts joined; with images and PDFs, parts.
    Content that a model cannot receive is replaced by a text that names it.
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
            return "[audio, left out: models do not receive it]"
        case _:
            return "[content of an unknown type, left out]"


def _media(media_type: str, data: str) -> str | ImagePart | DocumentPart:
    """An image or a PDF from its Base64; a text about it if it is not valid."""
    kind = DocumentPart if media_type in DocumentPart.types else ImagePart
    try:
        return kind(media_type, b64decode(data, validate=True))
    except (ValueError, binascii.Error):
        return f"[{media_type[:60]!a}, left out: not a supported image or PDF]"
