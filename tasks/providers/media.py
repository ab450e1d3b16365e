"""Which images and documents a target can take, and how its dialect writes them.

What is not here is left out of the route with its reason: a target never gets a part that it would refuse.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Literal, NamedTuple, TypeAlias

from pricing import DocumentPart, ImagePart, media_kind, record
from pricing.tokens import MediaSize
from tasks.providers.messages import JSONObject, ModelRequest, media_of

Medium: TypeAlias = Literal["image data", "image URL", "document data", "document URL"]


class EdgeLimit(NamedTuple):
    """Above ``images`` in a request, each has at most ``edge`` pixels a side."""

    images: int
    edge: int


@record(frozen=True, slots=True)
class Narrow:
    """Limits of models with a window of fewer than ``below`` tokens: parts of a request, pages of a document."""

    below: int
    most: Mapping[str, int]
    pages: int


@record(frozen=True, slots=True)
class MediaRules:
    """Which images and documents a provider takes.

    Args:
        takes: the kinds of parts, and the forms in which they are sent.
        largest: bytes of one part by ``image`` or ``document``, where the provider states a limit.
        most: parts of one request, likewise.
        edge: pixels of the longer edge of an image; 0 where no limit is stated.
        pages: of one document, likewise.
        pixels: of one image, likewise.
        whole: bytes of a request as it is sent, its data in base64; likewise.
        image_types: the media types of images that are taken; empty for all that parts can have.
        many_images: above so many images in a request, none may have an edge longer than so many pixels.
        narrow: what holds instead for models with a window of fewer tokens than so many.
    """

    takes: frozenset[Medium] = frozenset()
    largest: Mapping[str, int] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    edge: int = 0
    pages: int = 0
    pixels: int = 0
    whole: int = 0
    image_types: frozenset[str] = frozenset()
    many_images: EdgeLimit | None = None
    narrow: Narrow | None = None

    def at(self, window: int | None) -> MediaRules:
        """The rules for a model with a window of this many tokens; None if the window is unknown."""
        if self.narrow is None or window is None or window >= self.narrow.below:
            return self
        return replace(self, most={**self.most, **self.narrow.most}, pages=self.narrow.pages, narrow=None)

    def limits(self, window: int | None) -> list[str]:
        """The limits that hold for a model with a window of so many tokens, as text; unsupported kinds have
        none.

        Example:
            >>> MediaRules(frozenset({"image data"}), most={"image": 5}, edge=8_000).limits(None)
            ['5 images a request', '8,000 pixels an edge']
        """
        rules = self.at(window)
        many_images = rules.many_images or EdgeLimit(0, 0)
        types = ", ".join(sorted(rules.image_types))
        found = [f"{most:,} {kind}s a request" for kind, most in sorted(rules.most.items())]
        found += [f"{most:,} bytes of {kind} data" for kind, most in sorted(rules.largest.items())]
        others = {
            f"{rules.edge:,} pixels an edge": rules.edge,
            f"{rules.pixels:,} pixels an image": rules.pixels,
            f"{many_images.edge:,} pixels an edge above {many_images.images} images": many_images.edge,
            f"{rules.pages:,} pages a document": rules.pages,
            f"{rules.whole:,} bytes a request": rules.whole,
            f"images as {types} only": types,
        }
        return [*found, *(words for words, given in others.items() if given)]


class MediaRefused(ValueError):
    """A target cannot take a part of the request; the message says which and why."""


def refusal(rules: MediaRules, request: ModelRequest, window: int | None = None) -> str | None:
    """The reason why a model cannot take a request's images and documents; None if it can. ``window`` is the model's,
    in tokens: some limits depend on it. An image or document given by URL counts, with unknown size.
    """
    parts = [part for message in request.messages for part in media_of(message.parts)]
    if not parts:
        return None
    rules = rules.at(window)
    for kind, most in rules.most.items():
        if sum(media_kind(part) == kind for part in parts) > most:
            return f"takes at most {most} {kind}s in a request"
    if (why := next((why for part in parts if (why := _refused(rules, part))), None)) is not None:
        return why
    return _crowded(rules, parts) or _too_large(rules, parts, request)


def require(rules: MediaRules, request: ModelRequest, window: int | None = None) -> None:
    """Check that a model can take a request.

    Raises:
        MediaRefused: it cannot.
    """
    if (why := refusal(rules, request, window)) is not None:
        raise MediaRefused(why)


def data_url(part: ImagePart | DocumentPart) -> str:
    """The part as a data URL, or its own URL."""
    return part.url or f"data:{part.media_type};base64,{b64(part)}"


def b64(part: ImagePart | DocumentPart) -> str:
    """The part's bytes in base64."""
    return b64encode(part.data).decode()


def numbered(parts: Iterable[object]) -> dict[int, int]:
    """A number for each document, by object identity, since their names must differ."""
    documents = [part for part in parts if isinstance(part, DocumentPart)]
    return {id(part): number for number, part in enumerate(documents, 1)}


def openai_block(part: ImagePart | DocumentPart) -> JSONObject:
    """The part for Chat Completions. Its detail is ``high``, which bounds the cost of an image; ``auto`` does not."""
    if isinstance(part, ImagePart):
        return {"type": "image_url", "image_url": {"url": data_url(part), "detail": "high"}}
    return {"type": "file", "file": {"filename": "document.pdf", "file_data": data_url(part)}}


def anthropic_block(part: ImagePart | DocumentPart) -> JSONObject:
    """The part for Messages."""
    if part.url:
        source = {"type": "url", "url": part.url}
    else:
        source = {"type": "base64", "media_type": part.media_type, "data": b64(part)}
    return {"type": media_kind(part), "source": source}


def bedrock_block(part: ImagePart | DocumentPart, number: int) -> JSONObject:
    """The part for Converse; ``number`` makes a document's name unique."""
    source = {"bytes": b64(part)}
    if isinstance(part, ImagePart):
        return {"image": {"format": part.media_type.removeprefix("image/"), "source": source}}
    return {"document": {"format": "pdf", "name": f"document {number}", "source": source}}


def _refused(rules: MediaRules, part: ImagePart | DocumentPart) -> str | None:
    kind = media_kind(part)
    given = f"{kind} {'URL' if part.url else 'data'}"
    if given not in rules.takes:
        return f"takes no {given}"
    if kind == "image" and rules.image_types and part.media_type not in rules.image_types:
        return f"takes no {part.media_type}"
    most = rules.largest.get(kind)
    if most is not None and len(part.data) > most:
        return f"takes at most {most:,} bytes of {kind} data"
    if isinstance(part, ImagePart):
        return _refused_size(rules, part)
    if part.data and rules.pages and MediaSize.of(part).pages > rules.pages:
        return f"takes documents of at most {rules.pages} pages"
    return None


def _refused_size(rules: MediaRules, image: ImagePart) -> str | None:
    size = MediaSize.of(image).size if image.data and (rules.edge or rules.pixels) else None
    if size is None:
        return None
    if rules.edge and max(size) > rules.edge:
        return f"takes images of at most {rules.edge:,} pixels a side"
    if rules.pixels and size[0] * size[1] > rules.pixels:
        return f"takes images of at most {rules.pixels:,} pixels"
    return None


def _crowded(rules: MediaRules, parts: Sequence[ImagePart | DocumentPart]) -> str | None:
    images = [part for part in parts if isinstance(part, ImagePart)]
    limit = rules.many_images
    if limit is None or len(images) <= limit.images:
        return None
    sizes = (MediaSize.of(image).size for image in images if image.data)
    if any(size is not None and max(size) > limit.edge for size in sizes):
        return f"takes more than {limit.images} images only of at most {limit.edge:,} pixels a side"
    return None


def _too_large(rules: MediaRules, parts: Sequence[ImagePart | DocumentPart], request: ModelRequest) -> str | None:
    """What a request's data and texts take at the least; its frame is small beside them."""
    if not rules.whole:
        return None
    data = sum((len(part.data) + 2) // 3 * 4 for part in parts)
    texts = len(request.system.text) + sum(len(message.text) for message in request.messages)
    return f"takes requests of at most {rules.whole:,} bytes" if data + texts > rules.whole else None
