"""The framing of AWS's streamed replies (``application/vnd.amazon.eventstream``).

A message is: total length, headers' length and their CRC 32 (4 bytes each, big-endian), headers, payload, CRC 32 of
all that. A header is: length of its name, name, type of its value, value. Source: the Smithy event stream format.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from tasks.bodies import LARGEST_ANSWER
from tasks.providers.base import Event

_PRELUDE: Final = struct.Struct(">III")
_CRC_BYTES: Final = 4
_LARGEST: Final = LARGEST_ANSWER + 128 * 1024
"""Bytes; the format allows 16 MiB of payload and 128 KiB of headers, and no answer needs so many."""
_FIXED_BYTES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type: booleans, integers, timestamp, UUID."""
_SIZED_TYPES: Final = frozenset({6, 7})
"""Bytes and text, after their length in two bytes."""


class AwsFrames:
    """Cuts a byte stream into events, wherever its chunks begin and end. Raises ``ValueError`` on damage."""

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
    """The headers that are text."""
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
