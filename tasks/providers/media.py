"""Which images and documents a target can take, and how its dialect writes them.

What is not here is left out of the route with its reason: a target never gets a part that it would refuse.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pricing import DocumentPart, ImagePart, media_kind
from pricing.tokens import MediaSize
from tasks.providers.messages import JSONObject, ModelRequest, media_of

Medium: TypeAlias = Literal["image data", "image URL", "document data", "document URL"]


@dataclass(frozen=True, slots=True)
class MediaRules:
    """Which images and documents a provider takes.

    Args:
        takes: the kinds of parts, and the forms in which they are sent.
        largest: bytes of one part by ``image`` or ``document``, where the provider states a limit.
        most: parts of one request, likewise.
        edge: pixels of the longer edge of an image; 0 where no limit is stated.
        pages: of one document, likewise.
    """

    takes: frozenset[Medium] = frozenset()
    largest: Mapping[str, int] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    edge: int = 0
    pages: int = 0


class MediaRefused(ValueError):
    """A target cannot take a part of the request; the message says which and why."""


def refusal(rules: MediaRules, request: ModelRequest) -> str | None:
    """Why a provider cannot take a request's images and documents; None when it can."""
    parts = [part for message in request.messages for part in media_of(message.parts)]
    for kind, most in rules.most.items():
        if sum(media_kind(part) == kind for part in parts) > most:
            return f"takes at most {most} {kind}s in a request"
    return next((why for part in parts if (why := _refused(rules, part))), None)


def require(rules: MediaRules, request: ModelRequest) -> None:
    """Check that a provider can take a request.

    Raises:
        MediaRefused: it cannot.
    """
    if (why := refusal(rules, request)) is not None:
        raise MediaRefused(why)


def data_url(part: ImagePart | DocumentPart) -> str:
    """Its bytes as a data URL, or its URL."""
    return part.url or f"data:{part.media_type};base64,{b64(part)}"


def b64(part: ImagePart | DocumentPart) -> str:
    """Its bytes in base64."""
    return b64encode(part.data).decode()


def numbered(parts: Iterable[object]) -> dict[int, int]:
    """A number for each document among some parts, by identity: their names have to differ."""
    documents = [part for part in parts if isinstance(part, DocumentPart)]
    return {id(part): number for number, part in enumerate(documents, 1)}


def openai_block(part: ImagePart | DocumentPart) -> JSONObject:
    """As Chat Completions writes it; ``high`` bounds what an image costs, which ``auto`` does not."""
    if isinstance(part, ImagePart):
        return {"type": "image_url", "image_url": {"url": data_url(part), "detail": "high"}}
    return {"type": "file", "file": {"filename": "document.pdf", "file_data": data_url(part)}}


def anthropic_block(part: ImagePart | DocumentPart) -> JSONObject:
    """As Messages writes it."""
    if part.url:
        source = {"type": "url", "url": part.url}
    else:
        source = {"type": "base64", "media_type": part.media_type, "data": b64(part)}
    return {"type": media_kind(part), "source": source}


def bedrock_block(part: ImagePart | DocumentPart, number: int) -> JSONObject:
    """As Converse writes it; ``number`` makes a document's name its own."""
    source = {"bytes": b64(part)}
    if isinstance(part, ImagePart):
        return {"image": {"format": part.media_type.removeprefix("image/"), "source": source}}
    return {"document": {"format": "pdf", "name": f"document {number}", "source": source}}


def _refused(rules: MediaRules, part: ImagePart | DocumentPart) -> str | None:
    kind = media_kind(part)
    given = f"{kind} {'URL' if part.url else 'data'}"
    if given not in rules.takes:
        return f"takes no {given}"
    most = rules.largest.get(kind)
    if most is not None and len(part.data) > most:
        return f"takes at most {most:,} bytes of {kind} data"
    if not part.data or not (rules.edge or rules.pages):
        return None
    found = MediaSize.of(part)
    if kind == "image" and rules.edge and found.size is not None and max(found.size) > rules.edge:
        return f"takes images of at most {rules.edge:,} pixels a side"
    if kind == "document" and rules.pages and found.pages > rules.pages:
        return f"takes documents of at most {rules.pages} pages"
    return None
