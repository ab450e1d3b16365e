"""The static part of a request, block by block: what it shares with others, compared by keyed hashes and never by
content.

A request is read as providers cache it: where it goes, its tools, its schema, its system text, then the parts of its
messages. Two requests share the cache of the blocks that are equal from the first on.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from pricing import DocumentPart, ImagePart, Part, TextPart, identity, record
from pricing.tokens import MediaSize
from tasks.providers.json_fields import dump
from tasks.providers.messages import ModelRequest, Role
from tasks.routing.target import Target

_BYTES: Final = 8
_CHARACTERS: Final = 5
"""Of a hash in base64 as the ledger keeps it: 30 bits tell changes apart, and tell nothing else."""
NONE: Final = "-----"
"""In place of the hash of a part that a request does not have."""


@record(frozen=True, slots=True)
class FixedBlocks:
    """What comes before the messages: the place that a request goes to, its tools, its schema and its system text.

    Args:
        digest: of all four; ``size`` is the bytes of the last three.
        label: a hash each of the four, as the ledger keeps them.
    """

    digest: bytes
    size: int
    label: str


@record(frozen=True, slots=True)
class PromptBlock:
    """A part of a message: its keyed hash, the bytes of its text, and the tokens of an image or document."""

    digest: bytes
    size: int
    media_tokens: int
    part: Part


@record(frozen=True, slots=True)
class PromptBlocks:
    """A request, cut into blocks: what comes before its messages, and the parts of those in order."""

    fixed: FixedBlocks
    parts: tuple[PromptBlock, ...]

    def tokens(self, parts: int, text_tokens: int) -> int:
        """The approximate tokens of the first blocks, of a text of ``text_tokens`` in all."""
        whole = static = self.fixed.size
        media = 0
        for place, part in enumerate(self.parts):
            whole += part.size
            if place < parts:
                static += part.size
                media += part.media_tokens
        return (text_tokens * static // whole if whole else 0) + media

    def shared_with(self, other: PromptBlocks) -> int:
        """The number of leading parts of its messages that it shares; 0 where anything before them differs."""
        shared = 0
        if self.fixed.digest == other.fixed.digest:
            for mine, theirs in zip(self.parts, other.parts, strict=False):
                if mine.digest != theirs.digest:
                    break
                shared += 1
        return shared

    def prefix_key(self, parts: int) -> bytes:
        """The key that is equal for requests with the same content up to this number of parts."""
        digests = b"".join([self.fixed.digest, *(part.digest for part in self.parts[:parts])])
        return blake2b(digests, digest_size=16).digest()

    def label(self, parts: int, *, tokens: int, minimum: int, seconds: float) -> str:
        """Its static part as the ledger keeps it: estimated tokens, the model's minimum, seconds that an entry lives,
        then a hash each of the place, the tools, the schema, the system text and the shared parts of messages.
        """
        messages = NONE
        if parts:
            messages = _short(_hash(b"".join(part.digest for part in self.parts[:parts])))
        return f"{tokens}.{minimum}.{seconds:.0f}.{self.fixed.label}.{messages}"


def prompt_blocks(target: Target, request: ModelRequest, key: bytes) -> PromptBlocks:
    """The blocks of a request to a target.

    Args:
        target: where it goes.
        request: what is sent.
        key: of the hashes, up to 64 bytes; those of different keys cannot be compared.
    """
    place = f"{target.name}\n{target.provider}\n{target.account}\n{target.region}\n{target.base_url}\n{target.model}"
    tools = dump([[tool.name, tool.description, tool.parameters] for tool in request.tools]) if request.tools else ""
    schema = dump([request.schema.name, request.schema.definition]) if request.schema else ""
    parts = tuple([_block(part, message.role, target, key) for message in request.messages for part in message.parts])
    return PromptBlocks(_fixed_blocks(place, tools, schema, request.system.text, key), parts)


@lru_cache(maxsize=64)
def _fixed_blocks(place: str, tools: str, schema: str, system: str, key: bytes) -> FixedBlocks:
    """The blocks before the messages; their texts are the same in most requests of an operation."""
    texts = [_bytes(text) for text in (place, tools, schema, system)]
    digests = [_hash(data, key) for data in texts]
    hashes = [_short(digest) if data else NONE for digest, data in zip(digests, texts, strict=True)]
    return FixedBlocks(b"".join(digests), sum(map(len, texts[1:])), ".".join(hashes))


def _block(part: Part, role: Role, target: Target, key: bytes) -> PromptBlock:
    data = _bytes(f"{role}\n{part.text if isinstance(part, TextPart) else dump(identity(part))}")
    if not isinstance(part, TextPart) and isinstance(part, ImagePart | DocumentPart):
        return PromptBlock(_hash(data, key), 0, MediaSize.of(part).expected(target.model), part)
    return PromptBlock(_hash(data, key), len(data), 0, part)


def last_mark(parts: Sequence[PromptBlock]) -> Part | None:
    """The last of some parts behind which a request can mark the end of what is cached: a text, image or document."""
    able = (one.part for one in reversed(parts) if isinstance(one.part, TextPart | ImagePart | DocumentPart))
    return next((part for part in able if not isinstance(part, TextPart) or part.text.strip()), None)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _hash(data: bytes, key: bytes = b"") -> bytes:
    return blake2b(data, digest_size=_BYTES, key=key).digest()


def _short(digest: bytes) -> str:
    return urlsafe_b64encode(digest)[:_CHARACTERS].decode()
