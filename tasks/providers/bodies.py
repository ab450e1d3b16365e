"""Bodies of HTTP replies, decoded piece by piece up to a size: nothing in them is trusted, not even how long they get.

At most one content coding is undone, since each one multiplies: 304 bytes of gzip in gzip in gzip are gigabytes.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from typing import Final

PIECE: Final = 65_536
"""Bytes that are decoded at a time."""
LARGEST_ANSWER: Final = 2_000_000
"""Bytes of an answer, however many tokens it may have: JSON takes up to 30 times its size once it is parsed."""
_REPLY_FRAME, _REPLY_PER_TOKEN = 256 * 1024, 16
"""Bytes of a whole reply: headers of its own, and of a token on average. Text has 3 to 6, JSON escapes included."""
_STREAM_FRAME, _STREAM_PER_TOKEN = 512 * 1024, 1_024
"""Likewise of a streamed reply, in which each token comes in an event of 150 to 400 bytes."""
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_RAW_DEFLATE: Final = -zlib.MAX_WBITS
_ZLIB_METHOD: Final = 8


def largest_reply(output_tokens: int, *, streamed: bool) -> int:
    """Bytes that the reply to a request can need which may be answered with so many tokens.

    Example:
        >>> largest_reply(1_024, streamed=False), largest_reply(128_000, streamed=False)
        (278528, 2000000)
    """
    if streamed:
        return _STREAM_FRAME + _STREAM_PER_TOKEN * output_tokens
    return min(LARGEST_ANSWER, _REPLY_FRAME + _REPLY_PER_TOKEN * output_tokens)


class BodyRefused(Exception):
    """A body that is too large, in more than one content coding, in an unknown one, or damaged.

    Its text names the reason and holds nothing of the body.
    """


async def decoded(headers: Mapping[str, str], raw: AsyncIterable[bytes], *, most: int) -> AsyncIterator[bytes]:
    """The body in pieces of at most 64 KB.

    Args:
        headers: of the reply; ``Content-Encoding`` may be ``gzip``, ``x-gzip``, ``deflate`` or ``identity``.
        raw: the bytes as they come over the wire.
        most: bytes of the decoded body, and of the raw one.

    Raises:
        BodyRefused: when the size is exceeded, as soon as it is.
    """
    undo = _decoder(headers)
    size = taken = 0
    async for chunk in raw:
        taken += len(chunk)
        if taken > most:
            raise BodyRefused(f"larger than {most:,} bytes")
        for piece in undo.feed(chunk):
            size += len(piece)
            if size > most:
                raise BodyRefused(f"larger than {most:,} bytes")
            yield piece
    if not undo.whole:
        raise BodyRefused("cut off within its content coding")


async def whole_body(headers: Mapping[str, str], raw: AsyncIterable[bytes], *, most: int) -> bytes:
    """The complete body.

    Raises:
        BodyRefused: see ``decoded``.
    """
    if not _codings(headers):  # nearly all are; nothing is undone, so nothing comes piece by piece
        chunks, size = list[bytes](), 0
        async for chunk in raw:
            size += len(chunk)
            if size > most:
                raise BodyRefused(f"larger than {most:,} bytes")
            chunks.append(chunk)
        return b"".join(chunks)
    body = bytearray()
    async for piece in decoded(headers, raw, most=most):
        body += piece
    return bytes(body)


async def first_bytes(headers: Mapping[str, str], raw: AsyncIterable[bytes], *, most: int) -> bytes:
    """The first bytes of an error's body. It raises nothing, since the status already says what failed."""
    body = bytearray()
    try:
        async for piece in decoded(headers, raw, most=most):
            body += piece
    except BodyRefused:
        pass  # what came before it stands
    return bytes(body)


class _Identity:
    """The decoder of a body without a coding."""

    whole = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        for start in range(0, len(chunk), PIECE):
            yield chunk[start : start + PIECE]


class _Inflate:
    """The decoder of gzip (one member after the other) or deflate, one piece at a time."""

    def __init__(self) -> None:
        self._undo = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._began = False

    @property
    def whole(self) -> bool:
        """Whether the coding is complete; an empty body may omit it."""
        return self._undo.eof or not self._began

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        rest, more = chunk, False
        while rest or more:
            if not self._began:
                # RFC 9110 calls zlib's format deflate; some servers send what zlib holds.
                bare = rest[0] & 0x0F != _ZLIB_METHOD and rest[0] != 0x1F  # noqa: PLR2004 - gzip's first byte
                self._undo = zlib.decompressobj(_RAW_DEFLATE if bare else _GZIP_OR_ZLIB)
                self._began = True
            elif self._undo.eof and rest:
                if not rest.strip(b"\0"):  # padding
                    return
                self._undo = zlib.decompressobj(_GZIP_OR_ZLIB)
            try:
                piece = self._undo.decompress(rest, PIECE)
            except zlib.error:
                raise BodyRefused("damaged in its content coding") from None
            rest = self._undo.unused_data if self._undo.eof else self._undo.unconsumed_tail
            more = len(piece) == PIECE and not self._undo.eof  # all was read, and not yet all given
            if piece:
                yield piece


def _codings(headers: Mapping[str, str]) -> list[str]:
    """The content codings of a body, in the order in which they were applied."""
    listed = getattr(headers, "get_list", None)  # of httpx: its items are all decoded first
    values = listed("content-encoding") if listed else _values(headers, "content-encoding")
    if not values:
        return []
    named = ",".join(values)
    return [coding for part in named.split(",") if (coding := part.strip().lower()) not in {"", "identity"}]


def _decoder(headers: Mapping[str, str]) -> _Identity | _Inflate:
    codings = _codings(headers)
    if len(codings) > 1:
        raise BodyRefused(f"in {len(codings)} content codings, one inside the other")
    if not codings:
        return _Identity()
    if codings[0] not in {"gzip", "x-gzip", "deflate"}:
        raise BodyRefused("in a content coding that was not asked for")
    return _Inflate()


def _values(headers: Mapping[str, str], name: str) -> list[str]:
    return [value for key, value in headers.items() if key.lower() == name]
