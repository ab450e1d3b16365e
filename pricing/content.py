"""What messages are made of: typed, immutable parts.

A message is a role and a sequence of parts. Text, tool arguments and tool results can be read by a guard, string by
string (``pricing.values``); images and documents cannot, and provider state is opaque by design.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pricing.errors import UsageError
from pricing.records import frozen_record

MediaKind: TypeAlias = Literal["image", "document"]
IMAGE_TYPES: Final[Mapping[str, tuple[bytes, ...]]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/webp": (b"RIFF",),
    "image/gif": (b"GIF87a", b"GIF89a"),
}
DOCUMENT_TYPES: Final[Mapping[str, tuple[bytes, ...]]] = {"application/pdf": (b"%PDF-",)}
_WEBP_AT: Final = 8
"""Where a RIFF file says that it is WebP: sound and film are RIFF too."""
_SUFFIXES: Final[Mapping[str, str]] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".pdf": "application/pdf",
}
LARGEST_MEDIA: Final = 32_000_000
"""Bytes of one image or document: no provider takes a larger request inline."""
LONGEST_RESULT: Final = 20_000
"""Characters of a tool's result that a model is given."""
DEEPEST: Final = 100
"""Levels of nesting that a value may have."""


@frozen_record(frozen=True, slots=True)
class Spelled:
    """A value inside a text, encoded in some form: as JSON, percent-encoded, or with HTML escapes.

    Args:
        value: what is spelled; guards look at this.
        spell: gives its text.
    """

    value: Any = field(repr=False)
    spell: Callable[[Any], str] = field(repr=False)


@frozen_record(frozen=True, slots=True)
class TextPart:
    """A text. ``pieces`` are its parts where it contains encoded values."""

    text: str = field(repr=False)
    pieces: tuple[str | Spelled, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def of(cls, pieces: Iterable[str | Spelled]) -> TextPart:
        """The text of these pieces."""
        kept = tuple(pieces)
        text = "".join(piece if isinstance(piece, str) else piece.spell(piece.value) for piece in kept)
        return cls(text, kept if any(isinstance(piece, Spelled) for piece in kept) else ())

    @property
    def values(self) -> tuple[str | Spelled, ...]:
        """The pieces; of a text without any, the text itself."""
        return self.pieces or (self.text,)


@frozen_record(frozen=True, slots=True)
class MediaPart:
    """Bytes of a known media type, or a URL."""

    kind: ClassVar[MediaKind]
    types: ClassVar[Mapping[str, tuple[bytes, ...]]]
    accepted: ClassVar[str]

    media_type: str
    data: bytes = field(default=b"", repr=False)
    url: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.media_type not in self.types:
            raise ValueError(f"{self.kind}: {self.media_type[:60]!r} is not one of {', '.join(self.types)}")
        if bool(self.data) == bool(self.url):
            raise ValueError(f"{self.kind}: give either data or a URL")
        if self.url and not self.url.startswith("https://"):
            raise ValueError(f"{self.kind}: its URL has to begin with https://")
        if len(self.data) > LARGEST_MEDIA:
            raise ValueError(f"{self.kind}: {len(self.data):,} bytes are more than the limit of {LARGEST_MEDIA:,}")
        if self.data and media_type_of(self.data) != self.media_type:
            raise ValueError(f"{self.kind}: its data is not {self.media_type}")

    @property
    def digest(self) -> str:
        """The SHA-256 of the content; parts with the same digest are the same to a model."""
        return hashlib.sha256(self.data or self.url.encode()).hexdigest()

    @classmethod
    def from_path(cls, path: str | Path) -> Self:
        """The content of a file; its first bytes decide the media type, not its name.

        Raises:
            UsageError: there is no such file, it cannot be read, is too large, or is of another kind.
        """
        file = Path(path)
        try:
            if not file.is_file():
                why = "is not a regular file" if file.exists() else "does not exist"
                raise UsageError(f"The {cls.kind} {file} {why}.", next_step="Check the path.")
            _check_size(cls.kind, str(file), file.stat().st_size)
            data = file.read_bytes()
        except OSError as error:
            raise UsageError(
                f"The {cls.kind} {file} cannot be read: {error.strerror or type(error).__name__}.",
                next_step="Check the path and its permissions.",
            ) from None
        return cls._of(data, str(file))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The given bytes; the first of them decide the media type.

        Raises:
            UsageError: there are none, too many, or of another kind.
        """
        return cls._of(bytes(data), "given as bytes")

    @classmethod
    def from_url(cls, url: str, media_type: str = "") -> Self:
        """A URL that the provider fetches itself; many providers take bytes only. ``media_type`` is for an image whose
        address has no usual suffix, such as ``"image/png"``.

        ``media_type`` is for an image whose address has no usual suffix, such as ``"image/png"``.

        Raises:
            UsageError: the URL does not begin with https://, or nothing says what kind it is.
        """
        try:
            found = urlsplit(url if url.startswith("https://") else "")
        except ValueError:
            found = urlsplit("")
        if not found.hostname:
            raise UsageError(
                f"The URL of the {cls.kind} does not begin with https://.",
                next_step=f"Fix it, or give the {cls.kind} by from_path or from_bytes.",
            )
        of_type = media_type or _SUFFIXES.get(PurePosixPath(found.path.lower()).suffix, "")
        if of_type not in cls.types and len(cls.types) == 1 and not media_type:
            of_type = next(iter(cls.types))
        if of_type not in cls.types:
            raise UsageError(
                f"Nothing says what kind of {cls.kind} is at the URL: one of {cls.accepted} is taken.",
                next_step=f"Give media_type=, one of {', '.join(cls.types)}.",
            )
        return cls(of_type, url=url)

    @classmethod
    def _of(cls, data: bytes, called: str) -> Self:
        if not data:
            raise UsageError(f"The {cls.kind} {called} is empty.", next_step="Give one that has contents.")
        _check_size(cls.kind, called, len(data))
        found = media_type_of(data)
        if found not in cls.types:
            other = next((one for one in (ImagePart, DocumentPart) if found in one.types), None)
            named = f"{'an' if other is ImagePart else 'a'} {other.kind} ({found})" if other else f"no {cls.accepted}"
            advice = f"Convert it to {cls.accepted}; give text as text."
            raise UsageError(
                f"The {cls.kind} {called} is {named}.",
                next_step=f"Use {other.kind.capitalize()}.from_path or from_bytes." if other else advice,
            )
        return cls(str(found), data)


@frozen_record(frozen=True, slots=True)
class ImagePart(MediaPart):
    """A PNG, JPEG, WebP or GIF: its bytes, or an https URL. ``farebox.Image`` is its public name.

    Raises:
        ValueError: another media type, both or neither of data and URL, too many bytes, or data of another type.

    Example:
        ``ask("describe.j2", photo=Image.from_path("photo.jpg"))``
    """

    kind: ClassVar[MediaKind] = "image"
    types: ClassVar[Mapping[str, tuple[bytes, ...]]] = IMAGE_TYPES
    accepted: ClassVar[str] = "PNG, JPEG, WebP or GIF"


@frozen_record(frozen=True, slots=True)
class DocumentPart(MediaPart):
    """A PDF: its bytes, or an https URL. ``farebox.Document`` is its public name.

    The file's name is not kept: it would reach the model.

    Raises:
        ValueError: as of an image.

    Example:
        ``ask("read.j2", invoice=Document.from_path("invoice.pdf"))``
    """

    kind: ClassVar[MediaKind] = "document"
    types: ClassVar[Mapping[str, tuple[bytes, ...]]] = DOCUMENT_TYPES
    accepted: ClassVar[str] = "PDF"


def media_type_of(data: bytes) -> str | None:
    """What kind of image or document some bytes are, by how they begin; ``None`` where they are neither.

    >>> media_type_of(b"GIF89a..."), media_type_of(b"RIFF....WAVE")
    ('image/gif', None)
    """
    for media_type, heads in (*IMAGE_TYPES.items(), *DOCUMENT_TYPES.items()):
        if data.startswith(heads) and (media_type != "image/webp" or data[_WEBP_AT:].startswith(b"WEBP")):
            return media_type
    return None


def _check_size(kind: MediaKind, called: str, size: int) -> None:
    if size > LARGEST_MEDIA:
        raise UsageError(
            f"The {kind} {called} has {size:,} bytes; at most {LARGEST_MEDIA:,} are taken.",
            next_step="Make it smaller, or send it in parts.",
        )


@frozen_record(frozen=True, slots=True)
class InvalidArguments:
    """The arguments of a tool call that are not a JSON object, as the model wrote them."""

    text: str = field(repr=False)


@frozen_record(frozen=True, slots=True)
class ToolCallPart:
    """A model's request to call a tool; ``arguments`` is a JSON object, or what it wrote instead.

    Example:
        >>> call = ToolCallPart("call_1", "search", {"query": "rates"})
        >>> call.name, call.arguments["query"]
        ('search', 'rates')
    """

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
        """The arguments as an object: servers answer 400 or 500 to anything else, so invalid ones are wrapped."""
        if isinstance(self.arguments, InvalidArguments):
            return {"invalid_arguments": self.arguments.text}
        return self.arguments


@frozen_record(frozen=True, slots=True)
class ToolResultPart:
    """The result of the tool call ``call_id``: a JSON value, or a tuple of text, image and document parts.

    Example:
        >>> ToolResultPart("call_1", {"hits": 3}).value["hits"]
        3
    """

    call_id: str
    value: Any = field(repr=False)
    is_error: bool = False

    @property
    def parts(self) -> tuple[TextPart | ImagePart | DocumentPart, ...]:
        """The parts of the result; a JSON value is one text."""
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
        """The images and documents in the result."""
        return tuple(part for part in self.parts if not isinstance(part, TextPart))


@frozen_record(frozen=True, slots=True)
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
    """The kind of an image or document part: ``image`` or ``document``."""
    return part.kind


def identity(part: Part) -> object:
    """What makes two parts equal in a question, as JSON: of media the digest; provider state does not count.

    Example:
        >>> identity(TextPart("Hi")), identity(ToolResultPart("call_1", {"n": 1}))
        ('Hi', ['result', 'call_1', False, ['{"n":1}']])
    """
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
    """A value as compact JSON, with non-ASCII characters unescaped.

    >>> json_text({"city": "Zürich"})
    '{"city":"Zürich"}'
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _deeper(value: object, levels: int) -> bool:
    """Whether a JSON value is nested deeper than ``levels``."""
    if not isinstance(value, dict | list):
        return False
    if levels <= 0:
        return True
    return any(_deeper(inner, levels - 1) for inner in (value.values() if isinstance(value, dict) else value))
