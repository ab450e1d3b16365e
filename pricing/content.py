"""What messages are made of: typed, immutable parts, and the strings in the values that they hold.

A message is a role and a sequence of parts. Text, tool arguments and tool results can be read by a guard, string by
string; images and documents cannot, and provider state is opaque by design. :func:`leaves` and :func:`with_leaves`
read and replace every string of a nested value, keys included, so that no spelling (JSON, percent-encoding) hides one.
"""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from operator import is_
from typing import Any, Final, Literal, NamedTuple, TypeAlias

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


class UnreadableValue(TypeError):
    """A value that holds something no guard can read, such as bytes. The message names the kind, never the content."""


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
class _Media:
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
class ImagePart(_Media):
    """A PNG, JPEG, WebP or GIF: its bytes, or an https URL.

    Raises:
        ValueError: another media type, both or neither of data and URL, too many bytes, or data of another type.
    """

    def __post_init__(self) -> None:
        self._check("image", IMAGE_TYPES)


@dataclass(frozen=True, slots=True)
class DocumentPart(_Media):
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
        """A call from the JSON text of its arguments; an empty text is no arguments."""
        try:
            value = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError):
            value = None
        valid = isinstance(value, dict) and not _too_deep(value)
        return cls(call_id, name, value if valid else InvalidArguments(arguments))

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

    It is never shown, logged or stored: its ``repr`` has no content, and it cannot be pickled.
    """

    family: str
    payload: Any = field(repr=False)

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


class Leaf(NamedTuple):
    """One string of a value, and the key it stands under, where it stands under one."""

    text: str
    label: str = ""


def is_nested(value: object) -> bool:
    """Whether a value is made of others: a mapping, a sequence, a set, a dataclass or a pydantic model."""
    return isinstance(value, Mapping | list | tuple | set | frozenset) or _is_record(value)


def leaves(value: object, label: str = "") -> list[Leaf]:
    """Every string of a value, keys of mappings included; numbers, dates and the like by their text.

    Args:
        value: strings, numbers, mappings, sequences, sets, dataclasses, pydantic models and enumerations, nested.
        label: what the value itself stands under.

    Raises:
        UnreadableValue: it holds bytes or media, or is nested deeper than :data:`DEEPEST`.
    """
    found: list[Leaf] = []
    _collect(value, label, found, DEEPEST)
    return found


def with_leaves(value: Any, texts: Iterator[str]) -> Any:
    """The value with other strings, in the order of :func:`leaves`; the same object where none differs."""
    if isinstance(value, str):
        text = next(texts)
        return value if text == value else text
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return _mapping(value, texts)
    if isinstance(value, list | tuple | set | frozenset):
        changed = [with_leaves(inner, texts) for inner in value]
        return value if all(map(is_, changed, value)) else _sequence(value, changed)
    if isinstance(value, Spelled):
        inner = with_leaves(value.value, texts)
        return value if inner is value.value else Spelled(inner, value.spell)
    if isinstance(value, TextPart):
        pieces = tuple(with_leaves(piece, texts) for piece in value.values)
        return value if all(map(is_, pieces, value.values)) else TextPart.of(pieces)
    if isinstance(value, InvalidArguments):
        text = next(texts)
        return value if text == value.text else InvalidArguments(text)
    if (names := _field_names(value)) is not None:
        changes = {name: with_leaves(getattr(value, name), texts) for name in names}
        return _object(value, {name: new for name, new in changes.items() if new is not getattr(value, name)})
    new = next(texts)
    return value if new == _plain(value) else new


def _collect(value: object, label: str, found: list[Leaf], depth: int) -> None:
    if isinstance(value, str):
        found.append(Leaf(str.__str__(value), label))
        return
    if value is None or isinstance(value, bool):
        return
    if depth <= 0:
        raise UnreadableValue(f"a value is nested deeper than {DEEPEST} levels")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            text = _plain(key)
            found.append(Leaf(text))
            _collect(inner, text, found, depth - 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            _collect(inner, label, found, depth - 1)
    elif isinstance(value, Spelled):
        _collect(value.value, label, found, depth - 1)
    elif isinstance(value, TextPart):
        _collect_pieces(value.values, found, depth)
    elif isinstance(value, InvalidArguments):
        found.append(Leaf(value.text, label))
    elif (names := _field_names(value)) is not None:
        for name in names:
            _collect(getattr(value, name), name, found, depth - 1)
    else:
        found.append(Leaf(_plain(value), label))


def _collect_pieces(pieces: tuple[str | Spelled, ...], found: list[Leaf], depth: int) -> None:
    """A spelled value stands under what its line says before it."""
    before = ""
    for piece in pieces:
        if isinstance(piece, str):
            found.append(Leaf(piece))
            before = piece
        else:
            _collect(piece.value, before.rpartition("\n")[2][-_LONGEST_LABEL:].rstrip(" :=\"'{[("), found, depth - 1)


_LONGEST_LABEL = 60


def _plain(value: object) -> str:
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, bytes | bytearray | memoryview):
        raise UnreadableValue("a value holds bytes")
    if isinstance(value, _Media | ProviderStatePart):
        raise UnreadableValue("a value holds an image, a document or provider state")
    return str(value)


def _mapping(value: Mapping[Any, Any], texts: Iterator[str]) -> Mapping[Any, Any]:
    changed: dict[Any, Any] = {}
    as_it_was = True
    for key, inner in value.items():
        text, plain = next(texts), _plain(key)
        new = with_leaves(inner, texts)
        name = key if text == plain else _unused(text, changed)
        as_it_was = as_it_was and text == plain and new is inner
        changed[name] = new
    return value if as_it_was else changed


def _unused(key: str, taken: Mapping[Any, Any]) -> str:
    """A key that is not taken: two keys may be masked alike, and neither value is to be lost."""
    number, name = 1, key
    while name in taken:
        number += 1
        name = f"{key} ({number})"
    return name


def _sequence(value: Any, changed: list[Any]) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*changed)
    kind = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
    return kind(changed)


def _field_names(value: object) -> list[str] | None:
    """The fields of a dataclass or of a pydantic model, extra ones included; None of anything else."""
    if isinstance(value, _Media | ProviderStatePart) or not _is_record(value):
        return None
    if is_dataclass(value):
        return [field.name for field in fields(value)]
    return [*type(value).model_fields, *(value.model_extra or {})]  # type: ignore[attr-defined]


def _is_record(value: object) -> bool:
    """A model of pydantic's, which is not loaded for that: before it is, nothing is one."""
    if isinstance(value, type):
        return False
    if is_dataclass(value):
        return True
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(value, pydantic.BaseModel)


def _object(value: Any, changes: Mapping[str, Any]) -> Any:
    """A copy of a dataclass or a model with other fields; not validated: a masked value is no valid address."""
    if not changes:
        return value
    if hasattr(value, "model_copy"):
        return value.model_copy(update=dict(changes))
    new = copy.copy(value)
    for name, changed in changes.items():
        object.__setattr__(new, name, changed)
    return new


def _too_deep(value: object) -> bool:
    try:
        leaves(value)
    except UnreadableValue:
        return True
    return False
