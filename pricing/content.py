"""What messages are made of: typed, immutable parts.

A message is a role and a sequence of parts. Text, tool arguments and tool results can be read by a guard, string by
string (``pricing.values``); images and documents cannot, and provider state is opaque by design.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

MediaKind: TypeAlias = Literal["image", "document"]
IMAGE_TYPES: Final[Mapping[str, tuple[bytes, ...]]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/webp": (b"RIFF",),
    "image/gif": (b"GIF87a", b"GIF89a"),
}
DOCUMENT_TYPES: Final[Mapping[str, tuple[bytes, ...]]] = {"application/pdf": (b"%PDF-",)}
LARGEST_MEDIA: Final = 32_000_000
"""Bytes of one image or document: no provider takes a larger request inline."""
LONGEST_RESULT: Final = 20_000
"""Characters of a tool's result that a model is given."""
DEEPEST: Final = 100
"""Levels of nesting that a value may have."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """A value inside a text, in a spelling of its own: as JSON, percent-encoded, or with HTML escapes.

    Args:
        value: what is spelled; guards look at this.
        spell: gives its text.
    """

    value: Any = field(repr=False)
    spell: Callable[[Any], str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text. ``pieces`` says how it was put together where it holds values in a spelling of their own."""

    text: str = field(repr=False)
    pieces: tuple[str | Spelled, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def of(cls, pieces: Iterable[str | Spelled]) -> TextPart:
        """The text that pieces make."""
        kept = tuple(pieces)
        text = "".join(piece if isinstance(piece, str) else piece.spell(piece.value) for piece in kept)
        return cls(text, kept if any(isinstance(piece, Spelled) for piece in kept) else ())

    @property
    def values(self) -> tuple[str | Spelled, ...]:
        """Its pieces; of a text without any, the text itself."""
        return self.pieces or (self.text,)


@dataclass(frozen=True, slots=True)
class MediaPart:
    """Bytes of a known type, or the address of some."""

    media_type: str
    data: bytes = field(default=b"", repr=False)
    url: str = field(default="", repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of what it is: two parts with the same digest are the same to a model."""
        return hashlib.sha256(self.data or self.url.encode()).hexdigest()

    def _check(self, kind: MediaKind, types: Mapping[str, tuple[bytes, ...]]) -> None:
        if self.media_type not in types:
            raise ValueError(f"{kind}: {self.media_type[:60]!r} is not one of {', '.join(types)}")
        if bool(self.data) == bool(self.url):
            raise ValueError(f"{kind}: give either data or a URL")
        if self.url and not self.url.startswith("https://"):
            raise ValueError(f"{kind}: its URL has to begin with https://")
        if len(self.data) > LARGEST_MEDIA:
            raise ValueError(f"{kind}: {len(self.data):,} bytes are more than the limit of {LARGEST_MEDIA:,}")
        if self.data and not self.data.startswith(types[self.media_type]):
            raise ValueError(f"{kind}: its data is not {self.media_type}")


@dataclass(frozen=True, slots=True)
class ImagePart(MediaPart):
    """A PNG, JPEG, WebP or GIF: its bytes, or an https URL.

    Raises:
        ValueError: another media type, both or neither of data and URL, too many bytes, or data of another type.
    """

    def __post_init__(self) -> None:
        self._check("image", IMAGE_TYPES)


@dataclass(frozen=True, slots=True)
class DocumentPart(MediaPart):
    """A PDF: its bytes, or an https URL. The file's name is not kept: it would reach the model.

    Raises:
        ValueError: as of an image.
    """

    def __post_init__(self) -> None:
        self._check("document", DOCUMENT_TYPES)


@dataclass(frozen=True, slots=True)
class InvalidArguments:
    """What a model wrote as arguments of a tool call and is not a JSON object."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A model's request to call a tool; ``arguments`` is a JSON object, or what it wrote instead."""

    id: str
    name: str
    arguments: Mapping[str, Any] | InvalidArguments = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, call_id: str, name: str, arguments: str) -> ToolCallPart:
        """A call from the JSON text of its arguments, also if that is encoded twice; no text or ``null`` means none."""
        try:
            value = json.loads(arguments.strip("\ufeff \t\r\n") or "{}")
            if isinstance(value, str):  # some servers encode what is encoded already
                value = json.loads(value)
            value = {} if value is None else value
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and not _deeper(value, DEEPEST):
            return cls(call_id, name, value)
        return cls(call_id, name, InvalidArguments(arguments))

    @property
    def sent(self) -> Mapping[str, Any]:
        """Its arguments as an object: servers answer 400 or 500 to anything else, so invalid ones are wrapped."""
        if isinstance(self.arguments, InvalidArguments):
            return {"invalid_arguments": self.arguments.text}
        return self.arguments


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    """What a tool gave back for the call ``call_id``: a JSON value, or a tuple of text, image and document parts."""

    call_id: str
    value: Any = field(repr=False)
    is_error: bool = False

    @property
    def parts(self) -> tuple[TextPart | ImagePart | DocumentPart, ...]:
        """The parts it was given as; a JSON value is one text."""
        return self.value if isinstance(self.value, tuple) else (TextPart(self.text),)

    @property
    def text(self) -> str:
        """Its text as it is sent, at most :data:`LONGEST_RESULT` characters: strings as they are, values as JSON."""
        if isinstance(self.value, str):
            return self.value[:LONGEST_RESULT]
        if isinstance(self.value, tuple):
            return "\n".join(part.text for part in self.value if isinstance(part, TextPart))[:LONGEST_RESULT]
        return json_text(self.value)[:LONGEST_RESULT]

    @property
    def media(self) -> tuple[ImagePart | DocumentPart, ...]:
        """The images and documents in it."""
        return tuple(part for part in self.parts if not isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class ProviderStatePart:
    """Reasoning state of a provider, opaque: sent back unchanged to the ``family`` that made it, dropped elsewhere.

    It is never shown or logged, and stored only in the journal of a run that has not ended, encrypted: its ``repr`` has
    no content, and it cannot be pickled. Its fields are plain: ``payload`` is a JSON value, and ``prefix`` a digest of
    what it was made for, of models that tie their thoughts to it.
    """

    family: str
    payload: Any = field(repr=False)
    prefix: str = field(default="", repr=False, compare=False)

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("Provider state does not leave its process.")


Part: TypeAlias = TextPart | ImagePart | DocumentPart | ToolCallPart | ToolResultPart | ProviderStatePart


def media_kind(part: ImagePart | DocumentPart) -> MediaKind:
    """What a part that guards cannot read is called."""
    return "image" if isinstance(part, ImagePart) else "document"


def identity(part: Part) -> object:
    """What makes two parts the same question, as JSON; of media the digest. Provider state is no part of a question."""
    match part:
        case TextPart():
            return part.text
        case ImagePart() | DocumentPart():
            return [media_kind(part), part.media_type, part.digest]
        case ToolCallPart():
            return ["call", part.id, part.name, part.sent]
        case ToolResultPart():
            return ["result", part.call_id, part.is_error, [identity(inner) for inner in part.parts]]
        case ProviderStatePart():
            return None


def json_text(value: object) -> str:
    """A value as compact JSON, characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _deeper(value: object, levels: int) -> bool:
    """Whether a JSON value is nested deeper than so many levels."""
    if not isinstance(value, dict | list):
        return False
    if levels <= 0:
        return True
    return any(_deeper(inner, levels - 1) for inner in (value.values() if isinstance(value, dict) else value))
