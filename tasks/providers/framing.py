"""Framing of streamed replies: server-sent events and AWS event streams."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from tasks.providers.base import Event
from tasks.providers.bodies import LARGEST_ANSWER

_BOM: Final = b"\xef\xbb\xbf"
_LINE_BYTES = 48
"""What keeping a line takes, beside its bytes."""


class SseFrames:
    """Splits a byte stream into server-sent events. Lines may end in LF, CR LF or CR, and chunks anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._began = False

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that ``chunk`` completes; an event is complete at the empty line after it.

        Raises:
            ValueError: an event is larger than an answer can be.
        """
        lines = (self._rest + chunk).splitlines(keepends=True)
        if not self._began and lines:
            self._began = True
            lines[0] = lines[0].removeprefix(_BOM)
        # A last line without LF is unfinished; one that ends in CR may go on with LF.
        self._rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        if len(self._rest) > LARGEST_ANSWER:
            raise ValueError("a line without an end")
        for line in lines:
            yield from self._line(line.rstrip(b"\r\n"))

    def finish(self) -> Iterator[Event]:
        """The last event, where the stream ended without the empty line after it."""
        rest, self._rest = self._rest, b""
        if rest:
            yield from self._line(rest.rstrip(b"\r\n"))
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[Event]:
        if not line:
            if self._data:
                yield Event(self._name, b"\n".join(self._data))
            self._name, self._data, self._size = "", [], 0
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._size += len(value) + _LINE_BYTES
            if self._size > LARGEST_ANSWER:
                raise ValueError("an event without an end")
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")


_PRELUDE: Final = struct.Struct(">III")
_CRC_BYTES: Final = 4
_LARGEST: Final = LARGEST_ANSWER + 128 * 1024
"""Bytes; the format allows 16 MiB of payload and 128 KiB of headers, and no answer needs so many."""
_FIXED_BYTES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type: booleans, integers, timestamp, UUID."""
_SIZED_TYPES: Final = frozenset({6, 7})
"""Bytes and text, after their length in two bytes."""


class AwsFrames:
    """Splits a byte stream into AWS events, with chunks of any size. Raises ``ValueError`` on damage."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that ``chunk`` completes."""
        self._rest += chunk
        while len(self._rest) >= _PRELUDE.size:
            total, headers_length, crc = _PRELUDE.unpack_from(self._rest)
            if (
                zlib.crc32(self._rest[:8]) != crc
                or not _PRELUDE.size + headers_length + _CRC_BYTES <= total <= _LARGEST
            ):
                raise ValueError("damaged prelude")
            if len(self._rest) < total:
                return
            message, self._rest = self._rest[:total], self._rest[total:]
            yield _event(message, headers_length)

    def finish(self) -> Iterator[Event]:
        """Yields nothing: a message that is cut off cannot be read."""
        return iter(())


def _event(message: bytes, headers_length: int) -> Event:
    body, crc = message[:-_CRC_BYTES], message[-_CRC_BYTES:]
    if zlib.crc32(body) != int.from_bytes(crc, "big"):
        raise ValueError("damaged message")
    start = _PRELUDE.size + headers_length
    headers = dict(_headers(body[_PRELUDE.size : start]))
    fault = headers.get(":exception-type") or headers.get(":error-code")
    if fault is None and headers.get(":message-type", "event") != "event":
        fault = "InternalServerException"
    return Event(headers.get(":event-type", ""), body[start:], fault)


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    """The headers with text values."""
    position = 0
    while position < len(data):
        name_end = position + 1 + data[position]
        name = data[position + 1 : name_end].decode()
        kind = data[name_end] if name_end < len(data) else -1
        position = name_end + 1
        if kind in _SIZED_TYPES:
            length = int.from_bytes(data[position : position + 2], "big") + 2
        elif kind in _FIXED_BYTES:
            length = _FIXED_BYTES[kind]
        else:
            raise ValueError("unknown header type")
        if kind == 7:  # noqa: PLR2004 - text
            yield name, data[position + 2 : position + length].decode()
        position += length
