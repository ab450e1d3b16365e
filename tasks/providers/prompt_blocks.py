"""The static part of a request, block by block: what it shares with others, compared by keyed hashes and never by
content.

A request is read as providers cache it: where it goes, its tools, its schema, its system text, then the parts of its
messages. Two requests share the cache of the blocks that are equal from the first on.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import takewhile
from typing import Final

from pricing import DocumentPart, ImagePart, Part, TextPart, identity
from pricing.tokens import MediaSize
from tasks.providers.json_fields import dump
from tasks.providers.messages import ModelRequest
from tasks.routing.target import Target

_BYTES: Final = 8
_CHARACTERS: Final = 5
"""Of a hash in base64 as the ledger keeps it: 30 bits tell changes apart, and tell nothing else."""
NONE: Final = "-----"
"""In place of the hash of a part that a request does not have."""


@dataclass(frozen=True, slots=True)
class PromptBlock:
    """One block: its keyed hash, the bytes of its text, the tokens of an image or document, and which part it is."""

    digest: bytes
    size: int
    media_tokens: int = 0
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class PromptBlocks:
    """A request, cut into blocks.

    Args:
        place: the target, account, region and model that it goes to.
        tools: all of its tools, ``schema`` its schema, ``system`` its system text.
        parts: those of its messages, in order.
    """

    place: PromptBlock
    tools: PromptBlock
    schema: PromptBlock
    system: PromptBlock
    parts: tuple[PromptBlock, ...]

    def tokens(self, parts: int, text_tokens: int) -> int:
        """About how many tokens its first blocks have, of a text of ``text_tokens`` in all."""
        fixed = self.tools.size + self.schema.size + self.system.size
        whole = fixed + sum(part.size for part in self.parts)
        static = fixed + sum(part.size for part in self.parts[:parts])
        media = sum(part.media_tokens for part in self.parts[:parts])
        return (text_tokens * static // whole if whole else 0) + media

    def shared_with(self, other: PromptBlocks) -> int:
        """How many of its messages' leading parts it shares; 0 where anything before them differs."""
        if self.prefix_key(0) != other.prefix_key(0):
            return 0
        pairs = zip(self.parts, other.parts, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0].digest == pair[1].digest, pairs))

    def prefix_key(self, parts: int) -> bytes:
        """What is the same for requests that share everything up to so many parts of their messages."""
        fixed = self.place.digest + self.tools.digest + self.schema.digest + self.system.digest
        return blake2b(b"".join([fixed, *(part.digest for part in self.parts[:parts])]), digest_size=16).digest()

    def label(self, parts: int, *, tokens: int, minimum: int, seconds: float) -> str:
        """Its static part as the ledger keeps it: estimated tokens, the model's minimum, seconds that an entry lives,
        then a hash each of the place, the tools, the schema, the system text and the shared parts of messages.
        """
        shared = blake2b(b"".join(part.digest for part in self.parts[:parts]), digest_size=_BYTES).digest()
        messages = _short(shared) if parts else NONE
        hashes = [_short(one.digest) if one.size else NONE for one in (self.tools, self.schema, self.system)]
        return ".".join([f"{tokens}", f"{minimum}", f"{seconds:.0f}", _short(self.place.digest), *hashes, messages])


def prompt_blocks(target: Target, request: ModelRequest, key: bytes) -> PromptBlocks:
    """The blocks of a request to a target.

    Args:
        target: where it goes.
        request: what is sent.
        key: of the hashes, up to 64 bytes; those of different keys cannot be compared.
    """

    def block(text: str, part: Part | None = None) -> PromptBlock:
        data = text.encode("utf-8", "surrogatepass")
        digest = blake2b(data, digest_size=_BYTES, key=key).digest()
        if isinstance(part, ImagePart | DocumentPart):
            return PromptBlock(digest, 0, MediaSize.of(part).expected(target.model), part)
        return PromptBlock(digest, len(data), 0, part)

    place = [target.name, target.provider, target.account, target.region, target.base_url, target.model]
    tools = dump([[tool.name, tool.description, tool.parameters] for tool in request.tools]) if request.tools else ""
    schema = dump([request.schema.name, request.schema.definition]) if request.schema else ""
    parts = tuple(
        block(f"{message.role}\n{_told(part)}", part) for message in request.messages for part in message.parts
    )
    return PromptBlocks(block("\n".join(place)), block(tools), block(schema), block(request.system.text), parts)


def last_mark(parts: Sequence[PromptBlock]) -> Part | None:
    """The last of some parts behind which a request can mark the end of what is cached: a text, image or document."""
    able = (one.part for one in reversed(parts) if isinstance(one.part, TextPart | ImagePart | DocumentPart))
    return next((part for part in able if not isinstance(part, TextPart) or part.text.strip()), None)


def _told(part: Part) -> str:
    return part.text if isinstance(part, TextPart) else dump(identity(part))


def _short(digest: bytes) -> str:
    return urlsafe_b64encode(digest)[:_CHARACTERS].decode()
